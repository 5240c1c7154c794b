"""Sums of two values that both depend on the frame: shortcuts of residual networks, and bases of a layer.

Both ways from their nearest common point become branches of a `Parallel`. Each ends in integers of one
common unit, by an `Affine` where it needs one. The unit is exact where all scales and offsets are whole
multiples of one number that is not too small. Else it is chosen as `units` says, channel by channel, the
offsets go into the chain behind the sum, and the stream carries a bound on its error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from bitweir_hw.network import Affine, Layer, Parallel
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Exacts, scale, shift
from ..exact.surd import sign
from .accuracy import Accuracy, Leaf
from .borders import refusal
from .choices import check_permutation, order_of
from .curves import combined, levelled, one_integer
from .factors import own_factors, shared_factors
from .network_builder import NetworkBuilder
from .positions import AFFINE, affine
from .quantise import channel_scales, even
from .rectify import straightened
from .stairs import Stairs
from .symbols import Codes, Frame, Moving, Padded, Point, Signal, Stream, by_channel, narrowed, unpadded
from .units import ENOUGH, GOOD, MOST_BITS, WANTED, Summand, Units, fitted

__all__ = ["MOST_PLANES", "add", "added", "after", "common", "settled", "worded"]

#: Of a staircase: each takes a threshold for each channel, and a branch of a sum.
MOST_PLANES = 16

#: An exact sum of fewer bits is as good as any other stream of integers.
_PLAIN_BITS = 16
#: More summands have too many sums to enumerate.
_MAX_LEAVES = 12


@dataclass(frozen=True, eq=False)
class _Branch:
    """One summand: ``slope * integer + offset`` for each channel of its stream."""

    signal: Signal
    stream: Stream
    slopes: Exacts
    offsets: Exacts

    @property
    def errors(self) -> Exacts:
        """Bound on what the integers are off already, (C,)."""
        accuracy = self.stream.accuracy
        return np.full(len(self.slopes), Fraction(0), object) if accuracy is None else accuracy.error

    @property
    def summand(self) -> Summand:
        """What the choice of units needs to know."""
        reach = np.maximum(abs(self.stream.low), abs(self.stream.high))
        accuracy, room = self.stream.accuracy, max(abs(self.stream.map.low), abs(self.stream.map.high))
        if accuracy is None:
            return Summand(self.slopes, reach, self.errors, room)
        return Summand(
            self.slopes, reach, self.errors, room, accuracy.sums, accuracy.mixed, accuracy.last, accuracy.unit
        )

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The integers that are known exactly, with their slopes in this sum; empty where that is not known."""
        stream = self.stream
        if stream.accuracy is None:
            return (Leaf(self.slopes, stream.low, stream.high, stream.step),)
        scales = np.array([s * (1 / u) for s, u in zip(self.slopes, stream.accuracy.unit, strict=True)], object)
        return tuple(leaf.times(scales) for leaf in stream.accuracy.leaves)


def added(builder: NetworkBuilder, a: Moving | Padded, b: Moving | Padded, label: str) -> Moving:
    """The sum of two values that a model adds: of functions of one integer, which need not be straight, or as `add`."""
    if isinstance(a, Padded) or isinstance(b, Padded) or not one_integer(a, b):
        return add(builder, a, b, label)
    bent = any(isinstance(x, Signal) and _bent(x) and x.summands is None for x in (a, b))
    codes = [x for x in (a, b) if isinstance(x, Codes)]
    if not bent and not codes:
        return add(builder, a, b, label)
    total = combined("sum", "sum", (a, b))
    if isinstance(total, Codes):
        few = len(total.thresholds) <= MOST_PLANES or even(total)
        return total if few and not any(map(_three, codes)) else add(builder, a, b, label)
    return total if bent else replace(total, summands=(a, b))


def settled(builder: NetworkBuilder, x: Moving, label: str) -> Moving:
    """A value that has a stream of its own, or codes."""
    if isinstance(x, Codes) or x.summands is None:
        return x
    total = add(builder, *x.summands, label)
    return replace(
        total, steps=(*total.steps, *x.steps[1:]), batch=x.batch, ended=x.ended, end=x.end, resumes=x.resumes
    )


def worded(builder: NetworkBuilder, x: Moving, label: str) -> Moving:
    """A value that is one stream: codes whose levels are not even become a sum, one summand for each step.

    What cannot returns as it is.
    """
    x = settled(builder, x, label)
    if not isinstance(x, Codes) or (x.ternary and len(x.values) > 2) or x.border or channel_scales(x):
        return x
    stairs = Stairs.of(x)
    if stairs is None:
        return x
    planes = stairs.planes()
    if stairs.monotone() is None and len(planes) > MOST_PLANES:
        raise ModelError(
            f"Node {label} takes a quantiser whose levels rise and fall in {len(planes)} steps over its sums, "
            f"and at most {MOST_PLANES} are supported: use a simpler formula, or fewer levels."
        )
    if not 0 < len(planes) <= MOST_PLANES or isinstance(x.origin, Frame):
        return x
    total: Moving = planes[0]
    for plane in planes[1:]:
        total = add(builder, total, plane, label)
    total = builder.signal(total, label, as_map=len(x.shape) == 3, varied=True)
    return total.then(shift(stairs.first())) if any(stairs.first().flat) else total


def add(builder: NetworkBuilder, a: Moving | Padded, b: Moving | Padded, label: str) -> Signal:
    """The sum of two values of one shape."""
    one, other = (_branch(builder, x, label) for x in (a, b))
    if one.signal.shape != other.signal.shape or one.stream.map.shape != other.stream.map.shape:
        raise ModelError(
            f"Node {label} must add maps of one shape, not {one.signal.shape} and {other.signal.shape}: "
            "sums that spread one value over a map are not supported, so give both the same shape."
        )
    if (one.signal.index != other.signal.index).any():
        one, other = (_in_order(builder, branch, label) for branch in (one, other))
    slopes, offsets = [one.slopes, other.slopes], one.offsets + other.offsets
    if one.stream.point is other.stream.point:
        return _scaled(replace(one.signal, steps=()), slopes[0] + slopes[1], offsets)
    name = builder.name("sum")
    parts, held = _summands(builder, one, other)
    found = None
    if name not in builder.plan.ratios:
        found = _exact(one, other, offsets, builder.plan.exact_bits(name))
        y = None if found or name in builder.plan.common else _together(builder, name, parts, offsets + held, label)
        if y is not None:
            return y
    builder.plan.feeds((one.stream.sums | other.stream.sums) - builder.shared)
    whole = found is not None
    simple = whole and one.stream.exact and other.stream.exact
    if found is None:
        found = fitted(name, (one.summand, other.summand), offsets, builder.plan)
    # One branch takes the offset of both: the other may then need no layer of its own.
    takes = 1 if (found.factors[1] != 1).any() else 0
    start = common([one.stream.point, other.stream.point])
    branches, low, high = [], found.offset, found.offset
    for place, (branch, factor) in enumerate(zip((one, other), found.factors, strict=True)):
        constant = found.offset if place == takes else np.zeros_like(found.offset)
        branches.append((*after(start, branch.stream.point), *_affine(factor, constant)))
        ends = np.sort([factor * branch.stream.low, factor * branch.stream.high], axis=0)
        low, high = low + ends[0], high + ends[1]
    pairs = zip((one, other), found.factors, strict=True)
    step = gcd(*(int(number) * branch.stream.step for branch, factor in pairs for number in factor))
    layer = Parallel(name=name, branches=tuple(branches))
    simple = simple and max(abs(low).max(), abs(high).max()) < 1 << _PLAIN_BITS
    accuracy = None if simple else _accuracy(name, (one, other), found, offsets - found.rest)
    stream = builder.append(start, layer, low, high, max(step, 1), label, accuracy=accuracy)
    if parts and whole:
        _keep(builder, stream, parts, found.unit, held=found.offset + held * (1 / found.unit))
    return _scaled(replace(one.signal, origin=stream, steps=()), narrowed(found.unit), narrowed(found.rest))


# ---- more than two


def _summands(builder: NetworkBuilder, one: _Branch, other: _Branch) -> tuple[list[_Branch], Exacts]:
    """Streams that are exact, of which two make up a sum, and what that has besides.

    Those of which a summand is made stand for it. No streams where one is not exact.
    """
    found, held = [], one.offsets * 0
    for branch, beside in ((one, other), (other, one)):
        point = branch.stream.point
        parts, offset = builder.summands.get(point, (None, 0)) if point not in beside.stream.point.path else (None, 0)
        if parts is not None:
            found += [replace(part, slopes=part.slopes * branch.slopes) for part in parts]
            held = held + offset * branch.slopes
        elif branch.stream.accuracy is None:
            found.append(branch)
        else:
            return [], held
    return found, held


def _keep(
    builder: NetworkBuilder, stream: Stream, parts: Sequence[_Branch], unit: Exacts, *, held: Exacts | int = 0
) -> None:
    """Note of what a sum is made, in its integers, of which it adds `held`."""
    builder.summands[stream.point] = ([replace(part, slopes=part.slopes * (1 / unit)) for part in parts], held)


def _together(
    builder: NetworkBuilder, name: str, parts: Sequence[_Branch], offsets: Exacts, label: str
) -> Signal | None:
    """Several streams that are exact in one sum; None where two need none, or they are too many."""
    if not parts:
        return None
    plan = builder.plan
    targets, bits = plan.targets.get(name, [None] * len(offsets)), int(plan.widths(name).min())
    slopes = [part.slopes for part in parts]
    reaches = [np.maximum(abs(part.stream.low), abs(part.stream.high)) for part in parts]
    found = shared_factors(slopes, reaches, (WANTED, GOOD, ENOUGH), targets, bits)
    if found is None and len(parts) > 2:
        rooms = [max(abs(part.stream.map.low), abs(part.stream.map.high)) for part in parts]
        found = own_factors(slopes, reaches, rooms, (WANTED, ENOUGH), bits)
    if found is None:
        return None
    builder.shared.add(name)
    start = common([part.stream.point for part in parts])
    zero, weights = np.zeros(len(offsets), np.int64), found.weights
    branches, steps, low, high = [], [], zero, zero
    for part, factor in zip(parts, found.factors, strict=True):
        branches.append((*after(start, part.stream.point), *(_affine(factor, zero) if weights is None else ())))
        steps += [int(number) * part.stream.step for number in factor]
        ends = np.sort([factor * part.stream.low, factor * part.stream.high], axis=0)
        low, high = low + ends[0], high + ends[1]
    layer, step = Parallel(name=name, branches=tuple(branches), weights=weights), gcd(*steps)
    leaves = tuple(leaf for part in parts for leaf in part.leaves)
    accuracy = Accuracy(
        found.unit, found.error, leaves if len(leaves) <= _MAX_LEAVES else (), frozenset({name}), name
    )  # fmt: skip
    stream = builder.append(start, layer, low, high, max(step, 1), label, accuracy=accuracy)
    _keep(builder, stream, parts, found.unit)
    return _scaled(replace(parts[0].signal, origin=stream, steps=()), narrowed(found.unit), narrowed(offsets))


def _three(x: Moving) -> bool:
    """Whether something makes three values of a sign that one bit does not hold."""
    return isinstance(x, Codes) and x.ternary is not None and len(x.values) > 2


def _bent(x: Signal) -> bool:
    return any(step.name not in AFFINE for step in x.steps)


def _branch(builder: NetworkBuilder, x: Moving | Padded, label: str) -> _Branch:
    inside = worded(builder, unpadded(x), label)
    signal = builder.signal(inside, label, as_map=len(inside.shape) == 3, varied=True)
    other = [place for place, step in enumerate(signal.steps) if step.name not in AFFINE]
    # What is straight behind the last bend need not be counted.
    codes = levelled(replace(signal, steps=signal.steps[: other[-1] + 1])) if other else None
    if codes is not None:
        counted = builder.signal(codes, label, as_map=len(inside.shape) == 3, varied=True)
        signal = replace(counted, steps=(*counted.steps, *signal.steps[other[-1] + 1 :]))
    elif other:
        signal = straightened(builder, signal, label)
        if _bent(signal):
            raise ModelError(
                f"Node {label} must not add what comes out of a {signal.steps[other[0]].name}, unless it takes at most "
                "256 evenly spaced values: put a quantiser between them."
            )
    assert isinstance(signal.origin, Stream)
    if signal.origin.point.border is not None:
        raise refusal(f"Node {label}", signal.origin.point.border)
    signal = builder.chosen(signal, label)
    check_permutation(signal, label)
    return _of_signal(signal)


def _of_signal(signal: Signal) -> _Branch:
    assert isinstance(signal.origin, Stream)
    slopes, offsets = (by_channel(signal, array) for array in affine(signal))
    return _Branch(signal, signal.origin, slopes, offsets)


def _in_order(builder: NetworkBuilder, branch: _Branch, label: str) -> _Branch:
    """The same on a stream whose elements are in the order of the frame."""
    if order_of(branch.signal) is None:
        raise ModelError(
            f"Node {label} must add maps whose pixels come in one order: leave out what reshapes one of them."
        )
    return _of_signal(builder.ordered(branch.signal, label))


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


def _exact(one: _Branch, other: _Branch, offsets: Exacts, bits: int) -> Units | None:
    """Integers in a number of which all slopes and offsets are whole multiples, if they have few enough bits in it."""
    numbers = [*one.slopes, *other.slopes, *offsets]
    fractions = [number for number in numbers if isinstance(number, Fraction)]
    under = lcm(*(number.denominator for number in fractions))
    if len(fractions) < len(numbers) or under.bit_length() > 2 * MOST_BITS:
        return None
    unit = Fraction(gcd(*(int(number * under) for number in fractions)), under) or Fraction(1)
    reach = [
        abs(slope) * max(abs(int(low)), abs(int(high)))
        for branch in (one, other)
        for slope, low, high in zip(branch.slopes, branch.stream.low, branch.stream.high, strict=True)
    ]
    if (2 * max(reach) + max(map(abs, offsets))) / unit >= 1 << bits:
        return None
    whole = [
        np.array([int(number / unit) for number in part], np.int64) for part in (one.slopes, other.slopes, offsets)
    ]
    units = np.full(len(offsets), unit, object)
    error: Exacts = (abs(one.slopes) * one.errors + abs(other.slopes) * other.errors) / units
    return Units(units, (whole[0], whole[1]), whole[2], offsets * 0, error)


def _accuracy(name: str, pair: tuple[_Branch, _Branch], found: Units, held: Exacts) -> Accuracy:
    """What is known of a sum in some units, which holds an offset."""
    parts = [branch.leaves for branch in pair]
    leaves = (*parts[0], *parts[1]) if all(parts) else ()
    if leaves and any(held):
        once = np.ones(len(held), np.int64)
        leaves += (Leaf(held, once, once, 1),)
    sums = pair[0].stream.sums | pair[1].stream.sums | {name}
    known = leaves if len(leaves) <= _MAX_LEAVES else ()
    mixed = pair[0].summand.mixed | pair[1].summand.mixed
    return Accuracy(found.unit, found.error, known, sums, name, mixed)


# ---- the branches


def _affine(factor: NDArray[np.int64], offset: NDArray[np.int64]) -> tuple[Layer, ...]:
    if (factor == 1).all() and not offset.any():
        return ()
    return (Affine(name="affine", scale=factor, offset=offset),)


def common(points: Sequence[Point]) -> Point:
    """The last point that the paths to all points have."""
    paths = [point.path for point in points]
    shared = set.intersection(*({id(place) for place in path} for path in paths))
    return [place for place in paths[0] if id(place) in shared][-1]


def after(start: Point, point: Point) -> tuple[Layer, ...]:
    """The layers from one point to another."""
    path = point.path
    return tuple(place.layer for place in path[path.index(start) + 1 :] if place.layer is not None)
