"""Transposed convolutions, and channels that become pixels.

A transposed convolution of stride s makes s x s pixels of each that it takes. Each of these phases is a convolution of
the small map, by the part of the kernel that reaches the phase; the filters of all phases are those of one
convolution. What remains is another order of its elements, which costs nothing where a dense layer follows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .linear import conv
from .network_builder import NetworkBuilder
from .phases import pixels_of_channels
from .symbols import Moving, Padded, Signal
from .windows import Window

__all__ = ["conv_transposed", "depth_to_space", "space_to_depth"]

Array = NDArray[Any]
Pair = tuple[int, int]


def conv_transposed(
    builder: NetworkBuilder, x: Moving | Padded, weights: Array, label: str, *, stride: Pair, pads: Pair, sizes: Pair
) -> Signal:
    """A transposed convolution of a map (C, H, W).

    Parameters
    ----------
    builder : NetworkBuilder
    x : value
    weights : array, (C, M, kh, kw)
    label : str
        Of the node, for messages.
    stride : (int, int)
    pads : (int, int)
        Rows and columns that are cut off at the top and on the left.
    sizes : (int, int)
        Rows and columns of the result; multiples of the stride.

    Raises
    ------
    ModelError
        The sizes are no such ones, or the convolution is refused; the text is the end of a sentence.
    """
    if any(size % step for size, step in zip(sizes, stride, strict=True)):
        raise ModelError(
            f"it must make a map of whole times as many rows and columns as its strides {list(stride)} say, not of "
            f"{list(sizes)}: choose pads and output_padding so that it does"
        )
    axes = [_Axis(x.shape[1 + axis], weights.shape[2 + axis], stride[axis], pads[axis], sizes[axis]) for axis in (0, 1)]
    filters = weights.shape[1]
    spread = np.zeros((filters, *stride, weights.shape[0], *(axis.taps for axis in axes)), weights.dtype)
    for row, above in axes[0].places:
        for column, left in axes[1].places:
            spread[:, row[0], column[0], :, row[1], column[1]] = weights[:, :, above, left].T
    window = Window(
        (axes[0].taps, axes[1].taps), (1, 1), (axes[0].before, axes[1].before, axes[0].after, axes[1].after)
    )
    flat = spread.reshape(-1, *spread.shape[3:])
    return pixels_of_channels(conv(builder, x, flat, label, window=window), stride)


class _Axis:
    """The small kernels of all phases along one axis.

    Pixel ``s * q + a`` sees the taps k with ``k = s * t + a + p``, each of the pixel ``q - t``.
    """

    def __init__(self, size: int, kernel: int, step: int, pad: int, result: int) -> None:
        count = result // step
        found = [((k - pad) % step, (k - pad) // step, k) for k in range(kernel)]
        most = max(0, *(t for _, t, _ in found))
        least = min(0, count - size, *(t for _, t, _ in found))
        self.taps = most - least + 1
        self.before, self.after = most, count - size - least
        if self.after >= self.taps or self.before >= self.taps:
            raise ModelError("its result must not be larger than what its kernel reaches: use less output_padding")
        #: For each tap of the kernel: (phase, place in the small kernel), and the tap.
        self.places = [((phase, most - t), k) for phase, t, k in found]


def depth_to_space(x: Moving, block: Pair, *, last: bool) -> Moving:
    """Channels (of which M are left) as blocks of pixels; the channels of a block lie `last`, or next to each other."""
    rows, columns = block
    channels, height, width = x.shape
    left = channels // (rows * columns)
    after = (left, height * rows, width * columns)

    def move(frame: Array) -> Array:
        if last:
            return frame.reshape(rows, columns, left, height, width).transpose(2, 3, 0, 4, 1).reshape(after)
        return frame.reshape(left, rows, columns, height, width).transpose(0, 3, 1, 4, 2).reshape(after)

    return x.moved(after, move)


def space_to_depth(x: Moving, block: int) -> Moving:
    """Blocks of pixels as channels, those of a place in the block next to each other."""
    channels, height, width = x.shape
    after = (channels * block * block, height // block, width // block)

    def move(frame: Array) -> Array:
        parts = frame.reshape(channels, height // block, block, width // block, block)
        return parts.transpose(2, 4, 0, 1, 3).reshape(after)

    return x.moved(after, move)
