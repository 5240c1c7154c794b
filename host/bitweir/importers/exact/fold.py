"""Exact folding: a monotone chain of scalar operations per channel becomes integer thresholds.

Between the sum of a layer and the next quantiser lie scalar operations only: scales, biases, batch
norms, clips. Each is monotone, so each channel is one monotone function of an integer, and where it
crosses a cut is found by bisection, in exact numbers (`surd`). Floats never decide.

Parameters are arrays of fractions that broadcast against a frame (without batch), so that a
parameter per tensor costs one number, whatever the size of the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, reduce
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ModelError
from . import curves, enclosures
from .enclosures import Bounds
from .surd import Exact, approximate, between, root, sign

__all__ = [
    "MAX_PARAMETERS",
    "Chain",
    "Cut",
    "Exacts",
    "Quantiser",
    "Step",
    "absolute",
    "clip",
    "columns",
    "erf",
    "exact",
    "first",
    "float_threshold",
    "integer_thresholds",
    "leaky",
    "nearest",
    "norm",
    "power",
    "reaches",
    "scale",
    "shift",
    "sigmoid",
    "tanh",
    "tie_distance",
]

#: Exact numbers take memory and time: as many parameters as no trained dense layer has.
MAX_PARAMETERS = 1 << 18
#: Array of objects: fractions, or None for "no limit".
Exacts = NDArray[Any]
#: Where a quantiser changes its value: at ``y >= number``, or, if strict, at ``y > number``.
Cut = tuple[Fraction, bool]


def exact(values: ArrayLike) -> Exacts:
    """Fractions that are exactly the given numbers; same shape.

    Raises
    ------
    ModelError
        A number is not finite, or there are too many; the text is the end of a sentence.
    """
    array = np.asarray(values)
    if array.size > MAX_PARAMETERS:
        raise ModelError(f"at most {MAX_PARAMETERS} different parameters are supported, not {array.size}: share some")
    if array.dtype == object:
        return array
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ModelError("parameters must be finite, but one is NaN or infinite: train the model again")
    result = np.empty(array.size, object)
    result[:] = [Fraction(number) for number in array.ravel().tolist()]
    return result.reshape(array.shape)


@dataclass(frozen=True, eq=False)
class Step:
    """One scalar operation, with its parameters for all channels.

    Parameters
    ----------
    name : str
        What it is.
    params : tuple of Exacts
        Each broadcasts against the frame.
    apply : callable
        ``apply(y, *params)`` for one channel.
    slope : callable
        ``slope(*params)``: 1 rises, -1 falls, 0 is constant. None where it is not monotone.
    enclose : callable or None
        ``enclose(y, *params)``: float bounds of the result, from those of all operands.
    bends : callable or None
        ``bends(*params)``: numbers between which it is straight or else monotone; None of them counts for nothing.
    straight : bool
        Between them it is an affine function.
    split : callable or None
        Of a function that begins with the integer itself: ``split(grid, params)``, see `staircase.pieces`.
    size : int
        How many scalar operations it takes, where it is made of others.
    steepness : callable or None
        ``steepness(*params)``: the result moves by no more than so many times what `y` moves; None if that is not
        known.
    """

    name: str
    params: tuple[Exacts, ...]
    apply: Callable[..., Exact]
    slope: Callable[..., int] | None
    enclose: Callable[..., Bounds] | None = None
    bends: Callable[..., Sequence[Any]] | None = None
    straight: bool = True
    split: Callable[..., list[Any]] | None = None
    size: int = 1
    steepness: Callable[..., Fraction] | None = None

    @property
    def folds(self) -> bool:
        """Whether a quantiser behind it becomes a staircase."""
        return self.slope is not None or self.bends is not None or self.split is not None

    def reshaped(self, change: Callable[[Exacts], Exacts]) -> Step:
        """The same step with each parameter array changed."""
        return replace(self, params=tuple(map(change, self.params)))


def scale(factor: ArrayLike) -> Step:
    """``y * factor``."""
    return Step("scale", (exact(factor),), lambda y, c: y * c, sign, enclosures.times, steepness=_size)


def shift(offset: ArrayLike) -> Step:
    """``y + offset``."""
    return Step(
        "shift", (exact(offset),), lambda y, c: y + c, lambda c: 1, enclosures.plus, steepness=lambda c: Fraction(1)
    )


def clip(low: ArrayLike | None, high: ArrayLike | None) -> Step:
    """``min(max(y, low), high)``; None is no limit."""

    def apply(y: Exact, low: Fraction | None, high: Fraction | None) -> Exact:
        if low is not None and sign(y - low) < 0:
            y = low
        return high if high is not None and sign(y - high) > 0 else y

    limits = tuple(np.array(None, object) if limit is None else exact(limit) for limit in (low, high))
    return Step(
        "ReLU or clip", limits, apply, lambda low, high: 1, enclosures.clipped, bends=lambda *ends: ends,
        steepness=lambda low, high: Fraction(1),
    )  # fmt: skip


def leaky(slope: ArrayLike) -> Step:
    """``y`` if it is positive, else ``slope * y``; it rises where no slope is negative."""

    def apply(y: Exact, a: Fraction) -> Exact:
        return y * a if sign(y) < 0 else y

    slopes = exact(slope)
    rises = not any(a < 0 for a in slopes.flat)
    bound = enclosures.leaky if rises else None
    return Step(
        "leaky ReLU", (slopes,), apply, (lambda a: 1) if rises else None, bound, bends=lambda a: (0,),
        steepness=lambda a: max(Fraction(1), abs(a)),
    )  # fmt: skip


def absolute() -> Step:
    """``abs(y)``."""
    return Step(
        "function |x|", (), lambda y: y * sign(y), None, bends=lambda: (0,), steepness=lambda: Fraction(1)
    )  # fmt: skip


def power(exponent: int) -> Step:
    """``y ** exponent``, of a positive whole number."""

    def apply(y: Exact) -> Exact:
        return reduce(mul, [y] * exponent)

    return Step(f"power {exponent}", (), apply, None, bends=lambda: (0,), straight=exponent == 1)


def norm(gamma: ArrayLike, beta: ArrayLike, mean: ArrayLike, variance: ArrayLike) -> Step:
    """``gamma * (y - mean) / sqrt(variance) + beta``; the variance is positive and holds epsilon already."""
    gamma, beta, mean, variance = map(exact, (gamma, beta, mean, variance))
    # 1 / sqrt(v) = sqrt(v) / v
    factor = np.frompyfunc(lambda g, v: root(v) * (g / v), 2, 1)(gamma, variance)
    slope = np.frompyfunc(sign, 1, 1)(gamma)
    params = (np.asarray(factor, object), mean, beta, np.asarray(slope, object))
    return Step(
        "norm", params, lambda y, f, m, b, s: (y - m) * f + b, lambda f, m, b, s: s, enclosures.norm,
        steepness=lambda f, m, b, s: _size(f),
    )  # fmt: skip


def _size(x: Exact) -> Fraction:
    """No less than the size of a number."""
    return max(map(abs, between(x)))


def tanh() -> Step:
    """``tanh(y)``."""
    return Step("tanh", (), curves.tanh, lambda: 1, enclosures.tanh, straight=False)


def sigmoid() -> Step:
    """``1 / (1 + exp(-y))``."""
    return Step("sigmoid", (), curves.sigmoid, lambda: 1, enclosures.sigmoid, straight=False)


def erf() -> Step:
    """The error function of y."""
    return Step("erf", (), curves.erf, lambda: 1, enclosures.erf, straight=False)


@dataclass(frozen=True, eq=False)
class Quantiser:
    """A staircase: ``values[number of cuts that y has reached]``.

    Parameters
    ----------
    cuts : tuple of (Exacts, bool)
        Ascending; the bool says strict.
    values : tuple of Exacts
        One more than cuts.
    """

    cuts: tuple[tuple[Exacts, bool], ...]
    values: tuple[Exacts, ...]


@dataclass(frozen=True)
class Chain:
    """The scalar function of one channel."""

    parts: tuple[tuple[Step, tuple[Any, ...]], ...]

    def __call__(self, y: Exact | int) -> Exact:
        start: Exact = Fraction(y) if isinstance(y, int) else y
        return reduce(lambda y, part: part[0].apply(y, *part[1]), self.parts, start)

    @property
    def enclosed(self) -> bool:
        """Whether floats can bound it."""
        return all(step.enclose for step, _ in self.parts)

    def enclose(self, y: NDArray[np.int64]) -> Bounds:
        """Float bounds of the values at some integers, where the chain is `enclosed`."""
        bounds = enclosures.of_integers(y)
        with np.errstate(all="ignore"):
            for (step, _), params in zip(self.parts, self._bounds, strict=True):
                assert step.enclose
                bounds = step.enclose(bounds, *params)
        return bounds

    @cached_property
    def _bounds(self) -> list[list[Bounds | None]]:
        return [[enclosures.of_number(param) for param in params] for _, params in self.parts]

    @property
    def monotone(self) -> bool:
        """Whether it only rises or only falls, over all numbers."""
        return all(step.slope is not None for step, _ in self.parts)

    @property
    def slope(self) -> int:
        """1 rises, -1 falls, 0 is constant (as a whole, however flat in places)."""
        slopes = [step.slope(*params) for step, params in self.parts if step.slope]
        return int(np.prod(slopes, dtype=int))

    @property
    def steepness(self) -> Fraction | None:
        """The value moves by no more than so many times what the integer moves; None if that is not known."""
        total = Fraction(1)
        for step, params in self.parts:
            if step.steepness is None:
                return None
            total *= step.steepness(*params)
        return total

    @property
    def rounded_in_float(self) -> bool:
        """Whether float arithmetic rounds somewhere, so that it may miss exact ties."""
        return any(
            step.split is not None
            or step.name in ("erf", "norm", "sigmoid", "tanh")
            or (step.name == "scale" and not _power_of_two(params[0]))
            for step, params in self.parts
        )


def _power_of_two(x: Exact) -> bool:
    if not isinstance(x, Fraction):
        return False
    n, d = abs(x.numerator), x.denominator
    return n & (n - 1) == 0 and d & (d - 1) == 0


def columns(steps: Sequence[Step], *more: ArrayLike) -> tuple[tuple[int, ...], Iterator[tuple[Chain, tuple[Any, ...]]]]:
    """The chain of each channel, with that channel's entries of further arrays.

    Returns
    -------
    shape : tuple of int
        What all parameters broadcast to.
    channels : iterator
        Row-major over `shape`.
    """
    arrays = [param for step in steps for param in step.params] + [np.asarray(array, object) for array in more]
    shape = np.broadcast_shapes(*(array.shape for array in arrays)) if arrays else ()
    rows = zip(*(np.broadcast_to(array, shape).ravel() for array in arrays), strict=True)

    def channels() -> Iterator[tuple[Chain, tuple[Any, ...]]]:
        for row in rows if arrays else [()]:
            parts, start = [], 0
            for step in steps:
                end = start + len(step.params)
                parts.append((step, row[start:end]))
                start = end
            yield Chain(tuple(parts)), row[start:]

    return shape, channels()


def reaches(y: Exact, cut: Cut) -> bool:
    """Whether a number has reached a cut."""
    order = sign(y - cut[0])
    return order > 0 or (order == 0 and not cut[1])


def first(test: Callable[[int], bool], low: int, high: int) -> int:
    """Lowest integer in low to high that passes a test which, once passed, stays passed; else high + 1."""
    high += 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if test(middle) else (middle + 1, high)
    return low


def integer_thresholds(chain: Chain, cuts: Sequence[Cut], low: int, high: int) -> tuple[list[int], bool]:
    """Integer thresholds of one channel.

    Parameters
    ----------
    chain : Chain
        From the accumulator to the quantiser.
    cuts : sequence of Cut
        Ascending.
    low, high : int
        Range of the accumulator.

    Returns
    -------
    thresholds : list of int
        One per cut: ``chain(acc)`` has reached the cut where ``acc >= threshold``. In low to high + 1,
        or for an inverted row in -high to -low + 1; the ends mean always and never.
    inverted : bool
        The chain falls: the thresholds are for the accumulator of the inverted weight row, ``-acc``.
    """
    turn = -1 if chain.slope < 0 else 1
    low, high = sorted((turn * low, turn * high))
    if not chain.enclosed:
        tests = [lambda a, c=cut: reaches(chain(turn * a), c) for cut in cuts]
        return [first(test, low, high) for test in tests], turn < 0
    return _enclosed_thresholds(chain, cuts, turn, low, high), turn < 0


def _enclosed_thresholds(chain: Chain, cuts: Sequence[Cut], turn: int, low: int, high: int) -> list[int]:
    """`integer_thresholds` of all cuts at a time: floats decide where their bounds are clear of a cut."""
    marks = enclosures.of_numbers([number for number, _ in cuts])
    starts, ends = np.full(len(cuts), low, np.int64), np.full(len(cuts), high + 1, np.int64)
    # Most chains are straight lines, for which the first two tries are enough.
    tries = [(place := _places(chain, marks[0], turn, low, high)), place - 1]
    while (open_ := np.flatnonzero(starts < ends)).size:
        middle = (starts[open_] + ends[open_]) // 2
        if tries:
            guess = tries.pop()[open_]
            middle = np.where(starts[open_] <= guess, np.minimum(guess, ends[open_] - 1), middle)
        found = chain.enclose(turn * middle)
        reached = found[0] > marks[1][open_]
        for at in np.flatnonzero(~reached & ~(found[1] < marks[0][open_])):
            reached[at] = reaches(chain(turn * int(middle[at])), cuts[open_[at]])
        ends[open_[reached]], starts[open_[~reached]] = middle[reached], middle[~reached] + 1
    return starts.tolist()


def _places(chain: Chain, marks: NDArray[np.float64], turn: int, low: int, high: int) -> NDArray[np.int64]:
    """The integer at or behind which the line through both ends meets each mark."""
    (start, end), _ = chain.enclose(turn * np.array([low, high]))
    with np.errstate(all="ignore"):
        place = np.nan_to_num(np.ceil(low + (marks - start) / (end - start) * (high - low)), nan=low)
    return np.asarray(np.clip(place, low, high), np.int64)


def float_threshold(chain: Chain, cut: Cut) -> float:
    """The smallest float32 x at which a rising `chain` has reached, or a falling one has left, a cut.

    -inf where every finite x does, inf where none does.
    """
    falls = chain.slope < 0
    top = _ordinal(np.finfo(np.float32).max)

    def test(n: int) -> bool:
        return reaches(chain(Fraction(_from_ordinal(n))), cut) != falls

    # Most chains are straight lines: the search begins where the line through two of its points meets the cut.
    offset = np.float64(approximate(chain(0)))
    with np.errstate(all="ignore"):
        guess = np.float32((approximate(cut[0]) - offset) / (approximate(chain(1)) - offset))
    low, high = _around(test, _ordinal(guess), -top, top) if np.isfinite(guess) else (-top, top)
    found = first(test, low, high)
    if found == -top:
        return -np.inf
    return np.inf if found > top else _from_ordinal(found)


def _around(test: Callable[[int], bool], guess: int, low: int, high: int) -> tuple[int, int]:
    """Part of a range in which a test, once passed, stays passed, and passes first (or nowhere up to the end)."""
    for width in (2, 1 << 6, 1 << 12, 1 << 20):
        below, above = max(low, guess - width), min(high, guess + width)
        if not test(below) and test(above):
            return below + 1, above
    return low, high


def _ordinal(x: np.float32) -> int:
    """Number of a float32 in ascending order, 0 for both zeros."""
    bits = int(np.abs(x).view(np.uint32))
    return -bits if x < 0 else bits


def _from_ordinal(n: int) -> float:
    return float(np.copysign(np.uint32(abs(n)).view(np.float32), n))


def nearest(chain: Chain, cuts: Sequence[Cut], thresholds: Sequence[int], step: int, grid: tuple[int, int]) -> float:
    """The least `tie_distance` of some cuts, each with its threshold."""
    places = list(range(len(cuts)))
    if len(cuts) > 1 and chain.enclosed:
        low, high = _distances(chain, cuts, thresholds, step, grid)
        places = np.flatnonzero(~(low > high.min())).tolist()
    return min((tie_distance(chain, cuts[k], thresholds[k], step, grid) for k in places), default=np.inf)


def _distances(
    chain: Chain, cuts: Sequence[Cut], thresholds: Sequence[int], step: int, grid: tuple[int, int]
) -> Bounds:
    """Bounds of the `tie_distance` of each cut."""
    above = grid[0] + -(-(np.array(thresholds, np.int64) - grid[0]) // step) * step
    outside = (above - step < grid[0]) | (above > grid[1])
    marks = enclosures.of_numbers([number for number, _ in cuts])
    with np.errstate(all="ignore"):
        gaps = [enclosures.minus(chain.enclose(np.clip(at, *grid)), marks) for at in (above - step, above)]
        rise = enclosures.magnitude(enclosures.minus(gaps[1], gaps[0]))
        sizes = [enclosures.magnitude(gap) for gap in gaps]
        low, high = (np.minimum(*ends) for ends in zip(*sizes, strict=True))
        # A little more than floats round, and than `tie_distance` does.
        low, high = low / rise[1] * step * (1 - 1e-9), high / rise[0] * step * (1 + 1e-9)
    low, high = np.where(np.isnan(low), 0, low), np.where(np.isnan(high), np.inf, high)
    return np.where(outside, np.inf, low), np.where(outside, np.inf, high)


def tie_distance(chain: Chain, cut: Cut, threshold: int, step: int, grid: tuple[int, int]) -> float:
    """How far the real threshold is from the nearest accumulator that occurs, in accumulator units.

    0 is an exact tie; infinite where the channel is constant.

    Parameters
    ----------
    chain : Chain
        Of the accumulator, not inverted.
    cut : Cut
        The threshold belongs to it.
    threshold : int
        In terms of the accumulator that `chain` takes: a cell boundary.
    step : int
        Distance of neighbouring accumulators that occur.
    grid : (int, int)
        Lowest and highest accumulator that occurs.
    """
    low, high = grid
    above = low + -(-(threshold - low) // step) * step
    below = above - step
    if below < low or above > high:
        return np.inf
    gaps = [chain(below) - cut[0], chain(above) - cut[0]]
    if not all(map(sign, gaps)):
        return 0.0
    rise = abs(approximate(gaps[1] - gaps[0]))
    return min(abs(approximate(gap)) for gap in gaps) / rise * step if rise else np.inf
