"""Exact scores: per-class affine maps as integers that keep the order of all pairs (class, accumulator)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cmp_to_key
from math import ceil, gcd, inf, lcm

import numpy as np
from numpy.typing import NDArray

from .fold import Chain
from .surd import Exact, approximate, coefficients, nearly, sign

__all__ = ["FRACTION_BITS", "IntegerScores", "integer_scores", "ranks"]

#: As many scores as may be compared, one with another.
_MAX_CELLS = 1 << 22
#: Magnitude bits of scores.
_SCORE_BITS = 60
#: Bits of an offset between classes; the layers before it are far narrower.
_OFFSET_BITS = 60
#: More fraction bits than this are refused: scores would be wider than any trained network needs.
FRACTION_BITS = 40


@dataclass(frozen=True, eq=False)
class IntegerScores:
    """Per class: whether to invert the weight row, then ``scale * acc + offset``.

    `scale` and `offset` are None where one rising map is common to all classes: accumulators serve as scores.
    `exact` is False where two scores that nearly tie may come out in the other order.
    """

    inverted: NDArray[np.bool_]
    scale: NDArray[np.int64] | None
    offset: NDArray[np.int64] | None
    exact: bool = True


def integer_scores(chains: Sequence[Chain], low: Sequence[int], high: Sequence[int], step: int) -> IntegerScores:
    """Integer scores of one frame in the exact order, ties included.

    Parameters
    ----------
    chains : sequence of Chain
        Affine, one per class.
    low, high : sequence of int
        Range of the accumulator of each class.
    step : int
        Distance of neighbouring accumulators.

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
        return _of_many_cells(inverted, slopes, offsets, max(map(abs, (*low, *high))))
    grid = [np.arange(start, end + 1, step) for start, end in zip(low, high, strict=True)]
    grid = [-cells[::-1] if flip else cells for cells, flip in zip(grid, inverted, strict=True)]
    order = ranks(slopes, offsets, grid)
    sizes = [len(cells) for cells in grid]
    cells, owner = np.concatenate(grid), np.repeat(np.arange(len(grid)), sizes)
    by_rank = np.argsort(order, kind="stable")
    tied = np.diff(order[by_rank]) == 0
    unit, start = _unit(slopes, offsets)
    reach = int(np.abs(cells).max(initial=1))
    for bits in range(start, start + FRACTION_BITS + 1):
        factor = unit * Fraction(2) ** bits
        # How they are rounded does not matter: the order of the integers is what is tested.
        scale, offset = [[round(nearly(x * factor)) for x in numbers] for numbers in (slopes, offsets)]
        if max(map(abs, scale)) * reach + max(map(abs, offset)) >= 1 << 62:
            break
        integers = np.array(scale)[owner] * cells + np.array(offset)[owner]
        rises = np.diff(integers[by_rank])
        if np.where(tied, rises == 0, rises > 0).all():
            return IntegerScores(inverted, np.array(scale, np.int64), np.array(offset, np.int64))
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
    inverted: NDArray[np.bool_], slopes: Sequence[Exact], offsets: Sequence[Exact], reach: int
) -> IntegerScores:
    """Scores that are too many to compare one by one: exact where all numbers are multiples of one, else rounded."""
    numbers = [*slopes, *offsets]
    fractions = [number for number in numbers if isinstance(number, Fraction)]
    under = lcm(*(number.denominator for number in fractions))
    exact = len(fractions) == len(numbers)
    if exact:
        unit = Fraction(gcd(*(int(number * under) for number in fractions)), under)
        exact = _width(slopes, offsets, unit, reach) <= _SCORE_BITS
    if not exact:
        unit = Fraction(1)
        while (spare := _SCORE_BITS - _width(slopes, offsets, unit, reach)) > 0:
            unit /= 1 << spare
        while _width(slopes, offsets, unit, reach) > _SCORE_BITS:
            unit *= 2
    scale, offset = ([round(nearly(x * (1 / unit))) for x in part] for part in (slopes, offsets))
    return IntegerScores(inverted, np.array(scale, np.int64), np.array(offset, np.int64), exact)


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
    """Rank of each score ``slope * acc + offset`` among all of all classes, equal for equal scores.

    Floats decide only where they are far enough apart to be right.
    """
    pairs = [(label, int(a)) for label, cells in enumerate(grid) for a in cells]
    floats = [(approximate(s), approximate(o)) for s, o in zip(slopes, offsets, strict=True)]
    rough = [floats[label][0] * a + floats[label][1] for label, a in pairs]
    size = max(abs(floats[label][0] * a) + abs(floats[label][1]) for label, a in pairs)

    def compare(i: int, j: int) -> int:
        (c, a), (d, b) = pairs[i], pairs[j]
        return sign(slopes[c] * a + offsets[c] - slopes[d] * b - offsets[d])

    order = np.argsort(rough, kind="stable")
    far = np.diff(np.array(rough)[order]) > 1e-9 * size if size < inf else np.zeros(len(order) - 1, bool)
    result = np.zeros(len(pairs), np.int64)
    rank = -1
    for group in np.split(order, np.flatnonzero(far) + 1):
        before = None
        for cell in sorted(group.tolist(), key=cmp_to_key(compare)) if len(group) > 1 else group.tolist():
            rank += before is None or compare(before, cell) != 0
            result[cell] = rank
            before = cell
    return result


def _all_equal(numbers: Sequence[Exact]) -> bool:
    return all(sign(x - numbers[0]) == 0 for x in numbers[1:])


def _unit(slopes: Sequence[Exact], offsets: Sequence[Exact]) -> tuple[Fraction, int]:
    """A factor that makes thirds and the like whole, and the power of two at which the largest slope is about 1."""
    unders = {part.denominator for x in (*slopes, *offsets) for part in coefficients(x)}
    odd = lcm(*(under // (under & -under) for under in unders))
    unit = Fraction(odd if odd < 1 << 20 else 1)
    top = max(abs(approximate(x * unit)) for x in slopes)
    return unit, (-int(np.frexp(top)[1]) if 0 < top < inf else 0)
