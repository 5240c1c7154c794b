"""Several datapaths in the place of one block, see `blocks.chain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...arithmetic import ceil_div
from ...memory import Memory, is_block
from ..base import BlockSpec
from ..machines import Collect
from ..wired.spec import WiredSpec

__all__ = ["ChainSpec", "blocks_at", "chained"]

#: About the LUT sites of a FIFO with credits: a LUT and a register for each bit, two sites for a bit of 16 words of LUT
#: RAM and of what chooses between these, and counters.
_BIT, _WORDS, _RAM, _COUNTERS = 1, 16, 2, 30


@dataclass(frozen=True, kw_only=True, eq=False)
class ChainSpec:
    """Wired layers of which each takes the results of the one before, a vector in each cycle.

    Parameters
    ----------
    blocks : tuple of WiredSpec
        Two or more, with `before` and `after`.
    """

    blocks: tuple[WiredSpec, ...]

    @property
    def name(self) -> str:
        """That of the last block, whose results leave."""
        return self.blocks[-1].name

    @property
    def layer(self) -> str:
        """That of the last block."""
        return self.blocks[-1].layer

    @property
    def cycles(self) -> int:
        """Cycles a frame."""
        return self.blocks[0].cycles

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.blocks[0].i_beats

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.blocks[-1].o_beats

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.blocks[0].i_bits

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.blocks[-1].o_bits

    @property
    def latency(self) -> int:
        """Cycles from taking a beat to the write of its result."""
        return sum(block.latency for block in self.blocks)

    @property
    def fifo_depth(self) -> int:
        """Results under way or waiting, so that a beat moves every cycle."""
        return self.blocks[-1].fifo_depth

    @property
    def machine(self) -> Collect:
        """When it moves beats: one for each that comes."""
        return Collect(
            completes=np.ones(1, np.int64), latency=self.latency, depth=self.fifo_depth, back=self.blocks[0].back
        )

    def memories(self) -> tuple[Memory, ...]:
        """What its blocks store."""
        return tuple(memory for block in self.blocks for memory in block.memories())


def blocks_at(place: BlockSpec) -> tuple[BlockSpec, ...]:
    """The blocks in a place of a pipeline: one, or those of a chain."""
    return place.blocks if isinstance(place, ChainSpec) else (place,)


def chained(place: BlockSpec, following: WiredSpec) -> ChainSpec | None:
    """What stands in a place together with the block behind it; None where a FIFO between them is better.

    A chain needs places at its end for all that is under way in it, so a wide end behind a long way costs more than the
    FIFO that is saved.
    """
    blocks = blocks_at(place)
    last = blocks[-1]
    if not isinstance(last, WiredSpec) or last.o_bits != following.i_bits or {last.steps, following.steps} != {1}:
        return None
    found = _joined([*(block for block in blocks if isinstance(block, WiredSpec)), following])
    both = _sites(last.fifo_depth, last.o_bits) + _sites(following.fifo_depth, following.o_bits)
    if is_block(found.fifo_depth, found.o_bits) or _sites(found.fifo_depth, found.o_bits) > both:
        return None
    return found


def _joined(blocks: Sequence[WiredSpec]) -> ChainSpec:
    latencies = [block.latency for block in blocks]
    return ChainSpec(
        blocks=tuple(
            replace(
                block,
                before=sum(latencies[:number]) if number else None,
                after=sum(latencies[number + 1 :]) if number + 1 < len(blocks) else None,
            )
            for number, block in enumerate(blocks)
        )
    )


def _sites(depth: int, width: int) -> int:
    """About what a FIFO takes, whatever the family."""
    return width * (_BIT + _RAM * ceil_div(depth - 1, _WORDS)) + _COUNTERS
