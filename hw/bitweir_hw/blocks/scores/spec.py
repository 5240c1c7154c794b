"""The ends of networks: the class of a frame or pixel, results that are no class, and votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arithmetic import ceil_div
from ...memory import Memory
from ..machines import Collect, one_to_one

__all__ = ["ArgmaxSpec", "ChoiceSpec", "EndSpec", "ResultSpec", "VoteSpec"]


@dataclass(frozen=True, kw_only=True)
class ScoresSpec:
    """A block that takes all scores of a frame, one behind the other, or other elements of a result.

    Parameters
    ----------
    name, layer : str
    classes : int
        M, the number of scores of a frame.
    lanes : int
        Scores a beat.
    lane_bits : int
        Bits of a score.
    parallel_frames : int
        V, the frames side by side.
    """

    name: str
    layer: str
    classes: int
    lanes: int
    lane_bits: int
    parallel_frames: int = 1

    #: A result is written in the cycle in which its (last) beat is taken.
    latency = 0
    #: One place to fill while the other empties.
    fifo_depth = 2

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each input beat."""
        return ceil_div(self.classes, self.lanes)

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.cycles

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.lanes * self.lane_bits * self.parallel_frames


@dataclass(frozen=True, kw_only=True)
class EndSpec(ScoresSpec):
    """The last block: lets the elements of results pass, and marks the last beat of each (`blocks.scores.argmax`)."""

    @property
    def index_bits(self) -> int:
        """Bits of a class; 0 where the result is none."""
        return 0

    @property
    def elements_signed(self) -> bool:
        """Whether the elements are in two's complement."""
        return True

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.cycles

    @property
    def o_bits(self) -> int:
        """Payload bits at the output: for each frame the scores and the class, then the mark of the last beat."""
        return self.i_bits + self.index_bits * self.parallel_frames + 1

    @property
    def machine(self) -> Collect:
        """When it moves beats: one for each that comes."""
        return one_to_one(latency=self.latency, depth=self.fifo_depth)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),)


@dataclass(frozen=True, kw_only=True)
class ArgmaxSpec(EndSpec):
    """The running class beside the scores, see `blocks.scores.argmax`; scores are signed."""

    @property
    def index_bits(self) -> int:
        """Bits of a class."""
        return max(1, (self.classes - 1).bit_length())


@dataclass(frozen=True, kw_only=True)
class ResultSpec(EndSpec):
    """Labels, scores or codes as they are, see `blocks.scores.result`.

    Parameters
    ----------
    kind : str
        As `Readout` has it: ``"labels"``, ``"scores"`` or ``"codes"``. Scores are signed.
    """

    kind: str

    @property
    def elements_signed(self) -> bool:
        """Whether the elements are in two's complement."""
        return self.kind == "scores"


@dataclass(frozen=True, kw_only=True)
class VoteSpec(ScoresSpec):
    """One bit for each class: 1 at the lowest index with the highest score, see `blocks.scores.vote`.

    Parameters
    ----------
    signed : bool
        Whether scores are in two's complement; else they are codes that rise with their values.
    """

    signed: bool = True

    @property
    def o_beats(self) -> int:
        """Output beats a frame: all votes at once."""
        return 1

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.classes * self.parallel_frames

    @property
    def machine(self) -> Collect:
        """When it moves beats: one result a frame."""
        completes = (np.arange(self.i_beats) == self.i_beats - 1).astype(np.int64)
        return Collect(completes=completes, latency=self.latency, depth=self.fifo_depth)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),)


@dataclass(frozen=True, kw_only=True)
class ChoiceSpec(ScoresSpec):
    """The class of each pixel, see `blocks.scores.choice`.

    Parameters
    ----------
    classes : int
        Two or more; the scores of a pixel.
    signed : bool
        As in `VoteSpec`.
    pixels : int
        Of a frame.
    """

    signed: bool = True
    pixels: int = 1

    @property
    def index_bits(self) -> int:
        """Bits of a class."""
        return (self.classes - 1).bit_length()

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each input beat."""
        return self.pixels * ceil_div(self.classes, self.lanes)

    @property
    def o_beats(self) -> int:
        """Output beats a frame: one for each pixel."""
        return self.pixels

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.index_bits * self.parallel_frames

    @property
    def machine(self) -> Collect:
        """When it moves beats: one result a pixel."""
        ends = np.arange(self.i_beats) % (self.i_beats // self.pixels) == self.i_beats // self.pixels - 1
        return Collect(completes=ends.astype(np.int64), latency=self.latency, depth=self.fifo_depth)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),)
