"""Stepping all blocks of a pipeline, cycle by cycle: in Python, or compiled.

Both step the same state machines (`machines`). All blocks end in registers, so a cycle has two halves: every
block derives from its state whether it takes and offers a beat; then every stream on which both sides agree
moves one, and all blocks step. The Python stepper is the definition; the compiled one is used where there is a
C++ compiler.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
from bitweir_hw.blocks.pipeline import Node, Pipeline
from numpy.typing import NDArray

from ..cache import cached, content_key
from ..compiler import compile_library, compiler_command, compiler_missing, load_library
from .machines import stepped
from .supply import Supplier, Supply, supplies_of

__all__ = ["CompiledStepper", "PythonStepper", "Stepper", "library", "program", "stepper"]

Stalls = NDArray[np.uint8]

#: Fitting FIFOs runs many pipelines that share all other blocks, and windows have long programs.
_programs: WeakKeyDictionary[Node, NDArray[np.int64]] = WeakKeyDictionary()


class Stepper(Protocol):
    """A run that starts at reset."""

    def run(
        self,
        *,
        outputs: int,
        inputs: int | None = None,
        drain: int = 0,
        until: int = 1 << 62,
        pauses: Stalls,
        refusals: Stalls,
        closed: bool = False,
        record: bool = False,
        watch: bool = False,
    ) -> int:
        """Step until this many output beats have moved since reset, and `drain` cycles more, but not beyond `until`.

        The run also ends where nothing can move any more: the pipeline jams, or the source has no more beats.

        Parameters
        ----------
        outputs, inputs : int
            Beats since reset; None for an unlimited number of inputs.
        pauses, refusals : uint8 array
            1 in cycles in which the source holds back a new beat, and in which the sink refuses one.
        closed : bool
            The sink takes nothing at all.
        record : bool
            Record the cycle of each beat.
        watch : bool
            Count the cycles in which streams wait.

        Returns
        -------
        int
            The next cycle.
        """

    def counts(self) -> list[int]:
        """The number of beats that have moved on each stream."""

    def waits(self) -> list[tuple[int, int]]:
        """The watched cycles in which each stream starved and in which it was blocked.

        A stream starves if its receiver is ready and no beat is offered, and is blocked if a beat is offered and not
        taken. A receiver is ready if its state lets it take a beat: one that joins streams may be ready on all of
        them, and still leave a beat that is offered until the others come.
        """

    def state(self) -> bytes:
        """All numbers that the further run depends on, except what the source has left."""

    def recorded(self, stream: int) -> NDArray[np.int64]:
        """The cycle of each recorded beat of a stream.

        Behind the streams of the pipeline come its `Pipeline.weight_streams`.
        """


def stepper(pipeline: Pipeline, supplies: Mapping[str, Supplier] | None = None) -> Stepper:
    """The fastest stepper that works on this system.

    Parameters
    ----------
    pipeline : Pipeline
    supplies : mapping of str to Supplier, optional
        How streamed weights come, by the names of their blocks; always, by default. Compiled is a `Supply` alone.
    """
    plain = {name: supply for name, supply in (supplies or {}).items() if isinstance(supply, Supply)}
    if compiler_missing() or len(plain) < len(supplies or {}):
        return PythonStepper(pipeline, supplies)
    return CompiledStepper(pipeline, plain)


class PythonStepper:
    """The definition, in Python; see `Stepper`."""

    def __init__(self, pipeline: Pipeline, supplies: Mapping[str, Supplier] | None = None) -> None:
        self._parts = [(stepped(node.block), node.inputs, node.outputs) for node in pipeline.nodes]
        blocks = [block.name for block in pipeline.blocks]
        self._sources = [
            (blocks.index(streamed.block), supply.source())
            for streamed, supply in zip(pipeline.weight_streams, supplies_of(pipeline, supplies), strict=True)
        ]
        self._counts = [0] * len(pipeline.streams)
        self._starved, self._blocked = [0] * len(pipeline.streams), [0] * len(pipeline.streams)
        self._recorded: list[list[int]] = [[] for _ in (*pipeline.streams, *self._sources)]
        self._offering = False
        self._cycle = 0

    def run(
        self,
        *,
        outputs: int,
        inputs: int | None = None,
        drain: int = 0,
        until: int = 1 << 62,
        pauses: Stalls,
        refusals: Stalls,
        closed: bool = False,
        record: bool = False,
        watch: bool = False,
    ) -> int:
        after, still, patterns = 0, False, max(len(pauses), len(refusals))
        while self._cycle < until:
            if self._counts[-1] >= outputs:
                if after == drain:
                    break
                after += 1
            elif still:
                break
            cycle = self._cycle
            may_offer = (inputs is None or self._counts[0] < inputs) and not (cycle < len(pauses) and pauses[cycle])
            busy = any(machine.busy() for machine, _, _ in self._parts)
            moves = self._step(may_offer, not (closed or (cycle < len(refusals) and refusals[cycle])), watch)
            # While a pattern of stalls lasts, what stands still may only wait for its end.
            still = cycle >= patterns and not busy and not any(moves)
            for stream, moved in enumerate(moves):
                if stream < len(self._counts):
                    self._counts[stream] += moved
                if moved and record:
                    self._recorded[stream].append(cycle)
            self._cycle += 1
        return self._cycle

    def _step(self, may_offer: bool, takes: bool, watch: bool) -> list[bool]:
        """Step one cycle; returns for each stream, and for those of weights, whether a beat moved."""
        self._offering = self._offering or may_offer
        # First who offers, then who takes: a block takes from all inputs that are ready, or from none.
        moves = [False] * len(self._counts)
        moves[0] = self._offering
        for machine, _, outputs in self._parts:
            for number, stream in enumerate(outputs):
                moves[stream] = machine.valid(number)
        offers = list(moves)
        readies = [takes] * len(moves)
        moves[-1] = moves[-1] and takes
        took = []
        for machine, inputs, _ in self._parts:
            awaited = [stream for number, stream in enumerate(inputs) if machine.ready(number)]
            take = bool(awaited) and all(moves[stream] for stream in awaited)
            for stream in inputs:
                readies[stream] = stream in awaited
                moves[stream] = take and readies[stream]
            took.append(take)
        if watch:
            for stream, (offered, ready, moved) in enumerate(zip(offers, readies, moves, strict=True)):
                self._starved[stream] += ready and not offered
                self._blocked[stream] += offered and not moved
        words = [False] * len(self._parts)
        for block, source in self._sources:
            words[block] = source.step(self._cycle, self._parts[block][0].word_ready())
        for take, word, (machine, _, outputs) in zip(took, words, self._parts, strict=True):
            machine.step(take, [moves[stream] for stream in outputs], word)
        if moves[0]:
            self._offering = False
        return [*moves, *(words[block] for block, _ in self._sources)]

    def counts(self) -> list[int]:
        return list(self._counts)

    def waits(self) -> list[tuple[int, int]]:
        return list(zip(self._starved, self._blocked, strict=True))

    def state(self) -> bytes:
        numbers = [number for machine, _, _ in self._parts for number in machine.state()]
        numbers += [number for _, source in self._sources for number in source.state()]
        return np.array(numbers, np.int64).tobytes()

    def recorded(self, stream: int) -> NDArray[np.int64]:
        return np.array(self._recorded[stream], np.int64)


class CompiledStepper:
    """The same in C++ (`cycles.cpp`), which is compiled at its first use; see `Stepper`."""

    def __init__(self, pipeline: Pipeline, supplies: Mapping[str, Supply] | None = None) -> None:
        head = np.array([len(pipeline.streams), len(pipeline.nodes)], np.int64)
        self._streams = len(pipeline.streams)
        self._library = _library()
        numbers = np.concatenate([head, *map(program, pipeline.nodes)])  # must live as long as it is read
        self._handle = self._library.cycles_new(numbers.ctypes.data)
        for number, supply in enumerate(supplies_of(pipeline, supplies)):
            stalls = supply.pattern
            self._library.cycles_supply(
                self._handle, number, supply.words, supply.cycles, supply.latency, stalls.ctypes.data, len(stalls)
            )

    def __del__(self) -> None:
        if handle := getattr(self, "_handle", None):
            self._library.cycles_free(handle)

    def run(
        self,
        *,
        outputs: int,
        inputs: int | None = None,
        drain: int = 0,
        until: int = 1 << 62,
        pauses: Stalls,
        refusals: Stalls,
        closed: bool = False,
        record: bool = False,
        watch: bool = False,
    ) -> int:
        end = -1 if inputs is None else inputs
        stalls = (pauses.ctypes.data, len(pauses), refusals.ctypes.data, len(refusals))
        cycle: int = self._library.cycles_run(self._handle, end, outputs, drain, until, *stalls, closed, record, watch)
        return cycle

    def counts(self) -> list[int]:
        counts = self._library.cycles_counts(self._handle)
        return [int(counts[stream]) for stream in range(self._streams)]

    def waits(self) -> list[tuple[int, int]]:
        waits = self._library.cycles_waits(self._handle)
        return [(int(waits[2 * stream]), int(waits[2 * stream + 1])) for stream in range(self._streams)]

    def state(self) -> bytes:
        numbers = np.empty(self._library.cycles_state(self._handle, None), np.int64)
        self._library.cycles_state(self._handle, numbers.ctypes.data)
        return numbers.tobytes()

    def recorded(self, stream: int) -> NDArray[np.int64]:
        cycles = ctypes.POINTER(ctypes.c_int64)()
        count = self._library.cycles_recorded(self._handle, stream, ctypes.byref(cycles))
        return np.ctypeslib.as_array(cycles, (count,)).copy() if count else np.zeros(0, np.int64)


def program(node: Node) -> NDArray[np.int64]:
    """The numbers from which `cycles.cpp` makes a block."""
    if node not in _programs:
        machine = stepped(node.block)
        numbers = [machine.kind, len(node.inputs), *node.inputs, len(node.outputs), *node.outputs]
        _programs[node] = np.array([*numbers, len(machine.parameters), *machine.parameters], np.int64)
    return _programs[node]


def library(source: Path) -> ctypes.CDLL:
    """The library that a C++ file makes, which is compiled at its first use."""
    flags = ["-std=c++17", "-O2", "-shared", "-fPIC"]
    name = source.with_suffix(".so").name

    def build(folder: Path) -> None:
        compile_library([*flags, "-o", name, source], folder)

    folder = cached(content_key(source.stem, source.read_bytes(), *flags, *compiler_command()), build)
    return load_library(folder / name, compiler_command()[0])


@cache
def _library() -> ctypes.CDLL:
    found = library(Path(__file__).with_name("cycles.cpp"))
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    found.cycles_new.restype, found.cycles_new.argtypes = pointer, [pointer]
    found.cycles_free.restype, found.cycles_free.argtypes = None, [pointer]
    found.cycles_supply.restype, found.cycles_supply.argtypes = None, [pointer, *[number] * 4, pointer, number]
    found.cycles_run.restype = number
    found.cycles_run.argtypes = [pointer, *[number] * 4, pointer, number, pointer, *[number] * 4]
    found.cycles_counts.restype, found.cycles_counts.argtypes = ctypes.POINTER(number), [pointer]
    found.cycles_waits.restype, found.cycles_waits.argtypes = ctypes.POINTER(number), [pointer]
    found.cycles_state.restype, found.cycles_state.argtypes = number, [pointer, pointer]
    found.cycles_recorded.restype, found.cycles_recorded.argtypes = number, [pointer, number, pointer]
    return found
