"""Boolean functions of a few bits as gates, for logic that synthesis puts into LUTs.

A LUT is written as gates and not as a multiplexer, of which synthesis would make resets of registers. Few gates keep
the Verilog short: bits of counts, of which wired layers are made, are short in exclusive ors.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Gates", "gates"]

_OPERATORS: dict[str, Callable[..., Any]] = {
    "~": operator.invert,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
#: AND gates that an operator takes; inverters are free.
_NODES = {"&": 1, "|": 1, "^": 3}


@dataclass(frozen=True)
class Gates:
    """A tree of gates.

    Parameters
    ----------
    kind : str
        One of ``~ & | ^``; ``wire``, or a constant, ``0`` or ``1``.
    operands : tuple of Gates
    wire : int
        Which input a wire is.
    """

    kind: str
    operands: tuple[Gates, ...] = ()
    wire: int = 0

    @property
    def nodes(self) -> int:
        """What the tree takes in a graph of AND gates and inverters, as synthesis holds it."""
        return _NODES.get(self.kind, 0) + sum(operand.nodes for operand in self.operands)

    def build(self, wires: Sequence[Any], zero: Any, one: Any) -> Any:
        """Make it of values with the operators of Python: those of Amaranth, or integers with a bit for each case."""
        if self.kind in _OPERATORS:
            return _OPERATORS[self.kind](*(operand.build(wires, zero, one) for operand in self.operands))
        return {"0": zero, "1": one}[self.kind] if self.kind != "wire" else wires[self.wire]


@cache
def gates(inputs: int, table: int) -> Gates:
    """The fewest gates that splitting a function at its last input, then at the one before it, and so on, leads to.

    With the cofactors f0 and f1 of an input x, a function is ``x & f1 | ~x & f0`` (Shannon's expansion), and it is
    ``f0 ^ x & (f0 ^ f1)`` (positive Davio's), where f0 ^ f1 is split in turn.

    Parameters
    ----------
    inputs : int
    table : int
        Bit n is the value where input i is bit i of n.
    """
    full = (1 << (1 << inputs)) - 1
    straight, inverted = _split(inputs, table), _split(inputs, table ^ full)
    return min(straight, Gates("~", (inverted,)), key=lambda tree: tree.nodes)


def _split(inputs: int, table: int) -> Gates:
    """The same, without inverting the whole."""
    if table in (0, (1 << (1 << inputs)) - 1):
        return Gates("1" if table else "0")
    last, half = inputs - 1, 1 << (inputs - 1)
    ones, x = (1 << half) - 1, Gates("wire", wire=inputs - 1)
    table0, table1 = table & ones, table >> half
    f0, f1 = gates(last, table0), gates(last, table1)
    if table0 == table1:
        return f0
    not_x, differs = Gates("~", (x,)), gates(last, table0 ^ table1)
    when1 = x if table1 == ones else Gates("&", (x, f1))
    when0 = not_x if table0 == ones else Gates("&", (not_x, f0))
    if not table1:
        return when0
    if not table0:
        return when1
    found = [Gates("^", (f0, x if table0 ^ table1 == ones else Gates("&", (x, differs))))]
    if table1 == ones:
        found.append(Gates("|", (x, f0)))
    elif table0 == ones:
        found.append(Gates("|", (not_x, f1)))
    else:
        found.append(Gates("|", (when1, when0)))
    return min(found, key=lambda tree: tree.nodes)
