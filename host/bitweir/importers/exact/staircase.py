"""Scalar functions that rise here and fall there, as staircases of an integer.

A function of one integer that is written with absolute values, choices, products and sums is cut into pieces on each
of which it only rises or only falls. Within a piece, where it meets a cut is found by bisection, in exact numbers, so
that ranges need not be enumerated. A piece on which that is not known is one integer long, and there may be only so
many of them.

An absolute value, a clip and a leaky ReLU bend at known numbers. Two straight pieces make a straight sum. Two pieces
that rise make a rising sum and a rising maximum, and, where both lie on one side of 0 and leave it in one direction, a
monotone product.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

from ..errors import ModelError
from .fold import Chain, Cut, Exacts, Step, first, reaches
from .surd import Exact, sign

__all__ = ["Grid", "Piece", "combination", "operation", "pieces", "staircase", "stairs_step", "trend"]

#: Integers that are looked at one by one, where nothing is known of a piece.
_MOST_SINGLE = 1 << 12
Function = Callable[[int], Exact]


@dataclass(frozen=True)
class Grid:
    """Numbers in ascending order: number k is ``at(k)``, for k of 0 to count - 1."""

    at: Callable[[int], Fraction]
    count: int

    @classmethod
    def even(cls, low: int, high: int, step: int | Fraction) -> Grid:
        """``low, low + step, ...`` up to `high`."""
        return cls(lambda k: low + Fraction(step) * k, int((high - low) / Fraction(step)) + 1)


@dataclass(frozen=True)
class Piece:
    """Places `start` to `stop` of a grid, both included; `straight` if the function there is an affine one."""

    start: int
    stop: int
    straight: bool = True


def pieces(chain: Chain, grid: Grid) -> list[Piece]:
    """Parts of a grid on each of which a chain only rises or only falls.

    Raises
    ------
    ModelError
        They are too many to look at; the text is the end of a sentence.
    """
    found = [Piece(0, grid.count - 1)]
    for place, (step, params) in enumerate(chain.parts):
        if step.split is not None:
            found = step.split(grid, params)
            continue
        if step.bends is not None:
            before = _function(Chain(chain.parts[:place]), grid)
            bends = [number for number in step.bends(*params) if number is not None]
            found = _cut(found, before, bends)
        if not step.straight:
            found = [replace(piece, straight=False) for piece in found]
    return found


def staircase(chain: Chain, cuts: Sequence[Cut], grid: Grid) -> list[tuple[int, int]]:
    """Where a chain reaches another number of cuts: pairs of a place of the grid and that number, from place 0 on.

    Parameters
    ----------
    chain : Chain
    cuts : sequence of Cut
        Ascending.
    grid : Grid
    """
    value = _function(chain, grid)

    @cache
    def level(k: int) -> int:
        return bisect_left(cuts, True, key=lambda cut: not reaches(value(k), cut))

    steps = [(0, level(0))]
    for piece in pieces(chain, grid):
        for k in _changes(level, piece.start, piece.stop):
            if level(k) != steps[-1][1]:
                steps.append((k, level(k)))
    return steps


def trend(chain: Chain, grid: Grid) -> int | None:
    """1 if a chain rises over a grid (however flat in places), -1 if it falls, 0 if it is constant; else None."""
    value = _function(chain, grid)
    corners = [k for piece in pieces(chain, grid) for k in (piece.start, piece.stop)]
    ways = {sign(value(b) - value(a)) for a, b in pairwise(corners)} - {0}
    return None if len(ways) > 1 else next(iter(ways), 0)


def _changes(level: Callable[[int], int], start: int, stop: int) -> Iterable[int]:
    """The start, and each place up to the stop at which a monotone function has another value than before."""
    yield start
    while level(start) != level(stop):
        low, high = start, stop
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if level(middle) == level(start) else (low, middle)
        start = high
        yield start


def _function(chain: Chain, grid: Grid) -> Function:
    return cache(lambda k: chain(grid.at(k)))


def _cut(found: Iterable[Piece], value: Function, numbers: Sequence[Exact]) -> list[Piece]:
    """Pieces of a function, cut where it passes numbers; places where it equals one are pieces of their own."""
    done = list(found)
    for number in numbers:

        def side(k: int, number: Exact = number) -> int:
            return sign(value(k) - number)

        parts = []
        for piece in done:
            starts = list(_changes(side, piece.start, piece.stop))
            parts += [replace(piece, start=a, stop=b - 1) for a, b in pairwise([*starts, piece.stop + 1])]
        done = parts
    return done


# ---- functions of several values that are made of one integer


def combination(kind: str, name: str, parts: Sequence[Sequence[Step]]) -> Step:
    """A step that makes one value of several, each a chain of the same integer.

    Parameters
    ----------
    kind : str
        ``sum``, ``product``, ``max``, ``min``, or ``where``: the second part where the first is not 0, else the third.
    name : str
        What it is, for messages.
    parts : sequence of sequence of Step
    """
    apply, turns = _KINDS[kind]

    def chains(params: Sequence[Any]) -> list[Chain]:
        rest = iter(params)
        return [Chain(tuple((step, tuple(next(rest) for _ in step.params)) for step in steps)) for steps in parts]

    def value(y: Exact, *params: Any) -> Exact:
        return apply(*(chain(y) for chain in chains(params)))

    def split(grid: Grid, params: Sequence[Any]) -> list[Piece]:
        ways = chains(params)
        functions = [_function(way, grid) for way in ways]
        return [
            part
            for pair in _common([pieces(way, grid) for way in ways])
            for part in turns(functions, pair, pair[0].start, pair[0].stop)
        ]

    params = tuple(param for steps in parts for step in steps for param in step.params)
    size = 1 + sum(step.size for steps in parts for step in steps)
    return Step(name, params, value, None, split=split, size=size)


def stairs_step(thresholds: Sequence[Exacts], values: Sequence[Exacts]) -> Step:
    """The step from an integer to ``values[number of thresholds reached]``; thresholds ascend."""
    count = len(thresholds)

    def value(y: Exact, *params: Any) -> Exact:
        result: Exact = params[count + bisect_left(params[:count], True, key=lambda t: sign(y - t) < 0)]
        return result

    def split(grid: Grid, params: Sequence[Any]) -> list[Piece]:
        found, start = [], 0
        for number in params[:count]:

            def passed(k: int, number: Exact = number) -> bool:
                return sign(grid.at(k) - number) >= 0

            stop = first(passed, start, grid.count - 1)
            if stop > start:
                found.append(Piece(start, stop - 1))
            start = stop
        return [*found, Piece(start, grid.count - 1)] if start < grid.count else found

    return Step("quantiser", (*thresholds, *values), value, None, split=split)


def _common(cuts: Sequence[Sequence[Piece]]) -> list[tuple[Piece, ...]]:
    """The parts of a grid that no list of pieces cuts, with a piece of each list."""
    starts = sorted({piece.start for found in cuts for piece in found})
    ends = [start - 1 for start in starts[1:]] + [cuts[0][-1].stop]
    places = [0] * len(cuts)
    rows = []
    for start, stop in zip(starts, ends, strict=True):
        for number, found in enumerate(cuts):
            places[number] += found[places[number]].stop < start
        rows.append(tuple(Piece(start, stop, f[k].straight) for f, k in zip(cuts, places, strict=True)))
    return rows


def _single(start: int, stop: int) -> list[Piece]:
    if stop - start >= _MOST_SINGLE:
        raise ModelError(
            f"a rising and a falling curve meet over {stop - start + 1:,} values of the sum, and at most "
            f"{_MOST_SINGLE:,} are looked at one by one: use a formula of straight pieces, such as Clip"
        )
    return [Piece(k, k) for k in range(start, stop + 1)]


def _direction(f: Function, start: int, stop: int) -> int:
    return sign(f(stop) - f(start))


def _sum(functions: Sequence[Function], pair: Sequence[Piece], start: int, stop: int) -> list[Piece]:
    straight = all(piece.straight for piece in pair)
    directions = {_direction(f, start, stop) for f in functions}
    return [Piece(start, stop, straight)] if straight or directions != directions | {-1, 1} else _single(start, stop)


def _product(functions: Sequence[Function], pair: Sequence[Piece], start: int, stop: int) -> list[Piece]:
    f, g = functions
    for one, other in ((f, pair[1]), (g, pair[0])):
        if not _direction(one, start, stop):
            return [Piece(start, stop, other.straight)]
    done = []
    for part in _cut(_cut([Piece(start, stop, False)], f, [Fraction(0)]), g, [Fraction(0)]):
        ends = (part.start, part.stop)
        away = {(sign(h(ends[0])) or sign(h(ends[1]))) * _direction(h, *ends) for h in functions}
        done += [part] if away != away | {-1, 1} else _single(*ends)
    return done


def _where(functions: Sequence[Function], pair: Sequence[Piece], start: int, stop: int) -> list[Piece]:
    if _direction(functions[0], start, stop) or not pair[0].straight:
        return _single(start, stop)
    return [Piece(start, stop, pair[1 if sign(functions[0](start)) else 2].straight)]


def _larger(functions: Sequence[Function], pair: Sequence[Piece], start: int, stop: int) -> list[Piece]:
    """Of a maximum or minimum."""
    f, g = functions
    if all(piece.straight for piece in pair):
        return _cut([Piece(start, stop)], lambda k: f(k) - g(k), [Fraction(0)])
    return _sum(functions, (Piece(start, stop, False),), start, stop)


def operation(kind: str) -> Callable[..., Exact]:
    """What a `combination` does to numbers."""
    return _KINDS[kind][0]


_KINDS: dict[str, tuple[Callable[..., Exact], Callable[..., list[Piece]]]] = {
    "max": (lambda a, b: a if sign(a - b) >= 0 else b, _larger),
    "min": (lambda a, b: a if sign(a - b) <= 0 else b, _larger),
    "product": (lambda a, b: a * b, _product),
    "sum": (lambda a, b: a + b, _sum),
    "where": (lambda c, a, b: a if sign(c) else b, _where),
}
