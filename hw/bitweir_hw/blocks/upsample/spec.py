"""The repetition of pixels, see `blocks.upsample.gateware`."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from ...memory import Memory
from ...network.formats import Integers
from ..machines import Buffered

__all__ = ["UpsampleSpec"]


@dataclass(frozen=True, kw_only=True)
class UpsampleSpec:
    """Each pixel leaves `factors[1]` times in a row, and each row so `factors[0]` times.

    Parameters
    ----------
    name, layer : str
        Of the block, and the layer that it computes.
    shape : (int, int, int)
        Rows and columns of the map that arrives, and words of a pixel.
    factors : (int, int)
        Rows and columns that a pixel becomes.
    word_bits : int
        Bits of a word, of all frames that go side by side.
    stage_levels : int
        Levels of multiplexers of banks between registers, where the buffer is block RAM: see `memory.layout`.
    """

    name: str
    layer: str
    shape: tuple[int, int, int]
    factors: tuple[int, int]
    word_bits: int
    stage_levels: int = 0

    @property
    def row_words(self) -> int:
        """Words of a row that arrives."""
        return self.shape[1] * self.shape[2]

    @property
    def loops(self) -> tuple[int, int, int, int]:
        """Counts of the nested loops that make the beats of a row that arrives, outermost first.

        Copies of the row, columns, copies of the pixel, words.
        """
        return self.factors[0], self.shape[1], self.factors[1], self.shape[2]

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.shape[0] * self.row_words

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.i_beats * prod(self.factors)

    @property
    def cycles(self) -> int:
        """Cycles a frame, if nobody waits."""
        return self.o_beats

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.word_bits

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.word_bits

    @property
    def words(self) -> int:
        """Words that the buffer holds.

        So many that beats leave without a gap although words arrive evenly spread over the time of a frame. While
        the last copy of a row leaves, ``row * (rows - 1) / rows`` words of the next one have come, and as many of its
        own are still there; with copies of columns alone, two pixels alternate.
        """
        rows = self.factors[0]
        if rows == 1:
            return 2 * self.shape[2]
        return max(self.row_words, ceil(2 * self.row_words * (rows - 1) / rows)) + 2 * self.shape[2]

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
        """When it moves beats: those of the first copy once their word is there, all others at once."""
        steps = self._steps()
        starts = np.flatnonzero(np.append(True, (steps[1:] != steps[:-1]).any(axis=1)))
        counts = np.diff(starts, append=len(steps))
        ones = np.ones_like(counts)
        return Buffered(
            room=self.words,
            start=1,
            programme=np.column_stack([counts, ones, steps[starts]]),
            latency=self.latency,
            depth=self.fifo_depth,
        )

    def _steps(self) -> Integers:
        """For each beat of a row whether the next one needs one more word, and whether this one spends its word."""
        copies, columns, repeats, words = self.loops
        fresh = np.zeros((copies, columns, repeats, words), np.int64)
        fresh[0, :, 0] = 1
        spent = np.zeros_like(fresh)
        spent[-1, :, -1] = 1
        return np.column_stack([np.roll(fresh.ravel(), -1), spent.ravel()])

    @property
    def buffer(self) -> Memory:
        """The buffer of words that are repeated."""
        return Memory(role="buffer", depth=self.words, width=self.word_bits, writable=True, levels=self.stage_levels)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (
            self.buffer,
            Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),
        )
