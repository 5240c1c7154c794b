"""How a popcount is built and pipelined: pure planning, no hardware.

A popcount is a tree of small adders over the XNOR bits (*lanes*). A node of the tree counts `size`
lanes; an `Add` takes two counts of at most k bits and one lane as carry-in, so that
``size = a.size + b.size + 1`` lanes cost k adder positions and one more that hands out the carry.
In a fused chain that last position also takes the carry-in of the next adder: both operands carry
the same bit c there, so the carry leaving it is c whatever came in, and the sum bit is what came in.
With n = 2**k - 1 lanes split as 1 + 2 * (2**(k-1) - 1), this tends to 1.5 positions a lane.
Dynamic programming finds the cheapest tree of least height for any other number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from .errors import PlanError

__all__ = ["STYLE", "STYLES", "Add", "Costs", "Count", "Lanes", "Node", "Popcount", "best_count", "xc7_split"]

#: The best measured style of each FPGA family.
STYLE = {"generic": "fused", "ecp5": "ecp5", "ice40": "tree", "gowin": "fused", "xilinx": "xc7"}


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What the parts of a tree cost, in LUT sites.

    Parameters
    ----------
    leaves : tuple of int
        Cost of counting 1, 2, ... lanes in LUTs, without an adder.
    carry : int
        A lane as carry-in of an adder.
    late : int
        Added for each single lane that waits for a register stage: what used to be absorbed by the
        adder must be computed before it can wait.
    """

    leaves: tuple[int, ...]
    carry: int
    late: int = 0


_COSTS = {
    # XNOR in a LUT4; two lanes are two functions of four bits; three lanes a full adder in four LUTs.
    # A carry-in costs an XNOR and one more position, which starts a chain of its own.
    "tree": Costs(leaves=(1, 2, 4), carry=2),
    "fused": Costs(leaves=(1, 2, 4), carry=1),
    # CCU2C computes XNOR and addition in one site, so a lane costs nothing until it must wait.
    "ecp5": Costs(leaves=(0,), carry=0, late=1),
    # Counts bits that exist already (see `xc7_split`): up to three in 2, up to six in 3 LUT6.
    "xc7": Costs(leaves=(0, 2, 2, 3, 3, 3), carry=0),
}

#: All styles.
STYLES = tuple(_COSTS)


@dataclass(frozen=True)
class Lanes:
    """Counts `size` lanes in LUTs; one lane is the XNOR bit itself.

    `level` is 1, or 0 for one lane.
    """

    size: int

    @property
    def level(self) -> int:
        return 1 if self.size > 1 else 0

    @property
    def bits(self) -> int:
        return self.size.bit_length()


@dataclass(frozen=True)
class Add:
    """Adds two counts, and one lane if `carry`; `level` is one more than that of the higher operand."""

    a: Node
    b: Node
    carry: bool

    @property
    def size(self) -> int:
        return self.a.size + self.b.size + self.carry

    @property
    def level(self) -> int:
        return 1 + max(self.a.level, self.b.level)

    @property
    def bits(self) -> int:
        return self.size.bit_length()

    @property
    def positions(self) -> int:
        """Bits of the longer operand: adder positions without the one that hands out the carry."""
        return max(self.a.bits, self.b.bits)


type_Node = "Lanes | Add"
Node = Lanes | Add


@dataclass(frozen=True)
class Count:
    """A popcount: a tree, and perhaps one lane more that the accumulator takes as its carry-in.

    Parameters
    ----------
    tree : Node or None
        None if the lane at the accumulator is all there is.
    carry : bool
        Whether there is that lane.
    cost : int
        LUT sites without the accumulator, as planned.
    """

    tree: Node | None
    carry: bool
    cost: int

    @property
    def levels(self) -> int:
        return self.tree.level if self.tree else 0


def walk(node: Node) -> Iterator[Node]:
    """Nodes of a tree, operands before sums."""
    if isinstance(node, Add):
        yield from walk(node.a)
        yield from walk(node.b)
    yield node
