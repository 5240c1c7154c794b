"""Which beat moves in which clock cycle, without values.

Each block has a model that steps the same counters as its gateware. All blocks end in registers, so
a cycle has two halves: every block tells from its state whether it takes and offers a beat; then
every stream on which both sides agree moves one, and all blocks step.

Cycles count from 0, the first one after reset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from bitweir_hw.blocks import AffineSpec, ArgmaxSpec, BlockSpec, MatVecSpec, WidthSpec
from numpy.typing import NDArray

__all__ = ["MODELS", "BlockModel", "Timing", "schedule", "steady_state"]

Pattern = NDArray[np.bool_]


class BlockModel(Protocol):
    """When a block moves beats."""

    def ready(self) -> bool:
        """Whether it takes a beat in this cycle."""

    def valid(self) -> bool:
        """Whether it offers a beat in this cycle."""

    def step(self, take: bool, give: bool) -> None:
        """End the cycle, in which it took and gave so."""

    def state(self) -> tuple[int, ...]:
        """All that decides what it does from here on."""


class _Credits:
    """A datapath that never stalls and a FIFO for its results, as `gateware.credits`."""

    def __init__(self, latency: int, depth: int) -> None:
        self._latency, self._depth = latency, depth
        self._lent = self._waiting = self._moving = 0

    def free(self) -> bool:
        return self._lent < self._depth

    def valid(self) -> bool:
        return self._waiting > 0

    def step(self, start: bool, give: bool) -> None:
        self._moving = self._moving << 1 | start
        done = self._moving >> self._latency & 1
        self._moving &= (1 << self._latency) - 1
        self._lent += start - give
        self._waiting += done - give

    def state(self) -> tuple[int, ...]:
        return self._lent, self._waiting, self._moving


class MatVecModel:
    """Timing of `gateware.matvec`: a replaying buffer, an issue counter, credits."""

    def __init__(self, spec: MatVecSpec) -> None:
        self._groups, self._words, self._room = spec.neuron_folds, spec.synapse_folds, spec.buffer_words
        self._credits = _Credits(spec.latency, spec.fifo_depth)
        self._group = self._word = self._held = self._unread = 0

    def ready(self) -> bool:
        return self._held < self._room

    def valid(self) -> bool:
        return self._credits.valid()

    def step(self, take: bool, give: bool) -> None:
        last = self._word == self._words - 1
        first_group, last_group = self._group == 0, self._group == self._groups - 1
        issue = (self._unread > 0 or not first_group) and (self._credits.free() or not last)
        self._credits.step(issue and last, give)
        self._held += take - (issue and last_group)
        self._unread += take - (issue and first_group)
        if issue:
            self._word = 0 if last else self._word + 1
            if last:
                self._group = 0 if last_group else self._group + 1

    def state(self) -> tuple[int, ...]:
        return self._group, self._word, self._held, self._unread, *self._credits.state()


class WidthModel:
    """Timing of `gateware.width`: a fill level."""

    def __init__(self, spec: WidthSpec) -> None:
        self._spec = spec
        self._level = self._beat = 0

    def ready(self) -> bool:
        return self._level <= self._spec.room

    def valid(self) -> bool:
        return self._level >= self._spec.o_lanes

    def step(self, take: bool, give: bool) -> None:
        if give:
            self._level -= self._spec.o_lanes
        if take:
            last = self._beat == self._spec.i_beats - 1
            self._level += self._spec.last if last else self._spec.i_lanes
            self._beat = 0 if last else self._beat + 1

    def state(self) -> tuple[int, ...]:
        return self._level, self._beat


class PipeModel:
    """Timing of `gateware.affine` and `gateware.argmax`: credits, and nothing else."""

    def __init__(self, spec: AffineSpec | ArgmaxSpec) -> None:
        self._credits = _Credits(spec.latency, spec.fifo_depth)

    def ready(self) -> bool:
        return self._credits.free()

    def valid(self) -> bool:
        return self._credits.valid()

    def step(self, take: bool, give: bool) -> None:
        self._credits.step(take, give)

    def state(self) -> tuple[int, ...]:
        return self._credits.state()


#: The model of each kind of block.
MODELS: dict[type, Callable[[Any], BlockModel]] = {
    MatVecSpec: MatVecModel,
    WidthSpec: WidthModel,
    AffineSpec: PipeModel,
    ArgmaxSpec: PipeModel,
}


def schedule(
    blocks: Sequence[BlockSpec],
    frames: int,
    *,
    i_stalls: Pattern | None = None,
    o_stalls: Pattern | None = None,
    max_cycles: int = 10_000_000,
) -> list[NDArray[np.int64]]:
    """Cycle of every beat on every stream.

    Parameters
    ----------
    blocks : sequence of BlockSpec
    frames : int
        Frames offered at the input, one right after the other.
    i_stalls : bool array, optional
        Whether the source holds back a new beat in a cycle; once offered, a beat stays until it
        moves. After the end of the pattern nothing stalls.
    o_stalls : bool array, optional
        Whether the sink refuses a beat in a cycle; likewise.
    max_cycles : int
        Where to give up.

    Returns
    -------
    list of int64 array
        The input stream, then the output stream of each block.

    Raises
    ------
    RuntimeError
        Beats are left after `max_cycles`.
    """
    chain = _Chain(blocks, frames * blocks[0].i_beats)
    total = frames * blocks[-1].o_beats
    moved: list[list[int]] = [[] for _ in range(len(blocks) + 1)]
    pauses = [] if i_stalls is None else i_stalls.tolist()
    refusals = [] if o_stalls is None else o_stalls.tolist()
    cycle = 0
    while len(moved[-1]) < total:
        if cycle >= max_cycles:
            raise RuntimeError(f"{total - len(moved[-1])} of {total} output beats are missing after {cycle} cycles")
        may_offer = not (cycle < len(pauses) and pauses[cycle])
        takes = not (cycle < len(refusals) and refusals[cycle])
        for stream, moves in enumerate(chain.step(may_offer, takes)):
            if moves:
                moved[stream].append(cycle)
        cycle += 1
    return [np.array(cycles, np.int64) for cycles in moved]


class _Chain:
    """Blocks in a row, with a source in front that has so many beats (or no end)."""

    def __init__(self, blocks: Sequence[BlockSpec], beats: int | None) -> None:
        self._models = [MODELS[type(block)](block) for block in blocks]
        self._beats = beats
        self._offering = False

    def step(self, may_offer: bool, takes: bool) -> list[bool]:
        """One cycle; whether a beat moved, for each stream."""
        models = self._models
        self._offering = self._offering or (may_offer and self._beats != 0)
        moves = [self._offering and models[0].ready()]
        for left, right in zip(models, models[1:], strict=False):
            moves.append(left.valid() and right.ready())
        moves.append(models[-1].valid() and takes)
        for model, take, give in zip(models, moves, moves[1:], strict=False):
            model.step(take, give)
        if moves[0]:
            self._offering = False
            if self._beats is not None:
                self._beats -= 1
        return moves

    def state(self) -> tuple[tuple[int, ...], ...]:
        return tuple(model.state() for model in self._models)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long frames take when neither side stalls.

    Parameters
    ----------
    latency : int
        Cycles from the first input beat of a frame to its last output beat, with nothing before it.
    finished : tuple of int
        Cycle of the last output beat of each of the first frames.
    period : int
        From ``finished[-1 - period]`` on, that many frames repeat for ever.
    """

    latency: int
    finished: tuple[int, ...]
    period: int

    @property
    def interval(self) -> Fraction:
        """Cycles from frame to frame in steady state."""
        return Fraction(self.finished[-1] - self.finished[-1 - self.period], self.period)

    def last_cycle(self, frames: int) -> int:
        """Cycle of the last output beat of so many frames."""
        known = len(self.finished)
        if frames <= known:
            return self.finished[frames - 1]
        rounds = -(-(frames - known) // self.period)
        span = self.finished[-1] - self.finished[-1 - self.period]
        return self.finished[frames - 1 - rounds * self.period] + rounds * span


def steady_state(blocks: Sequence[BlockSpec]) -> Timing:
    """Latency and interval of frames that follow each other without a gap.

    All state is finite and no schedule depends on data, so the state after a frame must repeat; from
    there on the rest is arithmetic.
    """
    chain = _Chain(blocks, None)
    i_beats, o_beats = blocks[0].i_beats, blocks[-1].o_beats
    counts = [0, 0]
    finished: list[int] = []
    seen: dict[tuple[object, ...], int] = {}
    cycle = 0
    while True:
        moves = chain.step(True, True)
        counts[0] += moves[0]
        counts[1] += moves[-1]
        if moves[-1] and counts[1] % o_beats == 0:
            finished.append(cycle)
            key = (chain.state(), counts[0] % i_beats)
            if key in seen:
                # The source offers its first beat in cycle 0, and an empty block takes it.
                return Timing(latency=finished[0], finished=tuple(finished), period=len(finished) - 1 - seen[key])
            seen[key] = len(finished) - 1
        cycle += 1
