"""A SAT solver, and the cycles of a circuit in its clauses."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from bitweir_hw.errors import ToolError

from .circuit import Circuit
from .verdict import Trace

__all__ = ["Run", "Solver", "Unrolled", "replayed", "solver_name", "solvers"]

_SOLVER = "glucose42"


def solver_name() -> str:
    """The solver and the version of the package that brings it."""
    solvers()
    return f"Glucose 4.2 (python-sat {metadata.version('python-sat')})"


def solvers() -> Any:
    """The solvers of python-sat.

    Raises
    ------
    ToolError
        The package is not there.
    """
    try:
        from pysat import solvers as found
    except ImportError as error:
        raise ToolError("Proofs need the package python-sat: pip install 'bitweir[prove]'.") from error
    return found


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of a circuit.

    Parameters
    ----------
    inputs : list of list of int
        Of each cycle, from the first one on.
    registers : list of int
        What each begins with.
    """

    inputs: list[list[int]]
    registers: list[int]


class Solver:
    """A SAT solver with a time limit.

    Parameters
    ----------
    seconds : float
        Wall time for all questions together.
    """

    def __init__(self, seconds: float) -> None:
        self._solver = solvers().Solver(name=_SOLVER, use_timer=False)
        self._late = threading.Event()
        self._timer = threading.Timer(seconds, self._stop)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        self._late.set()
        self._solver.interrupt()

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        self._solver.delete()

    def add(self, clauses: Iterable[Sequence[int]]) -> None:
        """Add clauses of literals that are not 0."""
        self._solver.append_formula(clauses)

    def ask(self, assumptions: Sequence[int]) -> bool | None:
        """Whether all can be true with these literals; None if time is up."""
        if self._late.is_set():
            return None
        answer = self._solver.solve_limited(assumptions=list(assumptions), expect_interrupt=True)
        return None if self._late.is_set() or answer is None else bool(answer)

    def true(self) -> set[int]:
        """The variables that are 1 in the last answer."""
        return {literal for literal in self._solver.get_model() if literal > 0}


class Unrolled:
    """The cycles of a circuit, one after the other, in a solver; of each what is asked for, and what that depends on.

    Parameters
    ----------
    circuit : Circuit
    solver : Solver
    start : bool
        Whether cycle 0 is the first one; else it is any, from any state.
    """

    def __init__(self, circuit: Circuit, solver: Solver, *, start: bool) -> None:
        self.circuit, self.solver = circuit, solver
        self.cycles = 0
        self._start = start
        self._reached = set[int]()
        self._assumed = list(circuit.named("assume_").values())

    def literal(self, literal: int, cycle: int) -> int:
        """The solver's literal of a literal of the circuit in a cycle; what it depends on is put into clauses."""
        self._reach(literal >> 1, cycle)
        return self._name(literal, cycle)

    def _name(self, literal: int, cycle: int) -> int:
        variable = (literal >> 1) + 1 + cycle * self.circuit.variables
        return -variable if literal & 1 else variable

    def _reach(self, variable: int, cycle: int) -> None:
        circuit, name = self.circuit, self._name
        clauses, stack = list[list[int]](), [(variable, cycle)]
        while stack:
            variable, at = stack.pop()
            out = name(2 * variable, at)
            if out in self._reached:
                continue
            self._reached.add(out)
            if variable >= circuit.first_gate:
                left, right = circuit.gates[variable - circuit.first_gate]
                a, b = name(left, at), name(right, at)
                clauses += [[-out, a], [-out, b], [out, -a, -b]]
                stack += [(left >> 1, at), (right >> 1, at)]
            elif variable >= circuit.first_register:
                number = variable - circuit.first_register
                if at:
                    following = circuit.following[number]
                    before = name(following, at - 1)
                    clauses += [[-out, before], [out, -before]]
                    stack.append((following >> 1, at - 1))
                elif self._start and (initial := circuit.initial[number]) is not None:
                    clauses.append([out if initial else -out])
            elif not variable:
                clauses.append([-out])
        self.solver.add(clauses)

    def extend(self) -> None:
        """Add a cycle, in which assumptions hold."""
        self.cycles += 1
        self.solver.add([[self.literal(literal, self.cycles - 1)] for literal in self._assumed])

    def run(self) -> Run:
        """The run in the solver's last answer."""
        true = self.solver.true()
        first, behind = self.circuit.first_register, self.circuit.first_gate

        def bits(variables: range, cycle: int) -> list[int]:
            return [int(self._name(2 * variable, cycle) in true) for variable in variables]

        return Run(
            inputs=[bits(range(1, first), cycle) for cycle in range(self.cycles)],
            registers=bits(range(first, behind), 0),
        )


def replayed(circuit: Circuit, inputs: Sequence[Sequence[int]], registers: Sequence[int]) -> Trace | None:
    """Run a circuit from its first cycle, without a solver, until something that is required does not hold.

    Parameters
    ----------
    circuit : Circuit
    inputs : sequence of sequence of int
        Of each cycle.
    registers : sequence of int
        What registers begin with, where it is not fixed.

    Returns
    -------
    Trace or None
        None where all that is required holds, or an assumption is broken before.
    """
    state = [given if fixed is None else fixed for given, fixed in zip(registers, circuit.initial, strict=True)]
    required, assumed = circuit.named("require_"), circuit.named("assume_")
    signals: dict[str, list[int]] = {}
    for bits in inputs:
        values = circuit.values(bits, state)

        def value(literal: int, values: list[int] = values) -> int:
            return values[literal >> 1] ^ literal & 1

        if not all(map(value, assumed.values())):
            return None
        words: dict[str, int] = {}
        for (name, place), bit in zip(circuit.inputs, bits, strict=True):
            words[name] = words.get(name, 0) | bit << place
        for name, literals in circuit.outputs.items():
            if name.startswith("show_"):
                shown = sum(value(literal) << place for place, literal in enumerate(literals))
                words[name.removeprefix("show_")] = shown
        for name, word in words.items():
            signals.setdefault(name, []).append(word)
        broken = tuple(name for name, literal in required.items() if not value(literal))
        if broken:
            return Trace(broken=broken, signals={name: tuple(words) for name, words in signals.items()})
        state = [value(literal) for literal in circuit.following]
    return None
