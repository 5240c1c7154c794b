"""Dot products with weights that never change, where a layer is unrolled: bits that are constant or alike, followed.

The trees of `popcount.portable` are walked once with what each bit is in every element. An XNOR with a constant is the
input or its inverse, an AND with 0 is a constant; counters of few inputs are alike where weights are alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...popcount.cost import chains
from ...popcount.dot_product import PartialSum
from ...popcount.portable import Operation, Tree, add_parts, part_trees, sum_parts
from ...popcount.trees import Add, xc7_split
from ...resources.terms import Terms, chain_cells
from .planes import plane_bits
from .spec import MatVecSpec

__all__ = ["MOST", "constant_elements"]

#: Products of a bit and a bit of a weight of the largest layer that is walked. More fit in no part, and take time.
MOST = 1 << 16

Names = NDArray[np.uint64]
Flags = NDArray[np.bool_]


class Bit(NamedTuple):
    """One bit of each element.

    Parameters
    ----------
    name : uint64 array
        What it is, `ZERO` and `ONE` included: bits of the same name are the same wire. The lowest bit says whether it
        is an inverse.
    wire : bool array
        Whether it is an input, its inverse, or a constant: nothing that a LUT makes.
    plain : bool
        Whether it is a constant in no element, which saves time.
    """

    name: Names
    wire: Flags
    plain: bool = False

    @property
    def live(self) -> Flags:
        """Where it is no constant."""
        flags: Flags = self.name > 1
        return flags

    def at(self, value: int) -> Flags:
        """Where it is this constant."""
        flags: Flags = self.name == value
        return flags


def _mixed(*values: Names | np.uint64) -> Names:
    """A new name for what has these operands (the constants of SplitMix64, Steele et al. 2014)."""
    total: Names = np.asarray(values[0])
    for value in values[1:]:
        total = (total * np.uint64(0xBF58476D1CE4E5B9)) ^ value
    total = (total ^ (total >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((total ^ (total >> np.uint64(31))) | np.uint64(4)) & ~np.uint64(1)


def _different(names: Iterable[Names]) -> int:
    """How many different bits these are."""
    found = list(names)
    return len(np.unique(np.concatenate(found))) if found else 0


def constant_elements(spec: MatVecSpec, family: str) -> Terms:
    """The elements of a layer that is unrolled and whose parameters are not loaded."""
    walk = _Walk(spec, family)
    terms = walk.terms.times(spec.parallel_frames)
    copies, plan = spec.pe * spec.parallel_frames, walk.plan
    terms.ff += copies * spec.acc_bits
    own = spec.acc_bits - min(plan.exponent, spec.acc_bits)
    if spec.built.style != "ecp5":
        terms.luts["accumulate"] += copies * own
    chains(terms, spec.dot, spec.built, copies=copies, width=spec.acc_bits, family=family, apart=False)
    if spec.built.style in ("fused", "xc7"):
        # Adders of a chain that are left to wires: those of Xilinx and ECP5 share cells.
        terms.carry -= walk.bare * spec.parallel_frames // {"xilinx": 4, "ecp5": 2}.get(family, 1)
    return terms


class _Walk:
    """One set of elements, as far as their accumulators."""

    def __init__(self, spec: MatVecSpec, family: str) -> None:
        self.family, self.style = family, spec.built.style
        self.each = spec.built.levels_per_stage
        self.dot, self.plan = spec.dot, spec.dot.plan(spec.built)
        self.bits = np.ones((len(spec.planes), spec.pe, spec.simd), bool)
        self.bits[:, : spec.rows, : spec.columns] = plane_bits(spec.weights, spec.planes)[:, 0]
        self.count = spec.pe
        # The first lane of each element, among those of all parts.
        self.first = np.arange(spec.pe, dtype=np.uint64) * np.uint64(spec.parts) // np.uint64(spec.pe)
        self.first *= np.uint64(spec.simd)
        self.terms = Terms()
        self.all, self.none = np.ones(self.count, bool), np.zeros(self.count, bool)
        self.elements = np.arange(1, self.count + 1, dtype=np.uint64) << np.uint64(3)
        self.fresh = 0
        self.bare = 0
        self.zero = self._constant(0)
        self.waits: dict[tuple[str, object], int] = {}
        self.waiting: dict[tuple[str, object], Names] = {}
        if self.style == "xc7" and not self.plan.words:
            rows = [[self._xc7(part) for part in self.plan.parts]]
            add_parts(self.plan, rows, self._levels, self.zero)
        else:
            sum_parts(self.plan, part_trees(self.plan, 1, self._lanes), self._levels, self.zero)
        self._settle()

    def _constant(self, value: int) -> Bit:
        return Bit(np.full(self.count, value, np.uint64), np.ones(self.count, bool))

    # ---- lanes

    def _lane(self, plane: int, bit: int, lane: int) -> Bit:
        form, weights = self.dot.planes[plane], self.bits[plane, :, lane]
        name = ((self.first + np.uint64(lane)) * np.uint64(self.dot.bits) + np.uint64(bit + 1)) << np.uint64(3)
        if form.xnor:
            names = name | ~weights
        else:
            names = np.where(weights, name | np.uint64(form.negative), np.uint64(form.negative))
        return Bit(names.astype(np.uint64), self.all, form.xnor or bool(weights.all()))

    def _lanes(self, _: int, part: PartialSum) -> Any:
        simd, bits = range(self.dot.simd), range(self.dot.bits)
        if self.plan.words:
            return [[self._lane(n, bit, s) for bit in bits] for n, _ in part.sources for s in simd]
        return [self._lane(n, bit, s) for n, bit in part.sources for s in simd]

    # ---- operations

    def _counted(self, bits: list[Bit]) -> list[Bit]:
        """The number of ones: a function of a LUT for each bit that is neither constant nor an input."""
        if len(bits) > 1 and all(bit.plain for bit in bits):
            function = _mixed(*(bit.name for bit in bits))
            size = len(bits).bit_length()
            self.terms.luts["constant count"] += size * _different([function])
            return [Bit(_mixed(function, np.uint64(at + 2)), self.none, plain=True) for at in range(size)]
        live = sum((bit.live.astype(int) for bit in bits), np.zeros(self.count, int))
        ones = sum((bit.at(1).astype(int) for bit in bits), np.zeros(self.count, int))
        names = [np.where(bit.live, bit.name, 0).astype(np.uint64) for bit in bits]
        alone = np.bitwise_or.reduce(names)
        wires = np.logical_and.reduce([bit.wire for bit in bits])
        function = _mixed(*names, ones.astype(np.uint64))
        found, made = [], []
        for at in range(len(bits).bit_length()):
            values = np.stack([(ones + np.minimum(n, live)) >> at & 1 for n in range(len(bits) + 1)])
            same = (values == values[0]).all(axis=0)
            name = _mixed(function, np.full(self.count, at, np.uint64))
            name = np.where(live == 1, alone ^ (values[0] == 1).astype(np.uint64), name)
            name = np.where(same, values[0], name).astype(np.uint64)
            lut = ~same & (live > 1)
            made.append(name[lut])
            found.append(Bit(name, np.where(live > 1, same, wires)))
        self.terms.luts["constant count"] += _different(made)
        return found

    def _added(self, size: int, a: list[Bit], b: list[Bit], carry: Bit) -> list[Bit]:
        """So many bits of a sum."""
        entered = bool(carry.name.any())
        if all(bit.plain for bit in (*a, *b)) and (carry.plain or not entered) and min(len(a), len(b)):
            return self._added_plain(size, a, b, carry, entered=entered)
        found, full, thin = [], np.zeros(self.count, int), np.zeros(self.count, int)
        begun = carry.live
        own = np.arange(self.count, dtype=np.uint64) if self.style != "tree" else np.zeros(self.count, np.uint64)
        for at in range(size):
            given = [bits[at] if at < len(bits) else self.zero for bits in (a, b)]
            three = [*given, carry]
            live = sum((bit.live.astype(int) for bit in three), np.zeros(self.count, int))
            ones = sum((bit.at(1).astype(int) for bit in three), np.zeros(self.count, int))
            name = _mixed(*(bit.name for bit in three), own)
            alone = np.bitwise_or.reduce([np.where(bit.live, bit.name, 0).astype(np.uint64) for bit in three])
            # Carry cells of iCE40 are simplified, those of others from the lowest position up to the first sum only.
            bare = live <= 1 if self.family == "ice40" else ~begun & (live <= 1) & ((live == 0) | (ones == 0))
            if self.style == "ecp5":
                bare = np.zeros(self.count, bool)
            total = np.where(bare & (live == 1), alone ^ (ones & 1).astype(np.uint64), name)
            total = np.where(bare & (live == 0), ones & 1, total).astype(np.uint64)
            wires = np.logical_and.reduce([bit.wire for bit in three])
            found.append(Bit(total, np.where(bare, wires, False)))
            begun = begun | ~bare
            full, thin = full + (~bare & (live > 1)), thin + (~bare & (live <= 1))
            self.bare += int(bare.sum())
            # It is known where two of three are alike, and the third one where two differ.
            zeros = 3 - live - ones
            passed = np.where((ones == 1) & (zeros == 1), alone, _mixed(name, np.uint64(5)))
            after = np.where(zeros >= 2, 0, np.where(ones >= 2, 1, passed)).astype(np.uint64)
            if self.family != "ice40":
                after = np.where(begun, _mixed(name, np.uint64(5)), after)
            carry = Bit(after, np.zeros(self.count, bool))
        if self.style != "ecp5":
            self.terms.luts["constant position"] += int(full.sum())
            self.terms.luts["thin position"] += int(thin.sum())
        if self.style == "tree":
            self._own_chains(entered, full + thin, [bit.name for bit in found])
        return found

    def _added_plain(self, size: int, a: list[Bit], b: list[Bit], carry: Bit, *, entered: bool) -> list[Bit]:
        """The same where no bit is a constant: nothing is simplified, but for the highest carry on iCE40."""
        full = min(max(len(a), len(b)), size)
        if self.style != "ecp5":
            self.terms.luts["constant position"] += full * self.count
            self.terms.luts["thin position"] += (size - full) * self.count * (self.family != "ice40")
        if self.style == "tree":
            names = [_mixed(*(bit.name for bit in (*a, *b, carry)), np.uint64(at)) for at in range(size)]
            sizes = np.full(self.count, full if self.family == "ice40" else size)
            self._own_chains(entered, sizes, names[:1])
        else:
            self.fresh += size
            names = [self.elements | (np.uint64(self.fresh - at) << np.uint64(32)) for at in range(size)]
        return [Bit(name, self.none, plain=True) for name in names]

    def _own_chains(self, entered: bool, sizes: Any, names: list[Names]) -> None:
        """Carry cells where each adder has a chain of its own; adders of the same operands are one."""
        _, first = np.unique(np.stack(names), axis=1, return_index=True)
        for size in map(int, sizes[first]):
            if self.family == "ice40":
                # The highest bit is the carry of the position before.
                self.terms.carry += chain_cells(size + 1, self.family)
            else:
                self.terms.carry += chain_cells(size + (entered and size > 0), self.family)

    # ---- levels

    def _levels(self, trees: list[Tree], done: int, count: int) -> None:
        for tree in trees:
            for size, operations in sorted(tree.counters.items(), reverse=True):
                self._counters(tree, size, operations)
        for level in range(1, count + 1):
            for tree in trees:
                for operation in tree.adders(level):
                    a, b = (tree.values[key] for key in operation.operands)
                    carry = self.zero if operation.carry is None else tree.values[operation.carry][0]
                    node = operation.node
                    assert isinstance(node, Add)
                    low = (list(a) + [self.zero] * node.shift)[: node.shift]
                    size = node.bits - node.shift
                    tree.values[operation] = low + self._added(size, a[node.shift :], b, carry)
                tree.forget(level)
            if self._staged(done + level):
                self._register(trees)

    def _counters(self, tree: Tree, size: int, operations: list[Operation]) -> None:
        for operation in operations:
            tree.values[operation] = self._counted([tree.lanes[n] for n in operation.operands])

    def _staged(self, level: int) -> bool:
        return bool(self.each) and level % self.each == 0

    def _register(self, trees: list[Tree]) -> None:
        """Flip-flops: none for zeros, one for what is alike. A one starts as zero, so it is no constant behind one."""
        stage: list[Names] = []
        weights = False
        for tree in trees:
            for key, bits in tree.values.items():
                after = []
                for bit in bits:
                    if bit.plain and bit.wire is self.none:
                        stage.append(bit.name)
                        after.append(bit)
                        continue
                    if self.style == "ecp5" and bit.wire is self.all:
                        # A lane waits as an input and a weight; all weights of 1 are one register.
                        inverse = bit.name & np.uint64(1)
                        stage.append(bit.name ^ inverse)
                        weights |= bool((inverse == 0).any())
                        after.append(Bit(_mixed(bit.name ^ inverse, np.uint64(3)) | inverse, self.all, bit.plain))
                        continue
                    stage.append(bit.name[bit.name > 0])
                    inverted = bit.wire & bit.live & ((bit.name & np.uint64(1)) > 0)
                    self.terms.luts["inverse"] += _different([bit.name[inverted]])
                    name = np.where(bit.at(0), 0, _mixed(bit.name, np.uint64(3))).astype(np.uint64)
                    after.append(Bit(name, self.none if bit.plain else bit.at(0), bit.plain))
                tree.values[key] = after
                place = (tree.name, key)
                if self.family == "xilinx" and bits:
                    self.waits[place] = self.waits.get(place, 0) + 1
                    self.waiting.setdefault(place, np.concatenate([bit.name[bit.name > 0] for bit in bits]))
        if self.family != "xilinx":
            self.terms.ff += _different(stage) + weights

    def _settle(self) -> None:
        """Shift registers of Xilinx, for what waits for three stages or more."""
        for stages in set(self.waits.values()):
            count = _different(self.waiting[place] for place, wait in self.waits.items() if wait == stages)
            if stages >= 3:
                self.terms.lutram += count
                self.terms.ram_sites += count
            else:
                self.terms.ff += count * stages

    @staticmethod
    def _full(n: int, groups: int, pairs: int, count: int) -> list[int]:
        """The lanes of a full adder."""
        return [lane for lane in (n, groups + n, groups + pairs + n)[: 1 + 2 * (n < pairs)] if lane < count]

    def _xc7(self, part: PartialSum) -> Tree:
        """As `popcount.portable` counts it: full adders, two trees, an adder that merges their counts."""
        lanes, at = self._lanes(0, part), part.exponent
        split = xc7_split(len(lanes))
        groups, pairs = split.groups, (len(lanes) + 1) // 3
        ones, twos = [], []
        for n in range(groups):
            counted = self._counted([lanes[lane] for lane in self._full(n, groups, pairs, len(lanes))])
            ones.append(counted[0])
            if n < pairs:
                twos.append(counted[1])
        sums, carries = Tree(split.sums.tree, f"sum{at}", ones), Tree(split.carries, f"carry{at}", twos)
        first = Tree(None, f"first{at}", [])
        first.values = {n: [bit] for n, bit in enumerate(ones + twos)}
        if self._staged(1):
            self._register([first])
            bits = [bits[0] for bits in first.values.values()]
            ones, twos = bits[:groups], bits[groups:]
            sums, carries = Tree(split.sums.tree, f"sum{at}", ones), Tree(split.carries, f"carry{at}", twos)
        if split.sums.carry:
            sums.keep(ones[-1])
        if split.merge_carry:
            carries.keep(twos[-1])
        self._levels([sums, carries], 1, split.inner)
        bits = list(sums.total) or [self.zero]
        if split.merges:
            high, other = bits[1:], list(carries.total)
            size = max(len(high), len(other)) + 1
            carry = carries.kept_bit if split.merge_carry else self.zero
            bits = [bits[0], *self._added(size, high, other, carry)]
        elif not sums.levels:
            bits = [bits[0], *carries.total]
        result = Tree(None, f"result{at}", [])
        result.values = {0: bits[: len(lanes).bit_length()]}
        result.result = 0
        if split.sums.carry:
            result.keep(sums.kept_bit)
        if split.merges and self._staged(split.levels):
            self._register([result])
        for level in range(split.levels + 1, self.plan.inner + 1):
            if self._staged(level):
                self._register([result])
        return result
