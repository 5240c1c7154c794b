"""Error bounds that a network states for its inexact sums, and when they are too wide to be of use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from bitweir_hw.network import Bound

from ..errors import ModelError
from ..exact.fold import Chain
from ..exact.surd import between, nearly
from .accuracy import RANGE_SHARE, Margin, rounded_up
from .symbols import Stream
from .units import MOST_BITS, TooWide

__all__ = ["bound", "check_width", "known_badly", "known_error", "score_margin", "wanted_errors"]


def bound(layer: str, of: str, found: Margin) -> Bound:
    """A margin as a network carries it, in short fractions: rounded up, and down where it is a distance."""
    closest = None if found.closest is None else str(-rounded_up(-found.closest))
    return Bound(
        layer=layer, of=of, error=str(found.error), unit=str(rounded_up(found.unit)), closest=closest, exact=found.exact
    )


def wanted_errors(margins: Mapping[int, Margin], channels: int) -> list[Fraction | None]:
    """For each channel of a sum the error at which all of its codes are exact; None where that is not known."""
    found = [margins.get(channel) for channel in range(channels)]
    return [one.closest / 2 if one and one.closest and not one.exact else None for one in found]


def known_badly(name: str, found: Margin) -> str:
    """End of a sentence about what must take sums."""
    return (
        f"that are known well enough, but those of {name} may be off by {float(found.error):.2g} and {found.poor}: put "
        "a quantiser, such as a sign, between the sums before it, or scale their branches by multiples of one number."
    )


def score_margin(sums: Stream, chains: Sequence[Chain], rounding: Fraction) -> Margin | None:
    """How far a score may be off; None if none is.

    Parameters
    ----------
    sums : Stream
        From which the scores are made.
    chains : sequence of Chain
        Affine, one for each score.
    rounding : Fraction
        What the integers of the scores add, in numbers of the model.

    Raises
    ------
    ModelError
        So much that it tells nothing.
    """
    if sums.accuracy is None or sums.exact:
        return Margin(rounded_up(rounding), rounded_up(rounding), None, False) if rounding else None
    error, unit = known_error(sums, chains) + rounding, Fraction(0)
    values: list[Fraction] = []
    for chain, low, high in zip(chains, sums.low, sums.high, strict=True):
        unit = max(unit, _slope(chain))
        values += [nearly(chain(int(low))), nearly(chain(int(high)))]
    span = max(values) - min(values)
    found = Margin(rounded_up(error), unit, None, False, f"range over {float(span):.3g}")
    if error * RANGE_SHARE > span:
        raise ModelError(f"The output of the model must be scores {known_badly(sums.name, found)}")
    return found


def known_error(sums: Stream, chains: Sequence[Chain]) -> Fraction:
    """How far a score may be off, since the sums are; in numbers of the model."""
    if sums.accuracy is None or sums.exact:
        return Fraction(0)
    errors: list[Fraction] = [_slope(chain) * one for chain, one in zip(chains, sums.accuracy.error, strict=True)]
    return max(errors)


def _slope(chain: Chain) -> Fraction:
    """No less than the size of the slope of an affine function."""
    return max(map(abs, between(chain(1) - chain(0))))


def check_width(stream: Stream) -> None:
    """Refuse what a sum in fixed point makes too wide, for registers or for the layer that multiplies it.

    Only the channels that are too wide get coarser units, in the sums before this one: their units differ.
    """
    if _excess(stream.map.low, stream.map.high) <= 0 or stream.accuracy is None or not stream.sums:
        return
    each = np.array([_excess(*ends) for ends in zip(stream.low, stream.high, strict=True)])
    # Where no channel is too wide, the widest ones of the two streams that it adds are not the same: those count that
    # are as wide as the widest.
    raise TooWide(np.maximum(each + max(0, 1 - int(each.max())), 0), stream.sums, stream.accuracy.mixed)


def _excess(low: int, high: int) -> int:
    """Bits above what fits."""
    return max(abs(int(low)), abs(int(high))).bit_length() - MOST_BITS
