"""Proofs about circuits: by induction, by a search for an invariant, for so many cycles, and that two are equal."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from bitweir_hw.errors import ToolError
from bitweir_hw.tools import yosys_version

from ..cache import cached, content_key, kept
from .circuit import Circuit
from .pdr import checked, search
from .solver import Run, Solver, Unrolled, replayed, solver_name
from .verdict import Status, Trace, Verdict

__all__ = ["bounded", "equivalent", "miter", "prove", "prove_by_induction"]

#: What a method found: its status, more in words, and the run that breaks it.
_Result = tuple[Status, str, Run | None]
_FILE = "verdict.json"


def prove(circuit: Circuit, seconds: float = 60) -> Verdict:
    """Prove what is required in all cycles, with an invariant that is searched for.

    Parameters
    ----------
    circuit : Circuit
        Outputs called ``require_...`` must be 1 in all cycles as long as those called ``assume_...`` were.
    seconds : float
        Time limit for the search, and for the check of what it found.
    """

    def find(part: Circuit) -> _Result:
        with tempfile.TemporaryDirectory() as folder:
            found = search(part, Path(folder), seconds)
        if found is None:
            return "unknown", "no invariant in time", None
        if isinstance(found, Run):
            return "refuted", "", found
        if not checked(part, found, seconds):
            return "unknown", "the invariant that was found could not be checked", None
        return "proved", f"an invariant of {len(found)} clauses", None

    tool = f"ABC (Yosys {yosys_version()}), checked by {solver_name()}"
    return _kept(circuit, "invariant by PDR", tool, find, str(seconds))


def prove_by_induction(circuit: Circuit, depth: int, seconds: float = 60) -> Verdict:
    """Prove what is required in all cycles by k-induction.

    Parameters
    ----------
    circuit : Circuit
        See `prove`.
    depth : int
        k, the most cycles in a row after which it must hold if it held in each.
    seconds : float
        Time limit for all questions.
    """

    def find(part: Circuit) -> _Result:
        wanted = list(part.named("require_").values())
        with Solver(seconds) as base, Solver(seconds) as step:
            start, some = Unrolled(part, base, start=True), Unrolled(part, step, start=False)
            for cycles in range(depth + 1):
                result = _first_broken(start, wanted)
                if result is not None:
                    return result
                some.extend()
                # All holds in so many cycles, and this is the next one.
                answers = [step.ask([-some.literal(literal, cycles)]) for literal in wanted]
                if None in answers:
                    return "unknown", "time is up", None
                if not any(answers):
                    return "proved", f"k = {cycles}", None
                step.add([[some.literal(literal, cycles)] for literal in wanted])
        return "unknown", f"induction does not close up to k = {depth}", None

    return _kept(circuit, "k-induction", solver_name(), find, str(depth), str(seconds))


def bounded(circuit: Circuit, depth: int, seconds: float = 60) -> Verdict:
    """Look for a run of so many cycles that breaks something.

    Parameters
    ----------
    circuit : Circuit
        See `prove`.
    depth : int
        Cycles, with the one of reset.
    seconds : float

    Returns
    -------
    Verdict
        Never ``"proved"``, but for circuits without registers: what holds for some cycles may break later.
    """

    def find(part: Circuit) -> _Result:
        wanted = list(part.named("require_").values())
        cycles = depth if part.registers else 1
        with Solver(seconds) as solver:
            start = Unrolled(part, solver, start=True)
            for _ in range(cycles):
                result = _first_broken(start, wanted)
                if result is not None:
                    return result
        return ("unknown", f"holds for {cycles} cycles", None) if part.registers else ("proved", "", None)

    return _kept(circuit, "bounded search", solver_name(), find, str(depth), str(seconds))


def _first_broken(start: Unrolled, wanted: list[int]) -> _Result | None:
    """One cycle more from the first: what it breaks; None where all holds."""
    start.extend()
    for literal in wanted:
        answer = start.solver.ask([-start.literal(literal, start.cycles - 1)])
        if answer is None:
            return "unknown", f"time is up; holds for {start.cycles - 1} cycles", None
        if answer:
            return "refuted", "", start.run()
        start.solver.add([[start.literal(literal, start.cycles - 1)]])
    return None


def equivalent(one: Circuit, other: Circuit, *, depth: int = 1, seconds: float = 60) -> Verdict:
    """Prove that two circuits of the same inputs have the same outputs.

    Parameters
    ----------
    one, other : Circuit
        Outputs that both have are compared, bit by bit; all inputs of one name are one.
    depth : int
        Where there are registers: k of the induction. They begin as each circuit says, so without a common reset
        nothing that passes through them is equal.
    seconds : float
    """
    joined = miter(one, other)
    return bounded(joined, 1, seconds) if not joined.registers else prove_by_induction(joined, depth, seconds)


def miter(one: Circuit, other: Circuit) -> Circuit:
    """Two circuits side by side, with one output for each bit of theirs: ``require_NAME_BIT``, that they are equal.

    Raises
    ------
    ValueError
        They have other outputs, or outputs of other widths.
    """
    widths = [{name: len(bits) for name, bits in circuit.outputs.items()} for circuit in (one, other)]
    if widths[0] != widths[1]:
        raise ValueError(f"outputs differ: {widths[0]} and {widths[1]}")
    inputs = tuple(dict.fromkeys((*one.inputs, *other.inputs)))
    registers = sum(len(circuit.registers) for circuit in (one, other))
    at_register, at_gate = 1 + len(inputs), 1 + len(inputs) + registers
    gates: list[tuple[int, int]] = []
    following, names, initial = list[int](), list[tuple[str, int]](), list[int | None]()
    seen: list[dict[str, tuple[int, ...]]] = []
    for circuit in (one, other):
        place = [0] + [1 + inputs.index(bit) for bit in circuit.inputs]
        place += [at_register + len(following) + n for n in range(len(circuit.registers))]
        place += [at_gate + len(gates) + n for n in range(len(circuit.gates))]

        def moved(literal: int, place: list[int] = place) -> int:
            return place[literal >> 1] << 1 | literal & 1

        gates += [(moved(left), moved(right)) for left, right in circuit.gates]
        following += [moved(literal) for literal in circuit.following]
        names += list(circuit.registers)
        initial += list(circuit.initial)
        seen.append({name: tuple(map(moved, bits)) for name, bits in circuit.outputs.items()})

    def both(left: int, right: int) -> int:
        gates.append((left, right))
        return 2 * (at_gate + len(gates) - 1)

    outputs: dict[str, tuple[int, ...]] = {}
    for name, bits in seen[0].items():
        for place_, (left, right) in enumerate(zip(bits, seen[1][name], strict=True)):
            outputs[f"require_{name}_{place_}"] = (both(both(left, right ^ 1) ^ 1, both(left ^ 1, right) ^ 1),)
    return Circuit(
        inputs=inputs, registers=tuple(names), following=tuple(following), initial=tuple(initial),
        gates=tuple(gates), outputs=outputs,
    )  # fmt: skip


def _kept(circuit: Circuit, method: str, tool: str, find: Callable[[Circuit], _Result], *parts: str) -> Verdict:
    """Find a verdict, or take it from the cache, where the same was found before; unknown is not kept."""
    if not circuit.named("require_"):
        raise ValueError("nothing is required of the circuit")
    key = content_key("verdict", method, tool, hashlib.sha256(repr(circuit).encode()).hexdigest(), *parts)
    if folder := kept(key):
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=Verdict)
    began = time.perf_counter()
    part = circuit.cone([name for name in circuit.outputs if name.startswith(("require_", "assume_"))])
    status, told, run = find(part)
    trace = None if run is None else _replayed(circuit, run)
    seconds = round(time.perf_counter() - began, 2)
    verdict = Verdict(status=status, method=method, tool=tool, seconds=seconds, told=told, trace=trace)
    if status != "unknown":

        def build(folder: Path) -> None:
            (folder / _FILE).write_bytes(msgspec.json.encode(verdict))

        cached(key, build)
    return verdict


def _replayed(circuit: Circuit, run: Run) -> Trace:
    """Run the whole circuit as its cone ran: what it does not depend on is 0."""
    seen = circuit.reached(
        literal for name in circuit.outputs if name.startswith(("require_", "assume_"))
        for literal in circuit.outputs[name]
    )  # fmt: skip

    def spread(bits: Sequence[int], first: int, count: int) -> list[int]:
        given = iter(bits)
        return [next(given) if seen[first + n] else 0 for n in range(count)]

    inputs = [spread(bits, 1, len(circuit.inputs)) for bits in run.inputs]
    trace = replayed(circuit, inputs, spread(run.registers, circuit.first_register, len(circuit.registers)))
    if trace is None:
        raise ToolError("The solver told a run that breaks nothing.")
    return trace
