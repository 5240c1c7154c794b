"""Trees of adders that count bits or add words: pure planning, no hardware.

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
from functools import cache, cached_property

__all__ = [
    "COSTS",
    "Add",
    "Costs",
    "Count",
    "Lanes",
    "Node",
    "Word",
    "Xc7Count",
    "adder_sites",
    "best_count",
    "best_tree",
    "walk",
    "word_tree",
    "xc7_split",
]


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
    gate : float
        A bit of a word before it is added: the gate that combines input and weight.
    """

    leaves: tuple[int, ...]
    carry: int
    late: int = 0
    gate: float = 1


COSTS = {
    # XNOR in a LUT4; two lanes are two functions of four bits; three lanes a full adder in four LUTs.
    # A carry-in costs an XNOR and one more position, which starts a chain of its own.
    # Words measured; no cell of the chain takes a gate.
    "tree": Costs(leaves=(1, 2, 4), carry=2, gate=1.5),
    "fused": Costs(leaves=(1, 2, 4), carry=1),
    # CCU2C computes XNOR and addition in one site, so a lane costs nothing.
    "ecp5": Costs(leaves=(0,), carry=0, gate=0),
    # Counts bits that exist already (see `xc7_split`): up to three in 2, up to six in 3 LUT6.
    # The chain takes the gate of one of two words.
    "xc7": Costs(leaves=(0, 2, 2, 3, 3, 3), carry=0, gate=0.5),
}


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
    def most(self) -> int:
        return self.size

    @property
    def bits(self) -> int:
        return self.size.bit_length()


@dataclass(frozen=True)
class Word:
    """A number that is there already, of up to `most`: an input with its weight, or a count."""

    most: int
    size = 1
    level = 0

    @property
    def bits(self) -> int:
        return self.most.bit_length()


@dataclass(frozen=True)
class Add:
    """Adds two numbers, and one lane if `carry`: ``a + ((b + carry) << shift)``.

    What follows from the operands is kept, as each is asked for by everything above it.
    `level` is one more than that of the higher operand. The lowest `shift` bits of a pass by.
    """

    a: Node
    b: Node
    carry: bool
    shift: int = 0

    @cached_property
    def size(self) -> int:
        return self.a.size + self.b.size + self.carry

    @cached_property
    def most(self) -> int:
        return self.a.most + ((self.b.most + self.carry) << self.shift)

    @cached_property
    def level(self) -> int:
        return 1 + max(self.a.level, self.b.level)

    @property
    def bits(self) -> int:
        return self.most.bit_length()

    @property
    def positions(self) -> int:
        """Bits of the longer operand: adder positions without the one that hands out the carry."""
        return max(self.a.bits - self.shift, self.b.bits)


Node = Lanes | Word | Add


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
    cost: float

    @property
    def levels(self) -> int:
        return self.tree.level if self.tree else 0


def walk(node: Node) -> Iterator[Node]:
    """Nodes of a tree, operands before sums."""
    if isinstance(node, Add):
        yield from walk(node.a)
        yield from walk(node.b)
    yield node


def _splits(lanes: int) -> Iterator[int]:
    """Sizes worth trying for the larger operand when `lanes` lanes are split in two."""
    low = (lanes + 1) // 2
    if lanes <= 128:
        yield from range(low, lanes)
        return
    yield from range(low, low + 4)
    # Sizes that fill their bits: 2**k - 1, and what doubles from leaves of two lanes, 3 * 2**k - 1.
    for k in range(6, lanes.bit_length()):
        yield from (size for size in ((1 << k) - 1, (1 << k), (3 << (k - 1)) - 1) if low <= size < lanes)


@cache
def _best_tree(style: str, levels_per_stage: int, lanes: int, height: int) -> tuple[int, Node] | None:
    """Cheapest tree for `lanes` lanes of at most `height` levels, with its cost."""
    costs = COSTS[style]
    if lanes == 1:
        return costs.leaves[0], Lanes(1)
    if height == 0 or lanes > (len(costs.leaves) + 1) << height:
        return None
    best = _best_tree(style, levels_per_stage, lanes, height - 1)
    if lanes <= len(costs.leaves) and (best is None or costs.leaves[lanes - 1] < best[0]):
        best = costs.leaves[lanes - 1], Lanes(lanes)
    waits = costs.late if levels_per_stage and (height - 1) // levels_per_stage else 0
    for carry in (False, True):
        for size in _splits(lanes - carry):
            a = _best_tree(style, levels_per_stage, size, height - 1)
            b = _best_tree(style, levels_per_stage, lanes - carry - size, height - 1)
            if a is None or b is None:
                continue
            cost = a[0] + b[0] + a[1].bits + 1 + carry * (costs.carry + waits)
            cost += waits * ((a[1].size == 1) + (b[1].size == 1))
            if best is None or cost < best[0]:
                best = cost, Add(a[1], b[1], carry)
    return best


def best_tree(style: str, levels_per_stage: int, lanes: int) -> tuple[int, Node | None]:
    """Cheapest among the trees of least height."""
    if lanes == 0:
        return 0, None
    height = 0
    while (found := _best_tree(style, levels_per_stage, lanes, height)) is None:
        height += 1
    return found


@cache
def best_count(style: str, levels_per_stage: int, lanes: int) -> Count:
    """Plan a popcount: fewest levels first, then fewest LUT sites."""
    found = []
    for carry in (False, True):
        cost, tree = best_tree(style, levels_per_stage, lanes - carry)
        levels = tree.level if tree else 0
        if carry:
            costs = COSTS[style]
            cost += costs.leaves[0] + 1
            cost += costs.late if levels_per_stage and levels // levels_per_stage else 0
        found.append((levels, cost, Count(tree, carry, cost)))
    return min(found, key=lambda entry: entry[:2])[2]


@dataclass(frozen=True)
class Xc7Count:
    """A popcount whose first level is full adders of three lanes, two LUT6 each.

    Their sum bits and their carry bits are counted apart, and one adder merges the counts:
    ``sums + 2 * (carries + merge_carry)``, where the lowest bit of `sums` passes by.

    Parameters
    ----------
    groups : int
        Full adders, of three lanes; the last may have fewer.
    sums : Count
        Of the sum bits; one may be left to the accumulator.
    carries : Node or None
        Tree for the carry bits.
    merge_carry : bool
        Whether one carry bit is the merging adder's carry-in.
    cost : int
        LUT sites without the accumulator, as planned.
    """

    groups: int
    sums: Count
    carries: Node | None
    merge_carry: bool
    cost: float

    @property
    def carry(self) -> bool:
        """Whether the accumulator takes one bit."""
        return self.sums.carry

    @property
    def merges(self) -> bool:
        """Whether there is a merging adder."""
        return self.merge_carry or (self.sums.levels > 0 and self.carries is not None)

    @property
    def inner(self) -> int:
        """Levels of the two trees."""
        return max(self.sums.levels, self.carries.level if self.carries else 0)

    @property
    def levels(self) -> int:
        return 1 + self.inner + self.merges


@cache
def xc7_split(lanes: int) -> Xc7Count:
    """Plan the popcount of style ``"xc7"``: fewest levels first, then fewest LUT sites."""
    groups, pairs = -(-lanes // 3), (lanes + 1) // 3
    found = []
    for own_carry in (False, True):
        sums_cost, sums_tree = best_tree("xc7", 0, groups - own_carry)
        for merge_carry in (False, True) if pairs else (False,):
            carries_cost, carries = best_tree("xc7", 0, pairs - merge_carry)
            plan = Xc7Count(groups, Count(sums_tree, own_carry, sums_cost), carries, merge_carry, 0)
            bits = max(sums_tree.bits - 1 if sums_tree else 0, carries.bits if carries else 0)
            # A full adder of three lanes is two LUT6, each of three inputs and three weights.
            cost = 2 * groups + sums_cost + carries_cost + own_carry + (bits + 1 if plan.merges else 0)
            found.append((plan.levels, cost, replace(plan, cost=cost)))
    return min(found, key=lambda entry: entry[:2])[2]


@cache
def word_tree(most: int, words: int) -> Node:
    """A balanced tree over so many words of up to `most`."""
    if words == 1:
        return Word(most)
    half = (words + 1) // 2
    return Add(word_tree(most, half), word_tree(most, words - half), carry=False)


def adder_sites(tree: Node) -> int:
    """LUT sites of the adders of a tree."""
    return sum(node.positions + 1 for node in walk(tree) if isinstance(node, Add))
