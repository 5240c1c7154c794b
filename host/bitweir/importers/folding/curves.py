"""Quantisers of functions that rise here and fall there, and functions of several values made of one integer.

Any of them is a staircase of the integer. Where it rises or falls as a whole in each channel, it becomes thresholds
like those of any other quantiser. `planes` has what becomes of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Chain, Cut, Exacts, Quantiser, Step, columns, tie_distance
from ..exact.staircase import Grid, combination, operation, pieces, staircase, stairs_step
from ..exact.surd import Exact, approximate, sign
from .symbols import Codes, Frame, Moving, Signal, Stream, narrowed

__all__ = ["combined", "levelled", "one_integer", "quantised_curve", "real_crossings", "turning_values", "upright"]

Stairs = list[tuple[Any, int]]
#: Real places are told up to this, in integers of a stream; a curve that comes as near to a number touches it.
_CLOSE, _TOUCH = Fraction(1, 1 << 40), 2.0**-30
#: Two to this is more than any float.
_BEYOND = 1100
#: Scalar operations of which one function of an integer is made: formulas of papers take fewer than 20.
_MOST_OPERATIONS = 128
#: Values of a function that are counted: codes of 8 bits.
_MOST_LEVELS = 256
#: Sums at which they are looked for.
_MOST_SUMS = 1 << 13


def quantised_curve(signal: Signal, quantiser: Quantiser, limits: Sequence[Exacts]) -> Codes:
    """The codes of a quantiser behind a chain that need not rise or fall.

    Parameters
    ----------
    signal : Signal
    quantiser : Quantiser
        Its arrays broadcast against the frame.
    limits : sequence of Exacts
        Of a stream: its lowest and highest integer, (for each element of a frame: its place in the rule of the input).

    Raises
    ------
    ModelError
        The curve cannot be followed; the text is the end of a sentence.
    """
    origin, cuts = signal.origin, quantiser.cuts
    _check_origin(signal)
    if isinstance(origin, Stream) and origin.point.border is not None:
        if origin.point.border.layer.by_pixel:
            raise ModelError(
                "what comes before it rises and falls, behind sums that have a scale or an offset of their own in each "
                "pixel: use one parameter a channel"
            )
        if origin.point.border.factors is not None:
            raise ModelError(
                "what comes before it rises and falls, behind means that have other divisors at the edges of the map: "
                "count the padding with count_include_pad=1, or pool without padding"
            )
        raise ModelError(
            "what comes before it rises and falls, behind a convolution whose padding lies between the integers of "
            "its input: pad with a level of the quantiser before it"
        )
    shape, channels = columns(signal.steps, *(array for array, _ in cuts), *limits)
    shape = (1,) * (len(signal.shape) - len(shape)) + shape
    known: dict[Any, tuple[Stairs, Any, float]] = {}
    rows = []
    rounds = False
    for chain, extra in channels:
        key = (*(tuple(params) for _, params in chain.parts), extra)
        if key not in known:
            numbers = [(number, strict) for number, (_, strict) in zip(extra, cuts, strict=False)]
            known[key] = _closed(origin, chain, numbers, extra[len(cuts) :])
            rounds |= chain.rounded_in_float
        rows.append(known[key])
    distance = (min(row[2] for row in rows), rounds) if isinstance(origin, Stream) else (np.inf, False)
    codes = Codes(
        origin, signal.shape, signal.index, np.zeros((0, *shape)), quantiser.values, np.zeros(shape, bool),
        signal.batch, distance=distance,
    )  # fmt: skip
    count = max(1, *(len(stairs) - 1 for stairs, *_ in rows))
    thresholds = [[at for at, _ in stairs[1:]] + [never] * (count + 1 - len(stairs)) for stairs, never, _ in rows]
    levels = [[level for _, level in stairs] + [stairs[-1][1]] * (count + 1 - len(stairs)) for stairs, *_ in rows]
    table = np.array(thresholds).T.reshape(count, *shape)
    chosen = [narrowed(_choose(row, quantiser.values)) for row in np.array(levels).T.reshape(count + 1, *shape)]
    return replace(codes, thresholds=table, values=tuple(chosen))


def _choose(row: NDArray[np.int64], values: Sequence[Exacts]) -> Exacts:
    """``values[row]``, element by element."""
    shape = np.broadcast_shapes(row.shape, *(value.shape for value in values))
    every = np.stack([np.broadcast_to(value, shape) for value in values])
    chosen: Exacts = np.take_along_axis(every, np.broadcast_to(row, shape)[None], axis=0)[0]
    return chosen


def turning_values(signal: Signal, limits: Sequence[Exacts]) -> list[Exact]:
    """The values at the ends of the range of each channel, and wherever between them a curve turns.

    Parameters as of `quantised_curve`.
    """
    _check_origin(signal)
    seen: set[Any] = set()
    found = []
    for chain, extra in columns(signal.steps, *limits)[1]:
        key = (*(tuple(params) for _, params in chain.parts), extra)
        if key not in seen:
            seen.add(key)
            found += _corners(chain, _grid(signal.origin, extra))
    return found


def _check_origin(signal: Signal) -> None:
    if isinstance(signal.origin, Frame) and signal.origin.stored is None:
        raise ModelError(
            "what comes before it rises and falls, and the numbers of the input that it takes are not known: say what "
            "pixels bring with --input-scale"
        )


def _grid(origin: Frame | Stream, extra: Sequence[Any]) -> Grid:
    """The numbers of a channel that occur."""
    if isinstance(origin, Stream):
        return Grid.even(int(extra[0]), int(extra[1]), origin.step)
    assert origin.stored is not None
    floats = origin.stored.floats(extra[0])
    if (np.diff(floats) <= 0).any():
        raise ModelError("the numbers that the input stands for must ascend: use a positive --input-scale")
    return Grid(lambda k: Fraction(float(floats[k])), len(floats))


def _corners(chain: Chain, grid: Grid) -> list[Exact]:
    return [chain(grid.at(k)) for piece in pieces(chain, grid) for k in (piece.start, piece.stop)]


def _closed(
    origin: Frame | Stream, chain: Chain, cuts: Sequence[Cut], extra: Sequence[Any]
) -> tuple[Stairs, Any, float]:
    """The staircase of a channel by numbers of its origin, one that is never reached, and the distance of a tie."""
    grid = _grid(origin, extra)
    found = staircase(chain, cuts, grid)
    if isinstance(origin, Frame):
        return [(float(grid.at(k)), level) for k, level in found], np.inf, np.inf
    low, high = (int(end) for end in extra[:2])
    stairs = [(low + k * origin.step, level) for k, level in found]
    if any(not sign(value - number) for value in _corners(chain, grid) for number, _ in cuts):
        return stairs, high + 1, 0.0
    nearest = min(
        (
            tie_distance(chain, cuts[number], at, origin.step, (low, high))
            for (_, before), (at, level) in pairwise(stairs)
            for number in range(min(before, level), max(before, level))
        ),
        default=np.inf,
    )
    return stairs, high + 1, nearest


def real_crossings(chain: Chain, numbers: Sequence[Any], low: int, high: int) -> list[Fraction]:
    """Where a curve meets some numbers, or comes so near that it may, between two integers; close to the real place."""
    grid = Grid.even(low, high, _CLOSE)
    cuts = [(number, False) for number in sorted(numbers, key=approximate)]
    found = {k for k, _ in staircase(chain, cuts, grid)[1:]}
    for piece in pieces(chain, grid):
        for k in (piece.start, piece.stop):
            y = approximate(chain(grid.at(k)))
            if any(abs(y - approximate(number)) <= _TOUCH * (1 + abs(y)) for number, _ in cuts):
                found.add(k)
    return [grid.at(k) for k in sorted(found)]


def levelled(signal: Signal) -> Codes | None:
    """A clipped or bent function of sums that take few values, as codes that count its values; it stays exact.

    None where it has too many values, or they are not evenly spaced in each channel.
    """
    stream = signal.origin
    if not isinstance(stream, Stream) or not stream.exact or stream.point.border is not None:
        return None
    channel = (signal.index % stream.map.channels).reshape(signal.shape)
    limits = [narrowed(ends[channel]).astype(object) for ends in (stream.low, stream.high)]
    shape, channels = columns(signal.steps, *limits)
    shape = (1,) * (len(signal.shape) - len(shape)) + shape
    known: dict[Any, list[tuple[int, Fraction]] | None] = {}
    rows: list[list[tuple[int, Fraction]]] = []
    for chain, (low, high) in channels:
        key = (*(tuple(params) for _, params in chain.parts), low, high)
        if key not in known:
            known[key] = _levels(chain, int(low), int(high), stream.step)
        row = known[key]
        if row is None:
            return None
        rows.append(row)
    count = max(len(row) for row in rows)
    if count < 2:
        return None
    full = []
    for row, never in zip(rows, np.broadcast_to(limits[1], shape).ravel() + 1, strict=True):
        # Levels that are out of reach go on as the others do.
        step = row[1][1] - row[0][1] if len(row) > 1 else Fraction(1)
        full.append(row + [(never, row[-1][1] + step * k) for k in range(1, count + 1 - len(row))])
    table = np.array([[at for at, _ in row[1:]] for row in full]).astype(np.int64).T.reshape(count - 1, *shape)
    values = []
    for k in range(count):
        value = np.empty(len(full), object)
        value[:] = [row[k][1] for row in full]
        values.append(narrowed(value.reshape(shape)))
    return Codes(
        stream, signal.shape, signal.index, table, tuple(values), np.zeros(shape, bool), signal.batch,
        distance=(0.5, False),
    )  # fmt: skip


def _levels(chain: Chain, low: int, high: int, step: int) -> list[tuple[int, Fraction]] | None:
    """Each value of a channel, and the sum at which it begins; None as in `levelled`."""
    row: list[tuple[int, Fraction]] = []
    if (high - low) // step > _MOST_SUMS:
        return None
    for at in range(low, high + 1, step):
        value = chain(at)
        if not isinstance(value, Fraction):
            return None
        if not row or value != row[-1][1]:
            row.append((at, value))
        if len(row) > _MOST_LEVELS:
            return None
    return row if len({b[1] - a[1] for a, b in pairwise(row)}) < 2 else None


# ---- several values that are made of one integer


def one_integer(*values: Any) -> bool:
    """Whether values (constants left out) are functions of the same integers, element by element."""
    moving = [x for x in values if not isinstance(x, np.ndarray)]
    one = moving[0]
    return isinstance(one, (Signal, Codes)) and all(
        isinstance(x, (Signal, Codes))
        and x.origin is one.origin
        and x.shape == one.shape
        and not (isinstance(x, Signal) and x.ended)
        and np.array_equal(x.index, one.index)
        and not (isinstance(x, Codes) and x.border)
        for x in moving
    )


def combined(kind: str, name: str, values: Sequence[Moving | Exacts]) -> Moving:
    """One function of the same integer made of several; `values` are moving ones or arrays that broadcast against them.

    Parameters
    ----------
    kind : str
        As in `staircase.combination`.
    name : str
        What it is, for messages.
    values : sequence of Signal, Codes or Exacts
        `one_integer` holds for them.

    Raises
    ------
    ModelError
        It is made of too many operations: a value that is used twice counts twice.
    """
    moving = [x for x in values if isinstance(x, (Signal, Codes))]
    parts = [_steps(x) for x in values]
    if sum(step.size for steps in parts for step in steps) > _MOST_OPERATIONS:
        raise ModelError(
            f"A {name} is a formula of more than {_MOST_OPERATIONS} operations on one value, in which a value that is "
            "used twice counts twice: put a quantiser between its parts."
        )
    step = combination(kind, name, parts)
    codes = [x for x in moving if isinstance(x, Codes)]
    if len(codes) == len(moving):
        return _joined(codes, kind, [x if isinstance(x, np.ndarray) else None for x in values])
    return Signal(moving[0].origin, moving[0].shape, moving[0].index, (step,), moving[0].batch)


def _steps(x: Moving | Exacts) -> tuple[Step, ...]:
    if isinstance(x, Signal):
        return x.steps
    if isinstance(x, Codes):
        codes = upright(x)
        numbers = [np.asarray(np.frompyfunc(_fraction, 1, 1)(row), object) for row in codes.thresholds]
        return (stairs_step(numbers, codes.values),)
    return (stairs_step([], [x]),)


def _fraction(x: float) -> Fraction:
    return Fraction(x) if np.isfinite(x) else Fraction(int(np.sign(x)) << _BEYOND)


def upright(codes: Codes) -> Codes:
    """The same codes with all thresholds for the elements of the origin themselves, not for their negatives."""
    if not codes.inverted.any():
        return codes
    down = codes.inverted
    thresholds = np.where(down, 1 - codes.thresholds[::-1], codes.thresholds)
    pairs = zip(codes.values, codes.values[::-1], strict=True)
    values = tuple(np.asarray(np.where(down, last, one), object) for one, last in pairs)
    return replace(codes, thresholds=thresholds, values=values, inverted=np.zeros_like(down))


def _joined(codes: Sequence[Codes], kind: str, constants: Sequence[Exacts | None]) -> Codes:
    """Staircases of the same integer as one: its thresholds are those of all."""
    ups = [upright(x) for x in codes]
    shape = np.broadcast_shapes(*(up.thresholds.shape[1:] for up in ups))
    every = np.concatenate([np.broadcast_to(up.thresholds, (len(up.thresholds), *shape)) for up in ups])
    owner = np.repeat(np.arange(len(ups)), [len(up.thresholds) for up in ups])
    order = np.argsort(every, axis=0, kind="stable")
    thresholds = np.take_along_axis(every, order, axis=0)
    value = np.frompyfunc(operation(kind), len(constants), 1)
    values: list[Exacts] = []
    for passed in range(len(every) + 1):
        # A threshold that equals the next one says nothing: what counts is what stands behind both.
        parts, place = [], 0
        for constant in constants:
            if constant is not None:
                parts.append(constant)
                continue
            reached = (owner[order[:passed]] == place).sum(axis=0)
            parts.append(_choose(reached, [np.asarray(v, object) for v in ups[place].values]))
            place += 1
        values.append(narrowed(np.asarray(value(*parts), object)))
    margins = {
        channel: reduce(lambda a, b: a | b, [x.margins[channel] for x in codes if channel in x.margins])
        for channel in {channel for x in codes for channel in x.margins}
    }
    distance = min((x.distance for x in codes), key=lambda pair: pair[0])
    joined = replace(
        ups[0], thresholds=thresholds, ternary=None, distance=distance, margins=margins, inverted=np.zeros(shape, bool)
    )
    return joined.simplified(tuple(values))
