"""Stepping the machines of `bitweir_hw.blocks.machines`: when a block moves beats, cycle by cycle.

Each also gives what its compiled twin in `cycles.cpp` starts from: `kind`, and the numbers of `parameters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Protocol, Self

from bitweir_hw.blocks import BlockSpec, Buffered, Collect, Level

__all__ = ["Credits", "Stepped", "stepped"]

_WORD = (1 << 32) - 1


class Stepped(Protocol):
    """A machine that says when a block moves beats on each of its streams.

    Attributes
    ----------
    kind : int
        Number of the compiled twin in `cycles.cpp`.
    parameters : list of int
        What the twin starts from.
    """

    kind: int
    parameters: list[int]

    def ready(self, input: int = 0) -> bool:
        """Whether it takes a beat of that input in this cycle, as far as its state says.

        It takes one of all inputs that are ready, or of none.
        """

    def valid(self, output: int) -> bool:
        """Whether it offers a beat on this output in this cycle."""

    def busy(self) -> bool:
        """Whether this cycle changes its state even if no beat moves on its streams."""

    def word_ready(self) -> bool:
        """Whether it takes a word of streamed weights in this cycle, if one is offered."""

    def step(self, take: bool, gives: Sequence[bool], word: bool = False) -> None:
        """End the cycle, in which it took a beat, and a word of weights, or not, and gave one on each output or not."""

    def state(self) -> tuple[int, ...]:
        """All numbers that its further behaviour depends on."""

    def copied(self) -> Self:
        """Another one in the same state."""


class Credits:
    """A datapath that never stalls and a FIFO for its results, as `gateware.credits`."""

    def __init__(self, latency: int, depth: int, batch: int = 1, back: int = 0) -> None:
        self._latency, self._depth, self._batch, self._back = latency, depth, batch, back
        self._reserved = self._waiting = self._moving = self._returning = 0
        # Results of a batch that are in, and that have left.
        self._came = self._left = 0

    def free(self) -> bool:
        return self._reserved < self._depth

    def valid(self) -> bool:
        return self._waiting > 0

    def busy(self) -> bool:
        return self._moving > 0 or self._returning > 0

    def step(self, start: bool, give: bool) -> None:
        self._moving = self._moving << 1 | start
        done = self._moving >> self._latency & 1
        self._moving &= (1 << self._latency) - 1
        self._returning = self._returning << 1 | give
        returned = self._returning >> self._back & 1
        self._returning &= (1 << self._back) - 1
        if self._batch > 1:
            self._came, self._left = self._came + done, self._left + give
            done = self._batch * (self._came == self._batch)
            freed = self._batch * (self._left == self._batch)
            self._came, self._left = self._came % self._batch, self._left % self._batch
            self._reserved += start - freed
        else:
            self._reserved += start - returned
        self._waiting += done - give

    def state(self) -> tuple[int, ...]:
        # As many bits of delays as there may be do not fit into an integer of 64.
        delays = [number >> at & _WORD for number, bits in self._delays for at in range(0, bits, 32)]
        return self._reserved, self._waiting, *delays, self._came, self._left

    @property
    def _delays(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return (self._moving, self._latency), (self._returning, self._back)


class _Copied:
    """A machine whose lists are never changed in place."""

    _credits: Credits | None = None

    def copied(self) -> Self:
        found = copy(self)
        found._credits = copy(self._credits)
        return found


class _Wordless(_Copied):
    """A machine that needs no streamed weights."""

    def word_ready(self) -> bool:
        return False


class _Buffered(_Copied):
    kind = 0
    _credits: Credits

    def __init__(self, machine: Buffered) -> None:
        self._room, self._programme = machine.room, machine.programme.tolist()
        self._credits = Credits(machine.latency, machine.depth, machine.batch)
        # Words held; words beyond those that the next step needs; the place in the programme.
        self._held, self._ahead = 0, -machine.start
        self._run = self._made = 0
        # Words of weights that were taken ahead.
        self._prefetched, self._words = machine.prefetched, 0
        # Steps that the first of them has served.
        self._shared, self._served = machine.shared, 0
        runs = [number for run in self._programme for number in run]
        self.parameters = [
            machine.room, machine.start, machine.latency, machine.depth, machine.prefetched, len(self._programme),
            *runs, machine.batch, machine.shared,
        ]  # fmt: skip

    def ready(self, input: int = 0) -> bool:
        return self._held < self._room

    def valid(self, output: int) -> bool:
        return self._credits.valid()

    def _issues(self) -> bool:
        if self._prefetched and not self._words:
            return False
        return self._ahead >= 0 and (self._credits.free() or not self._programme[self._run][1])

    def word_ready(self) -> bool:
        return self._words < self._prefetched

    def busy(self) -> bool:
        # A word that it would take is sure to come.
        return self._issues() or self._credits.busy() or self.word_ready()

    def step(self, take: bool, gives: Sequence[bool], word: bool = False) -> None:
        steps, result, arrive, depart = self._programme[self._run]
        issue = self._issues()
        self._credits.step(issue and bool(result), gives[0])
        self._held += take
        self._ahead += take
        self._words += word
        if issue:
            if self._prefetched:
                self._served = (self._served + 1) % self._shared
                self._words -= self._served == 0
            self._held -= depart
            self._ahead -= arrive
            self._made += 1
            if self._made == steps:
                self._made, self._run = 0, (self._run + 1) % len(self._programme)

    def state(self) -> tuple[int, ...]:
        return self._held, self._ahead, self._words, self._served, self._run, self._made, *self._credits.state()


class _Collect(_Wordless):
    kind = 1
    _credits: Credits

    def __init__(self, machine: Collect) -> None:
        self._completes = machine.completes.tolist()
        self._credits = Credits(machine.latency, machine.depth, back=machine.back)
        self._beat = 0
        #: Cycles in which it takes nothing, behind a beat and yet to come.
        self._pause, self._resting = machine.every - 1, 0
        self.parameters = [
            machine.latency, machine.depth, len(self._completes), *self._completes, machine.back, machine.every,
        ]  # fmt: skip

    def ready(self, input: int = 0) -> bool:
        return not self._resting and (self._credits.free() or not self._completes[self._beat])

    def valid(self, output: int) -> bool:
        return self._credits.valid()

    def busy(self) -> bool:
        return self._resting > 0 or self._credits.busy()

    def step(self, take: bool, gives: Sequence[bool], word: bool = False) -> None:
        self._credits.step(take and bool(self._completes[self._beat]), gives[0])
        self._resting = self._pause if take else max(0, self._resting - 1)
        if take:
            self._beat = (self._beat + 1) % len(self._completes)

    def state(self) -> tuple[int, ...]:
        return self._beat, self._resting, *self._credits.state()


class _Level(_Wordless):
    kind = 2

    def __init__(self, machine: Level) -> None:
        self._room, self._leave, self._amounts = machine.room, machine.leave, machine.amounts.tolist()
        self._levels = [0] * machine.outputs
        # What was added in each of the last cycles, the oldest first.
        self._late = [0] * machine.latency
        self._beat = 0
        #: The input whose turn each beat is, or -1.
        self._turns = [-1] * len(self._amounts) if machine.turns is None else machine.turns.tolist()
        self.parameters = [
            machine.room, machine.leave, machine.outputs, machine.latency, len(self._amounts), *self._amounts,
            *self._turns,
        ]  # fmt: skip

    def ready(self, input: int = 0) -> bool:
        return max(self._levels) <= self._room and self._turns[self._beat] in (-1, input)

    def valid(self, output: int) -> bool:
        return self._levels[output] - sum(self._late) >= self._leave

    def busy(self) -> bool:
        return any(self._late)

    def step(self, take: bool, gives: Sequence[bool], word: bool = False) -> None:
        added = self._amounts[self._beat] if take else 0
        self._levels = [level + added - give * self._leave for level, give in zip(self._levels, gives, strict=True)]
        if self._late:
            self._late = [*self._late[1:], added]
        if take:
            self._beat = (self._beat + 1) % len(self._amounts)

    def state(self) -> tuple[int, ...]:
        return (*self._levels, *self._late, self._beat)


def stepped(block: BlockSpec) -> Stepped:
    """The machine of a block in its state after reset."""
    match block.machine:
        case Buffered() as machine:
            return _Buffered(machine)
        case Collect() as machine:
            return _Collect(machine)
        case Level() as machine:
            return _Level(machine)
