"""The specification of a running maximum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...memory import Memory
from ...network.formats import Format, Integers
from ..machines import Collect

__all__ = ["RunningMaxSpec"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RunningMaxSpec:
    """The largest element of each window along the rows or the columns of a map (`blocks.running.gateware`).

    A pool over rows and columns is one of these along each. Places of the axis follow one another, each with so many
    words, and a frame has so many such lines: along the columns, places are pixels and lines are rows; along the
    rows, places are rows of pixels and there is one line. A window shares at most one place with the next one, so
    that of each word one partial result is kept.

    Parameters
    ----------
    name, layer : str
        Of the block, and the layer that it computes a part of.
    lines, places, words : int
        Of a frame, of a line, of a place.
    kernel, stride : int
        Places of a window, and from window to window: `kernel` is at most one more than `stride`.
    pads : (int, int)
        Places outside the map before and behind a line, which count for nothing; fewer than `kernel` and `stride`.
    lanes : int
        Channels of a word.
    lane_bits : int
        Bits of an element.
    format : Format or None
        Of codes; None for signed numbers.
    least : bool array, (words of a pixel, lanes), or None
        Of which channels the smallest is wanted.
    parallel_frames : int
        V, the frames side by side.
    stage_levels : int
        Levels of logic between registers; 0 for as few registers as can be.
    """

    name: str
    layer: str
    lines: int
    places: int
    words: int
    kernel: int
    stride: int
    pads: tuple[int, int]
    lanes: int
    lane_bits: int
    format: Format | None = None
    least: NDArray[np.bool_] | None = None
    parallel_frames: int = 1
    stage_levels: int = 0

    @staticmethod
    def serves(kernel: int, stride: int, pads: tuple[int, int]) -> bool:
        """Whether such windows share so little that one partial result of each is enough."""
        return kernel <= stride + 1 and max(pads) < min(kernel, stride)

    @property
    def is_or(self) -> bool:
        """Whether elements are combined by OR and AND: codes of one bit."""
        return self.format is not None and self.lane_bits == 1

    @property
    def split(self) -> bool:
        """Whether a register stands between what compares elements and what chooses one.

        A partial result is written a cycle later, and is needed again no sooner than two words later.
        """
        return self.stage_levels > 0 and self.words > 2 and not self.is_or

    @property
    def overlaps(self) -> bool:
        """Whether the last place of a window is the first one of the next."""
        return self.kernel > self.stride

    @property
    def positions(self) -> int:
        """Windows of a line."""
        return (self.places + sum(self.pads) - self.kernel) // self.stride + 1

    @property
    def ends(self) -> NDArray[np.bool_]:
        """Of each place of a line, whether a window is complete with it, (places,)."""
        last = np.arange(self.positions) * self.stride - self.pads[0] + self.kernel - 1
        ends = np.zeros(self.places, bool)
        ends[np.minimum(last, self.places - 1)] = True
        return ends

    @property
    def latency(self) -> int:
        """Cycles from taking the last beat of a window to the write of its result."""
        return int(self.stage_levels > 0)

    @property
    def fifo_depth(self) -> int:
        """Places: one to fill while the other empties, and one for each result on its way."""
        return self.latency + 2

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.lines * self.places * self.words

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.lines * self.positions * self.words

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each input beat."""
        return self.i_beats

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.lanes * self.lane_bits * self.parallel_frames

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.i_bits

    @property
    def machine(self) -> Collect:
        """When it moves beats: a result for each that completes a window."""
        completes: Integers = np.repeat(self.ends, self.words).astype(np.int64)
        return Collect(completes=completes, latency=self.latency, depth=self.fifo_depth)

    @property
    def changing(self) -> int:
        """Lanes of which the least is wanted in some words of a pixel."""
        return 0 if self.least is None else int((self.least != self.least[0]).any(axis=0).sum())

    @property
    def partial(self) -> Memory:
        """What keeps the partial result of each word of a place."""
        return Memory(role="buffer", depth=self.words, width=self.o_bits, writable=True)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return self.partial, Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True)
