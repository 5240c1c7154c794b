"""How the sum of a processing element is built and pipelined: pure planning, no hardware.

A plain one is a popcount, see `trees`. A `DotProduct` of more bits is several counts, one for each
weight of a bit, and a tree that adds them shifted; or trees of whole words. `DotPlan` tells which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from ..checked import whole
from ..errors import PlanError
from .trees import COSTS, Add, Count, Node, Word, Xc7Count, adder_sites, best_count, best_tree, word_tree, xc7_split

__all__ = ["STYLE", "STYLES", "DotPlan", "DotProduct", "PartialSum", "Plane", "Popcount", "plan_as"]

#: The best measured style of each FPGA family.
STYLE = {
    "generic": "fused", "ecp5": "ecp5", "ice40": "tree", "gowin": "fused", "xilinx": "xc7", "ultrascale": "xc7",
    "nexus": "fused", "gw5a": "fused",
}  # fmt: skip

#: Positions of the longest carry chain between registers of what is pipelined as far as possible.
FULL_CHAIN = 24

#: All styles.
STYLES = tuple(COSTS)


@dataclass(frozen=True, kw_only=True)
class Popcount:
    """The choice of a popcount.

    Parameters
    ----------
    style : str
        ``"tree"``: full adders of three lanes in LUTs, then a tree of adders with a carry chain
        each. Portable; what routes best on iCE40.
        ``"fused"``: the same, but all adders of a level share long carry chains. Portable.
        ``"ecp5"``: CCU2C cells that compute XNOR, addition, accumulation and preset. ECP5 only;
        the same cycles as ``"fused"``, which can stand in for it in a simulator.
        ``"xc7"``: shaped for LUT6: full adders and 6:3 counters before the chains. Portable.
    levels_per_stage : int
        Levels of the tree between registers; 0 for none.
    carry4 : bool
        Sums of wired layers are built of CARRY4 cells: Xilinx 7 only. Popcounts are not.

    Raises
    ------
    PlanError
        If there is no such style, the number of levels is negative, or the cells are those of another style's family.
    """

    style: str = "fused"
    levels_per_stage: int = 2
    carry4: bool = False

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise PlanError(f"Popcount style must be one of {', '.join(STYLES)}, not {self.style!r}.")
        whole(self.levels_per_stage, "The number of adder levels between registers", low=0)
        if self.carry4 and self.style != STYLE["xilinx"]:
            raise PlanError(f"CARRY4 cells need the popcount style {STYLE['xilinx']}, not {self.style!r}.")

    @classmethod
    def of(cls, family: str, levels_per_stage: int = 2) -> Popcount:
        """The best for a family, a key of `STYLE`."""
        return cls(style=STYLE[family], levels_per_stage=levels_per_stage, carry4=family == "xilinx")

    @property
    def chain(self) -> int:
        """Positions of the longest carry chain that adders of a level share; one that is longer has its own.

        Timing analysis sees a chain as one path from end to end, although separators stop the carry; but each chain
        has ends that cost cells. On ECP5, 8 x 64 lanes with a register after each level routed at 182 MHz with 64
        positions, at 232 with 32, and at 235 with 24, for 6 % more cells. Compiled simulators are fastest with words
        of up to 64 bits.

        | levels per stage | ecp5 | others |
        |------------------|------|--------|
        | 0                | 128  | 63     |
        | 1                | 24   | 24     |
        | more             | 32   | 63     |
        """
        if self.levels_per_stage == 1:
            return FULL_CHAIN
        if self.style != "ecp5":
            return 63
        return 32 if self.levels_per_stage else 128

    def levels(self, inputs: int) -> int:
        """Levels of adders between the XNOR gates and the accumulator of a popcount of `inputs` bits."""
        if self.style == "xc7":
            return xc7_split(inputs).levels
        return best_count(self.style, self.levels_per_stage, inputs).levels

    def stages(self, inputs: int) -> int:
        """Registers between the XNOR gates and the accumulator of a popcount of `inputs` bits."""
        return self.levels(inputs) // self.levels_per_stage if self.levels_per_stage else 0

    def portable(self) -> Popcount:
        """A popcount without vendor cells that behaves the same in every cycle."""
        return replace(self, style="fused") if self.style == "ecp5" else self


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One bit of every weight: what it does to an input, and how much that counts.

    Parameters
    ----------
    exponent : int
        The plane counts ``2**exponent`` times.
    xnor : bool
        Combine each bit of the input with the weight bit by XNOR, not by AND.
    negative : bool
        With AND: invert the result (NAND), which counts what the weights leave out.
    """

    exponent: int = 0
    xnor: bool = False
    negative: bool = False


@dataclass(frozen=True, kw_only=True)
class DotProduct:
    """The sum that a processing element makes each cycle.

    ``sum over planes p of 2**p.exponent * sum over lanes s of word(p, s)``, where the word has the
    bits of input s, each combined with bit s of the plane, and counts as an unsigned number.

    Parameters
    ----------
    simd : int
        Lanes, S.
    bits : int
        Bits of an input, B.
    planes : tuple of Plane
    """

    simd: int
    bits: int = 1
    planes: tuple[Plane, ...] = (Plane(xnor=True),)

    def __post_init__(self) -> None:
        if self.simd < 1 or self.bits < 1:
            raise PlanError(f"A dot product must have lanes and bits, not {self.simd} lanes of {self.bits} bits.")
        if not self.planes or min(plane.exponent for plane in self.planes) < 0:
            raise PlanError(f"A dot product must have planes of exponents from 0 on, not {self.planes}.")

    @property
    def plain(self) -> bool:
        """Whether this is one popcount of XNOR bits."""
        return self.bits == 1 and self.planes == (Plane(xnor=True),)

    @property
    def most(self) -> int:
        """Highest sum."""
        return sum((self.simd * ((1 << self.bits) - 1)) << plane.exponent for plane in self.planes)

    def plan(self, popcount: Popcount) -> DotPlan:
        """How it is built."""
        return _dot_plan(self, popcount.style, popcount.levels_per_stage)

    def stages(self, popcount: Popcount) -> int:
        """Registers between the gates and the accumulator."""
        each = popcount.levels_per_stage
        return self.plan(popcount).levels // each if each else 0


@dataclass(frozen=True)
class PartialSum:
    """What counts ``2**exponent`` times: one popcount, or one tree of words.

    Parameters
    ----------
    exponent : int
    sources : tuple of (int, int)
        Plane and lowest bit of the input; each gives S lanes, in this order.
    count : Count or Xc7Count
    most : int
        Highest result, without the lane that `count` leaves over.
    """

    exponent: int
    sources: tuple[tuple[int, int], ...]
    count: Count | Xc7Count
    most: int


@dataclass(frozen=True)
class DotPlan:
    """How a dot product is built: parts side by side, then a tree that adds them.

    Bits are counted by weight, or whole words added: what the plan says is cheaper. LUT sites for each
    lane of 32, XNOR weights, without the accumulator, measured (benchmarks/pe_sites.py) and planned:

    | style, family    | B = 2: bits, words     | B = 4: bits, words     | B = 8: bits, words      |
    |------------------|------------------------|------------------------|-------------------------|
    | ecp5             | 3.1 (2.8), 3.8 (3.7)   | 6.1 (5.9), 5.7 (5.7)   | 12.2 (12.1), 9.6 (9.5)  |
    | xc7 on Xilinx    | 3.1 (3.1), 4.7 (4.7)   | 6.3 (6.4), 7.7 (7.7)   | 12.9 (13.1), 13.5 (13.5)|
    | tree on iCE40    | 4.0 (4.8), 5.7 (6.7)   | 8.1 (9.8), 11.3 (11.7) | 16.3 (19.8), 21.5 (21.5)|
    | fused on Gowin   | 4.7 (4.3), 6.0 (5.7)   | 9.3 (8.9), 10.0 (9.7)  | 18.5 (18.1), 18.0 (17.5)|

    More planes cost so much each.

    Parameters
    ----------
    words : bool
        Whether the lanes are whole inputs, each combined with a bit of its weight, or their bits.
    parts : tuple of PartialSum
        By exponent. A lane that the first leaves over is left to the accumulator; those of the
        others are the carry-in of an adder of the tree.
    operands : tuple of tuple of int
        Parts side by side in one word of the tree: their bits do not meet.
    tree : Node
        Over the operands.
    order : tuple of (bool, int)
        The leaves of the tree from left to right, a carry-in after both operands of its adder:
        ``(False, operand)``, or ``(True, operand)`` for the lane that its first part leaves over.
    cost : float
        LUT sites without the accumulator, as planned.
    """

    words: bool
    parts: tuple[PartialSum, ...]
    operands: tuple[tuple[int, ...], ...]
    tree: Node
    order: tuple[tuple[bool, int], ...]
    cost: float

    @property
    def exponent(self) -> int:
        """How often the sum counts, as a power of two."""
        return self.parts[0].exponent

    @property
    def inner(self) -> int:
        """Levels of the parts."""
        return max(part.count.levels for part in self.parts)

    @property
    def levels(self) -> int:
        """All levels between the gates and the accumulator."""
        return self.inner + self.tree.level


@cache
def _dot_plan(dot: DotProduct, style: str, each: int) -> DotPlan:
    # ecp5 and fused stand in for each other, so they need the same registers: one decides for both.
    # On Gowin that costs 8 % with four bits.
    twin = "ecp5" if style == "fused" else style
    choices = (False, True) if dot.bits > 1 else (False,)
    words = min(choices, key=lambda words: plan_as(dot, twin, each, words).cost)
    return plan_as(dot, style, each, words)


def plan_as(dot: DotProduct, style: str, each: int, words: bool) -> DotPlan:
    """Plan a dot product from words, or from bits, for a style with so many levels per stage."""
    sources: dict[int, list[tuple[int, int]]] = {}
    for n, plane in enumerate(dot.planes):
        for bit in range(1 if words else dot.bits):
            sources.setdefault(plane.exponent + bit, []).append((n, bit))
    parts = []
    for exponent, group in sorted(sources.items()):
        lanes = dot.simd * len(group)
        count = _part_count(style, each, lanes, dot.bits if words else 0, several=len(sources) > 1)
        most = lanes * ((1 << dot.bits) - 1) if words else lanes - count.carry
        parts.append(PartialSum(exponent, tuple(group), count, most))
    operands: list[list[int]] = []
    for n, part in enumerate(parts):
        for operand in operands:
            last = parts[operand[-1]]
            # What leaves a lane over needs an adder that begins there.
            if not part.count.carry and last.exponent + last.most.bit_length() <= part.exponent:
                operand.append(n)
                break
        else:
            operands.append([n])
    tree, order = _merge(parts, operands, 0, len(operands))
    cost = sum(part.count.cost for part in parts) + adder_sites(tree)
    return DotPlan(words, tuple(parts), tuple(map(tuple, operands)), tree, order, cost)


def _part_count(style: str, each: int, lanes: int, word: int, *, several: bool) -> Count | Xc7Count:
    """Plan one part: of words of so many bits, or of single bits."""
    if word:
        tree = word_tree((1 << word) - 1, lanes)
        return Count(tree, False, lanes * word * COSTS[style].gate + adder_sites(tree))
    if style == "xc7":
        return xc7_split(lanes)
    if style == "fused" and several:
        # Whether a lane is left over decides about adders, so it must be as with style ecp5.
        carry = best_count("ecp5", each, lanes).carry
        cost, node = best_tree(style, each, lanes - carry)
        return Count(node, carry, cost + 2 * carry)
    return best_count(style, each, lanes)


def _merge(
    parts: list[PartialSum], operands: list[list[int]], start: int, end: int
) -> tuple[Node, tuple[tuple[bool, int], ...]]:
    """A balanced tree over some operands, and its leaves in order."""
    base = parts[operands[start][0]].exponent
    if end - start == 1:
        most = sum(parts[n].most << (parts[n].exponent - base) for n in operands[start])
        return Word(most), ((False, start),)
    middle = (start + end + 1) // 2
    (a, first), (b, second) = _merge(parts, operands, start, middle), _merge(parts, operands, middle, end)
    part = parts[operands[middle][0]]
    carry = part.count.carry
    tree = Add(a, b, carry, shift=part.exponent - base)
    return tree, first + second + (((True, middle),) if carry else ())
