"""Dot products of many elements at once, level by level, from portable operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value

from .dot_product import DotPlan, PartialSum, Popcount
from .trees import Add, Count, Lanes, Node, Word, walk, xc7_split

__all__ = ["Levels", "Operation", "Tree", "add_parts", "count_bits", "part_trees", "register", "sum_parts"]


@dataclass(frozen=True, eq=False)
class Operation:
    """A node of a tree with its place: which lanes (their numbers) or which other results it takes."""

    node: Node
    operands: tuple[Operation | int, ...]
    carry: int | None = None


class Tree:
    """A tree at work for one element: its operations by level, and the values that exist now.

    Lanes are numbered so that those counted in LUTs come first, all first operands side by side,
    then all second ones: these counters are a few operators on whole words.

    Parameters
    ----------
    node : Node or None
        None counts nothing.
    name : str
        Prefix of the names of signals.
    lanes : sequence
        One value for each lane, of any kind that the caller understands, or a list of them for each word.
    """

    def __init__(self, node: Node | None, name: str, lanes: Any) -> None:
        self.name = name
        self.lanes = lanes
        self.levels: list[list[Operation]] = [[] for _ in range(node.level if node else 0)]
        self.counters: dict[int, list[Operation]] = {}
        self.result: Operation | int | None = None
        self.values: dict[Operation | int, list[Any]] = {}
        self.kept: set[Operation | int | None] = set()
        if node is None:
            return
        counted = [leaf.size for leaf in walk(node) if isinstance(leaf, Lanes) and leaf.size > 1]
        numbers, first = {}, 0
        for size in sorted(set(counted), reverse=True):
            count = counted.count(size)
            numbers[size] = iter([range(first + i, first + size * count, count) for i in range(count)])
            first += size * count
        single = iter(range(first, node.size))

        def place(node: Node) -> Operation | int:
            if isinstance(node, Add):
                a, b = place(node.a), place(node.b)
                operation = Operation(node, (a, b), next(single) if node.carry else None)
            elif isinstance(node, Word) or node.size == 1:
                return next(single)
            else:
                operation = Operation(node, tuple(next(numbers[node.size])))
                self.counters.setdefault(node.size, []).append(operation)
            self.levels[node.level - 1].append(operation)
            return operation

        self.result = place(node)
        for number in range(first, node.size):
            lane = lanes[number]
            self.values[number] = lane if isinstance(lane, list) else [lane]

    def adders(self, level: int) -> Iterator[Operation]:
        """Operations of a level (from 1), without those on lanes only."""
        if level <= len(self.levels):
            yield from (operation for operation in self.levels[level - 1] if isinstance(operation.node, Add))

    def forget(self, level: int) -> None:
        """Drop the values that no operation after `level` takes."""
        wanted = {self.result, *self.kept}
        for operations in self.levels[level:]:
            for operation in operations:
                wanted.update(operation.operands)
                wanted.add(operation.carry)
        self.values = {key: bits for key, bits in self.values.items() if key in wanted}

    def keep(self, bit: Any) -> None:
        """Hold one bit more until the end; it then is `kept_bit`."""
        self.kept = {-1}
        self.values[-1] = [bit]

    @property
    def kept_bit(self) -> Any:
        """The bit of `keep`, or None."""
        return self.values[-1][0] if self.kept else None

    @property
    def total(self) -> list[Any]:
        """Bits of the count, after the last level."""
        return [] if self.result is None else self.values[self.result]


#: Computes levels of trees: so many were done before, so many are to be done.
Levels = Callable[[list[Tree], int, int], None]


def register(m: Module, trees: list[Tree], name: str) -> None:
    """Put a register behind every value that `trees` hold."""
    for tree in trees:
        bits = [bit for value in tree.values.values() for bit in value]
        if bits:
            stage = Signal(len(bits), name=f"{tree.name}_{name}", reset_less=True)
            m.d.sync += stage.eq(Cat(*bits))
            rest = iter(stage)
            tree.values = {key: [next(rest) for _ in value] for key, value in tree.values.items()}


def _count_lanes(m: Module, tree: Tree) -> None:
    """Counters of two to six lanes each, as words: bit i of each word belongs to counter i."""
    first = 0
    for size, operations in sorted(tree.counters.items(), reverse=True):
        count = len(operations)
        words = [tree.lanes[first + part * count : first + (part + 1) * count] for part in range(size)]
        first += size * count
        columns = [words]
        while max(map(len, columns)) > 1:
            weight = next(i for i, column in enumerate(columns) if len(column) > 1)
            if weight + 1 == len(columns):
                columns.append([])
            a, b, *c = columns[weight][:3]
            del columns[weight][:3]
            half = a ^ b
            columns[weight].append(half ^ c[0] if c else half)
            columns[weight + 1].append((a & b) | (c[0] & half) if c else a & b)
        results = []
        for weight, column in enumerate(columns):
            result = Signal(count, name=f"{tree.name}_lanes{size}_{weight}")
            m.d.comb += result.eq(column[0])
            results.append(result)
        for i, operation in enumerate(operations):
            tree.values[operation] = [result[i] for result in results]


def _padded(bits: list[Any], length: int) -> list[Any]:
    return bits + [Const(0, 1)] * (length - len(bits))


def _operands(tree: Tree, operation: Operation) -> tuple[list[Any], list[Any], list[Any]]:
    """The bits that pass an adder by, and its two operands."""
    assert isinstance(operation.node, Add)
    a, b = (tree.values[key] for key in operation.operands)
    shift = operation.node.shift
    return _padded(a[:shift], shift), a[shift:], b


def _add_apart(m: Module, trees: list[Tree], level: int, limit: int) -> None:
    """The adders of a level, each with its own carry chain."""
    for tree in trees:
        sums = []
        for operation in tree.adders(level):
            low, *addends = _operands(tree, operation)
            a, b = (Cat(*bits) for bits in addends)
            if operation.carry is None:
                total = a + b
            else:
                # 1 + c in the lowest position makes c the carry into the next.
                total = (Cat(Const(1, 1), a) + Cat(tree.values[operation.carry][0], b))[1:]
            sums.append((operation, Cat(*low, total) if low else total))
        if sums:
            word = Signal(sum(op.node.bits for op, _ in sums), name=f"{tree.name}_level{level}")
            m.d.comb += word.eq(Cat(*(total[: op.node.bits] for op, total in sums)))
            rest = iter(word)
            for operation, _ in sums:
                tree.values[operation] = [next(rest) for _ in range(operation.node.bits)]


def _add_fused(m: Module, trees: list[Tree], level: int, limit: int) -> None:
    """The adders of a level in chains of up to `limit` positions: one addition of wide words carries many of them."""
    zero = Const(0, 1)
    a_word: list[Any] = []
    b_word: list[Any] = []
    waiting: list[tuple[Tree, Operation, list[Any], int]] = []
    chains = 0

    def emit() -> None:
        nonlocal chains
        if not waiting:
            return
        chain = Signal(len(a_word) + 1, name=f"chain{level}_{chains}")
        chains += 1
        m.d.comb += chain.eq(Cat(*a_word) + Cat(*b_word))
        for tree, operation, low, start in waiting:
            high = [chain[start + i] for i in range(operation.node.bits - len(low))]
            tree.values[operation] = low + high
        a_word.clear()
        b_word.clear()
        waiting.clear()

    for tree in trees:
        for operation in tree.adders(level):
            assert isinstance(operation.node, Add)
            positions = operation.node.positions
            if len(a_word) + 1 + positions > limit:
                emit()
            carry = zero if operation.carry is None else tree.values[operation.carry][0]
            if a_word or operation.carry is not None:
                # The separator: hands out the carry of the adder before, and takes this one's.
                a_word.append(carry)
                b_word.append(carry)
            low, *addends = _operands(tree, operation)
            waiting.append((tree, operation, low, len(a_word)))
            for word, bits in zip((a_word, b_word), addends, strict=True):
                word.extend(_padded(bits, positions))
    emit()


def _count(
    m: Module,
    trees: list[Tree],
    *,
    popcount: Popcount,
    staged: Callable[[int], bool],
    done: int = 0,
    levels: int | None = None,
) -> None:
    """Compute all levels of `trees`; `done` levels came before, and `levels` are waited for."""
    for tree in trees:
        _count_lanes(m, tree)
    for level in range(1, 1 + (max(len(tree.levels) for tree in trees) if levels is None else levels)):
        (_add_apart if popcount.style == "tree" else _add_fused)(m, trees, level, popcount.chain)
        for tree in trees:
            tree.forget(level)
        if staged(done + level):
            register(m, trees, f"stage{done + level}")


def part_trees(plan: DotPlan, elements: int, lanes: Callable[[int, PartialSum], Any]) -> list[list[Tree]]:
    """The tree of each part of each element.

    Parameters
    ----------
    lanes : callable
        The lanes of a part of an element, as `Tree` takes them.
    """
    rows = []
    for p in range(elements):
        row = []
        for part in plan.parts:
            assert isinstance(part.count, Count)
            given = lanes(p, part)
            row.append(Tree(part.count.tree, _name(plan, p, part), given))
            if part.count.carry:
                row[-1].keep(given[-1])
        rows.append(row)
    return rows


def _name(plan: DotPlan, element: int, part: PartialSum) -> str:
    return f"pe{element}" + (f"_weight{part.exponent}" if len(plan.parts) > 1 else "")


def sum_parts(plan: DotPlan, rows: list[list[Tree]], levels: Levels, zero: Any) -> list[Tree]:
    """Compute the parts of all elements, and add those of each; `zero` is a bit that is 0."""
    levels([tree for row in rows for tree in row], 0, plan.inner)
    return add_parts(plan, rows, levels, zero)


def add_parts(plan: DotPlan, rows: list[list[Tree]], levels: Levels, zero: Any) -> list[Tree]:
    """Add the parts of each element, which are there already."""
    if len(plan.parts) == 1:
        return [row[0] for row in rows]
    sums = []
    for p, row in enumerate(rows):
        lanes: list[list[Any]] = []
        for carry, n in plan.order:
            first, *rest = plan.operands[n]
            if carry:
                lanes.append([row[first].kept_bit])
                continue
            bits = list(row[first].total)
            for part in rest:
                bits += [zero] * (plan.parts[part].exponent - plan.parts[first].exponent - len(bits))
                bits += row[part].total
            lanes.append(bits)
        total = Tree(plan.tree, f"pe{p}_sum", lanes)
        if plan.parts[0].count.carry:
            total.keep(row[0].kept_bit)
        sums.append(total)
    levels(sums, plan.inner, plan.tree.level)
    return sums


def count_bits(
    m: Module, plan: DotPlan, popcount: Popcount, elements: int, lanes: Callable[[int, PartialSum], Any]
) -> list[tuple[Value, Value | None]]:
    """The dot product of each element.

    Parameters
    ----------
    plan : DotPlan
        Of `popcount`.
    lanes : callable
        See `part_trees`; all lanes of a part as one value that can be sliced, but a list of words.

    Returns
    -------
    list of (Value, Value or None)
        For each element, ``stages`` cycles later: the sum, and perhaps one bit that is to be added to it.
    """
    each = popcount.levels_per_stage

    def staged(level: int) -> bool:
        return bool(each) and level % each == 0

    def levels(trees: list[Tree], done: int, count: int) -> None:
        _count(m, trees, popcount=popcount, staged=staged, done=done, levels=count)

    if popcount.style == "xc7" and not plan.words:
        rows: list[list[Tree]] = [[] for _ in range(elements)]
        for part in plan.parts:
            names = [_name(plan, p, part) for p in range(elements)]
            trees = _count_xc7(m, [lanes(p, part) for p in range(elements)], staged, names, popcount)
            for level in range(part.count.levels + 1, plan.inner + 1):
                if staged(level):
                    register(m, trees, f"stage{level}")
            for row, tree in zip(rows, trees, strict=True):
                row.append(tree)
        sums = add_parts(plan, rows, levels, Const(0, 1))
    else:
        sums = sum_parts(plan, part_trees(plan, elements, lanes), levels, Const(0, 1))
    return [(Cat(*tree.total), tree.kept_bit) for tree in sums]


def _count_xc7(
    m: Module, lanes: list[Value], staged: Callable[[int], bool], names: list[str], popcount: Popcount
) -> list[Tree]:
    """The popcount of each word of `lanes`, as a tree that is done."""
    size = len(lanes[0])
    plan = xc7_split(size)
    groups, pairs = plan.groups, (size + 1) // 3
    sums, carries = [], []
    for name, word in zip(names, lanes, strict=True):
        # Full adders on whole words: bit i of each belongs to group i.
        a, b, c = word[:groups], word[groups : groups + pairs], word[groups + pairs :]
        total = Signal(groups, name=f"{name}_sums", reset_less=True)
        carry = Signal(pairs, name=f"{name}_carries", reset_less=True)
        domain = m.d.sync if staged(1) else m.d.comb
        domain += [total.eq(a ^ b ^ c), carry.eq((a & b) | (c & (a ^ b)))]
        sums.append(Tree(plan.sums.tree, f"{name}_sum", total))
        carries.append(Tree(plan.carries, f"{name}_carry", carry))
        if plan.sums.carry:
            sums[-1].keep(total[-1])
        if plan.merge_carry:
            carries[-1].keep(carry[-1])
    _count(m, sums + carries, popcount=popcount, staged=staged, done=1, levels=plan.inner)
    merged = []
    for name, ones, twos in zip(names, sums, carries, strict=True):
        bits = ones.total or [Const(0, 1)]
        if plan.merges:
            high, other = Cat(*bits[1:]), Cat(*twos.total)
            total = Signal(max(len(high), len(other)) + 1, name=f"{name}_merged")
            if plan.merge_carry:
                m.d.comb += total.eq((Cat(Const(1, 1), high) + Cat(twos.kept_bit, other))[1:])
            else:
                m.d.comb += total.eq(high + other)
            bits = [bits[0], *total]
        else:
            bits = [bits[0], *twos.total] if ones.levels == [] else bits
        result = Tree(None, name, [])
        result.values = {0: bits[: size.bit_length()]}
        result.result = 0
        if plan.sums.carry:
            result.keep(ones.kept_bit)
        merged.append(result)
    if plan.merges and staged(plan.levels):
        register(m, merged, f"stage{plan.levels}")
    return merged
