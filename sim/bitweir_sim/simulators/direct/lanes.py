"""Equal nodes become lanes: found by what they compute from, and what is computed from them, not by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .netlist import Node

__all__ = ["Group", "Places", "grouped"]


@dataclass(eq=False)
class Group:
    """Nodes that compute the same of others, a lane each.

    Parameters
    ----------
    number : int
    lanes : list of Node
    level : int
        More than that of all whose lanes it reads.
    """

    number: int
    lanes: list[Node]
    level: int


@dataclass
class Places:
    """Where the value of each node is.

    Parameters
    ----------
    groups : list of Group
        Each behind those that it reads.
    lane : dict of Node to (Group, int)
    registers : dict of Node to (int, int)
        The bits of its type, and its index among registers of this type.
    counts : dict of int to int
        Registers of each type.
    target : dict of Node to Node
        The register that takes the value of a node ``next``.
    """

    groups: list[Group]
    lane: dict[Node, tuple[Group, int]]
    registers: dict[Node, tuple[int, int]]
    counts: dict[int, int]
    target: dict[Node, Node] = field(default_factory=dict)


def type_bits(width: int) -> int:
    """Bits of the least type that has a value."""
    return next(bits for bits in (8, 16, 32, 64) if width <= bits)


def grouped(nodes: Sequence[Node]) -> Places:
    """Groups of some nodes, each behind its operands."""
    target = {Node("next", node.width, node.ins, node.key): node for node in nodes if node.op == "reg"}
    # Registers stand at the ends: what is behind one does not tell what is before it.
    work = [*(node for node in nodes if node.op != "reg"), *target]
    colours = _colours(work, nodes)
    registers, counts = _registers(target, colours)
    levels: dict[Node, int] = {}
    members: dict[int, list[Node]] = {}
    for node in work:
        before = (levels.get(what, 0) for runs in node.ins for what, _, _ in runs if isinstance(what, Node))
        levels[node] = 1 + max(before, default=0)
        members.setdefault(colours[node], []).append(node)
    places = Places([], {}, registers, counts, target)

    def place(node: Node) -> tuple[object, ...]:
        if node in target:
            return registers[target[node]][1], node.key
        reads = [what for runs in node.ins for what, _, _ in runs if isinstance(what, Node)]
        found = [registers[what][1] if what.op == "reg" else places.lane[what][1] for what in reads]
        return (*found, node.low, node.key)

    for lanes in sorted(members.values(), key=lambda lanes: levels[lanes[0]]):
        lanes.sort(key=place)
        group = Group(len(places.groups), lanes, levels[lanes[0]])
        places.groups.append(group)
        places.lane.update({node: (group, lane) for lane, node in enumerate(lanes)})
    return places


def _registers(
    target: dict[Node, Node], colours: dict[Node, int]
) -> tuple[dict[Node, tuple[int, int]], dict[int, int]]:
    """An index for each register: those with equal next values stand together."""
    first: dict[int, tuple[int, ...]] = {}
    for node in sorted(target, key=lambda node: node.key):
        first.setdefault(colours[node], node.key)
    counts: dict[int, int] = {}
    found = {}
    for node in sorted(target, key=lambda node: (first[colours[node]], node.key)):
        bits = type_bits(node.width)
        found[target[node]] = bits, counts.get(bits, 0)
        counts[bits] = counts.get(bits, 0) + 1
    return found, counts


def _colours(work: Sequence[Node], nodes: Sequence[Node]) -> dict[Node, int]:
    """The same number for nodes whose operands have equal numbers, and whose users have."""
    numbers: dict[object, int] = {}

    def number(what: object) -> int:
        return numbers.setdefault(what, len(numbers))

    colours = {node: number(("reg", node.width)) for node in nodes if node.op == "reg"}
    colours |= {node: number(_shape(node)) for node in work}
    count = 0
    while (found := len({colours[node] for node in work})) > count:
        count = found
        for node in work:
            below = tuple(colours[what] for runs in node.ins for what, _, _ in runs if isinstance(what, Node))
            colours[node] = number(("up", colours[node], below))
        uses: dict[Node, list[tuple[int, int, int]]] = {}
        for node in reversed(work):
            colours[node] = number(("down", colours[node], tuple(sorted(uses.get(node, ())))))
            for operand, runs in enumerate(node.ins):
                for at, (what, _, _) in enumerate(runs):
                    if isinstance(what, Node) and what.op != "reg":
                        uses.setdefault(what, []).append((colours[node], operand, at))
    return colours


def _shape(node: Node) -> object:
    """What a node is apart from its operands; where in a word it begins, and its constants, are matters of the lane."""
    runs = tuple(tuple((isinstance(what, int), low, width) for what, low, width in runs) for runs in node.ins)
    memory = -1 if node.memory is None else node.memory.number
    return node.op, node.width, node.signed, memory, runs
