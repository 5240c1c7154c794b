"""Sums of two values that both depend on the frame: shortcuts of residual networks, and bases of a layer.

Both ways from their nearest common point become branches of a `Parallel`. Each ends in integers of one
common unit, by an `Affine` where it needs one. The unit is exact where all scales and offsets are whole
multiples of one number that is not too small. Else it is a power of two, the network is approximate,
and a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from bitweir_hw.layers import SUM_BITS
from bitweir_hw.network import Affine, Layer, Parallel
from numpy.typing import NDArray

from .borders import refusal
from .closing import AFFINE, affine
from .errors import ModelError
from .fold import Exacts, scale, shift
from .linear import unpadded
from .surd import nearly, sign
from .symbols import Moving, Padded, Point, Signal, Stream, by_channel, narrowed
from .walk import TooWide, Walk

__all__ = ["add"]

#: Magnitude bits of an exact sum: 32 bits with the sign.
_EXACT_BITS = 31


@dataclass(frozen=True, eq=False)
class _Branch:
    """One summand: ``slope * integer + offset`` for each channel of its stream."""

    signal: Signal
    stream: Stream
    slopes: Exacts
    offsets: Exacts


def add(walk: Walk, a: Moving | Padded, b: Moving | Padded, label: str) -> Signal:
    """The sum of two values of one shape."""
    one, other = (_branch(walk, x, label) for x in (a, b))
    if one.signal.shape != other.signal.shape or one.stream.map.shape != other.stream.map.shape:
        raise ModelError(
            f"Node {label} must add maps of one shape, not {one.signal.shape} and {other.signal.shape}: "
            "sums that spread one value over a map are not supported."
        )
    if (one.signal.index != other.signal.index).any():
        raise ModelError(f"Node {label} must add maps whose elements come in one order: leave out what reorders one.")
    slopes, offsets = [one.slopes, other.slopes], one.offsets + other.offsets
    if one.stream.point is other.stream.point:
        return _scaled(replace(one.signal, steps=()), slopes[0] + slopes[1], offsets)
    unit, name = _exact_unit(one, other), walk.name("sum")
    exact = unit is not None and one.stream.exact and other.stream.exact
    if unit is None:
        unit = _fixed_unit(walk, one, other)
    if not exact:
        walk.rounded.append(name)
    factors, offset = [_whole(numbers, unit) for numbers in slopes], _whole(offsets, unit)
    # One branch takes the offsets of both: the other may then need no layer of its own.
    takes = 1 if (factors[1] != 1).any() else 0
    common = _common(one.stream.point, other.stream.point)
    branches, low, high = [], offset, offset
    for place, (branch, factor) in enumerate(zip((one, other), factors, strict=True)):
        constant = offset if place == takes else np.zeros_like(offset)
        branches.append((*_after(common, branch.stream.point), *_affine(factor, constant)))
        ends = np.sort([factor * branch.stream.low, factor * branch.stream.high], axis=0)
        low, high = low + ends[0], high + ends[1]
    step = gcd(*(int(number) * b.stream.step for b, f in zip((one, other), factors, strict=True) for number in f))
    layer = Parallel(name=name, branches=tuple(branches))
    stream = walk.append(common, layer, low, high, max(step, 1), label, exact=exact)
    none = np.array([Fraction(0)], object)
    return _scaled(replace(one.signal, origin=stream, steps=()), np.array([unit], object), none)


def _branch(walk: Walk, x: Moving | Padded, label: str) -> _Branch:
    inside = unpadded(x)
    signal = walk.signal(inside, label, as_map=len(inside.shape) == 3)
    other = [step.name for step in signal.steps if step.name not in AFFINE]
    if other:
        raise ModelError(f"Node {label} must not add what comes out of a {other[0]}: put a quantiser between them.")
    assert isinstance(signal.origin, Stream)
    if signal.origin.point.border is not None:
        raise refusal(f"Node {label}", signal.origin.point.border)
    walk.permutation(signal, label)
    slopes, offsets = (by_channel(signal, array) for array in affine(signal))
    return _Branch(signal, signal.origin, slopes, offsets)


def _scaled(y: Signal, slopes: Exacts, offsets: Exacts) -> Signal:
    """`y` with the slope and offset of each channel of its stream."""
    assert isinstance(y.origin, Stream)
    channel = (y.index % y.origin.map.channels).reshape(y.shape)
    slopes, offsets = (
        array.reshape((1,) * len(y.shape)) if array.size == 1 else array[narrowed(channel)]
        for array in (slopes, offsets)
    )
    if any(number != 1 for number in slopes.flat):
        y = y.then(scale(slopes))
    return y.then(shift(offsets)) if any(map(sign, offsets.flat)) else y


# ---- the unit


def _exact_unit(one: _Branch, other: _Branch) -> Fraction | None:
    """The number of which all slopes and offsets are whole multiples, if the sum has few enough bits in it."""
    numbers = [*one.slopes, *other.slopes, *(one.offsets + other.offsets)]
    fractions = [number for number in numbers if isinstance(number, Fraction)]
    under = lcm(*(number.denominator for number in fractions))
    if len(fractions) < len(numbers) or under.bit_length() > 2 * _EXACT_BITS:
        return None
    unit = Fraction(gcd(*(int(number * under) for number in fractions)), under)
    if not unit:
        return Fraction(1)
    reach = [
        abs(slope) * max(abs(int(low)), abs(int(high)))
        for branch in (one, other)
        for slope, low, high in zip(branch.slopes, branch.stream.low, branch.stream.high, strict=True)
    ]
    most = 2 * max(reach) + max(map(abs, one.offsets + other.offsets))
    return unit if most / unit < 1 << _EXACT_BITS else None


def _fixed_unit(walk: Walk, one: _Branch, other: _Branch) -> Fraction:
    """A unit of at least the fraction bits of the walk, in which a branch that has one slope stays as it is."""
    finest = Fraction(1, 1 << walk.fraction_bits)
    for branch in (one, other):
        slope = branch.slopes[0]
        if isinstance(slope, Fraction) and slope and all(number == slope for number in branch.slopes):
            parts = -(-abs(slope) // finest)
            return abs(slope) / (1 << (int(parts) - 1).bit_length())
    return finest


def _whole(numbers: Exacts, unit: Fraction) -> NDArray[np.int64]:
    """Numbers in a unit, to the nearest integer."""
    whole = [round(nearly(number * (1 / unit))) for number in numbers]
    excess = max(abs(number).bit_length() for number in whole) - SUM_BITS
    if excess > 0:
        raise TooWide(excess)
    return np.array(whole, np.int64)


# ---- the branches


def _affine(factor: NDArray[np.int64], offset: NDArray[np.int64]) -> tuple[Layer, ...]:
    if (factor == 1).all() and not offset.any():
        return ()
    return (Affine(name="affine", scale=factor, offset=offset),)


def _common(one: Point, other: Point) -> Point:
    """The last point that both paths have."""
    return [a for a, b in zip(one.path, other.path, strict=False) if a is b][-1]


def _after(common: Point, point: Point) -> tuple[Layer, ...]:
    path = point.path
    return tuple(place.layer for place in path[path.index(common) + 1 :] if place.layer is not None)
