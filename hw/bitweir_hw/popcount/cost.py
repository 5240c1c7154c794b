"""Dot products of processing elements: adder positions, gates and registers, counted from the plan."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ..arithmetic import ceil_div
from ..resources.terms import Terms, chain_cells
from .dot_product import DotPlan, DotProduct, Popcount
from .trees import COSTS, Add, Count, Lanes, Node, Word, walk

__all__ = ["chains", "elements"]

Lives = Iterator[tuple[int, int, int]]


def _lives(node: Node, end: int, done: int, leaves: int) -> Lives:
    """Bits of a tree, and the levels after which they appear and up to which they are needed.

    Parameters
    ----------
    end : int
        The level that takes the result.
    done, leaves : int
        Levels before the tree, and the level after which its leaves appear.
    """
    level = done + node.level
    yield node.bits, level if node.level else leaves, end
    if isinstance(node, Add):
        for operand in (node.a, node.b):
            yield from _lives(operand, level, done, leaves)
        if node.carry:
            yield 1, leaves, level
    elif node.level:
        yield node.size, leaves, level


def _lives_of(plan: DotPlan) -> Lives:
    """All values of one element until its accumulator, see `_lives`."""
    end = plan.levels + 1
    several = len(plan.parts) > 1
    until = plan.inner + 1 if several else end
    for part in plan.parts:
        count = part.count
        if isinstance(count, Count):
            if count.tree:
                yield from _lives(count.tree, until, 0, 0)
            if count.carry:
                yield 1, 0, until
            continue
        # Sums and carries of full adders appear after the first level.
        merged = count.levels if count.merges else until
        for tree, kept in ((count.sums.tree, False), (count.carries, count.merge_carry)):
            if tree:
                yield from _lives(tree, merged, 1, 1)
            if kept:
                yield 1, 1, merged
        if count.sums.carry:
            yield 1, 1, until
        if count.merges:
            yield part.most.bit_length(), count.levels, until
    if several:
        # The registers behind the parts are counted there.
        yield from _lives(plan.tree, end, plan.inner, plan.inner + 1)
        if plan.parts[0].count.carry:
            yield 1, plan.inner + 1, end


def _registers(
    terms: Terms, plan: DotPlan, popcount: Popcount, family: str, *, copies: int, apart: int, inputs: int
) -> None:
    """Add flip-flops between the gates and the accumulators, and shift registers.

    What waits for three stages or more becomes a shift register on Xilinx. With style ecp5 lanes wait as an input,
    of which `inputs` differ, and a weight.
    """
    each = popcount.levels_per_stage
    for bits, born, until in _lives_of(plan) if each else ():
        # A register stands behind level L where `each` divides it, for what is there and still needed.
        stages = max(0, (until - 1) // each - -(-max(born, 1) // each) + 1)
        if born:
            count = bits * copies
        elif popcount.style == "ecp5":
            count = bits * (ceil_div(apart, inputs) + inputs)
        else:
            count = bits * apart
        if stages >= 3 and family == "xilinx":
            terms.lutram += count
            terms.ram_sites += count
        else:
            terms.ff += count * stages


def _trees(plan: DotPlan) -> Iterator[tuple[Node, int]]:
    """Trees of one element that have adders, each with the levels before it."""
    for part in plan.parts:
        if isinstance(part.count, Count):
            if part.count.tree:
                yield part.count.tree, 0
        else:
            for tree in (part.count.sums.tree, part.count.carries):
                if tree:
                    yield tree, 1
    if len(plan.parts) > 1:
        yield plan.tree, plan.inner


def _adders(plan: DotPlan) -> dict[int, list[Add]]:
    """The adders of one element by level."""
    levels: dict[int, list[Add]] = {}
    for tree, done in _trees(plan):
        for node in walk(tree):
            if isinstance(node, Add):
                levels.setdefault(done + node.level, []).append(node)
    return levels


def _fused_chains(adders: list[Add], copies: int, limit: int) -> Iterator[int]:
    """Positions of each chain of a level, as `popcount.portable` packs them."""
    length = 0
    for node in adders * copies:
        if length + 1 + node.positions > limit:
            yield length + 1
            length = 0
        length += node.positions + (length > 0 or node.carry)
    if length:
        yield length + 1


def _ecp5_chains(adders: list[tuple[bool, int, int]], copies: int, limit: int) -> Iterator[int]:
    """Positions of each chain of a level, as `popcount.ecp5` packs them.

    Parameters
    ----------
    adders : list of (bool, int, int)
        Whether the carry-in is a gate, positions, and bits of the result.
    """
    length, start, result, gate = 0, 0, 0, False

    def closed() -> int:
        # A wire, or nothing, enters without a separator.
        total = max(length, start + result) - (not gate)
        return total + total % 2

    for carry, positions, bits in adders * copies:
        if length and length + positions + 2 > limit:
            yield closed()
            length = 0
        if not length:
            gate = carry
        start, result = length + 1, bits
        length = start + positions
    if length:
        yield closed()


@cache
def elements(
    dot: DotProduct, popcount: Popcount, *, copies: int, apart: int, width: int, family: str, inputs: int = 1
) -> Terms:
    """P * V processing elements: see `popcount.elements`.

    | style  | carry positions                          | LUTs                                          |
    |--------|------------------------------------------|-----------------------------------------------|
    | ecp5   | all adders, accumulators, separators     | a gate for a lane that no adder takes         |
    | fused  | the same without absorbed gates          | gates, counters of 2 or 3 lanes, multiplexers |
    | tree   | each adder by itself                     | likewise                                      |
    | xc7    | as fused, behind full adders             | two LUT6 for three lanes                      |

    Parameters
    ----------
    copies : int
        How many there are.
    apart : int
        How many of them have gates of their own, where few words of weights let others share these.
    width : int
        Bits of an accumulator.
    inputs : int
        How many have inputs of their own: frames times parts.

    Returns
    -------
    Terms
        To be added to others, not to be changed: it is kept, as a search asks for the same ones often.
    """
    terms, plan = Terms(), dot.plan(popcount)
    style = popcount.style
    terms.ff += copies * width
    _registers(terms, plan, popcount, family, copies=copies, apart=apart, inputs=inputs)
    leaves = COSTS[style].leaves
    for tree, done in _trees(plan):
        for node in walk(tree):
            if isinstance(node, Lanes):
                terms.luts["gate"] += copies * leaves[node.size - 1]
            elif isinstance(node, Word) and done == 0:
                terms.luts["gate"] += round(copies * node.bits * COSTS[style].gate)
            elif isinstance(node, Add) and node.carry and style != "ecp5":
                terms.luts["gate"] += copies
    terms.luts["position"] += chains(terms, dot, popcount, copies=copies, width=width, family=family)
    if style == "ecp5":
        del terms.luts["position"]
        if not plan.levels:
            # An accumulator, unlike an adder, takes no gate.
            terms.luts["late"] += apart * len(plan.parts)
        return terms
    if style == "xc7":
        for part in plan.parts:
            if not isinstance(part.count, Count):
                terms.luts["full adder"] += copies * 2 * part.count.groups
    terms.luts["accumulate"] += copies * (width - min(plan.exponent, width))
    return terms


def chains(
    terms: Terms, dot: DotProduct, popcount: Popcount, *, copies: int, width: int, family: str, apart: bool = True
) -> int:
    """Add the carry cells of elements, and give the positions of their adders, without accumulators.

    Parameters
    ----------
    apart : bool
        Whether to count adders that have a chain each, too.
    """
    plan, style = dot.plan(popcount), popcount.style
    levels = _adders(plan)
    positions = 0
    own = width - min(plan.exponent, width)
    if style == "ecp5":
        for _, adders in sorted(levels.items()):
            shape = [(node.carry, node.positions, node.bits - node.shift) for node in adders]
            for length in _ecp5_chains(shape, copies, popcount.chain):
                terms.carry += length // 2
        kept = plan.parts[0].count.carry
        for length in _ecp5_chains([(kept, own, own)], copies, popcount.chain):
            terms.carry += length // 2
        return 0
    for adders in levels.values():
        if style == "tree":
            for node in adders if apart else ():
                size = node.positions + node.carry + 1
                # A carry-in of iCE40 enters below the lowest position.
                terms.carry += copies * (chain_cells(size, family) - (node.carry and family == "ice40"))
                positions += copies * size
        else:
            for length in _fused_chains(adders, copies, popcount.chain):
                terms.carry += chain_cells(length, family)
                positions += length
    for part in plan.parts:
        if not isinstance(part.count, Count) and part.count.merges:
            size = part.most.bit_length()
            terms.carry += copies * chain_cells(size, family)
            positions += copies * size
    terms.carry += copies * chain_cells(own + plan.parts[0].count.carry, family)
    return positions
