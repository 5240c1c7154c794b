"""Exact scores: per-class affine maps as integers that keep the order of all pairs (class, accumulator)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise
from math import ceil, gcd, inf, lcm

import numpy as np
from numpy.typing import NDArray

from .fold import Chain
from .surd import Exact, approximate, coefficients, nearly, sign

__all__ = ["FRACTION_BITS", "IntegerScores", "integer_scores", "ranks"]

#: As many scores as may be compared, one with another.
_MAX_CELLS = 1 << 22
#: Neighbouring scores that sift the numbers of fraction bits before all are tried.
_SAMPLE = 1 << 12
#: Magnitude bits of scores.
_SCORE_BITS = 60
#: Bits of an offset between classes; the layers before it are far narrower.
_OFFSET_BITS = 60
#: More fraction bits than this are refused: scores would be wider than any trained network needs.
FRACTION_BITS = 40
_ZERO = Fraction(0)
#: Magnitude bits that scores may take to keep the order of what is off already.
_KNOWN_BITS = 40
#: What rounding adds to scores that are off already is about this part of that.
_SHARE = 16


@dataclass(frozen=True, eq=False)
class IntegerScores:
    """Per class: whether to invert the weight row, then ``scale * acc + offset``.

    `scale` and `offset` are None where one rising map is common to all classes: accumulators serve as scores.
    `exact` is False where two scores that nearly tie may come out in the other order: each is off by `error` at most,
    in numbers of the model.
    """

    inverted: NDArray[np.bool_]
    scale: NDArray[np.int64] | None
    offset: NDArray[np.int64] | None
    exact: bool = True
    error: Fraction = Fraction(0)


def integer_scores(
    chains: Sequence[Chain], low: Sequence[int], high: Sequence[int], step: int, error: Fraction = _ZERO
) -> IntegerScores:
    """Integer scores of one frame in the exact order, ties included, where that is known.

    Parameters
    ----------
    chains : sequence of Chain
        Affine, one per class.
    low, high : sequence of int
        Range of the accumulator of each class.
    step : int
        Distance of neighbouring accumulators.
    error : Fraction
        How far scores may be off already, in numbers of the model: then rounding may add a little.

    Raises
    ------
    ValueError
        It would take more than `FRACTION_BITS` fraction bits; the text says how the sentence goes on.
    """
    inverted = np.array([chain.slope < 0 for chain in chains])
    offsets = [chain(0) for chain in chains]
    slopes = [chain(-1 if flip else 1) - offset for chain, flip, offset in zip(chains, inverted, offsets, strict=True)]
    if sign(slopes[0]) > 0 and _all_equal(slopes) and _all_equal(offsets):
        return IntegerScores(inverted, None, None)
    if sign(slopes[0]) and _all_equal(slopes):
        return _of_one_slope(inverted, slopes[0], offsets)
    count = sum((end - start) // step + 1 for start, end in zip(low, high, strict=True))
    if count > _MAX_CELLS:
        return _of_many_cells(inverted, slopes, offsets, max(map(abs, (*low, *high))), error)
    grid = [np.arange(start, end + 1, step) for start, end in zip(low, high, strict=True)]
    reach = max(1, *(abs(int(end)) for cells in grid for end in cells[[0, -1]]))
    # One cell speaks for all of a class whose score is constant.
    grid = [cells if sign(slope) else cells[:1] for cells, slope in zip(grid, slopes, strict=True)]
    grid = [-cells[::-1] if flip else cells for cells, flip in zip(grid, inverted, strict=True)]
    cells, owner = _cells(grid)
    order, rises = _in_order(slopes, offsets, cells, owner)
    cells, owner, tied = cells[order], owner[order], ~rises
    closest = _closest(slopes, offsets, cells, owner)
    unit, start = _unit(slopes, offsets)
    for bits in range(start, start + FRACTION_BITS + 1):
        factor = unit * Fraction(2) ** bits
        # How they are rounded does not matter: the order of the integers is what is tested.
        scale, offset = [[round(nearly(x * factor)) for x in numbers] for numbers in (slopes, offsets)]
        if max(map(abs, scale)) * reach + max(map(abs, offset)) >= 1 << (_KNOWN_BITS if error else 62):
            break
        found = IntegerScores(inverted, np.array(scale, np.int64), np.array(offset, np.int64))
        if _keeps(found, cells, owner, tied, closest) and _keeps(found, cells, owner, tied, slice(None)):
            return found
    if error:
        return _of_many_cells(inverted, slopes, offsets, reach, error)
    raise ValueError(f"integer scores that keep the exact order would need more than {FRACTION_BITS} fraction bits")


def _of_one_slope(inverted: NDArray[np.bool_], slope: Exact, offsets: list[Exact]) -> IntegerScores:
    """Scores ``acc + offset / slope``: whole parts as they are, and the ranks of the fractional parts below them."""
    lowest: Exact = offsets[0]
    for offset in offsets:
        lowest = offset if sign(offset - lowest) < 0 else lowest
    whole = [_floor(offset - lowest, slope) for offset in offsets]
    rest = [offset - lowest - slope * number for offset, number in zip(offsets, whole, strict=True)]
    order = ranks([Fraction(0)] * len(rest), rest, [np.zeros(1, np.int64)] * len(rest))
    parts = int(order.max()) + 1
    if max(whole) * parts >> _OFFSET_BITS:
        raise ValueError(f"the scores of two classes lie more than {_OFFSET_BITS} bits apart")
    return IntegerScores(inverted, np.full(len(whole), parts, np.int64), np.array(whole, np.int64) * parts + order)


def _of_many_cells(
    inverted: NDArray[np.bool_], slopes: Sequence[Exact], offsets: Sequence[Exact], reach: int, known: Fraction
) -> IntegerScores:
    """Scores that are too many to compare one by one: exact where all numbers are multiples of one, else rounded."""
    numbers = [*slopes, *offsets]
    fractions = [number for number in numbers if isinstance(number, Fraction)]
    under = lcm(*(number.denominator for number in fractions))
    exact = len(fractions) == len(numbers) and not known
    if exact:
        unit = Fraction(gcd(*(int(number * under) for number in fractions)), under)
        exact = _width(slopes, offsets, unit, reach) <= _SCORE_BITS
    if not exact:
        unit = Fraction(1)
        while (spare := _SCORE_BITS - _width(slopes, offsets, unit, reach)) > 0:
            unit /= 1 << spare
        while _width(slopes, offsets, unit, reach) > _SCORE_BITS or _rounding(unit, reach) * _SHARE < known:
            unit *= 2
    scale, offset = ([round(nearly(x * (1 / unit))) for x in part] for part in (slopes, offsets))
    error = _ZERO if exact else _rounding(unit, reach)
    return IntegerScores(inverted, np.array(scale, np.int64), np.array(offset, np.int64), exact, error)


def _rounding(unit: Fraction, reach: int) -> Fraction:
    """How far scores are off that are rounded to units: half a unit of slope and offset each, and what `nearly` is."""
    return unit * (reach + 1) * Fraction(501, 1000)


def _width(slopes: Sequence[Exact], offsets: Sequence[Exact], unit: Fraction, reach: int) -> int:
    """Magnitude bits of the widest score in a unit."""
    most = max(abs(nearly(x)) for x in slopes) * reach + max(abs(nearly(x)) for x in offsets)
    return ceil(most / unit).bit_length()


def _floor(over: Exact, under: Exact) -> int:
    """The whole number of times that a positive number goes into one that is not negative."""
    low, high = 0, 1
    while sign(over - under * high) >= 0 and high >> _OFFSET_BITS == 0:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if sign(over - under * middle) >= 0 else (low, middle)
    return low


def ranks(slopes: Sequence[Exact], offsets: Sequence[Exact], grid: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rank of each score ``slope * acc + offset`` among all of all classes, equal for equal scores."""
    cells, owner = _cells(grid)
    order, rises = _in_order(slopes, offsets, cells, owner)
    result = np.empty(len(order), np.int64)
    result[order] = np.cumsum(np.r_[0, rises])
    return result


def _cells(grid: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Accumulators of all classes, and whose each is."""
    return np.concatenate(grid), np.repeat(np.arange(len(grid)), [len(cells) for cells in grid])


def _in_order(
    slopes: Sequence[Exact], offsets: Sequence[Exact], cells: NDArray[np.int64], owner: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The order of scores, and whether each is higher than the one before it.

    Integers decide where all numbers are multiples of one that is not too small. Else floats decide where they are far
    enough apart to be right, and exact numbers where they are not.
    """
    whole = _whole(slopes, offsets, int(np.abs(cells).max()))
    if whole is not None:
        scores = whole[0][owner] * cells + whole[1][owner]
        order = np.argsort(scores, kind="stable")
        return order, np.diff(scores[order]) > 0
    rough, error = _rough(slopes, offsets, cells, owner)
    order = np.argsort(rough, kind="stable")
    near = np.flatnonzero(np.diff(rough[order]) <= 2 * error)
    below, above = order[near], order[near + 1]
    rises = np.ones(len(order) - 1, np.int64)
    rises[near] = _rises(slopes, offsets, (owner[below], cells[below]), (owner[above], cells[above]))

    def compare(i: int, j: int) -> int:
        (c, a), (d, b) = ((owner[k], int(cells[k])) for k in (i, j))
        return sign(slopes[c] * a + offsets[c] - slopes[d] * b - offsets[d])

    ends = [0, *(np.setdiff1d(np.arange(len(rises)), near) + 1), len(order)] if (rises < 0).any() else []
    for start, end in pairwise(ends):
        if (rises[start : end - 1] < 0).any():  # floats had some that are near each other in a wrong order
            order[start:end] = sorted(order[start:end].tolist(), key=cmp_to_key(compare))
            for place in range(start, end - 1):
                rises[place] = compare(order[place + 1], order[place])
    return order, rises > 0


def _whole(
    slopes: Sequence[Exact], offsets: Sequence[Exact], reach: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Slopes and offsets as multiples of one number, if scores of accumulators up to `reach` then fit int64."""
    numbers = [number for number in (*slopes, *offsets) if isinstance(number, Fraction)]
    if len(numbers) < len(slopes) + len(offsets):
        return None
    under = lcm(*(number.denominator for number in numbers))
    whole = [int(number * under) for number in numbers]
    unit = gcd(*whole) or 1
    scale, offset = ([number // unit for number in part] for part in (whole[: len(slopes)], whole[len(slopes) :]))
    if max(map(abs, scale)) * reach + max(map(abs, offset)) >= 1 << 62:
        return None
    return np.array(scale, np.int64), np.array(offset, np.int64)


def _rough(
    slopes: Sequence[Exact], offsets: Sequence[Exact], cells: NDArray[np.int64], owner: NDArray[np.intp]
) -> tuple[NDArray[np.float64], float]:
    """The scores in floats, in a unit of which the largest is about one, and a bound of the error of each.

    Slope, accumulator, offset, product and sum are rounded once each, by 2^-53 of what is at most the size.
    """
    reach = int(np.abs(cells).max(initial=1))
    top = max(max(abs(nearly(x)) for x in slopes) * reach, *(abs(nearly(x)) for x in offsets))
    unit = Fraction(2) ** (top.denominator.bit_length() - top.numerator.bit_length())
    scale, offset = (np.array([approximate(x * unit) for x in part]) for part in (slopes, offsets))
    size = float((np.abs(scale) * reach + np.abs(offset)).max())
    return scale[owner] * cells + offset[owner], 2.0**-50 * size


def _rises(
    slopes: Sequence[Exact],
    offsets: Sequence[Exact],
    below: tuple[NDArray[np.intp], NDArray[np.int64]],
    above: tuple[NDArray[np.intp], NDArray[np.int64]],
) -> NDArray[np.int64]:
    """The exact sign of the score of each pair (class, accumulator) in `above`, less that in `below`.

    For two classes the difference is an affine function of both accumulators. So along a line it changes its sign once
    at most, and of the pairs that tie, which lie on one line, few need exact numbers.
    """
    (d, b), (c, a) = below, above
    result = np.zeros(len(a), np.int64)
    order = np.lexsort((b, a, d, c))
    changes = np.flatnonzero(np.diff(c[order]) | np.diff(d[order])) + 1
    for places in np.split(order, changes) if len(order) else []:
        one, other = int(c[places[0]]), int(d[places[0]])

        def exactly(place: int, one: int = one, other: int = other) -> int:
            return sign(slopes[one] * int(a[place]) + offsets[one] - slopes[other] * int(b[place]) - offsets[other])

        # Differences in steps of the grid are so small that no product overflows.
        x, y = a[places] - a[places[0]], b[places] - b[places[0]]
        x, y = x // max(1, int(np.gcd.reduce(x))), y // max(1, int(np.gcd.reduce(y)))
        line = x * y[-1] == y * x[-1]
        for place in places[~line]:
            result[place] = exactly(place)
        on = places[line]
        first, last = exactly(on[0]), exactly(on[-1])
        start, end = 0, len(on) - 1 if first != last else len(on)
        while start < end and first != last:
            middle = (start + end) // 2
            start, end = (middle + 1, end) if exactly(on[middle]) == first else (start, middle)
        result[on] = last
        result[on[:start]] = first
        result[on[start : start + 1]] = exactly(on[start]) if start < len(on) else 0
    return result


def _closest(
    slopes: Sequence[Exact], offsets: Sequence[Exact], cells: NDArray[np.int64], owner: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Places of the smallest steps between neighbouring scores: those that too few fraction bits lose first."""
    steps = np.abs(np.diff(_rough(slopes, offsets, cells, owner)[0]))
    return np.argpartition(steps, _SAMPLE)[:_SAMPLE] if len(steps) > _SAMPLE else np.arange(len(steps))


def _keeps(
    scores: IntegerScores,
    cells: NDArray[np.int64],
    owner: NDArray[np.intp],
    tied: NDArray[np.bool_],
    which: NDArray[np.intp] | slice,
) -> bool:
    """Whether integer scores keep the order of neighbours in a list of cells that is sorted, and its ties."""
    assert scores.scale is not None and scores.offset is not None
    low, high = ((cells[part][which], owner[part][which]) for part in (slice(None, -1), slice(1, None)))
    rises = scores.scale[high[1]] * high[0] + scores.offset[high[1]] - scores.scale[low[1]] * low[0]
    rises -= scores.offset[low[1]]
    return bool(np.where(tied[which], rises == 0, rises > 0).all())


def _all_equal(numbers: Sequence[Exact]) -> bool:
    return all(sign(x - numbers[0]) == 0 for x in numbers[1:])


def _unit(slopes: Sequence[Exact], offsets: Sequence[Exact]) -> tuple[Fraction, int]:
    """A factor that makes thirds and the like whole, and the power of two at which the largest slope is about 1."""
    unders = {part.denominator for x in (*slopes, *offsets) for part in coefficients(x)}
    odd = lcm(*(under // (under & -under) for under in unders))
    unit = Fraction(odd if odd < 1 << 20 else 1)
    top = max(abs(approximate(x * unit)) for x in slopes)
    return unit, (-int(np.frexp(top)[1]) if 0 < top < inf else 0)
