"""Activations as layers take them: codes of even levels where that is what they are, else parts that add up to them.

An activation passes its levels in one order, which need not ascend. So it is its first level plus, for each level that
follows, the step to it where that is reached:

    levels[0]  +  sum over j of (levels[j] - levels[j - 1]) * (code >= j),

where the code counts the levels. Each summand is one bit. Bits that are worth the same are codes of several bits
together, and steps that are small multiples of one number are codes of uneven meaning: those between two levels do not
occur. A layer of weights W is linear, so that behind parts x_i with scales c_i it is sum over i of c_i (W x_i): the
scales, which are real numbers, come in once a neuron, not once a weight (Lin et al., arXiv:1711.11294, equation 7).

Where the levels of a staircase that falls and rises again are evenly spaced, thresholds behind the sum of its parts
make codes of it again, so that the next layer takes as few bits as the model says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm

import numpy as np

from ..exact.fold import Quantiser
from .network_builder import NetworkBuilder
from .quantise import channel_scales, even, quantise
from .shortcuts import MOST_PLANES, add, settled, worded
from .stairs import Stairs
from .symbols import Codes, Moving, Padded, Signal, whole

__all__ = ["regular"]

#: Of the scale of a channel to what all scales are multiples of: weights of 8 bits.
_MOST_RATIO = 127
#: Codes of so many bits may have levels that do not occur.
_MOST_BITS = 8


def regular(builder: NetworkBuilder, x: Moving | Padded, label: str, *, apart: bool = False) -> list[Moving | Padded]:
    """Values as a layer takes them, whose sum is a value.

    Levels may be as far apart in each channel as they like if the weights can take that up. What cannot be changed
    returns as it is, and the layer says what it lacks.

    Parameters
    ----------
    builder : NetworkBuilder
    x : Signal, Codes or Padded
    label : str
        Of the node, for messages.
    apart : bool
        Each filter sees one channel.
    """
    inside = settled(builder, x.inside if isinstance(x, Padded) else x, label)
    border = x.value if isinstance(x, Padded) else None
    parts = _parts(builder, inside, label, apart, border) if isinstance(inside, Codes) else [_Part(inside)]
    if not isinstance(x, Padded):
        return [part.value for part in parts]
    borders = _borders(parts, x.value)
    return [replace(x, inside=part.value, value=border) for part, border in zip(parts, borders, strict=True)]


@dataclass(frozen=True, eq=False)
class _Part:
    """One of several values that add up to an activation: what it is for each level of that; empty for the only one."""

    value: Moving
    levels: tuple[Fraction, ...] = ()


def _borders(parts: Sequence[_Part], value: Fraction) -> list[Fraction]:
    """What each part is where the sum of all is `value`, which is one of its levels if there are several parts."""
    if len(parts) == 1:
        return [value]
    sums = [sum(levels) for levels in zip(*(part.levels for part in parts), strict=True)]
    return [part.levels[sums.index(value)] for part in parts]


def _parts(builder: NetworkBuilder, x: Codes, label: str, apart: bool, border: Fraction | None) -> list[_Part]:
    if (x.ternary and len(x.values) > 2) or x.border or even(x) or _in_weights(channel_scales(x), apart):
        return [_Part(x)]
    stairs = Stairs.of(x)
    if stairs is None:
        return [_Part(x)]
    codes = stairs.monotone()
    if codes is not None and even(codes):
        if builder.taps is not None:
            builder.taps.moved(x, codes)
        return [_Part(codes)]
    again = codes is None and stairs.even
    counted = stairs.counted()
    # What lies between the levels of all parts is no integer of each, but may be one of the sum.
    inside = border is None or again or counted is None or border in counted[1]
    if counted is not None and len(counted[1]) - 1 <= MOST_PLANES and inside:
        parts = _of_count(builder, x, *counted, label, again=again)
        return [_Part(_again(builder, x, stairs, parts, label))] if again else parts
    words = worded(builder, x, label)
    if not again:
        return [_Part(words)]
    return [_Part(_requantised(builder, x, stairs, words))]


def _of_count(
    builder: NetworkBuilder, x: Codes, codes: Codes, order: Sequence[Fraction], label: str, *, again: bool
) -> list[_Part]:
    """The parts of codes that count along a sequence of levels."""
    counting = replace(codes, values=tuple(whole(x, k) for k in range(len(order))))
    y = builder.signal(counting, label, as_map=len(x.shape) == 3)
    if builder.taps is not None and not again:
        builder.taps.moved(x, codes)
        builder.taps.closed(codes, y)
    parts: list[_Part] = []
    for places, step in _groups([b - a for a, b in pairwise(order)]):
        first = Fraction(0) if parts else order[0]
        levels = [first + step * k for k in range(len(places) + 1)]
        thresholds = np.array(places).reshape(-1, *(1,) * len(x.shape))
        value = replace(
            codes, origin=y.origin, shape=y.shape, index=y.index, thresholds=thresholds,
            values=tuple(whole(x, level) for level in levels), inverted=np.zeros((1,) * len(x.shape), np.bool_),
            distance=(np.inf, False), margins={},
        )  # fmt: skip
        parts.append(_Part(value, tuple(levels[sum(at <= k for at in places)] for k in range(len(order)))))
    return parts


def _groups(steps: Sequence[Fraction]) -> list[tuple[list[int], Fraction]]:
    """Levels that parts count, and what a level of each part is worth: the fewest bits of all.

    A level that is worth several is counted as often.
    """
    apart = {step: [k for k, one in enumerate(steps, 1) if one == step] for step in steps}
    under = lcm(*(step.denominator for step in steps))
    unit = Fraction(gcd(*(int(step * under) for step in steps)), under)
    ratios = [int(step / unit) for step in steps]
    bits = sum(ratios).bit_length()
    if min(ratios) > 0 and bits <= min(_MOST_BITS, sum(len(places).bit_length() for places in apart.values())):
        return [([k for k, ratio in enumerate(ratios, 1) for _ in range(ratio)], unit)]
    return [(places, step) for step, places in apart.items()]


def _again(builder: NetworkBuilder, x: Codes, stairs: Stairs, parts: Sequence[_Part], label: str) -> Codes:
    total = parts[0].value
    for part in parts[1:]:
        total = add(builder, total, part.value, label)
    if isinstance(total, Codes):
        total = builder.signal(total, label, as_map=len(x.shape) == 3)
    return _requantised(builder, x, stairs, total)


def _requantised(builder: NetworkBuilder, x: Codes, stairs: Stairs, total: Moving) -> Codes:
    """Codes of even levels of a sum that has no others."""
    assert isinstance(total, Signal)
    half = Fraction(1, 2)
    cuts = tuple((whole(x, (a + b) * half), False) for a, b in pairwise(stairs.levels))
    again = quantise(total, Quantiser(cuts, tuple(whole(x, level) for level in stairs.levels)))
    if builder.taps is not None:
        builder.taps.moved(x, again)
    return again


def _in_weights(scales: list[Fraction], apart: bool) -> bool:
    """Whether weights take up the scales of channels: as whole numbers, or each in the scale of its outputs."""
    if not any(scales):
        return False
    under = lcm(*(one.denominator for one in scales))
    whole_ones = [int(one * under) for one in scales]
    return apart or max(whole_ones) // gcd(*whole_ones) <= _MOST_RATIO
