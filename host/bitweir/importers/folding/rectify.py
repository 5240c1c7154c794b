"""Functions of straight pieces of sums that are not quantised: ReLU, clip and PReLU before a sum or a linear layer.

Each channel has a function of one integer n. Between places where it bends it is ``slope * n + offset`` with real
numbers, of which a layer `Piecewise` computes the nearest integers in some unit. What these are off is largest at an
end of a piece, where it is found exactly. What n is off already counts as often as the function is steep: it is
continuous, so that an integer on the wrong side of a bend costs no more than that.

The unit is one for all channels where a linear layer follows. It goes with given ratios where another sum asks for
them. Else the limits of a clip are whole in it, since many values equal these and often tie in what follows; or the
steepest slope of a channel is a power of two in it, so that ReLUs need no multiplier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm
from typing import overload

import numpy as np
from bitweir_hw.network import Piecewise
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Chain, Exacts, columns, scale
from ..exact.staircase import Grid, Piece, pieces
from ..exact.surd import Exact, between, nearly, sign
from .accuracy import Accuracy, Leaf, rounded_up
from .network_builder import NetworkBuilder
from .positions import AFFINE
from .symbols import Moving, Padded, Signal, Stream, by_channel, narrowed
from .units import MOST_BITS, FixedPoint

__all__ = ["straightened"]

#: Pieces that a layer computes.
_MOST_PIECES = 8
#: Magnitude bits of what is handed on: to a linear layer, which takes a plane for each bit, and to a sum.
_COMMON_BITS, _BITS = 15, 22
#: Fewer than a sum that other sums take has.
_LESS = 6
#: Magnitude bits of slopes: with the sign they fit a multiplier of 18 bits.
_SLOPE_BITS = 17
#: Channels whose units differ by no more bits get one power of two.
_EVEN_BITS = 4
#: The limits of a clip are multiples of a number, such as 0 and 6, and no larger ones.
_MOST_LIMITS = 1 << 8
_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class _Segment:
    """A straight piece of one channel: from one integer to another, with the values there."""

    start: int
    stop: int
    first: Exact
    last: Exact

    @property
    def slope(self) -> Exact:
        """Of an integer of 1; a piece of one integer has none."""
        if self.start == self.stop:
            return Fraction(0)
        return (self.last - self.first) * Fraction(1, self.stop - self.start)


_Curve = list[_Segment]


@overload
def straightened(builder: NetworkBuilder, x: Signal, label: str, *, whole: bool = False) -> Signal: ...
@overload
def straightened(
    builder: NetworkBuilder, x: Moving | Padded, label: str, *, whole: bool = False
) -> Moving | Padded: ...
def straightened(builder: NetworkBuilder, x: Moving | Padded, label: str, *, whole: bool = False) -> Moving | Padded:
    """A value behind a layer of straight pieces, if it is a bent function of sums that one can compute; else itself.

    Parameters
    ----------
    builder : NetworkBuilder
    x : Signal, Codes or Padded
    label : str
        Of the node that takes it, for messages.
    whole : bool
        Also scales and offsets behind the last bend go into the layer, so that 0 is an integer of what it hands on;
        else they follow it.
    """
    if isinstance(x, Padded):
        inside = straightened(builder, x.inside, label, whole=whole)
        assert not isinstance(inside, Padded)
        return replace(x, inside=inside)
    if not isinstance(x, Signal) or not isinstance(x.origin, Stream) or x.ended:
        return x
    bent = [place for place, step in enumerate(x.steps) if step.name not in AFFINE]
    if not bent or x.origin.point.border is not None:
        return x
    end = len(x.steps) if whole else bent[-1] + 1
    steps, rest = x.steps[:end], x.steps[end:]
    key = (x.origin.point, tuple(map(id, steps)))
    if key not in builder.straight:
        by_place = [step.reshaped(lambda array: by_channel(x, array)) for step in steps]
        channels = np.arange(x.origin.map.channels)
        chains = [chain for chain, _ in columns(by_place, channels)[1]]
        # The steps stay with what they make, so that no others get their ids.
        builder.straight[key] = steps, _layer(builder, x.origin, chains, label)
    stream = builder.straight[key][1]
    if stream is None:
        return x
    assert stream.accuracy is not None
    channel = (x.index % stream.map.channels).reshape(x.shape)
    return replace(x, origin=stream, steps=(scale(narrowed(stream.accuracy.unit[channel])), *rest))


def _layer(builder: NetworkBuilder, stream: Stream, chains: Sequence[Chain], label: str) -> Stream | None:
    """The stream behind the layer that computes a function of each channel; None if no layer does."""
    steep = [chain.steepness for chain in chains]
    if not stream.exact and None in steep:
        return None
    curves = []
    for chain, low, high in zip(chains, stream.low.tolist(), stream.high.tolist(), strict=True):
        curve = _segments(chain, low, high, stream.step)
        if curve is None:
            return None
        curves.append(curve)
    name = builder.name("pieces")
    units = _exact_units(curves, name, builder.plan) if stream.exact else None
    units = _units(curves, name, builder.plan) if units is None else units
    layer = _rounded(name, curves, units)
    low, high = _reach(layer, curves)
    error = _errors(layer, curves, units)
    if stream.accuracy is not None:
        error = error + np.array(
            [(s or Fraction(0)) * e / u for s, e, u in zip(steep, stream.accuracy.error, units, strict=True)], object
        )
    error = np.array([rounded_up(one) for one in error], object)
    if any(error):
        accuracy = Accuracy(units, error, (), frozenset({name}), name)
    else:
        # These integers are what further sums are made of, as those of a layer are.
        accuracy = Accuracy(units, error, (Leaf(units, low, high, 1),), last=name)
    return builder.append(stream.point, layer, low, high, 1, label, accuracy=accuracy)


# ---- pieces


def _segments(chain: Chain, low: int, high: int, step: int) -> _Curve | None:
    """The fewest straight pieces of a function of ``low, low + step, ..., high``; None if they are not few."""
    grid = Grid.even(low, high, step)
    try:
        parts = pieces(chain, grid)
    except ModelError:
        return None
    found: _Curve = []
    for part in parts:
        if not part.straight and part.stop > part.start:
            return None
        segment = _segment(chain, part, low, step)
        if found and _in_line(found[-1], segment):
            found[-1] = replace(found[-1], stop=segment.stop, last=segment.last)
        elif len(found) == _MOST_PIECES:
            return None
        else:
            found.append(segment)
    return found


def _segment(chain: Chain, part: Piece, low: int, step: int) -> _Segment:
    start, stop = low + step * part.start, low + step * part.stop
    return _Segment(start, stop, chain(start), chain(stop))


def _in_line(one: _Segment, other: _Segment) -> bool:
    """Whether two neighbours are parts of one straight line."""
    points = {(one.start, one.first), (one.stop, one.last), (other.start, other.first), (other.stop, other.last)}
    (a, y), *others = sorted(points, key=lambda point: point[0])
    (b, z), *more = others
    return all(not sign((w - y) * (b - a) - (z - y) * (c - a)) for c, w in more)


# ---- units


def _exact_units(curves: Sequence[_Curve], name: str, plan: FixedPoint) -> Exacts | None:
    """For each channel a number of which its values are whole multiples, not too many; None if there are none.

    As slopes are differences of values, they are multiples too.
    """
    if name in plan.ratios:
        return None
    units = []
    for curve in curves:
        every = [n for one in curve for n in (one.first, one.slope, one.first - one.slope * one.start)]
        numbers = [number for number in every if isinstance(number, Fraction)]
        if len(numbers) < len(every):
            return None
        units.append(_measure(numbers))
    if name in plan.common:
        units = [_measure(units)] * len(units)
    sizes = [abs(value) / unit for curve, unit in zip(curves, units, strict=True) for value in _values(curve)]
    return np.array(units, object) if max(sizes) < 1 << _COMMON_BITS else None


def _measure(numbers: Sequence[Fraction]) -> Fraction:
    """The largest number of which all are whole multiples."""
    under = lcm(*(number.denominator for number in numbers))
    return Fraction(gcd(*(int(number * under) for number in numbers)), under) or Fraction(1)


def _values(curve: _Curve) -> list[Fraction]:
    """The values at the ends of pieces, or numbers close to them."""
    return [nearly(value) for one in curve for value in (one.first, one.last)]


def _units(curves: Sequence[_Curve], name: str, plan: FixedPoint) -> Exacts:
    """The size of an integer of 1 in each channel, where no unit is exact."""
    largest = [max(map(abs, _values(curve))) for curve in curves]
    widths = np.broadcast_to(plan.widths(name) - _LESS if name in plan.feeding else MOST_BITS, (len(curves),))
    bits = np.clip(widths, 8, _BITS)
    ratios = plan.ratios.get(name)
    if name in plan.common or ratios is not None:
        bits = np.minimum(bits, _COMMON_BITS) if name in plan.common else bits
        ratios = np.full(len(curves), Fraction(1), object) if ratios is None or name in plan.common else ratios
        most = max(size / ratio for size, ratio in zip(largest, ratios, strict=True))
        scaled: Exacts = ratios * _power(most, int(bits.min()))
        return scaled
    # The limits of a clip, or else the steepest slope, are powers of two.
    anchors = [_limits(curve) or max(abs(nearly(one.slope)) for one in curve) for curve in curves]
    rooms = [
        _exponent(anchor / (size or anchor), int(count)) if anchor else None
        for anchor, size, count in zip(anchors, largest, bits, strict=True)
    ]
    known = [room for room in rooms if room is not None]
    if known and max(known) - min(known) <= _EVEN_BITS:
        rooms = [None if room is None else min(known) for room in rooms]
    return np.array(
        [
            _power(size, int(count)) if room is None else anchor / Fraction(2) ** room
            for anchor, room, size, count in zip(anchors, rooms, largest, bits, strict=True)
        ],
        object,
    )


def _limits(curve: _Curve) -> Fraction | None:
    """A number of which the limits of a clip are small multiples; None if there are none."""
    flat = [value for one in curve for value in (one.first, one.last) if one.start < one.stop and not sign(one.slope)]
    numbers = [value for value in flat if isinstance(value, Fraction)]
    if len(numbers) < len(flat) or not any(numbers) or len(curve) == 1:
        return None
    measure = _measure(numbers)
    return measure if max(map(abs, numbers)) <= measure * _MOST_LIMITS else None


def _exponent(share: Fraction, bits: int) -> int:
    """The largest k for which ``1 / share`` times two to the power of k has at most so many bits."""
    return bits - _log(1 / share) - 1


def _power(size: Fraction, bits: int) -> Fraction:
    """The power of two in which a size has so many bits; 1 for a size of 0."""
    return Fraction(2) ** (_log(size) + 1 - bits) if size else Fraction(1)


def _log(x: Fraction) -> int:
    """The whole part of the logarithm of a positive number to the base of two."""
    k = x.numerator.bit_length() - x.denominator.bit_length()
    return k if Fraction(2) ** k <= x else k - 1


# ---- integers


def _rounded(name: str, curves: Sequence[_Curve], units: Exacts) -> Piecewise:
    """The layer whose pieces are nearest to those of the curves, in some units."""
    slopes = [[nearly(one.slope) / unit for one in curve] for curve, unit in zip(curves, units, strict=True)]
    every = {abs(slope) for row in slopes for slope in row if slope}
    shift = 0
    if any(slope.denominator > 1 for slope in every):
        # As few bits as make all slopes whole, or as many as a multiplier has.
        most = max(0, _SLOPE_BITS - 1 - _log(max(every)))
        under = max(slope.denominator for slope in every)
        whole = all(slope.denominator & (slope.denominator - 1) == 0 for slope in every)
        shift = min(most, under.bit_length() - 1) if whole else most
    count = max(2, *(len(curve) for curve in curves))
    never = max(one.stop for curve in curves for one in curve) + 1
    table = np.full((len(curves), count - 1), never, np.int64)
    factors, offsets = (np.zeros((len(curves), count), np.int64) for _ in range(2))
    for channel, (curve, row, unit) in enumerate(zip(curves, slopes, units, strict=True)):
        for place, (one, slope) in enumerate(zip(curve, row, strict=True)):
            factor = round(slope * (1 << shift))
            ends = [
                nearly(value) / unit * (1 << shift) - factor * at
                for value, at in ((one.first, one.start), (one.last, one.stop))
            ]
            factors[channel, place] = factor
            # Half of what the shift leaves out makes it round to the nearest.
            offsets[channel, place] = round(sum(ends) / 2) + (1 << shift >> 1)
            if place:
                table[channel, place - 1] = one.start
        factors[channel, len(curve) :], offsets[channel, len(curve) :] = (
            factors[channel, place],
            offsets[channel, place],
        )
    return Piecewise(name=name, thresholds=table, scale=factors, offset=offsets, shift=shift)


def _errors(layer: Piecewise, curves: Sequence[_Curve], units: Exacts) -> Exacts:
    """How far the integers of each channel may be off, in units: most at an end of a piece, and what a shift rounds."""
    errors = []
    one_shifted = 1 << layer.shift
    for channel, (curve, unit) in enumerate(zip(curves, units, strict=True)):
        worst = Fraction(0)
        for place, one in enumerate(curve):
            factor, offset = int(layer.scale[channel, place]), int(layer.offset[channel, place]) - (one_shifted >> 1)
            for value, at in ((one.first, one.start), (one.last, one.stop)):
                real = [end / unit for end in between(value)]
                worst = max(worst, *(abs(Fraction(factor * at + offset, one_shifted) - end) for end in real))
        exact = one_shifted == 1 or _whole(layer, channel)
        errors.append(worst if exact else worst + _HALF)
    return np.array(errors, object)


def _whole(layer: Piecewise, channel: int) -> bool:
    """Whether a shift leaves out nothing but the half that was added."""
    rest = (1 << layer.shift) - 1
    added = layer.offset[channel] - (1 << layer.shift >> 1)
    return not ((layer.scale[channel] & rest).any() or (added & rest).any())


def _reach(layer: Piecewise, curves: Sequence[_Curve]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The lowest and the highest integer of each channel."""
    ends = [
        [
            (int(layer.scale[channel, place]) * at + int(layer.offset[channel, place])) >> layer.shift
            for place, one in enumerate(curve)
            for at in (one.start, one.stop)
        ]
        for channel, curve in enumerate(curves)
    ]
    return np.array([min(row) for row in ends], np.int64), np.array([max(row) for row in ends], np.int64)
