"""Nodes of any width become nodes that fit words, cut where those that use them cut them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from .netlist import Netlist, Node, Run, Runs, ordered, rewrite
from .rtlil import UnknownError, cut, joined, width_of

__all__ = ["WORD", "to_words"]

#: Bits of the widest word.
WORD = 64
#: Bits from which on it pays to have them apart from their neighbours.
_SMALL = 8
#: Operations in which a bit of the result comes from the same bit of the operands alone.
_BITWISE = {"and", "or", "xor", "not", "mux"}
_CUTTABLE = {*_BITWISE, "reg", "input", "load"}


def to_words(net: Netlist) -> list[Node]:
    """Change a design so that each value fits a word; the nodes, each behind its operands.

    Raises
    ------
    UnknownError
        A sum or a comparison is wider than a word.
    """
    nodes = _nodes(net)
    for node in nodes:
        if node.op in _BITWISE:
            _pad(node)
    _replace(net, nodes, _chains(nodes))
    while other := _pieces(_nodes(net), net):
        _replace(net, _nodes(net), other)
    nodes = _nodes(net)
    net.registers = sorted((node for node in nodes if node.op == "reg"), key=lambda node: node.key)
    for node in nodes:
        if node.op != "row" and max(node.width, *(width_of(runs) for runs in node.ins), 0) > WORD:
            raise UnknownError(f"a value of {node.width} bits of the operation {node.op}")
    return nodes


def _nodes(net: Netlist) -> list[Node]:
    return ordered([*net.sinks()], through_registers=True)


def _replace(net: Netlist, nodes: list[Node], other: dict[Node, Runs]) -> None:
    """Put runs in place of nodes, everywhere; those in `other` may have new nodes, which read what is replaced."""
    fresh = [what for runs in other.values() for what, _, _ in runs if isinstance(what, Node)]
    for node in dict.fromkeys([*nodes, *fresh]):
        node.ins = [rewrite(runs, other) for runs in node.ins]
    net.change(lambda runs: rewrite(runs, other))


def _pad(node: Node) -> None:
    """Operands get the width of the result, where more bits are zeros."""
    first = 1 if node.op == "mux" else 0
    for number, runs in enumerate(node.ins[first:], first):
        more = node.width - width_of(runs)
        if more > 0 and not node.signed:
            node.ins[number] = joined([*runs, (0, 0, more)])
        elif more < 0:
            node.ins[number] = cut(runs, 0, node.width)


# ---- several sums in one


def _chains(nodes: list[Node]) -> dict[Node, Runs]:
    """Sums whose operands have a common bit: its value is carried, whatever is below, and its sum is what is carried.

    So several narrow sums share one chain of carries in hardware; here each is one again.
    """
    return {node: runs for node in nodes if node.op == "add" and (runs := _chain(node))}


def _chain(node: Node) -> Runs:
    sides: list[Runs] = []
    for runs in node.ins:
        more = node.width - width_of(runs)
        if more > 0 and node.signed:
            return ()
        sides.append(joined([*cut(runs, 0, node.width), *([(0, 0, more)] if more > 0 else [])]))
    bits = [[cut(side, index, 1)[0] for index in range(node.width)] for side in sides]
    common = [index for index in range(node.width) if bits[0][index] == bits[1][index]]
    if not common:
        return ()
    found: list[Run] = []
    start, carry = 0, (0, 0, 1)
    for index in [*common, node.width]:
        width = index - start
        ins = [cut(side, start, width) for side in sides]
        more = 1 if index < node.width else 0
        if width:
            part = Node("add", width + more, [*ins, *([(carry,)] if carry != (0, 0, 1) else [])], (*node.key, start))
            found.append((part, 0, width + more))
        elif more:
            found.append(carry)
        if more:
            start, carry = index + 1, bits[0][index]
    return joined(found)


# ---- wide values in pieces


def _pieces(nodes: list[Node], net: Netlist) -> dict[Node, Runs]:
    """The pieces of nodes that are only used in pieces, or are wider than a word."""
    edges: dict[Node, set[int]] = {}
    wide: dict[Node, set[int]] = {}
    whole: set[Node] = set()
    for runs in _uses(nodes):
        for what, low, width in runs:
            if isinstance(what, Node):
                edges.setdefault(what, set()).update((low, low + width))
                if width >= _SMALL:
                    wide.setdefault(what, set()).update((low, low + width))
                if width == what.width:
                    whole.add(what)
    for runs in net.sinks():
        for what, _, width in runs:
            if isinstance(what, Node) and width == what.width:
                whole.add(what)
    able = [node for node in nodes if _cuttable(node)]
    found: dict[Node, Runs] = {}
    for node in able:
        if node.width > WORD or node not in whole:
            # Single bits that are apart already stay so; to take words apart into bits would be slow.
            at = edges.get(node, set()) & _inner_edges(node) | wide.get(node, set())
            if at := at - {0, node.width}:
                found[node] = _split(node, sorted(at))
    # What nothing cuts is cut into words.
    return found or {node: _split(node, list(range(WORD, node.width, WORD))) for node in able if node.width > WORD}


def _inner_edges(node: Node) -> set[int]:
    """Where operands of the width of the result change from one value to another."""
    return {
        edge for runs in node.ins if width_of(runs) == node.width for edge in accumulate(width for _, _, width in runs)
    }


def _uses(nodes: list[Node]) -> Iterator[Runs]:
    for node in nodes:
        yield from node.ins


def _cuttable(node: Node) -> bool:
    first = 1 if node.op == "mux" else 0
    return node.op in _CUTTABLE and (
        node.op not in _BITWISE or all(width_of(runs) == node.width for runs in node.ins[first:])
    )


def _split(node: Node, at: list[int]) -> Runs:
    found: list[Run] = []
    for low, high in zip([0, *at], [*at, node.width], strict=True):
        width = high - low
        if node.op == "load":
            ins = node.ins
        elif node.op == "mux":
            ins = [node.ins[0], *(cut(runs, low, width) for runs in node.ins[1:])]
        else:
            ins = [cut(runs, low, width) for runs in node.ins]
        part = Node(
            node.op, width, list(ins), (*node.key, low), node.signed, node.low + low,
            node.init >> low & (1 << width) - 1, node.memory,
        )  # fmt: skip
        found.append((part, 0, width))
    return tuple(found)
