"""Weights as bits: the planes that they need, and the words that a folding makes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...arithmetic import ceil_div
from ...network.layers import Integers
from ...popcount.dot_product import Plane

__all__ = ["plane_bits", "planes_for", "weight_planes", "word_bits"]


def weight_planes(weights: NDArray[np.bool_] | Integers) -> tuple[Plane, ...]:
    """The planes of bits that weights need: those in which some bit is set.

    Weights of -1 and +1 are one plane of XNOR. Other integers are the bits of their two's
    complement, planes of AND; ``-pc(a) = pc(~a) - n`` makes the sign a NAND and a constant.
    """
    if weights.dtype == np.bool_:
        return (Plane(xnor=True),)
    low, high = int(weights.min()), int(weights.max())
    planes = planes_for(low, high)
    if low >= -1 and high <= 1:
        used = [plane for plane in planes if (low < 0 if plane.negative else high > 0)]
    else:
        some = int(np.bitwise_or.reduce(weights, axis=None))
        used = [plane for plane in planes if some >> plane.exponent & 1]
    return tuple(used or planes[:1])


def planes_for(low: int, high: int) -> tuple[Plane, ...]:
    """The planes of integers from `low` to `high`, whatever they are."""
    # -1, 0, +1 need no carry between planes: one says +1, the other -1.
    if low >= -1 and high <= 1:
        return Plane(), Plane(negative=True)
    size = max((~low if low < 0 else low).bit_length(), high.bit_length() if high > 0 else 0)
    return (*(Plane(exponent=e) for e in range(size)), Plane(exponent=size, negative=True))


def plane_bits(weights: NDArray[np.bool_] | Integers, planes: tuple[Plane, ...]) -> NDArray[np.bool_]:
    """The bits of weights in each plane, (planes, *shape of the weights)."""
    if weights.dtype == np.bool_:
        return weights[None].astype(bool, copy=False)
    # Only -1, 0, +1 have a plane for -1 that counts once.
    single = all(plane.exponent == 0 for plane in planes)
    bits = np.empty((len(planes), *weights.shape), bool)
    for plane, row in zip(planes, bits, strict=True):
        sign = -1 if plane.negative else 1
        np.equal(weights, sign, out=row) if single else np.not_equal(weights & (1 << plane.exponent), 0, out=row)
    return bits


def word_bits(
    weights: NDArray[np.bool_] | Integers,
    planes: tuple[Plane, ...],
    *,
    pe: int,
    simd: int,
    words: NDArray[np.intp] | None = None,
) -> NDArray[np.bool_]:
    """The words of weights in a folding, (words, bits): a lane is the lowest place, then a plane, then an element.

    Parameters
    ----------
    weights : bool or int64 array, (G, M, K)
    planes : tuple of Plane
    pe, simd : int
        P and S. What is beyond M or K is 1.
    words : intp array, optional
        Which words, in the order (g, group of P rows, S columns); all if not given.
    """
    groups, rows, columns = weights.shape
    folds = groups, ceil_div(rows, pe), ceil_div(columns, simd)
    if words is None:
        padded = np.ones((len(planes), groups, folds[1] * pe, folds[2] * simd), bool)
        padded[:, :, :rows, :columns] = plane_bits(weights, planes)
        # (plane, g, group, element, word, lane) -> (g, group, word, element, plane, lane)
        split = padded.reshape(len(planes), *folds[:2], pe, folds[2], simd).transpose(1, 2, 4, 3, 0, 5)
        return split.reshape(-1, pe * len(planes) * simd)
    group, fold, word = (place[:, None, None] for place in np.unravel_index(words, folds))
    row, column = fold * pe + np.arange(pe)[:, None], word * simd + np.arange(simd)
    bits = plane_bits(weights[group, np.minimum(row, rows - 1), np.minimum(column, columns - 1)], planes)
    bits |= (row >= rows) | (column >= columns)
    return bits.transpose(1, 2, 0, 3).reshape(len(words), -1)
