"""How well integers stand for real numbers: a derived bound on the error behind sums in fixed point.

A sum of real-valued streams is made of integers ``n_i`` that are known exactly, times real slopes ``s_i`` that no
hardware can hold. It becomes ``unit * sum(k_i * n_i)`` with integers ``k_i``. So its error is at most

    sum(abs(s_i - k_i * unit) * max(abs(n_i)))  +  the errors that the ``n_i`` bring along, times ``abs(s_i)``,

over all values that a stream can have. Pools keep that bound (a largest value moves by no more than its candidates do)
or add it up (a sum); a dense layer adds it up with the sizes of its weights. A quantiser ends it: a code is right
wherever the real value is farther than the bound from the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from math import ceil, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact.surd import approximate

__all__ = ["Accuracy", "Leaf", "Margin", "closest", "margin", "rounded_up"]

Exacts = NDArray[Any]

#: Significant bits of a bound.
_BOUND_BITS = 32
#: What floats may be off, as a share of the largest value: they round 2^-53, some times over.
_FLOAT = 2.0**-47
#: Values that are enumerated for all channels together: of either half of the summands, and times thresholds.
_MANY, _ALL = 1 << 24, 1 << 26
#: A bound must be this much smaller than the range of the sum, than the distance of its thresholds, and than the range
#: of what it adds.
RANGE_SHARE, LEVEL_SHARE, SPAN_SHARE = 1024, 8, 4


@dataclass(frozen=True, eq=False)
class Leaf:
    """Integers ``low, low + step, ..., high`` of each channel that a sum holds, ``slopes`` times each.

    Parameters
    ----------
    slopes : Exacts, (C,)
        Real size of an integer of 1.
    low, high : int64 array, (C,)
    step : int
    """

    slopes: Exacts
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    step: int

    def times(self, factor: Exacts | Fraction) -> Leaf:
        """The same behind a scale."""
        return replace(self, slopes=self.slopes * factor)

    def summed(self, taps: int) -> Leaf:
        """The sum of some of them."""
        return replace(self, low=taps * self.low, high=taps * self.high)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """What is known about the integers of a stream behind sums: ``real = unit * integer``, apart from an offset.

    Parameters
    ----------
    unit : Exacts, (C,)
        Positive fractions: the real size of an integer of 1, as the tensor of the model counts.
    error : Exacts, (C,)
        Fractions: no reachable value is farther from its integer than this, in units.
    leaves : tuple of Leaf
        What the real values are made of; empty where that is not known.
    sums : frozenset of str
        The sums behind which they are.
    last : str
        The sum that chose the unit of each channel; empty behind a linear layer, which has scales of its own.
    mixed : frozenset of str
        Those of the sums before a linear layer, or a choice of channels: theirs are not those of the stream.
    """

    unit: Exacts
    error: Exacts
    leaves: tuple[Leaf, ...] = ()
    sums: frozenset[str] = field(default=frozenset())
    last: str = ""
    mixed: frozenset[str] = frozenset()

    @property
    def exact(self) -> bool:
        """Whether there is no error at all."""
        return not any(self.error)

    def ordered(self, index: NDArray[np.int64]) -> Accuracy:
        """With the channels in another order."""
        leaves = tuple(Leaf(x.slopes[index], x.low[index], x.high[index], x.step) for x in self.leaves)
        return replace(self, unit=self.unit[index], error=self.error[index], leaves=leaves)

    def chosen(self, index: NDArray[np.int64]) -> Accuracy:
        """Of some channels, which are no longer those of the sums."""
        return replace(self.ordered(index), last="", mixed=self.sums)

    def summed(self, taps: int) -> Accuracy:
        """Behind a pool that sums so many values, and whose mean is meant."""
        return replace(
            self, unit=self.unit * Fraction(1, taps), error=self.error * taps,
            leaves=tuple(leaf.times(Fraction(1, taps)).summed(taps) for leaf in self.leaves),
        )  # fmt: skip

    def weighted(self, sizes: NDArray[np.int64], unit: Exacts) -> Accuracy:
        """Behind a linear layer: `sizes`, (M,), are sums of absolute weights, and `unit`, (M,), is that of its sums."""
        worst = max(self.error)
        error = np.array([rounded_up(worst * int(size)) for size in sizes], object)
        return Accuracy(unit, error, (), self.sums, mixed=self.sums)


def rounded_up(x: Fraction) -> Fraction:
    """A short fraction that is not less than a positive one; 0 stays 0."""
    if not x:
        return Fraction(0)
    shift = _BOUND_BITS - (x.numerator.bit_length() - x.denominator.bit_length())
    scale = Fraction(2) ** shift
    return Fraction(ceil(x * scale)) / scale


# ---- thresholds


@dataclass(frozen=True)
class Margin:
    """Thresholds of a quantiser beside the error of what it takes, of one channel or the worst of several.

    Parameters
    ----------
    error : Fraction
        The bound, in numbers of the model; 0 for a channel that is constant all the same.
    unit : Fraction
        Real size of an integer of 1.
    closest : Fraction or None
        No value that can occur is nearer to a threshold, of channels whose error is not 0; None where that is not
        known, or no threshold is in reach.
    exact : bool
        Every code is right.
    poor : str
        Why the bound tells too little; empty where it tells enough.
    """

    error: Fraction
    unit: Fraction
    closest: Fraction | None
    exact: bool
    poor: str = ""

    def __or__(self, other: Margin) -> Margin:
        """Both together."""
        one, two = self, other
        if not one.error or not two.error:
            return one if one.error else two
        known = None if one.closest is None or two.closest is None else min(one.closest, two.closest)
        error, unit = max(one.error, two.error), max(one.unit, two.unit)
        return Margin(error, unit, known, one.exact and two.exact, one.poor or two.poor)


def margin(accuracy: Accuracy, channel: int, thresholds: Sequence[Fraction], low: int, high: int) -> Margin:
    """How one channel lies to its thresholds.

    Parameters
    ----------
    accuracy : Accuracy
    channel : int
    thresholds : sequence of Fraction
        Ascending real thresholds, in units.
    low, high : int
        Range of the integers.
    """
    error, unit = accuracy.error[channel], accuracy.unit[channel]
    reached = [t for t in thresholds if low - error <= t <= high + error]
    if not reached or not error:
        return Margin(Fraction(0), unit, None, True)
    bound = rounded_up(error * unit)
    near = closest(accuracy.leaves, channel, [t * unit for t in reached])
    if near is not None and near > bound:
        return Margin(bound, unit, near, True)
    poor = _lost(accuracy.leaves, channel, [t * unit for t in reached], bound)
    gap = min((b - a for a, b in pairwise(reached)), default=None)
    if error * RANGE_SHARE > high - low:
        poor = f"range over {float((high - low) * unit):.3g}"
    elif gap is not None and error * LEVEL_SHARE > gap:
        poor = f"have thresholds that are {float(gap * unit):.3g} apart"
    return Margin(bound, unit, near, False, poor)


def _lost(leaves: Sequence[Leaf], channel: int, thresholds: Sequence[Fraction], bound: Fraction) -> str:
    """Whether a summand is so small that the bound hides it, while the others alone can lie on a threshold."""
    for leaf in leaves:
        span = abs(approximate(leaf.slopes[channel])) * int(leaf.high[channel] - leaf.low[channel])
        if 0 < span <= SPAN_SHARE * bound:
            near = closest([other for other in leaves if other is not leaf], channel, thresholds)
            if near is not None and near <= bound:
                return f"add a stream that ranges over {span:.3g} only"
    return ""


def closest(leaves: Sequence[Leaf], channel: int, thresholds: Sequence[Fraction]) -> Fraction | None:
    """A distance to which no value that can occur comes near a threshold; None where there are too many to tell.

    All sums of the leaves count, also those that never meet in one frame. Floats tell them, less what they may be off.
    """
    if not leaves:
        return None
    grids = []
    for leaf in leaves:
        slope, low, high = approximate(leaf.slopes[channel]), int(leaf.low[channel]), int(leaf.high[channel])
        count = (high - low) // leaf.step + 1 if slope else 1
        grids.append((count, slope, low, leaf.step))
    halves: list[list[tuple[int, float, int, int]]] = [[], []]
    counts = [1, 1]
    for grid in sorted(grids, reverse=True):
        half = int(counts[0] > counts[1])
        halves[half].append(grid)
        counts[half] *= grid[0]
    channels = len(leaves[0].low)
    if max(counts) * channels > _MANY or min(counts) * len(thresholds) * channels > _ALL:
        return None
    small, large = sorted((_values(half) for half in halves), key=len)
    # Of both, as a search for ascending numbers has its steps in the cache.
    small.sort()
    large.sort()
    size = max(float(abs(small).max() + abs(large).max()), float(max(map(abs, thresholds))))
    best = inf
    for threshold in map(float, thresholds):
        wanted = threshold - small
        place = np.searchsorted(large, wanted)
        for beside in (np.maximum(place - 1, 0), np.minimum(place, len(large) - 1)):
            best = min(best, float(abs(large[beside] - wanted).min()))
    return Fraction(max(0.0, best - size * _FLOAT)) if best < inf else None


def _values(grids: Sequence[tuple[int, float, int, int]]) -> NDArray[np.float64]:
    """All sums of one value from each grid."""
    total = np.zeros(1)
    for count, slope, low, step in grids:
        total = (total[:, None] + slope * (low + step * np.arange(count))).reshape(-1)
    return total
