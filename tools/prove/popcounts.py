"""Sums of processing elements, as mapped netlists, for all inputs.

The argument has two parts. A reference adds up in whole words what the plan of the element says, each sum as long as
its operands need; that it counts each gate as often as the specification says is shown with whole numbers, and that no
sum is cut short. That the netlist is the reference is shown by a solver: inner values of both are the same ones, and
each follows from few others, so that sums of any length are many small proofs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from bitweir_hw.popcount import DotProduct, Popcount
from bitweir_hw.popcount.dot_product import DotPlan, PartialSum
from bitweir_hw.popcount.portable import Operation, Tree, add_parts, part_trees, sum_parts
from bitweir_hw.popcount.trees import Add, Xc7Count
from bitweir_sim.formal import Circuit, Status, Verdict
from bitweir_sim.formal.frames import Frames
from bitweir_sim.formal.graph import Graph
from bitweir_sim.formal.sweep import Swept, sweep

__all__ = ["Shape", "element_sums"]

METHOD = "sums of whole words, then sweeping"
TOOL = "MiniSat 2.2 (python-sat)"

#: How often each gate counts.
Form = dict[Any, int]


class _PlanError(Exception):
    """The plan does not count what it should."""


@dataclass(eq=False)
class Number:
    """An unsigned number: its bits in the graph, and what it is a sum of."""

    bits: list[int]
    form: Form

    def spread(self) -> list[Bit]:
        """Its bits."""
        return [Bit(literal, self, place) for place, literal in enumerate(self.bits)]


@dataclass(frozen=True)
class Bit:
    """A bit of a number; one that is always 0 belongs to none."""

    literal: int
    number: Number | None = None
    place: int = 0


@dataclass
class Reference:
    """Computes in whole words, and keeps what each word is a sum of."""

    graph: Graph
    #: Sum and carry bits of full adders, by what they came from.
    halves: dict[Any, Form] = field(default_factory=dict)

    def lane(self, literal: int, key: Any) -> Bit:
        """A gate."""
        return Bit(literal, Number([literal], {key: 1}))

    def weighed(self, bits: list[Bit]) -> Form:
        """What the number with these bits, lowest first, is a sum of."""
        places: dict[int, tuple[Number, dict[int, int]]] = {}
        for at, bit in enumerate(bits):
            if bit.number is not None:
                places.setdefault(id(bit.number), (bit.number, {}))[1][bit.place] = at
        total: Form = {}
        for number, found in places.values():
            base = found.get(0, 0)
            if found != {place: base + place for place in range(len(number.bits))}:
                raise _PlanError("bits of a number are missing, or not in their places")
            for key, weight in number.form.items():
                total[key] = total.get(key, 0) + (weight << base)
        return total

    def sum(self, a: list[Bit], b: list[Bit], carry: Bit | None, shift: int, length: int) -> list[Bit]:
        """``a + ((b + carry) << shift)`` in so many bits."""
        form = self.weighed(a)
        for key, weight in self.weighed([Bit(0)] * shift + b).items():
            form[key] = form.get(key, 0) + weight
        if carry is not None:
            for key, weight in self.weighed([Bit(0)] * shift + [carry]).items():
                form[key] = form.get(key, 0) + weight
        if (most := sum(self.resolved(form).values())) >> length:
            raise _PlanError(f"{length} bits cannot hold a sum of up to {most}")
        low = [bit.literal for bit in a[:shift]]
        low += [0] * (shift - len(low))
        high = self.graph.add(
            [bit.literal for bit in a[shift:]], [bit.literal for bit in b], carry.literal if carry else 0
        )
        bits = [*low, *high][:length]
        return Number(bits + [0] * (length - len(bits)), form).spread()

    def tree(self, tree: Tree) -> None:
        """All levels of a tree."""
        for operations in tree.levels:
            for operation in operations:
                tree.values[operation] = self.operation(tree, operation)

    def operation(self, tree: Tree, operation: Operation) -> list[Bit]:
        """One node of a tree."""
        node = operation.node
        if isinstance(node, Add):
            a, b = (tree.values[key] for key in operation.operands)
            carry = None if operation.carry is None else tree.values[operation.carry][0]
            return self.sum(a, b, carry, node.shift, node.bits)
        total: list[Bit] = []
        for number, lane in enumerate(operation.operands, 1):
            total = self.sum(total, [tree.lanes[lane]], None, 0, number.bit_length())
        return total

    def dot(self, plan: DotPlan, popcount: Popcount, lanes: Any) -> tuple[list[Bit], Bit | None]:
        """The sum of one element, without its exponent, and perhaps a bit that is to be added to it."""

        def levels(trees: list[Tree], done: int, count: int) -> None:
            for tree in trees:
                self.tree(tree)

        if popcount.style == "xc7" and not plan.words:
            row = [self.xc7(part, lanes(0, part)) for part in plan.parts]
            (tree,) = add_parts(plan, [row], levels, Bit(0))
        else:
            (tree,) = sum_parts(plan, part_trees(plan, 1, lanes), levels, Bit(0))
        return tree.total, tree.kept_bit

    def xc7(self, part: PartialSum, lanes: list[Bit]) -> Tree:
        """The popcount of one part that begins with full adders."""
        plan = part.count
        assert isinstance(plan, Xc7Count)
        groups, pairs = plan.groups, (len(lanes) + 1) // 3
        sums, carries = [], []
        for group in range(groups):
            taken = [lanes[group], *lanes[groups:][:pairs][group : group + 1]]
            taken += lanes[groups + pairs :][group : group + 1] if group < len(lanes) - groups - pairs else []
            total: list[Bit] = []
            for number, lane in enumerate(taken, 1):
                total = self.sum(total, [lane], None, 0, number.bit_length())
            key = (part.exponent, group)
            self.halves[key] = self.weighed(total)
            sums.append(self.lane(total[0].literal, ("sum", key)))
            if group < pairs:
                carries.append(self.lane(total[1].literal, ("carry", key)))
        ones, twos = Tree(plan.sums.tree, "", sums), Tree(plan.carries, "", carries)
        for tree in (ones, twos):
            self.tree(tree)
        carry = carries[-1] if plan.merge_carry else None
        length = len(lanes).bit_length()
        result = Tree(None, "", [])
        result.values = {0: self.sum(ones.total, twos.total, carry, 1, length)}
        result.result = 0
        if plan.sums.carry:
            result.keep(sums[-1])
        return result

    def resolved(self, form: Form) -> Form:
        """A form in which sum and carry of a full adder, where they count once and twice, are what they came from."""
        found: Form = {}
        for key, weight in form.items():
            kind, place = key if isinstance(key[0], str) else ("", None)
            if kind == "carry" and form.get(("sum", place), 0) << 1 == weight:
                continue
            parts = {key: 1}
            if kind == "sum" and (weight << 1 == form.get(("carry", place)) or len(self.halves[place]) == 1):
                parts = self.halves[place]
            for part, count in parts.items():
                found[part] = found.get(part, 0) + weight * count
        return found


@dataclass(frozen=True)
class Shape:
    """An element whose sum is proved.

    Parameters
    ----------
    dot : DotProduct
    width : int
        Bits of the accumulator.
    popcount : Popcount
    """

    dot: DotProduct
    width: int
    popcount: Popcount

    @property
    def name(self) -> str:
        """For a person."""
        planes = "" if self.dot.plain else f" of {self.dot.bits} bits and {len(self.dot.planes)} planes"
        return f"{self.popcount.style}, {self.dot.simd} lanes{planes}, {self.popcount.levels_per_stage} levels a stage"


def element_sums(circuit: Circuit, shape: Shape) -> Verdict:
    """Prove ``acc <= (preset if first else acc) + sum`` where `valid`, of an element of one stream.

    The accumulator may hold anything before, and so may all registers when the inputs come, ``stages`` cycles earlier.

    Parameters
    ----------
    circuit : Circuit
        With the ports of `ProcessingElements`.
    shape : Shape

    Returns
    -------
    Verdict
        ``"refuted"`` where there are values of inputs and registers for which they differ.
    """
    began = time.perf_counter()

    def verdict(status: Status, told: str) -> Verdict:
        seconds = round(time.perf_counter() - began, 2)
        return Verdict(status=status, method=METHOD, tool=TOOL, seconds=seconds, told=f"{shape.name}: {told}")

    dot, width = shape.dot, shape.width
    graph = Graph()
    x = [graph.leaf() for _ in range(dot.simd * dot.bits)]
    w = [graph.leaf() for _ in range(dot.simd * len(dot.planes))]
    valid, first = graph.leaf(), graph.leaf()
    preset, acc = ([graph.leaf() for _ in range(width)] for _ in range(2))
    reference = Reference(graph)
    gates: dict[tuple[int, int, int], Bit] = {}
    for n, plane in enumerate(dot.planes):
        for s in range(dot.simd):
            for bit in range(dot.bits):
                a, b = x[s * dot.bits + bit], w[n * dot.simd + s]
                gate = graph.differ(a, b) ^ 1 if plane.xnor else graph.both(a, b) ^ plane.negative
                gates[n, bit, s] = reference.lane(gate, (n, bit, s))
    plan = dot.plan(shape.popcount)

    def lanes(element: int, part: PartialSum) -> Any:
        if plan.words:
            return [[gates[n, bit, s] for bit in range(dot.bits)] for n, _ in part.sources for s in range(dot.simd)]
        return [gates[n, bit, s] for n, bit in part.sources for s in range(dot.simd)]

    try:
        total, one = reference.dot(plan, shape.popcount, lanes)
        form = reference.weighed(total)
        for key, weight in reference.weighed([one] if one else []).items():
            form[key] = form.get(key, 0) + weight
        form = {key: weight << plan.exponent for key, weight in reference.resolved(form).items()}
    except _PlanError as fault:
        return verdict("refuted", str(fault))
    wanted = {(n, bit, s): 1 << bit + dot.planes[n].exponent for n, bit, s in gates}
    if form != wanted:
        return verdict("refuted", "the plan does not count each gate as often as the specification")
    base = [graph.choose(first, one_bit, other) for one_bit, other in zip(preset, acc, strict=True)]
    high = graph.add(base[plan.exponent :], [bit.literal for bit in total], one.literal if one else 0)
    expected = [
        graph.choose(valid, new, old) for new, old in zip([*base[: plan.exponent], *high][:width], acc, strict=True)
    ]
    found = _played(circuit, shape, graph, x, w, valid, first, preset, acc)
    swept: Swept = sweep(graph)
    for bit, (a, b) in enumerate(zip(expected, found, strict=True)):
        answer = swept.prover.different(swept.literal(a), swept.literal(b))
        if answer is not False:
            return verdict("unknown" if answer is None else "refuted", f"bit {bit} of the accumulator differs")
    return verdict("proved", f"{swept.asked} small proofs")


def _played(
    circuit: Circuit, shape: Shape, graph: Graph, x: list[int], w: list[int],
    valid: int, first: int, preset: list[int], acc: list[int],
) -> list[int]:  # fmt: skip
    """The accumulator of a netlist after a step, `stages` cycles after the inputs."""
    # Anything, in place of what it begins with.
    frames = Frames(circuit, graph, {bit: graph.leaf() for bit in circuit.registers})
    held = {literal: place for place, literal in enumerate(circuit.outputs["acc"])}
    if not held.keys() <= {2 * (circuit.first_register + n) for n in range(len(circuit.registers))}:
        raise ValueError("the accumulator is no register")
    stages = shape.dot.stages(shape.popcount)

    def anything(name: str) -> list[int]:
        return [graph.leaf() for _ in range(1 + max(place for other, place in circuit.inputs if other == name))]

    for cycle in range(stages + 1):
        pins = {name: anything(name) for name in dict.fromkeys(name for name, _ in circuit.inputs)}
        pins["rst"] = [0]
        if cycle == 0:
            pins |= {"x": x, "w": w}
        if cycle == stages:
            pins |= {"valid": [valid], "first": [first], "preset": preset}
            for n in range(len(frames.state)):
                place = held.get(2 * (circuit.first_register + n))
                if place is not None:
                    frames.state[n] = acc[place]
        frames.cycle(pins)
    return frames.cycle({})["acc"]
