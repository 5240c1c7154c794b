"""Integers for a sum of two streams: which unit it gets, and by which factors each stream comes to it.

Where the slopes of both streams have a common measure that is not too small, the sum is exact. Else each channel gets
the pair of integers whose ratio is nearest to that of the slopes, from the continued fraction of it: a convergent p / q
is off by less than 1 / q^2 (Khinchin, Continued Fractions, theorem 9), so that factors of b bits hold 2b bits of the
ratio. The error that remains is told by `Units.error`, whatever the factors are.

What a sum needs depends on what follows, which is not known when the walk comes to it. So the walk is repeated with
what was found (`FixedPoint`): sums that other sums take get a finer unit, whose errors do not grow from sum to sum, and
sums that a dense layer or the classes take get one unit for all channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from bitweir_hw.errors import BitweirError
from bitweir_hw.network import Input, Network
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.surd import Exact, between, nearly
from .accuracy import rounded_up

__all__ = [
    "MOST_BITS",
    "WANTED",
    "FixedPoint",
    "Replan",
    "Summand",
    "TooWide",
    "Units",
    "convergents",
    "fitted",
    "planned",
]

Exacts = NDArray[Any]
Ints = NDArray[np.int64]

#: Magnitude bits of what sums in fixed point may reach: 32 bits with the sign.
MOST_BITS = 31
#: Magnitude bits of a sum that another sum takes: from the first number down to the second.
_FINE_BITS, _LEAST_BITS = 28, 8
#: The error that a sum may add, as a share of its range: what it gets of streams that are exact, what it gets of one
#: that is not, and what is enough.
WANTED, GOOD, ENOUGH = (Fraction(1, 1 << bits) for bits in (24, 20, 16))
#: A unit of more bits is replaced by one of so many.
_UNIT_BITS, _SHORT_BITS = 512, 96
_EVEN = Fraction(1, 1 << _SHORT_BITS - 16)
#: More than any network of real numbers asks for.
_MAX_PASSES = 40


class Replan(Exception):  # noqa: N818 - it is no error: the walk begins again
    """Something that follows a sum needs it in another form."""


class TooWide(Exception):  # noqa: N818 - it is no error yet: narrower sums before it help
    """A sum in fixed point does not fit.

    Parameters
    ----------
    excess : int or int64 array, (C,)
        Bits above what fits, of all channels or of each.
    sums : frozenset of str
        Sums before it; all sums where it is empty.
    mixed : frozenset of str
        Those of them before a linear layer, which mixes their channels.
    """

    def __init__(
        self, excess: int | Ints, sums: frozenset[str] = frozenset(), mixed: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(excess)
        self.excess = excess
        self.sums = sums
        self.mixed = mixed


@dataclass(eq=False)
class FixedPoint:
    """What is known from earlier walks over the same graph about its sums, by their names, and about its input.

    Attributes
    ----------
    bits : int
        Magnitude bits of sums that other sums take.
    feeding : set of str
        Sums that other sums take, directly or behind further layers.
    common : set of str
        Sums that must have one unit for all channels and hold their offsets.
    ratios : dict
        Sums of which the units of the channels must have given ratios, (C,), so that a sum behind them has one unit.
    targets : dict
        Errors that each channel should not exceed, in numbers of the model; None for as usual.
    views : list of Input
        What layers read of the input, if not all of them read the same; see `views`.
    shifts : bool
        Sums have fewer bits before a linear layer; see `shifts`.
    changed : bool
        This walk found something new.
    """

    bits: int = _FINE_BITS
    feeding: set[str] = field(default_factory=set)
    common: set[str] = field(default_factory=set)
    ratios: dict[str, Exacts] = field(default_factory=dict)
    targets: dict[str, list[Fraction | None]] = field(default_factory=dict)
    views: list[Input] = field(default_factory=list)
    shifts: bool = False
    changed: bool = False
    _less: dict[str, Ints] = field(default_factory=dict)

    def reads(self, first: Input, view: Input) -> None:
        """A layer reads a view of the input that the stream of `first` does not have."""
        self.views = [*(self.views or [first]), view]
        self.changed = True

    def feeds(self, sums: Iterable[str]) -> None:
        """Another sum takes these."""
        self.changed |= not self.feeding.issuperset(sums)
        self.feeding |= set(sums)

    def need_common(self, name: str) -> None:
        """Something takes a sum (or what has no name) that can take one unit only.

        Raises
        ------
        Replan
            It was not made so.
        """
        if name and name not in self.common:
            self.common.add(name)
            self.changed = True
            raise Replan

    def need_ratios(self, name: str, ratios: Exacts) -> None:
        """A sum that needs given units takes another one, whose units should go with them."""
        if name and name not in self.common and name not in self.ratios:
            self.ratios[name] = np.array([_short(ratio) for ratio in ratios], object)
            self.changed = True

    def aim(self, name: str, errors: list[Fraction | None]) -> None:
        """A sum proves exact if no channel has more than these errors."""
        if name not in self.targets:
            self.targets[name] = errors
            self.changed = True

    def exact_bits(self, name: str) -> int:
        """Magnitude bits that an exact sum may have."""
        return int(self.widths(name).min()) if name in self.feeding else MOST_BITS

    def rooms(self, name: str) -> Ints:
        """Magnitude bits of each channel of a sum that is as exact as it can be: fewer where it proved too wide."""
        return MOST_BITS - _FINE_BITS + self.bits - self._less.get(name, np.zeros(1, np.int64))

    def widths(self, name: str) -> Ints:
        """Magnitude bits that each channel of a sum may have, or one number for all, if another sum takes it."""
        return np.maximum(self.bits - self._less.get(name, np.zeros(1, np.int64)), _LEAST_BITS)

    def narrow(self, wide: TooWide) -> bool:
        """Leave more room for what follows; False if nothing can be narrower."""
        if isinstance(wide.excess, int) or not wide.sums:
            self.bits -= int(np.max(wide.excess))
            return self.bits >= _LEAST_BITS
        before = {name: self.widths(name) for name in wide.sums}
        for name in wide.sums:
            excess = wide.excess.max(keepdims=True) if name in wide.mixed else wide.excess
            self._less[name] = self._less.get(name, np.zeros(1, np.int64)) + excess
        return any((self.widths(name) < bits).any() for name, bits in before.items())


def planned(walk: Callable[[FixedPoint], Network]) -> Network:
    """NetworkBuilder over a graph until its sums have what they need.

    Raises
    ------
    ModelError
        No choice of units fits.
    """
    plan = FixedPoint()
    try:
        return _planned(walk, plan)
    except BitweirError:
        if not plan.common:
            raise
    # Sums before linear layers are too wide, or else all sums too coarse: then they have fewer bits there.
    return _planned(walk, FixedPoint(shifts=True))


def _planned(walk: Callable[[FixedPoint], Network], plan: FixedPoint) -> Network:
    for _ in range(_MAX_PASSES):
        plan.changed = False
        try:
            network = walk(plan)
        except Replan:
            continue
        except TooWide as wide:
            # What was found on the way may be all that was missing.
            if not plan.changed and not plan.narrow(wide):
                break
            continue
        except BitweirError:
            if not plan.changed:
                raise
            continue
        if not plan.changed:
            return network
    raise ModelError(
        f"The sums of the model must fit 32 bits with {_LEAST_BITS} bits for the first of them, but too many sums of "
        "different scales follow one another: put a quantiser, such as a sign, between them."
    )


# ---- one sum


@dataclass(frozen=True, eq=False)
class Summand:
    """A stream that a sum takes.

    Parameters
    ----------
    slopes : Exacts, (C,)
        Real size of an integer of 1.
    reach : int64 array, (C,)
        Largest magnitude of the integers.
    error : Exacts, (C,)
        Bound on what they are off already, in units of 1.
    room : int
        Largest magnitude that its layer may hand on, in whatever channel: all are as wide.
    sums : frozenset of str
        Sums behind which the stream is.
    mixed : frozenset of str
        Those of them with a linear layer behind them.
    last : str
        The one of them that chose the units, if any did.
    units : Exacts, (C,), or None
        These units.
    """

    slopes: Exacts
    reach: Ints
    error: Exacts
    room: int
    sums: frozenset[str] = frozenset()
    mixed: frozenset[str] = frozenset()
    last: str = ""
    units: Exacts | None = None

    def over(self, ratios: Exacts) -> Summand:
        """The same where each channel counts in its own measure."""
        return replace(self, slopes=self.slopes * (1 / ratios))

    @property
    def even(self) -> Fraction | None:
        """Size of the slopes, if all have one, but for what a unit of `_SHORT_BITS` may be off."""
        sizes = [abs(nearly(slope)) for slope in self.slopes]
        return sizes[0] if all(abs(size - sizes[0]) <= sizes[0] * _EVEN for size in sizes) and sizes[0] else None


Pair = tuple[Summand, Summand]


@dataclass(frozen=True, eq=False)
class Units:
    """Integers for a sum: ``unit * (factors[0] * a + factors[1] * b + offset)`` stands for the real one.

    Parameters
    ----------
    unit : Exacts, (C,)
        Positive fractions.
    factors : (int64 array, int64 array), (C,) each
    offset : int64 array, (C,)
        What the sum holds of the real offset: the nearest whole number if it has one unit for all channels, else 0.
    rest : Exacts, (C,)
        Real offset that is left for the chain behind the sum.
    error : Exacts, (C,)
        Bound on the error, in units.
    """

    unit: Exacts
    factors: tuple[Ints, Ints]
    offset: Ints
    rest: Exacts
    error: Exacts


def fitted(name: str, pair: Pair, offsets: Exacts, plan: FixedPoint) -> Units:
    """Units for a sum that is not exact in one unit for all channels.

    Parameters
    ----------
    name : str
        Of the sum.
    pair : (Summand, Summand)
    offsets : Exacts, (C,)
        What the sum adds.
    plan : FixedPoint

    Raises
    ------
    TooWide
        The sums before it leave no room.
    """
    channels = len(offsets)
    sizes = [[_Size.of(one, channel) for one in pair] for channel in range(channels)]
    fine = np.broadcast_to(plan.widths(name) if name in plan.feeding else MOST_BITS - 1, (channels,))
    room = np.broadcast_to(plan.rooms(name), (channels,))
    aims = plan.targets.get(name, [None] * channels)
    ratios = plan.ratios.get(name)
    if name in plan.common or ratios is not None:
        ratios = np.full(channels, Fraction(1), object) if ratios is None or name in plan.common else ratios
        for one in pair:
            if one.units is not None:
                sizes_up = np.array([abs(nearly(slope)) or Fraction(1) for slope in one.slopes], object)
                plan.need_ratios(one.last, ratios * one.units / sizes_up)
        found = _common((pair[0].over(ratios), pair[1].over(ratios)), offsets * (1 / ratios), int(fine.min()))
        units = [found * ratio for ratio in ratios]
    elif name in plan.feeding:
        given = zip(sizes, fine, aims, room, strict=True)
        units = [_finer(a, b, int(bits), aim, int(most)) for (a, b), bits, aim, most in given]
    else:
        units = [_last(a, b, aim, int(most)) for (a, b), aim, most in zip(sizes, aims, room, strict=True)]
    result = _rounded(pair, np.array(units, object), offsets, held=name in plan.common)
    _check_room(pair, sizes, result)
    return result


@dataclass(frozen=True)
class _Size:
    """One channel of a summand: its slope, whether that is exact, reach of it and of all channels, if behind a sum."""

    slope: Fraction
    whole: bool
    reach: int
    room: int
    fine: bool

    @classmethod
    def of(cls, one: Summand, channel: int) -> _Size:
        slope: Exact = one.slopes[channel]
        whole = isinstance(slope, Fraction) and not one.error[channel]
        return cls(abs(nearly(slope)), whole, int(one.reach[channel]), one.room, bool(one.sums))

    @property
    def range(self) -> Fraction:
        """Real magnitude."""
        return self.slope * self.reach


def convergents(x: Fraction) -> Iterator[tuple[int, int]]:
    """Numerator and denominator of the convergents of the continued fraction of ``x >= 0``, from 1/0 on."""
    before, now = (0, 1), (1, 0)
    over, under = x.numerator, x.denominator
    yield now
    while under:
        whole, rest = divmod(over, under)
        before, now = now, (whole * now[0] + before[0], whole * now[1] + before[1])
        yield now
        over, under = under, rest


def _nearest(a: _Size, b: _Size, bits: int, aim: Fraction | None) -> Fraction:
    """The unit in which the ratio of two slopes is close enough with the smallest factors; or exact, if that fits."""
    if not a.slope or not b.slope:
        return _short(max(a.slope, b.slope)) or Fraction(1)
    wanted = (a.range + b.range) * WANTED
    aim = wanted if aim is None else min(aim, wanted)
    best: tuple[Fraction, Fraction] | None = None
    aimed: Fraction | None = None
    for over, under in convergents(b.slope / a.slope):
        if best is not None and under * a.room + over * b.room >= 1 << bits:
            break
        # The slope of the one stream is a whole multiple of the unit, that of the other is rounded.
        units = [_short(slope / factor) for slope, factor in ((a.slope, under), (b.slope, over)) if factor]
        error, unit = min((abs(a.slope - under * u) * a.reach + abs(b.slope - over * u) * b.reach, u) for u in units)
        if error <= aim:
            aimed = unit if aimed is None or not error else aimed
            if not error or not (a.whole and b.whole):
                return unit
        if best is None or (best[0] > wanted and error < best[0]):
            best = (error, unit)
    assert best is not None
    return best[1] if aimed is None else aimed


def _last(a: _Size, b: _Size, aim: Fraction | None, room: int) -> Fraction:
    """A unit for a sum that no other sum takes."""
    if a.fine != b.fine and a.slope and b.slope and aim is None:
        return _kept(a, b, GOOD, room)
    return _nearest(a, b, MOST_BITS - 1, aim)


def _kept(a: _Size, b: _Size, share: Fraction, room: int) -> Fraction:
    """The unit of the stream that is behind a sum, which so needs no multiplier, or a power of two below it.

    Its error has a share of the range; or a larger one that is enough, where the sum would else take more than so many
    bits: one more than what either layer hands on in its widest channel.
    """
    anchor, other = (a, b) if a.fine else (b, a)
    unit, whole = anchor.slope, a.range + b.range
    most = max(one.slope * one.room for one in (a, b))
    while (error := abs(other.slope - round(other.slope / unit) * unit) * other.reach) > whole * share:
        if error <= whole * ENOUGH and 2 * most >= unit * (1 << room - 1):
            break
        unit /= 2
    return _short(unit)


def _finer(a: _Size, b: _Size, bits: int, aim: Fraction | None, room: int) -> Fraction:
    """A unit that leaves room for what further sums add.

    Integers behind a sum are fine already and stay as they are, if that rounds the other stream well enough. Else the
    unit in which the ratio of the slopes is close is divided by a power of two.
    """
    reach = a.range + b.range
    if a.fine != b.fine and a.slope and b.slope:
        return _kept(a, b, ENOUGH, room)
    if a.fine and b.fine:
        return _nearest(a, b, MOST_BITS - 1, aim)
    unit = _nearest(a, b, bits, aim)
    spare = int((1 << bits) * unit / reach) if reach else 1
    return unit / (1 << max(0, spare.bit_length() - 1))


def _common(pair: Pair, offsets: Exacts, bits: int) -> Fraction:
    """One unit for all channels: that of a stream with one slope, divided by a power of two; else a power of two."""
    sizes = [[_Size.of(one, channel) for one in pair] for channel in range(len(offsets))]
    most = max(a.range + b.range + abs(nearly(o)) for (a, b), o in zip(sizes, offsets, strict=True))
    room = (1 << bits) / (most or Fraction(1))
    anchor = max(pair, key=lambda one: (bool(one.even), bool(one.sums)))
    even = anchor.even
    # Integers behind sums stay as they are, or what they hold is lost.
    if even and (even * room >= 1 or anchor.sums):
        return even / (1 << max(0, int(even * room).bit_length() - 1))
    power = int(room).bit_length() - 1 if room >= 1 else -int(1 / room).bit_length()
    return 1 / Fraction(2) ** power


def _short(unit: Fraction) -> Fraction:
    """A unit without absurdly many bits."""
    size = max(unit.numerator.bit_length(), unit.denominator.bit_length())
    if size <= _UNIT_BITS or not unit:
        return unit
    scale = Fraction(2) ** (_SHORT_BITS - unit.numerator.bit_length() + unit.denominator.bit_length())
    return round(unit * scale) / scale


def _rounded(pair: Pair, units: Exacts, offsets: Exacts, *, held: bool) -> Units:
    """The nearest integers in some units, and how far they are off."""
    factors: list[Ints] = []
    error = np.full(len(units), Fraction(0), object)
    for one in pair:
        whole, loss, size = _nearest_whole(one.slopes, units)
        factors.append(whole)
        error += loss * one.reach.astype(object) + size * one.error
    offset, rest = np.zeros(len(units), np.int64), offsets
    if held:
        offset, loss, _ = _nearest_whole(offsets, units)
        error, rest = error + loss, offsets * 0
    return Units(units, (factors[0], factors[1]), offset, rest, np.array([rounded_up(x) for x in error], object))


def _nearest_whole(numbers: Exacts, units: Exacts) -> tuple[Ints, Exacts, Exacts]:
    """Numbers in units to the nearest integer; bounds on what they are off, and on their size, in units."""
    rows = []
    for number, unit in zip(numbers, units, strict=True):
        low, high = (end / unit for end in between(number))
        whole = round(low)
        rows.append((whole, max(abs(low - whole), abs(high - whole)), max(abs(low), abs(high))))
    whole, loss, size = (np.array(column, object) for column in zip(*rows, strict=True))
    return whole.astype(np.int64), loss, size


def _check_room(pair: Pair, sizes: Sequence[Sequence[_Size]], found: Units) -> None:
    """Ask for narrower sums before this one, if it is too wide or its own error too large."""
    if not (before := pair[0].sums | pair[1].sums):
        return
    excess = np.zeros(len(sizes), np.int64)
    for channel, both in enumerate(sizes):
        unit = found.unit[channel]
        reach = sum(abs(int(k[channel])) * size.reach for k, size in zip(found.factors, both, strict=True))
        error = sum(
            abs(size.slope - abs(int(k[channel])) * unit) * size.reach
            for k, size in zip(found.factors, both, strict=True)
        )
        enough = sum(size.range for size in both) * ENOUGH
        lacking = (int(-(-error // enough)) - 1).bit_length() if error > enough else 0
        # A bit of the factors of both streams is two of their ratio.
        lacking = -(-lacking // 2) if all(size.fine for size in both) else lacking
        excess[channel] = max(0, reach.bit_length() - MOST_BITS, lacking)
    if excess.any():
        raise TooWide(excess, before, pair[0].mixed | pair[1].mixed)
