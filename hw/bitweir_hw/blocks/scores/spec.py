"""The ends of networks: the class of a frame or pixel, results that are no class, and votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arithmetic import ceil_div
from ...memory import Memory
from ..machines import Collect, one_to_one

__all__ = [
    "ArgmaxSpec",
    "ChoiceSpec",
    "EndSpec",
    "ResultSpec",
    "VoteSpec",
    "all_pairs",
    "lead_latency",
    "lead_levels",
    "tree_latency",
]


#: Most classes of which each is compared with each other one at the same time, where all come in one beat. Measured of
#: whole blocks with scores of 8 bits and a register behind each level, on ECP5 (LUT sites, flip-flops, cycles):
#:
#: | classes | tree        | all pairs  |
#: |---------|-------------|------------|
#: | 3       | 139, 111, 5 | 133, 58, 3 |
#: | 4       | 179, 130, 5 | 192, 69, 3 |
#: | 5       | 223, 209, 7 | 269, 83, 3 |
#: | 6       | 263, 230, 7 | 363, 96, 3 |
#:
#: With a register behind every second level, LUT sites and flip-flops together are as many for five classes, and more
#: for six.
MATRIX = 5


def all_pairs(classes: int, lanes: int, stage_levels: int) -> bool:
    """Whether all scores are compared with each other at once, not in a tree; of two it is the same."""
    return stage_levels > 0 and lanes >= classes and 2 < classes <= MATRIX


def lead_levels(classes: int, lanes: int, stage_levels: int) -> int:
    """Levels of comparisons and choices: of each a level, in the tree for each of its comparisons."""
    return 2 if all_pairs(classes, lanes, stage_levels) else 2 * (lanes - 1).bit_length()


def lead_latency(classes: int, lanes: int, stage_levels: int) -> int:
    """Cycles from taking a beat to its leader: those of the tree, and one for the comparison with the one so far."""
    return tree_latency(classes, lanes, stage_levels) + (lanes < classes) if stage_levels else 0


def tree_latency(classes: int, lanes: int, stage_levels: int) -> int:
    """Registers of the tree alone: one every so many of its levels, and one at its end."""
    return ceil_div(lead_levels(classes, lanes, stage_levels), stage_levels) if stage_levels else 0


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
    stage_levels : int
        Levels of comparisons and choices between registers; 0 for none.
    """

    name: str
    layer: str
    classes: int
    lanes: int
    lane_bits: int
    parallel_frames: int = 1
    stage_levels: int = 0

    @property
    def result_beats(self) -> int:
        """Input beats of a result."""
        return 1

    @property
    def latency(self) -> int:
        """Cycles from taking the (last) beat of a result to its write."""
        return lead_latency(self.classes, self.lanes, self.stage_levels)

    @property
    def fifo_depth(self) -> int:
        """Results under way or waiting, so that a beat moves every cycle."""
        return max(2, ceil_div(self.latency + 2, self.result_beats))

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

    def memories(self) -> tuple[Memory, ...]:
        """What it stores: scores apart from classes where these come later."""
        widths = (self.o_bits - self.i_bits, self.i_bits) if self.latency else (self.o_bits,)
        return tuple(Memory(role="buffer", depth=self.fifo_depth, width=width, writable=True) for width in widths)


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
    def latency(self) -> int:
        """Nothing is looked for."""
        return 0

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
    def result_beats(self) -> int:
        """Input beats of a result."""
        return self.cycles

    @property
    def latency(self) -> int:
        """Cycles from taking the last beat to the write: that of the leader, and of the votes if they are a stage."""
        return super().latency + (self.stage_levels == 1)

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
        return self.pixels * self.result_beats

    @property
    def result_beats(self) -> int:
        """Input beats of a result."""
        return ceil_div(self.classes, self.lanes)

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
        ends = np.arange(self.i_beats) % self.result_beats == self.result_beats - 1
        return Collect(completes=ends.astype(np.int64), latency=self.latency, depth=self.fifo_depth)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),)
