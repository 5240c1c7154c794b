"""A design without hierarchy: nodes that compute values from bits of others, between inputs, registers and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .process import Process
from .rtlil import Bits, Cell, Module, UnknownError, cut, joined, width_of

__all__ = ["Memory", "Netlist", "Node", "Run", "Runs", "Write", "flatten", "ordered", "rewrite"]

#: The operation of a cell, and how many operands it has.
_CELLS = {
    "$not": ("not", 1), "$neg": ("neg", 1), "$pos": ("pos", 1), "$reduce_and": ("all", 1), "$reduce_or": ("any", 1),
    "$reduce_bool": ("any", 1), "$reduce_xor": ("odd", 1), "$logic_not": ("none", 1),
    "$and": ("and", 2), "$or": ("or", 2), "$xor": ("xor", 2), "$add": ("add", 2), "$sub": ("sub", 2),
    "$mul": ("mul", 2), "$eq": ("eq", 2), "$ne": ("ne", 2), "$lt": ("lt", 2), "$le": ("le", 2), "$gt": ("gt", 2),
    "$ge": ("ge", 2), "$shl": ("shl", 2), "$shr": ("shr", 2), "$sshr": ("shr", 2), "$shift": ("shr", 2),
}  # fmt: skip


@dataclass(eq=False, slots=True)
class Node:
    """A value.

    Parameters
    ----------
    op : str
        ``reg`` (its operand is its next value), ``input`` (`low` is its place), ``row`` (a word of `memory`),
        ``load`` (bits of a row from `low` on), ``mux`` (operands: select, if 0, if 1), or an operation.
    width : int
    ins : list[Any] of Runs
        The operands.
    key : Runs of int
        Orders nodes as the design does.
    signed : bool
        Whether operands are.
    low, init : int
    memory : Memory or None
    """

    op: str
    width: int
    ins: list[Runs]
    key: tuple[int, ...]
    signed: bool = False
    low: int = 0
    init: int = 0
    memory: Memory | None = None


#: Bits of a node, or a constant: what, the lowest bit, how many.
Run = tuple[Any, int, int]
#: Runs, the lowest bits first.
Runs = tuple[Run, ...]


@dataclass(eq=False)
class Memory:
    """A memory: its path, the bits of a word, and how many words."""

    path: str
    module: str
    name: str
    width: int
    depth: int
    number: int = 0


@dataclass(eq=False)
class Write:
    """A port that writes to a memory: address, word, and a bit that enables each bit of this."""

    memory: Memory
    address: Runs
    data: Runs
    enable: Runs
    path: str = ""


@dataclass
class Netlist:
    """A design.

    Parameters
    ----------
    inputs, outputs : dict of str to int
        The width of each port, and of each port of a part of its own, without the clock.
    values : dict of str to Runs
        Those of the outputs.
    registers : list[Any] of Node
    memories : list[Any] of Memory
    writes : list[Any] of Write
    """

    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    values: dict[str, Runs] = field(default_factory=dict)
    registers: list[Node] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)

    def sinks(self) -> Iterator[Runs]:
        """All that is computed in a cycle, except the next values of registers."""
        yield from self.values.values()
        for write in self.writes:
            yield from (write.address, write.data, write.enable)

    def change(self, of: Callable[[Runs], Runs]) -> None:
        """Put other runs in place of what is computed."""
        self.values = {name: of(runs) for name, runs in self.values.items()}
        for write in self.writes:
            write.address, write.data, write.enable = of(write.address), of(write.data), of(write.enable)


def ordered(sinks: Iterable[Runs], *, through_registers: bool) -> list[Node]:
    """The nodes that some runs need, each behind its operands; registers first where these are followed.

    Raises
    ------
    UnknownError
        Values feed themselves.
    """
    done: dict[Node, bool] = {}
    found, registers = list[Node](), list[Node]()
    waiting = [sinks]
    while waiting:
        stack: list[tuple[Node | None, Iterator[Node]]] = [(None, _nodes(waiting.pop()))]
        while stack:
            node, others = stack[-1]
            for other in others:
                if other not in done:
                    if other.op == "reg":
                        done[other] = True
                        registers.append(other)
                        if through_registers:
                            waiting.append(other.ins)
                        continue
                    done[other] = False
                    stack.append((other, _nodes(other.ins)))
                    break
                if not done[other]:
                    raise UnknownError("a value feeds itself")
            else:
                stack.pop()
                if node:
                    done[node] = True
                    found.append(node)
    return registers + found


def _nodes(sinks: Iterable[Runs]) -> Iterator[Node]:
    return (what for runs in sinks for what, _, _ in runs if isinstance(what, Node))


def rewrite(runs: Runs, other: Mapping[Node, Runs]) -> Runs:
    """Runs with others in place of some nodes, neighbours joined."""
    if not any(what in other for what, _, _ in runs if isinstance(what, Node)):
        return runs
    found: list[Run] = []
    for what, low, width in runs:
        if isinstance(what, Node) and what in other:
            found += rewrite(cut(other[what], low, width), other)
        else:
            found.append((what, low, width))
    return joined(found)


# ---- from modules


class _Flat:
    """Joins modules: what drives each wire, and nodes whose operands are still bits of wires."""

    def __init__(self, modules: Mapping[str, Module], parts: Mapping[str, set[str]]) -> None:
        self.modules, self.parts = modules, parts
        self.net = Netlist()
        self.drivers: dict[tuple[str, str], list[tuple[int, int, str, Runs]]] = {}
        self.raw: list[tuple[Node, str]] = []
        self.known: dict[tuple[str, str, int, int], Runs | None] = {}
        self.clocks: list[tuple[str, Bits]] = []
        self.place = 0

    def node(self, path: str, op: str, width: int, ins: list[Any], **more: Any) -> Node:
        node = Node(op, width, ins, (len(self.raw),), **more)
        self.raw.append((node, path))
        return node

    def drive(self, path: str, bits: Bits, by_path: str, by: Runs) -> None:
        """Bits of wires have the value of other bits."""
        at = 0
        for wire, low, width in bits:
            if isinstance(wire, int):
                raise UnknownError("a constant is driven")
            self.drivers.setdefault((path, wire), []).append((low, width, by_path, cut(by, at, width)))
            at += width
        if at != width_of(by):
            raise UnknownError("widths differ")

    def input(self, path: str, name: str, wire: str, width: int) -> None:
        """A value from outside."""
        self.net.inputs[name] = width
        if width:
            node = self.node(path, "input", width, [], low=64 * self.place)
            self.drive(path, ((wire, 0, width),), path, ((node, 0, width),))
        self.place += max(1, -(-width // 64))

    def add(self, path: str, module: Module) -> None:
        """The contents of a module."""
        memories = {}
        for name, (width, depth) in module.memories.items():
            memories[name] = Memory(
                f"{path}{name.removeprefix(chr(92))}", module.name, name, width, depth, len(self.net.memories)
            )
            self.net.memories.append(memories[name])
        for connect in module.connects:
            self.drive(path, connect[0], path, connect[1])
        for body in module.processes:
            for wire, value in Process(partial(self.node, path), module).run(body).items():
                self.drive(path, ((wire, 0, width_of(value)),), path, value)
        writes: list[Cell] = [cell for cell in module.cells if cell.kind == "$memwr_v2"]
        for cell in module.cells:
            if cell.kind.startswith("\\"):
                self.instance(path, cell)
            elif cell.kind == "$memrd_v2":
                self.reader(path, cell, memories, writes)
            elif cell.kind == "$memwr_v2":
                self.writer(path, cell, memories)
            else:
                self.cell(path, module, cell)

    def instance(self, path: str, cell: Cell) -> None:
        if cell.kind not in self.modules:
            raise UnknownError(f"the cell {cell.kind}")
        module, inner = self.modules[cell.kind], f"{path}{cell.name.removeprefix(chr(92))}."
        ports = {name: cell.connections.get(name) for name in [*module.inputs, *module.outputs]}
        if cell.kind in self.parts and not path:
            for name in module.inputs:
                bits = ports[name]
                if bits is None:
                    raise UnknownError(f"{name} of {inner} is open")
                if name in self.parts[cell.kind]:
                    # A part has its edges without it.
                    self.clocks.append((path, bits))
                    bits = ((0, 0, 1),)
                self.net.outputs[inner + name] = module.widths[name]
                self.net.values[inner + name] = bits
            for name in module.outputs:
                self.input(inner, inner + name, name, module.widths[name])
                if bits := ports[name]:
                    self.drive(path, bits, inner, ((name, 0, module.widths[name]),))
            return
        for name in module.inputs:
            if ports[name] is None:
                raise UnknownError(f"{name} of {inner} is open")
            width = module.widths[name]
            self.drive(inner, ((name, 0, width),) if width else (), path, ports[name] or ())
        for name in module.outputs:
            if bits := ports[name]:
                self.drive(path, bits, inner, ((name, 0, module.widths[name]),))
        self.add(inner, module)

    def cell(self, path: str, module: Module, cell: Cell) -> None:
        ends, number = cell.connections, cell.parameters
        if cell.kind == "$dff":
            if int(number["\\CLK_POLARITY"]) != 1:
                raise UnknownError("a register at the falling edge")
            self.clocks.append((path, ends["\\CLK"]))
            init, at = 0, 0
            for wire, low, width in ends["\\Q"]:
                init |= (module.inits.get(wire, 0) >> low & (1 << width) - 1) << at
                at += width
            node = self.node(path, "reg", at, [ends["\\D"]], init=init)
            self.drive(path, ends["\\Q"], path, ((node, 0, at),))
            return
        width = width_of(ends.get("\\Y", ()))
        if cell.kind == "$mux":
            ins, op, signed = [ends["\\S"], ends["\\A"], ends["\\B"]], "mux", False
        elif cell.kind in _CELLS:
            op, count = _CELLS[cell.kind]
            ins = [ends[name] for name in ("\\A", "\\B")[:count]]
            signs = [int(number["\\A_SIGNED"]), int(number.get("\\B_SIGNED", "0"))][:count]
            signed = bool(signs[0]) if op in ("shr", "shl") else all(signs)
            if op in ("shr", "shl") and signs[1]:
                raise UnknownError(f"a signed {cell.kind}")
        else:
            raise UnknownError(f"the cell {cell.kind}")
        if op == "shr" and cell.kind != "$sshr" and signed:
            raise UnknownError(f"a signed {cell.kind}")
        node = self.node(path, op, width, ins, signed=signed)
        self.drive(path, ends["\\Y"], path, ((node, 0, width),))

    def reader(self, path: str, cell: Cell, memories: dict[str, Memory], writes: list[Cell]) -> None:
        ends, number = cell.connections, cell.parameters
        memory = memories[_memory_name(cell)]
        row = self.node(path, "row", 0, [ends["\\ADDR"]], memory=memory)
        word: Runs = ((self.node(path, "load", memory.width, [((row, 0, 0),)], memory=memory), 0, memory.width),)
        if any("1" in number[name].partition("'")[2] for name in ("\\COLLISION_X_MASK",)):
            raise UnknownError("a memory whose word is undefined where it is read and written at once")
        if int(number["\\CLK_ENABLE"]):
            if int(number["\\CLK_POLARITY"]) != 1 or ends["\\ARST"] != ((0, 0, 1),) or ends["\\SRST"] != ((0, 0, 1),):
                raise UnknownError("a memory with a reset")
            self.clocks.append((path, ends["\\CLK"]))
            seen = number["\\TRANSPARENCY_MASK"].partition("'")[2][::-1]
            for other in writes:
                port = int(other.parameters["\\PORTID"])
                if _memory_name(other) != memory.name or port >= len(seen) or seen[port] != "1":
                    continue
                same = self.node(path, "eq", 1, [ends["\\ADDR"], other.connections["\\ADDR"]])
                word = self.masked(path, other, ((same, 0, 1),), word)
            node = self.node(path, "reg", memory.width, [])
            node.ins = [word]
            if ends["\\EN"] != ((1, 0, 1),):
                hold = self.node(path, "mux", memory.width, [ends["\\EN"], ((node, 0, memory.width),), word])
                node.ins = [((hold, 0, memory.width),)]
            word = ((node, 0, memory.width),)
        self.drive(path, ends["\\DATA"], path, word)

    def masked(self, path: str, write: Cell, same: Runs, word: Runs) -> Runs:
        """A word with the bits that are just written."""
        enable, data, found, at = write.connections["\\EN"], write.connections["\\DATA"], list[Run](), 0
        for bit, count in _alike(enable):
            both = self.node(path, "and", 1, [same, (bit,)])
            node = self.node(path, "mux", count, [((both, 0, 1),), cut(word, at, count), cut(data, at, count)])
            found.append((node, 0, count))
            at += count
        return tuple(found)

    def writer(self, path: str, cell: Cell, memories: dict[str, Memory]) -> None:
        ends, number = cell.connections, cell.parameters
        if not int(number["\\CLK_ENABLE"]) or int(number["\\CLK_POLARITY"]) != 1:
            raise UnknownError("a memory that is written without a clock")
        self.clocks.append((path, ends["\\CLK"]))
        # One port after the other, in the order of their numbers, which is what priorities ask for.
        write = Write(memories[_memory_name(cell)], ends["\\ADDR"], ends["\\DATA"], ends["\\EN"], path)
        self.net.writes.append(write)

    # ---- from wires to nodes

    def resolve(self, path: str, bits: Runs) -> Runs:
        """Bits of wires as those of nodes."""
        found: list[Run] = []
        for what, low, width in bits:
            found += self.driven(path, what, low, width) if isinstance(what, str) else [(what, low, width)]
        return joined(found)

    def driven(self, path: str, wire: str, low: int, width: int) -> Runs:
        key = (path, wire, low, width)
        if key in self.known:
            if (known := self.known[key]) is None:
                raise UnknownError(f"{path}{wire} feeds itself")
            return known
        self.known[key] = None
        found, at = list[Run](), low
        drivers = self.drivers.get((path, wire), [])
        if len(drivers) > 1:
            drivers.sort(key=lambda driver: driver[0])
        for first, count, by_path, by in drivers:
            start, end = max(first, low), min(first + count, low + width)
            if start >= end:
                continue
            if start != at:
                raise UnknownError(f"{path}{wire} has no driver, or two")
            found += self.resolve(by_path, cut(by, start - first, end - start))
            at = end
        if at != low + width:
            raise UnknownError(f"{path}{wire} has no driver")
        driven = self.known[key] = joined(found)
        return driven


def _memory_name(cell: Cell) -> str:
    return cell.parameters["\\MEMID"].strip('"').replace("\\\\", "\\")


def _alike(bits: Runs) -> Iterator[tuple[Run, int]]:
    """Runs of equal bits: the bit, and how many."""
    last, count = None, 0
    for index in range(width_of(bits)):
        bit = cut(bits, index, 1)[0]
        if bit != last:
            if last:
                yield last, count
            last, count = bit, 0
        count += 1
    if last:
        yield last, count


def flatten(modules: Mapping[str, Module], top: str, parts: Mapping[str, set[str]]) -> tuple[Netlist, set[str]]:
    """A module with all that is in it, except `parts` (with the clocks of each), and its clocks.

    Raises
    ------
    UnknownError
        There is something in it that this translator does not know.
    """
    module = modules[top]
    flat = _Flat(modules, parts)
    for name in module.inputs:
        flat.input("", name, name, module.widths[name])
    flat.net.outputs = {name: module.widths[name] for name in module.outputs}
    flat.net.values = {name: ((name, 0, module.widths[name]),) for name in module.outputs}
    flat.add("", module)
    net = flat.net
    for node, path in flat.raw:
        node.ins = [flat.resolve(path, runs) for runs in node.ins]
    net.values = {name: flat.resolve("", runs) for name, runs in net.values.items()}
    for write in net.writes:
        path = write.path
        write.address, write.data, write.enable = (
            flat.resolve(path, runs) for runs in (write.address, write.data, write.enable)
        )
    clocks = {_clock(module, flat.resolve(path, bits)) for path, bits in flat.clocks}
    needed = ordered([*net.sinks()], through_registers=True)
    places = {low for name, low in _places(module) if name in clocks}
    if any(node.op == "input" and node.low in places for node in needed):
        raise UnknownError("a clock that is used as a value")
    net.registers = sorted((node for node in needed if node.op == "reg"), key=lambda node: node.key)
    return net, clocks


def _clock(module: Module, runs: Runs) -> str:
    if len(runs) == 1 and isinstance(runs[0][0], Node) and runs[0][0].op == "input":
        for name, low in _places(module):
            if low == runs[0][0].low and module.widths[name] == 1:
                return name
    raise UnknownError("a clock that is no input")


def _places(module: Module) -> Iterator[tuple[str, int]]:
    """Where each input begins."""
    place = 0
    for name in module.inputs:
        yield name, 64 * place
        place += max(1, -(-module.widths[name] // 64))
