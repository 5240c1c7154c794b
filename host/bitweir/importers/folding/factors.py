"""Integers for a sum of several streams that are exact: a factor for each stream, or one for each of its channels.

Streams whose slopes have the same ratios in all channels need one factor each, which is wired into the adder. Parts of
an activation, and of weights with one scale for a layer, are such streams: behind a layer, each is a real number times
a scale that the channel has for all of them. The scale goes into the unit of the channel. What remains are a few real
numbers whose ratios whole numbers must meet (simultaneous Diophantine approximation: for k ratios there are
denominators q that are off by less than q ** (-1 / k) / q). They are few, so that many q are tried, and the smallest
that is good enough is taken: short factors make narrow sums. Other streams have a unit for each channel, and their
slopes are rounded to multiples of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..exact.fold import Exacts
from .accuracy import rounded_up

__all__ = ["Factors", "own_factors", "ratios", "shared_factors"]

#: Of the denominator of a unit that is not to be met exactly.
_UNIT_BITS = 96
#: Denominators that are all tried, and powers of two beyond them.
_MOST_TRIED, _MOST_BITS = 1 << 15, 30


@dataclass(frozen=True, eq=False)
class Factors:
    """Integers for a sum: ``unit * sum over p of factors[p] * stream_p`` stands for the real one.

    Parameters
    ----------
    unit : Exacts, (C,)
        Positive fractions.
    factors : tuple of int64 array, (C,)
    error : Exacts, (C,)
        Bound on the error, in units.
    """

    unit: Exacts
    factors: tuple[NDArray[np.int64], ...]
    error: Exacts

    @property
    def weights(self) -> tuple[int, ...] | None:
        """The factor of each stream, where that is one for all channels."""
        shared = all((one == one[0]).all() for one in self.factors)
        return tuple(int(one[0]) for one in self.factors) if shared else None


def ratios(slopes: Sequence[Exacts]) -> list[Fraction] | None:
    """What the slopes of each stream, (C,), are in sizes of those of the first one; None if channels differ."""
    if any(not isinstance(number, Fraction) or not number for one in slopes for number in one):
        return None
    base: Exacts = np.abs(slopes[0])
    found = [one / base for one in slopes]
    return None if any((one != one[0]).any() for one in found) else [one[0] for one in found]


def shared_factors(
    slopes: Sequence[Exacts],
    reaches: Sequence[NDArray[np.int64]],
    shares: Sequence[Fraction],
    targets: Sequence[Fraction | None],
    bits: int,
) -> Factors | None:
    """The smallest factors that are near enough; None where channels differ in their ratios, or none are.

    Parameters
    ----------
    slopes : sequence of Exacts, (C,)
        Of each stream: the real size of an integer of 1.
    reaches : sequence of int64 array, (C,)
        Largest magnitude of its integers.
    shares : sequence of Fraction
        Errors that are near enough, as shares of the range of the sum: the first one that fits.
    targets : sequence of Fraction or None
        Errors that each channel should not exceed, in numbers of the model, as far as that fits.
    bits : int
        Magnitude bits that the sum may have.
    """
    found = ratios(slopes)
    if found is None:
        return None
    base: Exacts = np.abs(slopes[0])
    reach = [int(one.max()) for one in reaches]
    spans = [
        sum(abs(ratio) * int(one) for ratio, one in zip(found, of, strict=True)) for of in zip(*reaches, strict=True)
    ]
    # A row without weights reaches nothing.
    least = min((span for span in spans if span), default=Fraction(1))
    aims = [target / size for target, size in zip(targets, base, strict=True) if target is not None]
    aim = min([least * shares[0], *aims])
    # The sizes of the ratios, divided by each number that may become the unit.
    tried = np.concatenate([np.arange(1, _MOST_TRIED), 2.0 ** np.arange(15, _MOST_BITS)])
    real = np.array([float(ratio) for ratio in found])
    units = (abs(real)[:, None] / tried).ravel()
    whole = np.rint(real[:, None] / units)
    errors = (abs(real[:, None] - whole * units) * np.array(reach)[:, None]).sum(axis=0)
    sizes = (abs(whole) * np.array(reach)[:, None]).sum(axis=0)
    fits = (sizes < 2.0**bits) & (whole != 0).all(axis=0)
    for enough in (aim, *(least * share for share in shares)):
        good = np.flatnonzero((errors <= float(enough) * 0.999) & fits)
        if len(good):
            break
    else:
        return None
    best = good[np.argmin(sizes[good])]
    part, times = divmod(int(best), len(tried))
    unit = abs(found[part]) / int(tried[times])
    return _rounded(slopes, reaches, np.asarray(base * unit, object))


def own_factors(
    slopes: Sequence[Exacts],
    reaches: Sequence[NDArray[np.int64]],
    rooms: Sequence[int],
    shares: Sequence[Fraction],
    bits: int,
) -> Factors | None:
    """The factors of each channel; None where they would be too long, or slopes are no fractions.

    Parameters
    ----------
    slopes, reaches, bits
        As in `shared_factors`.
    rooms : sequence of int
        Largest magnitude that each stream has, in whatever channel.
    shares : sequence of Fraction
        The error that is wanted, and the largest one that is near enough, as shares of the range of the sum.
    """
    if any(not isinstance(number, Fraction) for one in slopes for number in one):
        return None
    units = []
    for sizes, reach in zip(zip(*map(np.abs, slopes), strict=True), zip(*reaches, strict=True), strict=True):
        span = sum(size * int(one) for size, one in zip(sizes, reach, strict=True))
        taps = int(sum(reach))
        # Each slope is off by half a unit.
        wanted = 2 * span * shares[0] / taps if taps else Fraction(1)
        fits = sum(size * room for size, room in zip(sizes, rooms, strict=True)) / ((1 << bits) - sum(rooms) - 1)
        unit = max(wanted, fits) or Fraction(1)
        if unit * taps > 2 * span * shares[-1] and span:
            return None
        units.append(Fraction(unit).limit_denominator(1 << _UNIT_BITS) or unit)
    return _rounded(slopes, reaches, np.array(units, object))


def _rounded(slopes: Sequence[Exacts], reaches: Sequence[NDArray[np.int64]], unit: Exacts) -> Factors:
    """The nearest multiples of the unit of each channel, and how far they are off."""
    real = [one / unit for one in slopes]
    factors = [np.array([round(number) for number in one], np.int64) for one in real]
    error = np.full(len(unit), Fraction(0), object)
    for one, factor, reach in zip(real, factors, reaches, strict=True):
        error = error + abs(one - factor.astype(object)) * reach.astype(object)
    return Factors(unit, tuple(factors), np.array([rounded_up(Fraction(x)) for x in error], object))
