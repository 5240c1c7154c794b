"""Weights of a few sizes that are no multiples of one number, as a sum of weights that hardware takes.

Trained ternary quantisation has weights of -n, 0 and +p, and a learned basis of two bits has those of +-v1 +-v2 (Zhu et
al., arXiv:1612.01064; Zhang et al., arXiv:1807.10029). A layer with such weights is a sum of layers that take the same
input and have one size for each output:

    W x  =  p (P x) - n (N x)            and            W x  =  v1 (S1 x) + v2 (S2 x)

with P and N of 0 and 1, S1 and S2 of -1 and +1. The numbers in the file are kept exactly; how the sum becomes integers
is the matter of `units`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .weights import UnevenError, normalised

__all__ = ["check_weights", "planes"]

#: Larger whole numbers are long.
_MOST_WHOLE = 7
#: Sizes of a row, each of which costs a layer.
_MOST_SIZES = 4


def planes(weights: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Arrays whose sum is exactly the weights (M, ...), each with one size for each output; none if there are too many.

    Rows that `normalised` takes as they are stay whole, in the first array, but for those whose whole numbers are long
    while they have few sizes: these would make the sums of all rows as wide. Of the others, at least two weights must
    share a size on the average: else they are real numbers, of which a small layer has few.
    """
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    parts: list[NDArray[np.float64]] = []
    sizes = used = 0
    for index, row in enumerate(rows):
        found, largest = [row], _largest(row)
        several = np.unique(np.abs(row[row != 0]))
        if not largest or (largest > _MOST_WHOLE and len(several) <= _MOST_SIZES):
            if len(several) > _MOST_SIZES:
                return []
            sizes, used = sizes + len(several), used + int(np.count_nonzero(row))
            found = _parts(row, several)
        for place, part in enumerate(found):
            if place == len(parts):
                parts.append(np.zeros_like(rows))
            parts[place][index] = part
    return [part.reshape(weights.shape) for part in parts] if 2 * sizes <= used else []


def _parts(row: NDArray[np.float64], sizes: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """A row as a sum of rows of one size each."""
    if len(sizes) == 2 and row.all():
        # Signs cost less than weights that may be 0.
        middle, half = (sizes[0] + sizes[1]) / 2, (sizes[1] - sizes[0]) / 2
        parts = [np.copysign(middle, row), np.copysign(half, row) * np.where(np.abs(row) == sizes[1], 1, -1)]
        if (parts[0] + parts[1] == row).all():
            return parts
    return [np.where(np.abs(row) == one, row, 0.0) for one in sizes[::-1]]


def _largest(row: NDArray[np.float64]) -> int:
    """The largest of the whole numbers whose multiples a row is; 0 where it is none of such."""
    try:
        whole, _, _ = normalised(row[None], "")
    except UnevenError:
        return 0
    return 1 if whole.dtype == np.bool_ else max(1, int(np.abs(whole).max()))


def check_weights(weights: NDArray[Any], label: str) -> None:
    """See that weights (M, ...) are such as a layer takes.

    Raises
    ------
    ModelError
        As by `normalised`, if they are no sum of a few such either.
    """
    try:
        normalised(weights, label)
    except UnevenError:
        if not planes(weights):
            raise
