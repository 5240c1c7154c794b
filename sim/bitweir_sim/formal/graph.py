"""Graphs of AND gates that grow, in which equal gates are one: logic of one clock cycle.

A literal is twice the number of a node, plus 1 where it is inverted, as in `circuit`; node 0 is the constant 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .circuit import Circuit

__all__ = ["Graph", "copied"]


@dataclass
class Graph:
    """Nodes in an order in which operands come first; equal ANDs are one node.

    Parameters
    ----------
    left, right : list of int
        Operands of each node, literals; -1 of the constant and of leaves.
    """

    left: list[int] = field(default_factory=lambda: [-1])
    right: list[int] = field(default_factory=lambda: [-1])
    known: dict[tuple[int, int], int] = field(default_factory=dict)

    def leaf(self) -> int:
        """A free value; its literal."""
        self.left.append(-1)
        self.right.append(-1)
        return 2 * len(self.left) - 2

    def both(self, a: int, b: int) -> int:
        """AND of two literals."""
        if a > b:
            a, b = b, a
        if a < 2:
            return b if a else 0
        if a >> 1 == b >> 1:
            return a if a == b else 0
        found = self.known.get((a, b))
        if found is None:
            self.left.append(a)
            self.right.append(b)
            found = self.known[a, b] = 2 * len(self.left) - 2
        return found

    def either(self, a: int, b: int) -> int:
        """OR."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        """XOR."""
        return self.both(self.both(a, b) ^ 1, self.either(a, b))

    def choose(self, select: int, one: int, zero: int) -> int:
        """``one`` where `select` is 1, else ``zero``."""
        return self.either(self.both(select, one), self.both(select ^ 1, zero))

    def add(self, a: Sequence[int], b: Sequence[int], carry: int = 0) -> list[int]:
        """Sum of two unsigned numbers, lowest bit first; one bit longer than the longer."""
        total = []
        for n in range(max(len(a), len(b))):
            x, y = a[n] if n < len(a) else 0, b[n] if n < len(b) else 0
            half = self.differ(x, y)
            total.append(self.differ(half, carry))
            carry = self.either(self.both(x, y), self.both(half, carry))
        return [*total, carry]

    def at_most(self, bits: Sequence[int], most: int) -> int:
        """Whether an unsigned number, lowest bit first, is at most so large."""
        fits = 1
        for place, bit in enumerate(bits):
            fits = self.either(bit ^ 1, fits) if most >> place & 1 else self.both(bit ^ 1, fits)
        return fits

    def equals(self, bits: Sequence[int], number: int) -> int:
        """Whether an unsigned number, lowest bit first, is this one."""
        same = 1
        for place, bit in enumerate(bits):
            same = self.both(same, bit ^ 1 ^ (number >> place & 1))
        return same

    def simulate(self, values: dict[int, int], mask: int) -> list[int]:
        """Value of every node, a bit for each pattern.

        Parameters
        ----------
        values : dict
            Of leaves by node; 0 where it is missing.
        mask : int
            A one for each pattern.
        """
        found = [0] * len(self.left)
        for node, value in values.items():
            found[node] = value
        for node, a in enumerate(self.left):
            if a >= 0:
                b = self.right[node]
                x, y = found[a >> 1], found[b >> 1]
                found[node] = (x ^ mask if a & 1 else x) & (y ^ mask if b & 1 else y)
        return found


def copied(circuit: Circuit, target: Graph, leaves: Sequence[int]) -> list[int]:
    """Add the gates of a circuit to a graph; the literal there of each variable.

    Parameters
    ----------
    leaves : sequence of int
        Literals for the inputs, then the registers.
    """
    new = [0, *leaves]
    for a, b in circuit.gates:
        new.append(target.both(new[a >> 1] ^ a & 1, new[b >> 1] ^ b & 1))
    return new
