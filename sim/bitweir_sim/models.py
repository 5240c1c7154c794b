"""When each kind of block moves beats: the counters of its gateware, without data.

A model also tells what its compiled twin in `cycles.cpp` needs: `parameters`, the numbers that it starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from bitweir_hw.blocks import (
    AffineSpec,
    ArgmaxSpec,
    EndSpec,
    FifoSpec,
    ForkSpec,
    JoinSpec,
    MatVecSpec,
    PoolSpec,
    ResultSpec,
    ThresholdSpec,
    VoteSpec,
    WidthSpec,
    WindowSpec,
)

__all__ = ["MODELS", "BlockModel"]


class BlockModel(Protocol):
    """When a block moves beats, on each of its streams.

    Attributes
    ----------
    kind : int
        Number of the compiled twin in `cycles.cpp`.
    parameters : list of int
        What the twin starts from.
    """

    kind: int
    parameters: list[int]

    def ready(self) -> bool:
        """Whether it takes a beat (of each of its inputs) in this cycle, as far as its state says."""

    def valid(self, output: int) -> bool:
        """Whether it offers a beat on that output in this cycle."""

    def busy(self) -> bool:
        """Whether this cycle changes its state even if no beat moves on its streams."""

    def step(self, take: bool, gives: Sequence[bool]) -> None:
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

    def busy(self) -> bool:
        return self._moving > 0

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

    kind = 0

    def __init__(self, spec: MatVecSpec) -> None:
        self._groups, self._words, self._room = spec.neuron_folds, spec.synapse_folds, spec.buffer_words
        self.parameters = [self._groups, self._words, self._room, spec.latency, spec.fifo_depth]
        self._credits = _Credits(spec.latency, spec.fifo_depth)
        self._group = self._word = self._held = self._unread = 0

    def ready(self) -> bool:
        return self._held < self._room

    def valid(self, output: int) -> bool:
        return self._credits.valid()

    def _issues(self) -> bool:
        return (self._unread > 0 or self._group > 0) and (self._credits.free() or self._word < self._words - 1)

    def busy(self) -> bool:
        return self._issues() or self._credits.busy()

    def step(self, take: bool, gives: Sequence[bool]) -> None:
        last = self._word == self._words - 1
        first_group, last_group = self._group == 0, self._group == self._groups - 1
        issue = self._issues()
        self._credits.step(issue and last, gives[0])
        self._held += take - (issue and last_group)
        self._unread += take - (issue and first_group)
        if issue:
            self._word = 0 if last else self._word + 1
            if last:
                self._group = 0 if last_group else self._group + 1

    def state(self) -> tuple[int, ...]:
        return self._group, self._word, self._held, self._unread, *self._credits.state()


class WindowModel:
    """Timing of `gateware.window`: how many words are there, which beat of which window is due, credits."""

    kind = 1

    def __init__(self, spec: WindowSpec) -> None:
        self._room, words = spec.words, spec.pixel_words
        self._arrivals, self._departures = (
            (pixels.ravel() * words).tolist() for pixels in (spec.arrivals, spec.departures)
        )
        self._beats = spec.o_beats // len(self._arrivals)
        self._credits = _Credits(spec.latency, spec.fifo_depth)
        self._held, self._ahead = 0, -int(spec.needed.flat[0]) * words
        self._position = self._beat = 0
        count, flow = len(self._arrivals), [*self._arrivals, *self._departures]
        self.parameters = [self._room, self._beats, self._ahead, spec.latency, spec.fifo_depth, count, *flow]

    def ready(self) -> bool:
        return self._held < self._room

    def valid(self, output: int) -> bool:
        return self._credits.valid()

    def _issues(self) -> bool:
        return self._ahead >= 0 and self._credits.free()

    def busy(self) -> bool:
        return self._issues() or self._credits.busy()

    def step(self, take: bool, gives: Sequence[bool]) -> None:
        issue = self._issues()
        self._credits.step(issue, gives[0])
        self._held += take
        self._ahead += take
        if issue:
            self._beat += 1
            if self._beat == self._beats:
                self._beat = 0
                self._held -= self._departures[self._position]
                self._ahead -= self._arrivals[self._position]
                self._position = (self._position + 1) % len(self._arrivals)

    def state(self) -> tuple[int, ...]:
        return self._held, self._ahead, self._position, self._beat, *self._credits.state()


class WidthModel:
    """Timing of `gateware.width`: a fill level."""

    kind = 2

    def __init__(self, spec: WidthSpec) -> None:
        self._room, self._leave = spec.room, spec.o_lanes
        part = [spec.i_lanes] * (spec.part_beats - 1) + [spec.tail]
        self._amounts = part * spec.parts
        self._amounts[-1] = spec.last
        self.parameters = [self._room, self._leave, len(self._amounts), *self._amounts]
        self._level = self._beat = 0

    def ready(self) -> bool:
        return self._level <= self._room

    def valid(self, output: int) -> bool:
        return self._level >= self._leave

    def busy(self) -> bool:
        return False

    def step(self, take: bool, gives: Sequence[bool]) -> None:
        if gives[0]:
            self._level -= self._leave
        if take:
            self._level += self._amounts[self._beat]
            self._beat = (self._beat + 1) % len(self._amounts)

    def state(self) -> tuple[int, ...]:
        return self._level, self._beat


class PipeModel:
    """Timing of blocks that make one beat of each (of each pair): credits, and nothing else."""

    kind = 3

    def __init__(self, spec: AffineSpec | ThresholdSpec | JoinSpec | EndSpec) -> None:
        self.parameters = [spec.latency, spec.fifo_depth]
        self._credits = _Credits(spec.latency, spec.fifo_depth)

    def ready(self) -> bool:
        return self._credits.free()

    def valid(self, output: int) -> bool:
        return self._credits.valid()

    def busy(self) -> bool:
        return self._credits.busy()

    def step(self, take: bool, gives: Sequence[bool]) -> None:
        self._credits.step(take, gives[0])

    def state(self) -> tuple[int, ...]:
        return self._credits.state()


class CollectModel:
    """Timing of `gateware.pool` and `gateware.vote`: some beats complete a result, others are just taken."""

    kind = 4

    def __init__(self, spec: PoolSpec | VoteSpec) -> None:
        if isinstance(spec, PoolSpec):
            self._completes = spec.completes().tolist()
        else:
            self._completes = [False] * (spec.i_beats - 1) + [True]
        self.parameters = [spec.latency, spec.fifo_depth, len(self._completes), *map(int, self._completes)]
        self._credits = _Credits(spec.latency, spec.fifo_depth)
        self._beat = 0

    def ready(self) -> bool:
        return self._credits.free() or not self._completes[self._beat]

    def valid(self, output: int) -> bool:
        return self._credits.valid()

    def busy(self) -> bool:
        return self._credits.busy()

    def step(self, take: bool, gives: Sequence[bool]) -> None:
        self._credits.step(take and self._completes[self._beat], gives[0])
        if take:
            self._beat = (self._beat + 1) % len(self._completes)

    def state(self) -> tuple[int, ...]:
        return self._beat, *self._credits.state()


class FifoModel:
    """Timing of `gateware.fifo` and `gateware.fork`: a fill level for each output, all filled at once."""

    kind = 5

    def __init__(self, spec: FifoSpec | ForkSpec) -> None:
        self._depth, outputs = (spec.fifo_depth, spec.outputs) if isinstance(spec, ForkSpec) else (spec.depth, 1)
        self._levels = [0] * outputs
        self.parameters = [self._depth, outputs]

    def ready(self) -> bool:
        return max(self._levels) < self._depth

    def valid(self, output: int) -> bool:
        return self._levels[output] > 0

    def busy(self) -> bool:
        return False

    def step(self, take: bool, gives: Sequence[bool]) -> None:
        self._levels = [level + take - give for level, give in zip(self._levels, gives, strict=True)]

    def state(self) -> tuple[int, ...]:
        return tuple(self._levels)


#: The model of each kind of block.
MODELS: dict[type, Callable[[Any], BlockModel]] = {
    MatVecSpec: MatVecModel,
    WindowSpec: WindowModel,
    WidthSpec: WidthModel,
    ForkSpec: FifoModel,
    FifoSpec: FifoModel,
    JoinSpec: PipeModel,
    PoolSpec: CollectModel,
    ThresholdSpec: PipeModel,
    AffineSpec: PipeModel,
    VoteSpec: CollectModel,
    ArgmaxSpec: PipeModel,
    ResultSpec: PipeModel,
}
