"""Staircases as a layer takes them: codes of even levels where that is what they are, else sums of 1-bit planes.

A staircase of a channel passes its thresholds in order, so its value is its lowest one plus, for each threshold that
is reached, the step there:

    values[0]  +  sum over j of (values[j] - values[j - 1]) * (x >= thresholds[j]).

Each summand is one bit. Where the levels of a staircase that falls and rises again are evenly spaced, thresholds behind
the sum make codes of it again, so that the next layer takes as few bits as the model says.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Exacts, Quantiser, shift
from .curves import upright
from .network_builder import NetworkBuilder
from .quantise import channel_scales, coding, quantise, ranges, resolved
from .shortcuts import add
from .symbols import Codes, Frame, Moving, Padded, Signal, narrowed, whole

__all__ = ["regular"]

#: Planes of a staircase: each takes a threshold for each channel, and a branch of a sum.
_MOST_PLANES = 16
#: Of the scale of a channel to what all scales are multiples of: weights of 8 bits.
_MOST_RATIO = 127
#: Of one staircase: codes of 8 bits.
_MOST_LEVELS = 256


def regular(builder: NetworkBuilder, x: Moving | Padded, label: str, *, apart: bool = False) -> Moving | Padded:
    """A value as a layer takes it: codes of even levels, or the sum of planes that stands for others.

    Levels may be as far apart in each channel as they like if the weights can take that up. What cannot be changed into
    codes or a sum returns as it is, and the layer says what it lacks.

    Parameters
    ----------
    builder : NetworkBuilder
    x : Signal, Codes or Padded
    label : str
        Of the node, for messages.
    apart : bool
        Each filter sees one channel.
    """
    if isinstance(x, Padded):
        inside = regular(builder, x.inside, label, apart=apart)
        assert not isinstance(inside, Padded)
        return replace(x, inside=inside)
    if not isinstance(x, Codes) or (x.ternary and len(x.values) > 2) or x.border or _even(resolved(x)):
        return x
    if _in_weights(channel_scales(x), apart):
        return x
    stairs = _Stairs.of(x)
    if stairs is None:
        return x
    codes: Codes | None = stairs.monotone()
    if codes is None and isinstance(x.origin, Frame):
        raise ModelError(
            f"Node {label} takes a quantiser of the input that rises and falls over what pixels bring: put a layer "
            "before the quantiser, or use a function that only rises."
        )
    if codes is not None:
        if builder.taps is not None:
            builder.taps.moved(x, codes)
        if _even(codes) or isinstance(x.origin, Frame):
            return codes
    planes = stairs.planes()
    if codes is None and len(planes) > _MOST_PLANES:
        raise ModelError(
            f"Node {label} takes a quantiser whose levels rise and fall in {len(planes)} steps over its sums, "
            f"and at most {_MOST_PLANES} are supported: use a simpler formula, or fewer levels."
        )
    if not 0 < len(planes) <= _MOST_PLANES:
        return x
    total: Moving = planes[0]
    for plane in planes[1:]:
        total = add(builder, total, plane, label)
    if len(planes) == 1:
        total = builder.signal(total, label, as_map=len(x.shape) == 3)
    assert isinstance(total, Signal)
    y = total.then(shift(stairs.first())) if any(stairs.first().flat) else total
    if codes is not None or not _evenly(stairs.levels):
        return y
    half = Fraction(1, 2)
    cuts = tuple((whole(x, (a + b) * half), False) for a, b in pairwise(stairs.levels))
    again = quantise(y, Quantiser(cuts, tuple(whole(x, level) for level in stairs.levels)))
    if builder.taps is not None:
        builder.taps.moved(x, again)
    return again


def _even(codes: Codes) -> bool:
    try:
        coding(codes)
    except ModelError:
        return False
    return True


def _in_weights(scales: list[Fraction], apart: bool) -> bool:
    """Whether weights take up the scales of channels: as whole numbers, or each in the scale of its outputs."""
    if not any(scales):
        return False
    under = lcm(*(one.denominator for one in scales))
    whole_ones = [int(one * under) for one in scales]
    return apart or max(whole_ones) // gcd(*whole_ones) <= _MOST_RATIO


def _evenly(levels: list[Fraction]) -> bool:
    return len({b - a for a, b in pairwise(levels)}) == 1


class _Stairs:
    """The staircase of each element that has one of its own: pairs of a number from which on a value holds.

    Attributes
    ----------
    levels : list of Fraction
        All values that occur, in ascending order.
    """

    def __init__(self, codes: Codes, rows: list[list[tuple[Any, Fraction]]], shape: tuple[int, ...]) -> None:
        self._codes, self._rows, self._shape = codes, rows, shape
        self._never = _never(codes, shape)
        self.levels = sorted({value for row in rows for _, value in row})

    @classmethod
    def of(cls, codes: Codes) -> _Stairs | None:
        """Those of codes; None where values are no fractions, are too many, or are constant."""
        codes = upright(codes)
        if any(not isinstance(x, Fraction) for value in codes.values for x in value.flat):
            return None
        ends = [] if isinstance(codes.origin, Frame) else ranges(codes)[:2]
        shape = np.broadcast_shapes(codes.thresholds.shape[1:], *(value.shape for value in (*codes.values, *ends)))
        table = np.broadcast_to(codes.thresholds, (len(codes.thresholds), *shape)).reshape(len(codes.thresholds), -1)
        values = [np.broadcast_to(value, shape).ravel() for value in codes.values]
        low, high = (np.broadcast_to(end, shape).ravel() for end in ends) if ends else (None, None)
        rows = []
        for place in range(table.shape[1]):
            least, most = (-np.inf, np.inf) if low is None or high is None else (int(low[place]), int(high[place]))
            row: list[tuple[Any, Fraction]] = [(least, values[0][place])]
            for at, value in zip(table[:, place].tolist(), values[1:], strict=True):
                if at > most or at == np.inf:
                    break
                if at <= row[-1][0]:
                    row[-1] = (row[-1][0], value[place])
                else:
                    row.append((at, value[place]))
            kept = row[:1] + [b for a, b in pairwise(row) if a[1] != b[1]]
            rows.append(kept)
        found = cls(codes, rows, shape)
        return found if 2 <= len(found.levels) <= _MOST_LEVELS else None

    def monotone(self) -> Codes | None:
        """Codes that count the levels, if each staircase rises or falls as a whole."""
        rises, table = [], []
        frame = isinstance(self._codes.origin, Frame)
        for row, never in zip(self._rows, self._never.ravel().tolist(), strict=True):
            passed = [value for _, value in row]
            up = passed == sorted(passed)
            if not up and passed != sorted(passed, reverse=True):
                return None
            rises.append(up)
            if up:
                found = [next((at for at, v in row if v >= level), never) for level in self.levels[1:]]
            else:
                # From here on a level is no longer reached.
                found = [next((at for at, v in row if v < level), never) for level in self.levels[1:]]
                found = found[::-1] if frame else [1 - at for at in found]
            table.append(found)
        thresholds = np.array(table).T.reshape(-1, *self._shape)
        down = ~np.array(rises).reshape(self._shape)
        values = tuple(whole(self._codes, level) for level in self.levels)
        if frame and down.any():
            pairs = zip(values, values[::-1], strict=True)
            values = tuple(np.asarray(np.where(down, b, a), object) for a, b in pairs)
            down = np.zeros_like(down)
        return replace(self._codes, thresholds=thresholds, values=values, inverted=down)

    def first(self) -> Exacts:
        """The value of each staircase before its first step."""
        return self._exacts([row[0][1] for row in self._rows])

    def planes(self) -> list[Codes]:
        """For each step one bit, which is worth the step."""
        count = max(len(row) for row in self._rows) - 1
        zero = Fraction(0)
        result = []
        for k in range(1, count + 1):
            places = [row[k][0] if k < len(row) else never for row, never in self._pairs()]
            steps = [row[k][1] - row[k - 1][1] if k < len(row) else zero for row in self._rows]
            thresholds = np.array(places).reshape(1, *self._shape)
            values = (whole(self._codes, 0), self._exacts(steps))
            result.append(replace(self._codes, thresholds=thresholds, values=values, ternary=None))
        return result

    def _pairs(self) -> list[tuple[list[tuple[Any, Fraction]], Any]]:
        return list(zip(self._rows, self._never.ravel().tolist(), strict=True))

    def _exacts(self, numbers: list[Fraction]) -> Exacts:
        array = np.empty(len(numbers), object)
        array[:] = numbers
        return narrowed(array.reshape(self._shape))


def _never(codes: Codes, shape: tuple[int, ...]) -> NDArray[Any]:
    """A threshold of each element that no number reaches."""
    if isinstance(codes.origin, Frame):
        return np.full(shape, np.inf)
    return np.broadcast_to(np.asarray(ranges(codes)[1].astype(np.int64)) + 1, shape)
