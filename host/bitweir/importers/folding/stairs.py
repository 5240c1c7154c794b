"""The staircase of each element of codes: from which integer on it has which value."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact.fold import Exacts
from .curves import upright
from .quantise import ranges
from .symbols import Codes, Frame, Stream, narrowed, whole

__all__ = ["Stairs"]

#: Of one staircase: codes of 8 bits.
_MOST_LEVELS = 256


class Stairs:
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

    @property
    def even(self) -> bool:
        """Whether the levels are evenly spaced."""
        return len({b - a for a, b in pairwise(self.levels)}) == 1

    @classmethod
    def of(cls, codes: Codes) -> Stairs | None:
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
            ats = table[:, place].tolist()
            if isinstance(codes.origin, Stream):
                # Up to the next number that occurs.
                ats = [least - (least - at) // codes.origin.step * codes.origin.step for at in ats]
            for at, value in zip(ats, values[1:], strict=True):
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

    def counted(self) -> tuple[Codes, list[Fraction]] | None:
        """Codes that count along one sequence of values for all, and that sequence; None where there is none.

        The values need not ascend, and a staircase may leave some of them out. One that passes them in the opposite
        order is counted from its other end.
        """
        order = self.levels
        if any(passed not in (sorted(passed), sorted(passed, reverse=True)) for passed in map(_values, self._rows)):
            order = max(map(_values, self._rows), key=len)
        frame = isinstance(self._codes.origin, Frame)
        down: list[bool] = []
        table: list[list[Any]] = []
        for row, never in zip(self._rows, self._never.ravel().tolist(), strict=True):
            places, falls = _along(order, _values(row)), False
            if places is None and not frame:
                # Negated, an element reaches a value where it no longer has the one behind it.
                row = [(-never, row[-1][1])] + [(1 - after, v) for (_, v), (after, _) in list(pairwise(row))[::-1]]
                never = 1 - self._rows[len(table)][0][0]
                places, falls = _along(order, _values(row)), True
            if places is None:
                return None
            starts = [(place, at) for place, (at, _) in zip(places, row, strict=True)]
            table.append([next((at for place, at in starts if place >= k), never) for k in range(1, len(order))])
            down.append(falls)
        thresholds = np.array(table).T.reshape(-1, *self._shape)
        values = tuple(whole(self._codes, level) for level in order)
        inverted = np.array(down).reshape(self._shape)
        return replace(self._codes, thresholds=thresholds, values=values, inverted=inverted, ternary=None), order

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


def _values(row: list[tuple[Any, Fraction]]) -> list[Fraction]:
    return [value for _, value in row]


def _along(order: list[Fraction], values: list[Fraction]) -> list[int] | None:
    """The places of values in a sequence that has all of them in their order; None where it has not."""
    places: list[int] = []
    for value in values:
        start = places[-1] + 1 if places else 0
        if value not in order[start:]:
            return None
        places.append(order.index(value, start))
    return places


def _never(codes: Codes, shape: tuple[int, ...]) -> NDArray[Any]:
    """A threshold of each element that no number reaches."""
    if isinstance(codes.origin, Frame):
        return np.full(shape, np.inf)
    return np.broadcast_to(np.asarray(ranges(codes)[1].astype(np.int64)) + 1, shape)
