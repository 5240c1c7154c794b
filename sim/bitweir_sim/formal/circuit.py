"""Circuits as AND gates, inverters and registers: what a solver reads. Literals are those of AIGER.

A literal is ``2 * variable + inverted``; variable 0 is the constant 0. Variables of inputs come first, then those of
registers, then those of gates, each gate after what it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bitweir_hw.errors import ToolError

__all__ = ["UNDEFINED", "Circuit", "read_netlist"]

#: Begins the names of inputs that stand for what a design leaves undefined.
UNDEFINED = "undefined_"

#: A bit of a signal that has a name.
Bit = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A circuit and what is claimed of it.

    Parameters
    ----------
    inputs, registers : tuple of (str, int)
        The name of each, and the place of the bit in it.
    following : tuple of int
        For each register the literal of its value in the next cycle.
    initial : tuple of (int or None)
        Its value in the first cycle; None where that may be either.
    gates : tuple of (int, int)
        The two literals that each gate joins.
    outputs : mapping of str to tuple of int
        Literals of each output, the lowest bit first.
    """

    inputs: tuple[Bit, ...]
    registers: tuple[Bit, ...]
    following: tuple[int, ...]
    initial: tuple[int | None, ...]
    gates: tuple[tuple[int, int], ...]
    outputs: Mapping[str, tuple[int, ...]]

    @property
    def first_register(self) -> int:
        """The variable of the first register."""
        return 1 + len(self.inputs)

    @property
    def first_gate(self) -> int:
        """The variable of the first gate."""
        return self.first_register + len(self.registers)

    @property
    def variables(self) -> int:
        """Variables, with the constant."""
        return self.first_gate + len(self.gates)

    def named(self, start: str) -> dict[str, int]:
        """Outputs of one bit whose names begin so, without this beginning."""
        return {name[len(start) :]: bits[0] for name, bits in self.outputs.items() if name.startswith(start)}

    def reached(self, literals: Iterable[int]) -> list[bool]:
        """For each variable, whether these literals depend on it, in this cycle or through registers."""
        seen = [False] * self.variables
        stack = [literal >> 1 for literal in literals]
        first_register, first_gate = self.first_register, self.first_gate
        while stack:
            variable = stack.pop()
            if seen[variable]:
                continue
            seen[variable] = True
            if variable >= first_gate:
                left, right = self.gates[variable - first_gate]
                stack += [left >> 1, right >> 1]
            elif variable >= first_register:
                stack.append(self.following[variable - first_register] >> 1)
        return seen

    def cone(self, names: Iterable[str]) -> Circuit:
        """The part that these outputs depend on."""
        outputs = {name: self.outputs[name] for name in names}
        seen = self.reached(literal for bits in outputs.values() for literal in bits)
        places, at = [0] * self.variables, 1
        for variable in range(1, self.variables):
            if seen[variable]:
                places[variable], at = at, at + 1

        def moved(literal: int) -> int:
            return places[literal >> 1] << 1 | literal & 1

        held = [n for n in range(len(self.registers)) if seen[self.first_register + n]]
        return Circuit(
            inputs=tuple(bit for n, bit in enumerate(self.inputs) if seen[1 + n]),
            registers=tuple(self.registers[n] for n in held),
            following=tuple(moved(self.following[n]) for n in held),
            initial=tuple(self.initial[n] for n in held),
            gates=tuple((moved(a), moved(b)) for n, (a, b) in enumerate(self.gates) if seen[self.first_gate + n]),
            outputs={name: tuple(map(moved, bits)) for name, bits in outputs.items()},
        )

    def values(self, inputs: Sequence[int], registers: Sequence[int]) -> list[int]:
        """The value of each variable in a cycle, from those of inputs and registers."""
        values = [0, *inputs, *registers]
        for left, right in self.gates:
            values.append((values[left >> 1] ^ left & 1) & (values[right >> 1] ^ right & 1))
        return values

    def registered(self, name: str, initial: int | None, following: int | None) -> Circuit:
        """The same circuit, in which an input is a register.

        Parameters
        ----------
        name : str
            Of the input; each of its bits becomes one of the first registers.
        initial : int or None
            What each bit begins with.
        following : int or None
            What each bit is in all later cycles; None where it stays as it is.
        """
        count = len(self.inputs)
        kept = [n for n, (other, _) in enumerate(self.inputs) if other != name]
        gone = [n for n, (other, _) in enumerate(self.inputs) if other == name]
        places = list(range(self.variables))
        for place, number in enumerate((*kept, *gone)):
            places[1 + number] = 1 + place

        def moved(literal: int) -> int:
            return places[literal >> 1] << 1 | literal & 1

        own = [2 * (1 + count - len(gone) + n) if following is None else following for n in range(len(gone))]
        return Circuit(
            inputs=tuple(self.inputs[n] for n in kept),
            registers=(*(self.inputs[n] for n in gone), *self.registers),
            following=(*own, *map(moved, self.following)),
            initial=(*[initial] * len(gone), *self.initial),
            gates=tuple((moved(left), moved(right)) for left, right in self.gates),
            outputs={name: tuple(map(moved, bits)) for name, bits in self.outputs.items()},
        )


def read_netlist(module: dict[str, Any]) -> Circuit:
    """Read a module of AND gates, inverters and registers, as ``write_json`` of Yosys tells it.

    Registers begin with anything, and what nothing drives is an input.

    Raises
    ------
    ToolError
        There is a cell of another kind.
    """
    ports, cells = module["ports"], module["cells"].values()
    kinds = {cell["type"] for cell in cells} - {"$_AND_", "$_NOT_", "$_FF_", "$anyseq"}
    if kinds:
        raise ToolError(f"Yosys left cells that are no gates: {', '.join(sorted(kinds))}.")
    drivers, held, free = dict[int, Any](), list[Any](), dict[int, Bit]()
    for name, port in ports.items():
        if port["direction"] == "input":
            free |= {bit: (name, place) for place, bit in enumerate(port["bits"])}
    for cell in cells:
        wires = cell["connections"]
        if cell["type"] == "$anyseq":
            free |= {bit: (f"{UNDEFINED}{bit}", 0) for bit in wires["Y"]}
        elif cell["type"] == "$_FF_":
            held.append(wires)
        else:
            drivers[wires["Y"][0]] = [wires[port][0] for port in "AB" if port in wires]
    names = _bit_names(module)
    # A bit of the netlist -> its literal.
    literals: dict[Any, int] = {"0": 0, "1": 1, **{bit: 2 * (1 + n) for n, bit in enumerate(free)}}
    at = 1 + len(free)
    for wires in held:
        literals[wires["Q"][0]] = 2 * at
        at += 1
    gates = list[tuple[int, int]]()

    def literal(bit: Any) -> int:
        stack = [bit]
        while stack:
            top = stack[-1]
            missing = [read for read in drivers.get(top, ()) if read not in literals]
            if top in literals:
                stack.pop()
            elif missing:
                stack += missing
            elif top not in drivers:
                raise ToolError("Yosys left a wire that nothing drives.")
            elif len(drivers[top]) == 1:
                literals[top] = literals[drivers[top][0]] ^ 1
            else:
                left, right = drivers[top]
                literals[top] = 2 * (at + len(gates))
                gates.append((literals[left], literals[right]))
        return literals[bit]

    following = tuple(literal(wires["D"][0]) for wires in held)
    outputs = {name: tuple(map(literal, port["bits"])) for name, port in ports.items() if port["direction"] == "output"}
    return Circuit(
        inputs=tuple(free.values()),
        registers=tuple(names.get(wires["Q"][0], (f"register_{n}", 0)) for n, wires in enumerate(held)),
        following=following,
        initial=(None,) * len(held),
        gates=tuple(gates),
        outputs=outputs,
    )


def _bit_names(module: dict[str, Any]) -> dict[Any, Bit]:
    """A name for each bit of the netlist, one that a person gave if there is one."""
    found: dict[Any, Bit] = {}
    for name, wire in sorted(module["netnames"].items(), key=lambda item: -item[1]["hide_name"]):
        found |= {bit: (name, place) for place, bit in enumerate(wire["bits"])}
    return found
