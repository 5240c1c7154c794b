"""All states of a block and of the machine that tells when it moves beats, side by side.

From reset on, in each state, everything is tried that the neighbours can do. There are finitely many states, so when
none is new, the two have been compared in every run there is. The cone of the handshakes shows what they depend on:
where no payload is in it, this holds for all data.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..time.machines import Stepped
from .circuit import UNDEFINED, Circuit
from .verdict import Status, Trace, Verdict

__all__ = ["Handshakes", "compare_states", "evaluated"]

Bits = NDArray[np.uint8]

#: Bits that may be anything without being seen.
_MOST_LOOSE = 12


@dataclass(frozen=True, kw_only=True)
class Handshakes:
    """Names in a circuit.

    Parameters
    ----------
    offered, ready : tuple of str
        For each input stream, the input `valid` and the output `ready`.
    valid, taken : tuple of str
        For each output stream, the output `valid` and the input `ready`.
    word : tuple of str
        The same as of an input for a stream of weights, or nothing.
    """

    offered: tuple[str, ...]
    ready: tuple[str, ...]
    valid: tuple[str, ...]
    taken: tuple[str, ...]
    word: tuple[str, ...] = ()


def evaluated(circuit: Circuit, inputs: Bits, registers: Bits) -> list[Bits]:
    """The values of all variables for many states at once.

    Parameters
    ----------
    circuit : Circuit
    inputs : uint8 array, (inputs, N)
    registers : uint8 array, (registers, N)
    """
    values = [np.zeros(registers.shape[1], np.uint8), *inputs, *registers]
    for left, right in circuit.gates:
        a, b = values[left >> 1], values[right >> 1]
        values.append((1 - a if left & 1 else a) & (1 - b if right & 1 else b))
    return values


def _picked(values: list[Bits], literals: Sequence[int]) -> list[Bits]:
    return [1 - values[literal >> 1] if literal & 1 else values[literal >> 1] for literal in literals]


@dataclass
class _Model:
    """The machine as a graph that grows: numbers of states, what each shows, and edges."""

    inputs: int
    outputs: int
    machines: list[Stepped] = field(default_factory=list)
    numbers: dict[tuple[int, ...], int] = field(default_factory=dict)
    shown: list[list[bool]] = field(default_factory=list)
    edges: dict[tuple[int, int], int] = field(default_factory=dict)

    def number(self, machine: Stepped) -> int:
        state = machine.state()
        if state not in self.numbers:
            self.numbers[state] = len(self.machines)
            self.machines.append(machine)
            ready = [machine.ready(n) for n in range(self.inputs)]
            self.shown.append([*ready, *(machine.valid(n) for n in range(self.outputs)), machine.word_ready()])
        return self.numbers[state]

    def follow(self, number: int, moves: int) -> int:
        """The state after a cycle; the bits of `moves`: took, took a word, gave on each output."""
        key = number, moves
        if key not in self.edges:
            machine = self.machines[number].copied()
            gives = [bool(moves >> (2 + n) & 1) for n in range(self.outputs)]
            machine.step(bool(moves & 1), gives, bool(moves >> 1 & 1))
            self.edges[key] = self.number(machine)
        return self.edges[key]


def compare_states(
    circuit: Circuit, names: Handshakes, machine: Stepped, *, first: str = "bitweir_first", most: int = 200_000
) -> Verdict:
    """Prove that a block moves beats as its machine does, whatever its neighbours do.

    Parameters
    ----------
    circuit : Circuit
        The block, with a register `first` that is 1 in the cycle of reset; see `Bench`.
    names : Handshakes
    machine : Stepped
        After reset.
    first : str
    most : int
        States after which it gives up.

    Returns
    -------
    Verdict
        Unknown where the handshakes depend on anything but handshakes, too.
    """
    began = time.perf_counter()
    search = _Search(circuit, names, machine, first, most)
    status, told, trace = search.run()
    return Verdict(
        status=status, method="all states of block and model", tool="bitweir", told=told, trace=trace,
        seconds=round(time.perf_counter() - began, 2),
    )  # fmt: skip


class _Search:
    def __init__(self, circuit: Circuit, names: Handshakes, machine: Stepped, first: str, most: int) -> None:
        words = names.word[1:]
        self.names, self.most, self.first = names, most, first
        self.whole = circuit.cone([*names.ready, *names.valid, *words])
        self.controls = [*names.offered, *names.taken, *names.word[:1]]
        self.model = _Model(len(names.ready), len(names.valid))
        self.model.number(machine)
        self.parents: list[tuple[int, int]] = []

    def run(self) -> tuple[Status, str, Trace | None]:
        circuit = self.whole
        foreign = sorted({name for name, _ in circuit.inputs} - set(self.controls))
        # Words of a memory beyond its last one are undefined: whatever they are, they must not be seen.
        undefined = [name for name in foreign if name.startswith(UNDEFINED)]
        if len(undefined) <= _MOST_LOOSE:
            self.controls += undefined
            foreign = [name for name in foreign if name not in undefined]
        if foreign:
            return "unknown", f"handshakes depend on {', '.join(foreign)}", None
        started = self._reset()
        if started is None:
            return "unknown", "more than a few registers of handshakes have no reset", None
        choices = [dict(zip(self.controls, bits, strict=True)) for bits in self._choices()]
        seen = {state.tobytes(): n for n, state in enumerate(started.T)}
        self.parents = [(-1, -1)] * len(seen)
        registers, models = started, np.zeros(started.shape[1], np.int64)
        numbers = np.arange(started.shape[1])
        total = len(seen)
        while registers.shape[1]:
            # Each state with each choice, side by side.
            count = registers.shape[1]
            given = {name: np.repeat([choice[name] for choice in choices], count) for name in self.controls}
            numbers = np.tile(numbers, len(choices))
            following, onward, wrong = self._step(
                np.tile(registers, (1, len(choices))), np.tile(models, len(choices)), given
            )
            if wrong:
                at, what = wrong
                return "refuted", "", self._trace(int(numbers[at]), at // count, choices, what)
            keys = np.concatenate([following.T, onward[:, None].view(np.uint8).reshape(len(onward), 8)], axis=1)
            fresh = []
            for at, key in enumerate(map(bytes, keys)):
                if key not in seen:
                    seen[key] = total
                    self.parents.append((int(numbers[at]), at // count))
                    fresh.append(at)
                    total += 1
            if total > self.most:
                return "unknown", f"more than {self.most} states", None
            registers, models = following[:, fresh], onward[fresh]
            numbers = np.arange(total - len(fresh), total)
        return "proved", f"{total} states", None

    def _choices(self) -> list[tuple[int, ...]]:
        return list(itertools.product((0, 1), repeat=len(self.controls)))

    def _reset(self) -> Bits | None:
        """The states after the cycle of reset, (registers, N); None where there are too many."""
        circuit = self.whole
        first = [n for n, (name, _) in enumerate(circuit.registers) if name == self.first]
        # A bit is known where it is the same whatever the others are: 2 stands for either.
        values = [0, *[2] * len(circuit.inputs), *[2] * len(circuit.registers)]
        for n in first:
            values[circuit.first_register + n] = 1

        def value(literal: int) -> int:
            bit = values[literal >> 1]
            return bit if bit == 2 else bit ^ literal & 1

        for left, right in circuit.gates:
            a, b = value(left), value(right)
            values.append(0 if 0 in (a, b) else 2 if 2 in (a, b) else 1)
        after = [value(literal) for literal in circuit.following]
        loose = [n for n, bit in enumerate(after) if bit == 2]
        if len(loose) > _MOST_LOOSE:
            return None
        states = np.tile(np.array(after, np.uint8)[:, None], (1, 1 << len(loose)))
        for place, register in enumerate(loose):
            states[register] = np.arange(states.shape[1]) >> place & 1
        return states

    def _step(
        self, registers: Bits, models: NDArray[np.int64], given: dict[str, NDArray[np.int64]]
    ) -> tuple[Bits, NDArray[np.int64], tuple[int, str] | None]:
        """All states one cycle on, with what is given; the place of one that differs from the model, and in what."""
        circuit, names, count = self.whole, self.names, registers.shape[1]
        inputs = np.array([given[name] for name, _ in circuit.inputs], np.uint8).reshape(-1, count)
        values = evaluated(circuit, inputs, registers)
        shown = np.array(self.model.shown, bool)[models].T
        readies, valids = shown[: len(names.ready)], shown[len(names.ready) : -1]

        def bit(name: str) -> NDArray[np.bool_]:
            return np.broadcast_to(_picked(values, circuit.outputs[name])[0], count).astype(bool)

        # It takes a beat of all inputs that are ready, or of none.
        offered = np.array([given[name] for name in names.offered], bool).reshape(-1, count)
        takes = readies.any(axis=0) & (~readies | offered).all(axis=0)
        wrong = np.zeros(count, bool)
        what = ""
        for n, name in enumerate(names.ready):
            if len(names.ready) == 1:
                differs = bit(name) != readies[n]
            else:
                differs = (bit(name) & offered[n]) != (takes & readies[n])
            wrong, what = wrong | differs, what or (name if differs.any() else "")
        for n, name in enumerate(names.valid):
            differs = bit(name) != valids[n]
            wrong, what = wrong | differs, what or (name if differs.any() else "")
        word = shown[-1] & (given[names.word[0]].astype(bool) if names.word else False)
        if names.word:
            differs = bit(names.word[1]) != shown[-1]
            wrong, what = wrong | differs, what or (names.word[1] if differs.any() else "")
        if wrong.any():
            return registers, models, (int(np.argmax(wrong)), what)
        moves = takes.astype(np.int64) | word.astype(np.int64) << 1
        for n, name in enumerate(names.taken):
            moves |= (valids[n] & given[name].astype(bool)).astype(np.int64) << (2 + n)
        onward = np.array(
            [self.model.follow(*key) for key in zip(models.tolist(), moves.tolist(), strict=True)], np.int64
        )
        following = np.array([np.broadcast_to(row, count) for row in _picked(values, circuit.following)], np.uint8)
        return following.reshape(len(circuit.following), count), onward, None

    def _trace(self, state: int, last: int, choices: list[dict[str, int]], what: str) -> Trace:
        """What the neighbours did from the cycle after reset on."""
        path = [last]
        while state >= 0 and self.parents[state][0] >= 0:
            state, choice = self.parents[state]
            path.append(choice)
        path.reverse()
        signals = {name: tuple(choices[index][name] for index in path) for name in self.controls}
        return Trace(broken=(what,), signals=signals)
