"""The channels of several maps in one, see `blocks.concat.gateware`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...memory import Memory
from ..machines import Level

__all__ = ["ConcatSpec"]


@dataclass(frozen=True, kw_only=True)
class ConcatSpec:
    """The channels of each input follow one another in a pixel.

    Beats hold `lanes` elements of one input, and the inputs take turns in each pixel; or a beat holds a whole pixel,
    of all inputs side by side.

    Parameters
    ----------
    name, layer : str
        Of the block, and the `layers.Concat` that it ends.
    channels : tuple of int
        Elements of a pixel of each input.
    lanes : int
        Elements of an output beat: a divisor of all `channels`, or their sum.
    i_lane_bits : tuple of int
        Bits of an element of each input.
    o_lane_bits : int
        Bits of an element at the output, the most of them or more.
    signed : bool
        Whether elements are in two's complement.
    pixels : int
        Of a frame.
    parallel_frames : int
        V, the frames side by side.
    """

    name: str
    layer: str
    channels: tuple[int, ...]
    lanes: int
    i_lane_bits: tuple[int, ...]
    o_lane_bits: int
    signed: bool
    pixels: int
    parallel_frames: int = 1

    #: Cycles from taking a beat to its write.
    latency = 0
    #: Beats that wait: one to fill while the other empties.
    fifo_depth = 2

    @property
    def inputs(self) -> int:
        """How many parallel_frames meet."""
        return len(self.channels)

    @property
    def whole(self) -> bool:
        """Whether a beat holds a whole pixel."""
        return self.lanes == sum(self.channels)

    @property
    def i_lanes(self) -> tuple[int, ...]:
        """Elements of a beat of each input."""
        return self.channels if self.whole else (self.lanes,) * self.inputs

    @property
    def turns(self) -> tuple[int, ...]:
        """Beats of each input in a pixel."""
        return tuple(count // lanes for count, lanes in zip(self.channels, self.i_lanes, strict=True))

    @property
    def pixel_beats(self) -> int:
        """Output beats of a pixel."""
        return 1 if self.whole else sum(self.turns)

    @property
    def i_beats(self) -> int:
        """Most beats a frame of an input."""
        return self.pixels * max(self.turns)

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.pixels * self.pixel_beats

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each output beat."""
        return self.o_beats

    @property
    def i_bits(self) -> tuple[int, ...]:
        """Payload bits of each input."""
        pairs = zip(self.i_lanes, self.i_lane_bits, strict=True)
        return tuple(lanes * bits * self.parallel_frames for lanes, bits in pairs)

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.lanes * self.o_lane_bits * self.parallel_frames

    @property
    def machine(self) -> Level:
        """When it moves beats: how many wait at the output, and whose turn it is."""
        turns = None if self.whole else np.repeat(np.arange(self.inputs), self.turns)
        amounts = np.ones(self.pixel_beats, np.int64)
        return Level(room=self.fifo_depth - 1, leave=1, amounts=amounts, turns=turns)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),)
