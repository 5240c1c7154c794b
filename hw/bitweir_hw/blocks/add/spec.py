"""The specification of a weighted sum of streams."""

from __future__ import annotations

from dataclasses import dataclass

from ...memory import Memory
from ...network.formats import Format
from ..machines import Collect, one_to_one

__all__ = ["AddSpec"]


@dataclass(frozen=True, kw_only=True)
class AddSpec:
    """The weighted sum of several streams, beat by beat, see `blocks.add.gateware`.

    Parameters
    ----------
    name, layer : str
        Of the block, and the `layers.Parallel` that it ends.
    lanes : int
        Elements of a beat.
    i_lane_bits : tuple of int
        Bits of an element of each input.
    formats : tuple of Format or None
        Of the codes of each input; None for signed numbers.
    factors : tuple of int
        The weight of each input.
    o_lane_bits : int
        Bits of a sum, signed.
    beats : int
        Of a frame.
    parallel_frames : int
        V, the frames side by side.
    """

    name: str
    layer: str
    lanes: int
    i_lane_bits: tuple[int, ...]
    formats: tuple[Format | None, ...]
    factors: tuple[int, ...]
    o_lane_bits: int
    beats: int
    parallel_frames: int = 1

    #: Cycles from taking the beats to the write of their sum.
    latency = 1
    #: Results under way or waiting, so that a beat moves every cycle.
    fifo_depth = 3

    @property
    def inputs(self) -> int:
        """How many streams meet."""
        return len(self.factors)

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each beat."""
        return self.beats

    @property
    def i_beats(self) -> int:
        """Beats a frame of each input."""
        return self.beats

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.beats

    @property
    def i_bits(self) -> tuple[int, ...]:
        """Payload bits of each input."""
        return tuple(self.lanes * bits * self.parallel_frames for bits in self.i_lane_bits)

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.lanes * self.o_lane_bits * self.parallel_frames

    @property
    def machine(self) -> Collect:
        """When it moves beats: one for each that comes."""
        return one_to_one(latency=self.latency, depth=self.fifo_depth)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),)
