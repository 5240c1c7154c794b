"""Property-directed reachability: ABC, inside Yosys, looks for an invariant, and a SAT solver checks it.

What is believed is the check alone: the invariant holds after reset, each step keeps it, and with it nothing that is
required is broken. A run that breaks something is run again without any solver.
"""

from __future__ import annotations

from pathlib import Path

from bitweir_hw.errors import ToolError
from bitweir_hw.tools import run_yosys

from .circuit import Circuit
from .solver import Run, Solver, Unrolled

__all__ = ["Found", "checked", "model", "search"]

#: A state that cannot be reached, as the literals of registers that together do not occur.
Cube = tuple[int, ...]
#: What the search found: the invariant as states that do not occur, or a run, or nothing.
Found = list[Cube] | Run | None

#: Yosys hands a script to ABC when it maps gates; it reads a circuit of its own and puts back what it was given.
_SCRIPT = """\
write_blif given.blif
read_aiger model.aig
{search}
write_status found.txt
read_blif given.blif
"""
_ANY_GATE = r"""
module \any
  wire input 1 \a
  wire input 2 \b
  wire output 3 \c
  cell $_AND_ \gate
    connect \A \a
    connect \B \b
    connect \Y \c
  end
end
"""


def model(circuit: Circuit) -> Circuit:
    """The circuit as ABC takes it: registers begin with 0, one output is 1 where something required is broken.

    A register that may begin with anything is an input in the first cycle. What happens after an assumption is broken
    does not count.

    Returns
    -------
    Circuit
        Behind the inputs come those of registers, behind the registers one that is 1 after the first cycle, and one
        that is 1 after an assumption was broken.
    """
    loose = [n for n, initial in enumerate(circuit.initial) if initial is None]
    inputs, registers = len(circuit.inputs), len(circuit.registers)
    # Variables: inputs, those of loose registers, registers, begun, spoilt, gates.
    first_loose, first_register = 1 + inputs, 1 + inputs + len(loose)
    begun, spoilt = first_register + registers, first_register + registers + 1
    gates: list[tuple[int, int]] = []
    first_gate = spoilt + 1

    def both(left: int, right: int) -> int:
        gates.append((left, right))
        return 2 * (first_gate + len(gates) - 1)

    def either(left: int, right: int) -> int:
        return both(left ^ 1, right ^ 1) ^ 1

    place = {0: 0} | {1 + n: 2 * (1 + n) for n in range(inputs)}
    for number, initial in enumerate(circuit.initial):
        held = 2 * (first_register + number)
        if initial is None:
            fresh = 2 * (first_loose + loose.index(number))
            held = either(both(held, 2 * begun), both(fresh, 2 * begun ^ 1))
        elif initial:
            held ^= 1
        place[circuit.first_register + number] = held

    def moved(literal: int) -> int:
        return place[literal >> 1] ^ literal & 1

    for number, (left, right) in enumerate(circuit.gates):
        place[circuit.first_gate + number] = both(moved(left), moved(right))
    holds, required = 2 * spoilt ^ 1, 1
    for literal in circuit.named("assume_").values():
        holds = both(holds, moved(literal))
    for literal in circuit.named("require_").values():
        required = both(required, moved(literal))
    broken = both(holds, required ^ 1)
    following = [
        moved(literal) ^ (initial or 0) for literal, initial in zip(circuit.following, circuit.initial, strict=True)
    ]
    return Circuit(
        inputs=(*circuit.inputs, *(circuit.registers[n] for n in loose)),
        registers=(*circuit.registers, ("begun", 0), ("spoilt", 0)),
        following=(*following, 1, holds ^ 1),
        initial=(0,) * (registers + 2),
        gates=tuple(gates),
        outputs={"broken": (broken,)},
    )


def _written(circuit: Circuit) -> bytes:
    """A circuit in binary AIGER."""
    bits = [literal for literals in circuit.outputs.values() for literal in literals]
    sizes = (len(circuit.inputs), len(circuit.registers), len(bits), len(circuit.gates))
    parts = [f"aig {circuit.variables - 1} {' '.join(map(str, sizes))}\n".encode()]
    parts += [f"{literal}\n".encode() for literal in (*circuit.following, *bits)]
    coded = bytearray()
    for number, pair in enumerate(circuit.gates):
        left, right = max(pair), min(pair)
        for delta in (2 * (circuit.first_gate + number) - left, left - right):
            while delta >= 128:
                coded.append(delta & 127 | 128)
                delta >>= 7
            coded.append(delta)
    return b"".join(parts) + bytes(coded)


def search(circuit: Circuit, folder: Path, seconds: float) -> Found:
    """Let ABC look for an invariant, or for a run that breaks something.

    Parameters
    ----------
    circuit : Circuit
    folder : Path
        For files.
    seconds : float
        After which it gives up.
    """
    posed = model(circuit)
    (folder / "model.aig").write_bytes(_written(posed))
    (folder / "any.il").write_text(_ANY_GATE)
    search = f"pdr -T {max(1, round(seconds))} -d -I invariant.txt"
    (folder / "abc.txt").write_text(_SCRIPT.format(search=search))
    for name in ("found.txt", "invariant.txt"):
        (folder / name).unlink(missing_ok=True)
    run_yosys("read_rtlil any.il\nabc -script abc.txt\n", folder, log="search.log")
    if not (folder / "found.txt").exists():
        raise ToolError("ABC, inside Yosys, told no result of its search.")
    words = (folder / "found.txt").read_text().split()
    if words[0] == "snl_SAT":
        return _run(circuit, posed, "".join(words[5:]).split("#")[0])
    if words[0] == "snl_UNSAT":
        return _cubes(posed, (folder / "invariant.txt").read_text())
    return None


def _run(circuit: Circuit, posed: Circuit, digits: str) -> Run:
    """The run that ABC tells: what registers begin with, and the inputs of each cycle."""
    bits = [int(digit) if digit in "01" else 0 for digit in digits]
    bits = bits[len(posed.registers) :]
    size, own = len(posed.inputs), len(circuit.inputs)
    cycles = [bits[at : at + size] for at in range(0, len(bits), size)]
    begins = iter(cycles[0][own:])
    registers = [next(begins) if initial is None else initial for initial in circuit.initial]
    return Run(inputs=[cycle[:own] for cycle in cycles], registers=registers)


def _cubes(posed: Circuit, text: str) -> list[Cube]:
    """The states that do not occur, as literals of registers of the model."""
    cubes, registers = list[Cube](), list[int]()
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == ".ilb":
            registers = [int(word.removeprefix("lo")) for word in words[1:]]
        elif len(words) == 2 and set(words[0]) <= set("01-"):
            cubes.append(
                tuple(
                    2 * (posed.first_register + register) | (digit == "0")
                    for register, digit in zip(registers, words[0], strict=True)
                    if digit != "-"
                )
            )
    return cubes


def checked(circuit: Circuit, cubes: list[Cube], seconds: float) -> bool:
    """Whether states of the model that do not occur prove what is required: an induction of one step.

    Parameters
    ----------
    circuit : Circuit
    cubes : list of tuple of int
        See `search`.
    seconds : float
    """
    posed = model(circuit)
    (broken,) = posed.outputs["broken"]
    for cube in cubes:
        # All registers begin with 0: a state that needs no 1 is the first one.
        if all(literal & 1 for literal in cube):
            return False
    with Solver(seconds) as solver:
        steps = Unrolled(posed, solver, start=False)
        steps.extend()
        solver.add([[-steps.literal(literal, 0) for literal in cube] for cube in cubes])
        if solver.ask([steps.literal(broken, 0)]) is not False:
            return False
        following = dict(zip(range(posed.first_register, posed.first_gate), posed.following, strict=True))
        for cube in cubes:
            reached = [steps.literal(following[literal >> 1] ^ literal & 1, 0) for literal in cube]
            if solver.ask(reached) is not False:
                return False
    return True
