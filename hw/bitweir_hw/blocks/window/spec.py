"""The sliding window unit, see `blocks.window.gateware`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from ...memory import Memory
from ...network.layers import Integers, Shape
from ..machines import Buffered

__all__ = ["WindowSpec"]


@dataclass(frozen=True, kw_only=True)
class WindowSpec:
    """A map goes in pixel by pixel, its windows come out, as convolutions and pools take them.

    The buffer holds *words* of `lanes` channels of a pixel. A window is read group by group, row by row,
    column by column, channel by channel: beats of `taps` pixels side by side, each of `lanes` channels.

    Parameters
    ----------
    name, layer : str
        Of the block, and the layer that it feeds.
    shape : (int, int, int)
        H, W and C of the map that arrives.
    kernel, stride : (int, int)
        Rows and columns.
    pads : (int, int, int, int)
        Rows above, columns on the left, rows below, columns on the right.
    groups : int
        Groups of channels, each of which makes a vector of its own.
    lanes : int
        Channels of a word; divides those of a group.
    taps : int
        Pixels of a window that leave in one beat: a divisor of the kernel's columns, or all columns of
        a divisor of its rows. More than one only with words of a whole group.
    lane_bits : int
        Bits of an element, of all frames that go side by side.
    pad_words : tuple of int
        What stands for a word outside the map: one for all, or one for each word of a pixel.
    stage_levels : int
        Levels of multiplexers of banks between registers, where the buffer is block RAM: see `memory.layout`.
    """

    name: str
    layer: str
    shape: Shape
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    groups: int
    lanes: int
    taps: int
    lane_bits: int
    pad_words: tuple[int, ...] = (0,)
    stage_levels: int = 0

    @property
    def positions(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        top, left, bottom, right = self.pads
        rows, columns, _ = self.shape
        return (
            (rows + top + bottom - self.kernel[0]) // self.stride[0] + 1,
            (columns + left + right - self.kernel[1]) // self.stride[1] + 1,
        )

    @property
    def pixel_words(self) -> int:
        """Words of a pixel."""
        return self.shape[2] // self.lanes

    @property
    def group_words(self) -> int:
        """Words of a group of channels of a pixel."""
        return self.pixel_words // self.groups

    @property
    def loops(self) -> tuple[int, int, int, int, int, int]:
        """Counts of the nested loops that make beats, outermost first.

        Rows of windows, columns of windows, groups, rows of a kernel, columns of a kernel, words.
        """
        rows, columns = self.kernel
        across = min(self.taps, columns)
        return (*self.positions, self.groups, rows * across // self.taps, columns // across, self.group_words)

    @property
    def tap_shape(self) -> tuple[int, int]:
        """Rows and columns of the pixels in a beat."""
        across = min(self.taps, self.kernel[1])
        return self.taps // across, across

    @property
    def vector_beats(self) -> int:
        """Beats of a vector: the part of one group in one window."""
        return prod(self.loops[3:])

    @property
    def length(self) -> int:
        """Elements of a vector."""
        return self.vector_beats * self.taps * self.lanes

    @property
    def vectors(self) -> int:
        """Vectors of a frame."""
        return prod(self.loops[:3])

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.shape[0] * self.shape[1] * self.pixel_words

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return prod(self.loops)

    @property
    def cycles(self) -> int:
        """Cycles a frame, if nobody waits."""
        return max(self.i_beats, self.o_beats)

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.lanes * self.lane_bits

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.taps * self.lanes * self.lane_bits

    @property
    def latency(self) -> int:
        """Cycles from the issue of a beat to its write: the memory, and the registers behind block RAM."""
        return 1 + self.buffer.layout.registers

    @property
    def fifo_depth(self) -> int:
        """Beats that may be under way or waiting, so that one leaves every cycle."""
        return self.latency + 2

    @property
    def machine(self) -> Buffered:
        """When it moves beats: those of a window once its pixels are there."""
        words, beats = self.pixel_words, self.o_beats // self.arrivals.size
        programme = np.zeros((self.arrivals.size, 2, 4), np.int64)
        programme[:, 0, :2] = beats - 1, 1
        programme[:, 1, :2] = 1, 1
        programme[:, 1, 2] = self.arrivals.ravel() * words
        programme[:, 1, 3] = self.departures.ravel() * words
        programme = programme[programme[..., 0] > 0]
        return Buffered(
            room=self.words,
            start=int(self.needed.flat[0]) * words,
            programme=programme,
            latency=self.latency,
            depth=self.fifo_depth,
        )

    # ---- which pixels are there

    @cached_property
    def needed(self) -> Integers:
        """Pixels of the frame that must have arrived before a window starts, (rows, columns) of windows.

        What was waited for once is there, so the numbers never fall from window to window.
        """
        rows, columns, _ = self.shape
        ends = []
        for axis, size in ((0, rows), (1, columns)):
            start = np.arange(self.positions[axis]) * self.stride[axis] - self.pads[axis]
            ends.append(np.minimum(start + self.kernel[axis], size))
        pixels = (ends[0][:, None] - 1) * columns + ends[1]
        return np.maximum.accumulate(pixels.ravel()).reshape(self.positions)

    @cached_property
    def spent(self) -> Integers:
        """Pixels of the frame that no window from this one on looks at, (rows, columns) of windows."""
        starts = [
            np.maximum(np.arange(self.positions[axis]) * self.stride[axis] - self.pads[axis], 0) for axis in (0, 1)
        ]
        pixels = starts[0][:, None] * self.shape[1] + starts[1]
        return np.minimum.accumulate(pixels.ravel()[::-1])[::-1].reshape(self.positions)

    @cached_property
    def arrivals(self) -> Integers:
        """How many pixels more the next window needs than this one; the last row of a frame leads to the next."""
        first = self.needed.flat[0]
        return np.diff(self.needed.ravel(), append=self.shape[0] * self.shape[1] + first).reshape(self.positions)

    @cached_property
    def departures(self) -> Integers:
        """How many pixels are spent with each window."""
        return np.diff(self.spent.ravel(), append=self.shape[0] * self.shape[1]).reshape(self.positions)

    @cached_property
    def depth(self) -> int:
        """Pixels that the buffer holds.

        So many that windows follow each other without a gap although pixels arrive evenly spread over
        the time of a frame: what the last row of windows still needs, and what the first row of the
        next frame waits for. One row of pixels more evens out a source that works in bursts, as a pool does.
        """
        rows, columns, _ = self.shape
        count = prod(self.positions)
        index = np.arange(count)
        supply = rows * columns / count
        ahead = np.max(self.needed.ravel() - supply * index)
        most = np.max(ahead + supply * (index + 1) - self.spent.ravel())
        return max(2, int(np.ceil(most)) + columns)

    @property
    def words(self) -> int:
        """Words that the buffer holds."""
        return self.depth * self.pixel_words

    @property
    def buffer(self) -> Memory:
        """The buffer: a copy for each pixel of a beat."""
        return Memory(
            role="buffer",
            depth=self.words,
            width=self.i_bits,
            copies=self.taps,
            writable=True,
            levels=self.stage_levels,
        )

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (
            self.buffer,
            Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),
        )

    # ---- the meaning of the beats

    def gather(self) -> Integers:
        """Where each element of the vectors stands in the flat map, (vectors, length); outside it, -1 - channel."""
        rows, columns, channels = self.shape
        shares = channels // self.groups
        y = np.arange(self.positions[0])[:, None] * self.stride[0] - self.pads[0] + np.arange(self.kernel[0])
        x = np.arange(self.positions[1])[:, None] * self.stride[1] - self.pads[1] + np.arange(self.kernel[1])
        # Axes: window row, window column, group, kernel row, kernel column, channel.
        y, x = y[:, None, None, :, None, None], x[None, :, None, None, :, None]
        channel = (np.arange(self.groups)[:, None] * shares + np.arange(shares))[None, None, :, None, None, :]
        inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
        place = np.where(inside, (y * columns + x) * channels + channel, -1 - channel)
        return place.reshape(self.vectors, self.length)

    def pad_elements(self) -> list[int]:
        """The code that stands for each channel outside the map, (C,); of `lane_bits` bits."""
        mask = (1 << self.lane_bits) - 1
        words = self.pad_words * (self.pixel_words // len(self.pad_words))
        return [word >> (lane * self.lane_bits) & mask for word in words for lane in range(self.lanes)]
