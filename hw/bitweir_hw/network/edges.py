"""Windows at the edges of a padded map: which taps of each lie outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .formats import Integers, Shape

__all__ = ["WindowClasses", "window_classes"]

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class WindowClasses:
    """Windows of which the same rows and columns lie outside the map form a class.

    Parameters
    ----------
    row_classes, column_classes : tuple of int
        Class of each row and column of windows.
    rows, columns : bool array, (R, kh) and (C, kw)
        For each class, which rows and columns of a kernel lie outside.
    """

    row_classes: tuple[int, ...]
    column_classes: tuple[int, ...]
    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]

    @property
    def shape(self) -> Pair:
        """R and C, how many classes of rows and of columns there are."""
        return len(self.rows), len(self.columns)

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Which taps lie outside: (R, C, kh, kw)."""
        mask: NDArray[np.bool_] = self.rows[:, None, :, None] | self.columns[None, :, None, :]
        return mask

    def spread(self, edges: Integers) -> Integers:
        """What is there for each class, (R, C, ...), for each window: (H', W', ...)."""
        spread: Integers = edges[np.array(self.row_classes)][:, np.array(self.column_classes)]
        return spread


def window_classes(
    shape: Shape, kernel: Pair, stride: Pair, pads: tuple[int, int, int, int], *, single: bool = False
) -> WindowClasses:
    """The classes of windows over a map of a shape; a window fits into the padded map.

    With `single`, each window is a class of its own.
    """
    masks, classes = [], []
    for axis in (0, 1):
        count = (shape[axis] + pads[axis] + pads[axis + 2] - kernel[axis]) // stride[axis] + 1
        at = np.arange(count)[:, None] * stride[axis] - pads[axis]
        place = at + np.arange(kernel[axis])
        outside = (place < 0) | (place >= shape[axis])
        changes = np.concatenate([[False], (outside[1:] != outside[:-1]).any(axis=1) | single])
        masks.append(outside[np.concatenate([[True], changes[1:]])])
        classes.append(tuple(int(number) for number in np.cumsum(changes)))
    return WindowClasses(classes[0], classes[1], masks[0], masks[1])
