"""The specification of a pool."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from ...arithmetic import ceil_div
from ...memory import Memory
from ...network.formats import Format
from ..machines import Collect

__all__ = ["PoolSpec"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolSpec:
    """The largest or the sum of the elements in each window, for windows that do not overlap (`blocks.pool.gateware`).

    Beats arrive in the order of `shape`: row, column, word, tap. A window is `kernel` rows and columns
    and all taps; rows and columns between windows, or after the last, are dropped.

    Parameters
    ----------
    name, layer : str
        Of the block, and the layer that it computes.
    kind : str
        ``"max"`` or ``"sum"``.
    shape : (int, int, int, int)
        Rows, columns, words of a pixel, beats of a word.
    kernel, stride : (int, int)
        Rows and columns; the stride is not less than the kernel.
    taps : int
        Elements of one channel that arrive in one beat: all lanes of the first tap, then of the next.
    lanes : int
        Channels of a word.
    i_lane_bits, o_lane_bits : int
        Bits of an element before and after.
    format : Format or None
        Of codes that arrive; None for signed numbers. With ``"max"``, the format of what leaves, too.
    least : bool array, (words, lanes), or None
        With ``"max"``: of which channels the smallest is wanted.
    parallel_frames : int
        V, the frames side by side.
    stage_levels : int
        Levels of the tree over taps between registers; 0 for none.
    """

    name: str
    layer: str
    kind: str
    shape: tuple[int, int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    taps: int = 1
    lanes: int
    i_lane_bits: int
    o_lane_bits: int
    format: Format | None = None
    least: NDArray[np.bool_] | None = None
    parallel_frames: int = 1
    stage_levels: int = 0

    @property
    def is_or(self) -> bool:
        """Whether elements are combined by OR: the largest of one-bit codes."""
        return self.kind == "max" and self.format is not None and self.i_lane_bits == 1

    @property
    def stage_tree_levels(self) -> int:
        """Levels of the tree over taps between registers, of pairs: an adder or a comparison each, or four of OR."""
        levels = (self.taps - 1).bit_length()
        return min(levels, self.stage_levels * (4 if self.is_or else 1)) if self.stage_levels else levels

    @property
    def tree_stages(self) -> int:
        """Registers in the tree over taps."""
        return (
            ceil_div((self.taps - 1).bit_length(), self.stage_tree_levels) if self.stage_levels and self.taps > 1 else 0
        )

    @property
    def latency(self) -> int:
        """Cycles from taking the last beat of a window to the write of its result.

        Without stages none; else those of the tree, and one behind the partial result.
        """
        return self.tree_stages + 1 if self.stage_levels else 0

    @property
    def fifo_depth(self) -> int:
        """Places: one to fill while the other empties, and one for each result on its way."""
        return self.latency + 2

    @property
    def positions(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        rows, columns = (
            (size - kernel) // stride + 1
            for size, kernel, stride in zip(self.shape[:2], self.kernel, self.stride, strict=True)
        )
        return rows, columns

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return prod(self.shape)

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return prod(self.positions) * self.shape[2]

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each input beat."""
        return self.i_beats

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.taps * self.lanes * self.i_lane_bits * self.parallel_frames

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.lanes * self.o_lane_bits * self.parallel_frames

    @property
    def partial_words(self) -> int:
        """Words of unfinished windows: a row of them, or just one where all beats of a window follow each other."""
        return self.positions[1] * self.shape[2] if self.kernel != (1, 1) else 1

    def completes(self) -> NDArray[np.bool_]:
        """Whether each input beat of a frame ends a window, (i_beats,)."""
        rows, columns, words, beats = self.shape
        ends = []
        for size, kernel, stride, count in zip((rows, columns), self.kernel, self.stride, self.positions, strict=True):
            at = np.arange(size)
            ends.append((at % stride == kernel - 1) & (at // stride < count))
        last = np.arange(beats) == beats - 1
        shape = (rows, columns, words, beats)
        return np.broadcast_to(ends[0][:, None, None, None] & ends[1][:, None, None] & last, shape).reshape(-1)

    @property
    def machine(self) -> Collect:
        """When it moves beats: a result for each that ends a window."""
        completes = self.completes().astype(np.int64)
        return Collect(completes=completes, latency=self.latency, depth=self.fifo_depth)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        partial = Memory(role="buffer", depth=self.partial_words, width=self.o_bits, writable=True)
        waiting = Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True)
        # A window of one beat is never unfinished.
        return (waiting,) if prod(self.kernel) * self.shape[3] == 1 else (partial, waiting)
