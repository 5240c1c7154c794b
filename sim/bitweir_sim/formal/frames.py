"""Cycles of a circuit in one graph, with inputs that are literals of it: what is constant there stays constant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .circuit import Bit, Circuit
from .graph import Graph, copied

__all__ = ["Frames"]


class Frames:
    """A circuit that is played in a graph, cycle by cycle.

    Parameters
    ----------
    circuit : Circuit
    graph : Graph
    state : mapping of (str, int) to int, optional
        Literals with which registers begin; others as the circuit says, and what it leaves open is free.

    Attributes
    ----------
    state : list of int
        Literals of the registers in this cycle, in the order of the circuit.
    """

    def __init__(self, circuit: Circuit, graph: Graph, state: Mapping[Bit, int] | None = None) -> None:
        self.circuit, self.graph = circuit, graph
        given = state or {}
        self.state = []
        for bit, initial in zip(circuit.registers, circuit.initial, strict=True):
            if bit in given:
                self.state.append(given[bit])
            else:
                self.state.append(graph.leaf() if initial is None else initial)

    def cycle(self, inputs: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
        """Play a cycle; literals of the outputs in it. An input that is not given is 0."""
        pins = [inputs[name][place] if name in inputs else 0 for name, place in self.circuit.inputs]
        new = copied(self.circuit, self.graph, [*pins, *self.state])

        def at(literal: int) -> int:
            return new[literal >> 1] ^ literal & 1

        self.state = [at(literal) for literal in self.circuit.following]
        return {name: [at(literal) for literal in bits] for name, bits in self.circuit.outputs.items()}
