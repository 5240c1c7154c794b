"""The specification of a width converter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from ...arithmetic import ceil_div
from ...memory import Memory
from ..machines import Level
from .beats import Beats

__all__ = ["WidthSpec"]


#: Of so many words one is chosen in two levels of LUTs.
_CHOSEN = 4


@dataclass(frozen=True, kw_only=True)
class WidthSpec:
    """A width converter, see `blocks.width.gateware`.

    Parameters
    ----------
    name, layer : str
        Of the block, and the layer that it feeds.
    i_length, o_length : int
        Elements of a vector before and after; the second is a multiple of the first. The last beat of
        a vector is padded.
    i_lanes, o_lanes : int
        Elements of a beat before and after.
    lane_bits : int
        Bits of an element, of all frames that go side by side.
    vectors : int
        Output vectors of a frame.
    stage_levels : int
        Where beats must be shifted, half the multiplexers between registers; 0 for none.
    """

    name: str
    layer: str
    i_length: int
    o_length: int
    i_lanes: int
    o_lanes: int
    lane_bits: int
    vectors: int = 1
    stage_levels: int = 0

    def __post_init__(self) -> None:
        if self.o_length % self.i_length:
            raise ValueError(f"o_length must be a multiple of i_length {self.i_length}, not {self.o_length}")

    @property
    def parts(self) -> int:
        """Input vectors of an output vector."""
        return self.o_length // self.i_length

    @property
    def part_beats(self) -> int:
        """Beats of an input vector."""
        return ceil_div(self.i_length, self.i_lanes)

    @property
    def vector_beats(self) -> int:
        """Beats of an output vector."""
        return ceil_div(self.o_length, self.o_lanes)

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.vectors * self.parts * self.part_beats

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.vectors * self.vector_beats

    @property
    def cycles(self) -> int:
        """Cycles a frame, if nobody waits."""
        return max(self.i_beats, self.o_beats)

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.i_lanes * self.lane_bits

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.o_lanes * self.lane_bits

    @property
    def tail(self) -> int:
        """Elements in the last beat of an input vector."""
        return self.i_length - (self.part_beats - 1) * self.i_lanes

    @property
    def last(self) -> int:
        """Elements that the last input beat of an output vector adds, padding of the output included."""
        return self.tail + self.vector_beats * self.o_lanes - self.o_length

    @property
    def step(self) -> int:
        """Elements that all fill levels are multiples of."""
        return gcd(self.i_lanes, self.o_lanes, *([self.tail] if self.parts > 1 else []))

    @property
    def room(self) -> int:
        """Highest fill level at which a beat is taken.

        Two output beats: less would cost cycles where both sides have as many beats a vector, as
        the input then runs up to two output beats ahead. Behind stages of a shifter, as many complete ones as
        keep them full, whatever else waits.
        """
        return self.places * self.o_lanes + (self.o_lanes - self.step if self.shift_stages else 0)

    @property
    def places(self) -> int:
        """Complete output beats that may wait when a beat is taken."""
        return 2 + self.latency

    @cached_property
    def shift_stages(self) -> int:
        """Registers in the shifter: the first stage, which also drops what pads, has one multiplexer less."""
        beats = Beats(self)
        if not self.stage_levels or not beats.shifts:
            return 0
        return ceil_div(beats.farthest.bit_length() + 1, 2 * self.stage_levels)

    @cached_property
    def moves_down(self) -> bool:
        """Whether words that come at once move down as they leave, as a multiplexer of all of them would be slow."""
        return self.stage_levels > 0 and not self.shift_stages and Beats(self).most > _CHOSEN

    @cached_property
    def latency(self) -> int:
        """Cycles from a beat that completes an output beat to that at the output, less one.

        Those of the shifter, and one where several output beats that came at once leave one by one.
        """
        return self.shift_stages + (Beats(self).most > 1) if self.shift_stages else 0

    @property
    def capacity(self) -> int:
        """Elements that the buffer holds."""
        return self.room + max(self.i_lanes, self.last)

    @property
    def machine(self) -> Level:
        """When it moves beats: a fill level in elements."""
        amounts = np.full((self.parts, self.part_beats), self.i_lanes)
        amounts[:, -1] = self.tail
        amounts[-1, -1] = self.last
        return Level(room=self.room, leave=self.o_lanes, amounts=amounts.ravel(), latency=self.latency)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores: registers, a word deep."""
        return (Memory(role="buffer", depth=1, width=self.capacity * self.lane_bits, writable=True),)
