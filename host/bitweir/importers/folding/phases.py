"""Convolutions of maps whose pixels are channels of a smaller map.

Transposed convolutions and DepthToSpace make such maps. One has s1 x s2 phases, each of which is a smaller map. A
convolution of it is one of the smaller map: each of its filters becomes one for each phase of the result, with weights
of 0 for what a phase does not see.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .symbols import Moving, Padded, Signal, Stream
from .windows import Window

__all__ = ["Phases", "channels_of_pixels", "phases", "pixels", "pixels_of_channels"]

Array = NDArray[Any]
Pair = tuple[int, int]
#: More weights, most of them 0, than are worth it.
_MOST = 1 << 24


class Phases:
    """A convolution of a map of phases as one of the smaller map.

    Parameters
    ----------
    x : Signal or Codes, (C, s1 * H, s2 * W)
    block : (int, int)
        s1 and s2.
    weights : array, (M, C / groups, kh, kw)
    window : Window
        Of the larger map.

    Attributes
    ----------
    inside : Signal or Codes, (C * s1 * s2, H, W)
    weights : array, (M * n1 * n2, C * s1 * s2 / groups, th, tw)
    window : Window
    made : (int, int)
        n1 and n2, the phases of the result.
    """

    def __init__(self, x: Moving, block: Pair, weights: Array, window: Window) -> None:
        small = (x.shape[1] // block[0], x.shape[2] // block[1])
        after = (x.shape[0] * block[0] * block[1], *small)
        self.inside: Moving = x.moved(after, lambda frame: channels_of_pixels(frame, block))
        axes = [
            _Axis(small[a], block[a], weights.shape[2 + a], window.strides[a], window.pads[a], window.pads[a + 2])
            for a in (0, 1)
        ]
        self.made = (axes[0].made, axes[1].made)
        filters, seen = weights.shape[:2]
        shape = (filters, *self.made, seen, *block, axes[0].taps, axes[1].taps)
        if int(np.prod(shape, dtype=object)) > _MOST:
            raise ModelError(
                f"its kernel takes more than {_MOST:,} weights with those of 0 for all phases of the map, which came "
                "from channels: use nearest upsampling, and a convolution behind it"
            )
        spread = np.zeros(shape, weights.dtype)
        for k1, a1, b1, t1 in axes[0].places:
            for k2, a2, b2, t2 in axes[1].places:
                spread[:, a1, a2, :, b1, b2, t1, t2] = weights[:, :, k1, k2]
        self.weights = spread.reshape(filters * self.made[0] * self.made[1], -1, axes[0].taps, axes[1].taps)
        self.window = Window(
            (axes[0].taps, axes[1].taps),
            (axes[0].stride, axes[1].stride),
            (axes[0].before, axes[1].before, axes[0].after, axes[1].after),
        )


class _Axis:
    """One axis: window o sees row ``d * o + k - p`` by tap k, which is phase b of the small row i if ``s * i + b``."""

    def __init__(self, size: int, block: int, kernel: int, step: int, before: int, after: int) -> None:
        count = (size * block + before + after - kernel) // step + 1
        if block % step and step % block:
            raise ModelError(
                f"its stride {step} must divide the {block} phases of a map that came from channels, or be a multiple "
                "of them: use nearest upsampling, and a convolution behind it"
            )
        self.made = max(1, block // step)
        self.stride = max(1, step // block)
        if count % self.made:
            raise ModelError(
                f"it must make a map of whole times {self.made} rows and columns behind a map that came from channels, "
                f"not of {count}: pad it, or use nearest upsampling and a convolution behind it"
            )
        rows = [(k, a, step * a + k - before) for k in range(kernel) for a in range(self.made)]
        least = min(0, *(row // block for _, _, row in rows))
        windows = count // self.made
        last = (windows - 1) * self.stride
        most = max(*(row // block for _, _, row in rows), least)
        if self.stride == 1:  # taps of 0 in place of rows that no window sees
            most = max(most, size - 1 - last)
        self.taps, self.before = most - least + 1, -least
        self.after = max(0, last + most - (size - 1))
        #: For each tap and phase of the result: tap, phase, phase of what it sees, tap of the small kernel.
        self.places = [(k, a, row % block, row // block - least) for k, a, row in rows]


def phases(x: Moving | Padded) -> Pair | None:
    """How many rows and columns of a map (C, H, W) came from channels of one pixel of its stream; None if none did."""
    if isinstance(x, Padded) or not isinstance(x.origin, Stream) or len(x.shape) != 3:
        return None
    rows, columns, channels = x.origin.map.shape
    if len(x.index) != x.origin.map.size or x.shape[1] % rows or x.shape[2] % columns:
        return None
    block = (x.shape[1] // rows, x.shape[2] // columns)
    if block == (1, 1):
        return None
    pixel = np.arange(x.shape[1])[:, None] // block[0] * columns + np.arange(x.shape[2]) // block[1]
    return block if (x.index.reshape(x.shape) // channels == pixel).all() else None


def pixels_of_channels(x: Signal, block: Pair) -> Signal:
    """Channels, of which those of a block lie next to each other, as pixels."""
    if block == (1, 1):
        return x
    channels, height, width = x.shape
    after = (channels // (block[0] * block[1]), height * block[0], width * block[1])
    return x.moved(after, lambda frame: pixels(frame, block))


def pixels(frame: Array, block: Pair) -> Array:
    """What `pixels_of_channels` does to an array (C, H, W)."""
    _, height, width = frame.shape
    parts = frame.reshape(-1, *block, height, width).transpose(0, 3, 1, 4, 2)
    return parts.reshape(-1, height * block[0], width * block[1])


def channels_of_pixels(frame: Array, block: Pair) -> Array:
    """The opposite of `pixels`."""
    channels, rows, columns = frame.shape
    parts = frame.reshape(channels, rows // block[0], block[0], columns // block[1], block[1])
    return parts.transpose(0, 2, 4, 1, 3).reshape(-1, rows // block[0], columns // block[1])
