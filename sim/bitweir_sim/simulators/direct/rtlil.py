"""RTLIL as Amaranth writes it, read into modules of wires, cells and processes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Bits", "Cell", "Module", "Piece", "Switch", "UnknownError", "cut", "joined", "read", "width_of"]


class UnknownError(Exception):
    """The design has something that this translator does not know."""


#: A run of bits of a wire (its name), or a constant (its value): what, the lowest bit, how many.
Piece = tuple[Any, int, int]
#: Pieces, the lowest first.
Bits = tuple[Piece, ...]


@dataclass
class Cell:
    """A cell: its kind, parameters and connections."""

    kind: str
    name: str
    parameters: dict[str, str] = field(default_factory=dict)
    connections: dict[str, Bits] = field(default_factory=dict)


@dataclass
class Switch:
    """A switch: for each case its patterns, none for the default, and its body."""

    on: Bits
    cases: list[tuple[list[str], list[tuple[Bits, Bits] | Switch]]] = field(default_factory=list)


@dataclass
class Module:
    """A module: widths, values after the start and directions of wires, and what drives them."""

    name: str
    widths: dict[str, int] = field(default_factory=dict)
    inits: dict[str, int] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    processes: list[list[tuple[Bits, Bits] | Switch]] = field(default_factory=list)
    connects: list[tuple[Bits, Bits]] = field(default_factory=list)
    memories: dict[str, tuple[int, int]] = field(default_factory=dict)


_TOKEN = re.compile(r"\{|\}|\[\d+(?::\d+)?\]|\d+'s?[01xz-]*|\d+|[\\$]\S+")


def width_of(bits: Bits) -> int:
    """How many bits."""
    return sum(width for _, _, width in bits)


def cut(bits: Bits, low: int, width: int) -> Bits:
    """Some of the bits, of wires or of nodes."""
    found, at = list[Piece](), 0
    for what, first, count in bits:
        start, end = max(low, at), min(low + width, at + count)
        if start < end:
            if isinstance(what, int):
                found.append((what >> (start - at) & (1 << (end - start)) - 1, 0, end - start))
            else:
                found.append((what, first + start - at, end - start))
        at += count
    return tuple(found)


def joined(runs: Iterable[Piece]) -> Bits:
    """The same bits in as few runs as there can be."""
    found: list[Piece] = []
    for what, low, width in runs:
        if found:
            last, first, count = found[-1]
            if isinstance(what, int) and isinstance(last, int):
                found[-1] = (last | what << count, 0, count + width)
                continue
            if what is last and low == first + count:
                found[-1] = (last, first, count + width)
                continue
        found.append((what, low, width))
    return tuple(found)


def number(text: str) -> int:
    """A constant; bits that are undefined are 0, as CXXRTL has them."""
    digits = text.partition("'")[2].removeprefix("s")
    return int("0" + re.sub("[xz-]", "0", digits), 2)


def read(text: str) -> dict[str, Module]:
    """The modules of a design, by name.

    Raises
    ------
    UnknownError
        A line has another form than Amaranth gives it.
    """
    modules: dict[str, Module] = {}
    lines = (line.strip() for line in text.splitlines())
    for line in lines:
        if line.startswith("module "):
            module = _module(line.split()[1], lines)
            modules[module.name] = module
    return modules


def _module(name: str, lines: Iterator[str]) -> Module:
    module, init = Module(name), None
    for line in lines:
        words = line.split()
        if not words:
            continue
        if words[0] == "end":
            return module
        if words[0] == "attribute":
            if words[1] == "\\init":
                init = number(words[2])
            continue
        if words[0] == "wire":
            _wire(module, words, init)
        elif words[0] == "memory":
            module.memories[words[-1]] = (int(words[words.index("width") + 1]), int(words[words.index("size") + 1]))
        elif words[0] == "cell":
            module.cells.append(_cell(module, Cell(words[1], words[2]), lines))
        elif words[0] == "process":
            module.processes.append(_body(module, lines))
        elif words[0] == "connect":
            module.connects.append(_pair(module, line))
        else:
            raise UnknownError(line)
        init = None
    raise UnknownError(f"the end of {name} is missing")


def _wire(module: Module, words: list[str], init: int | None) -> None:
    name = words[-1]
    module.widths[name] = int(words[words.index("width") + 1]) if "width" in words else 1
    if init is not None:
        module.inits[name] = init
    if "input" in words:
        module.inputs.append(name)
    if "output" in words:
        module.outputs.append(name)
    if "inout" in words:
        raise UnknownError(f"{name} goes both ways")


def _cell(module: Module, cell: Cell, lines: Iterator[str]) -> Cell:
    for line in lines:
        words = line.split(maxsplit=2)
        if not words or words[0] == "attribute":
            continue
        if words[0] == "end":
            return cell
        if words[0] == "parameter":
            words = words if words[1] != "signed" else ["", *words[2].split(maxsplit=1)]
            cell.parameters[words[1]] = words[2]
        elif words[0] == "connect":
            cell.connections[words[1]] = _bits(module, words[2])
        else:
            raise UnknownError(line)
    raise UnknownError(f"the end of cell {cell.name} is missing")


def _body(module: Module, lines: Iterator[str]) -> list[tuple[Bits, Bits] | Switch]:
    """What is up to ``end`` of a process."""
    body: list[tuple[Bits, Bits] | Switch] = []
    for line in lines:
        if line == "end":
            return body
        _statement(module, body, line, lines)
    raise UnknownError("the end of a process is missing")


def _statement(module: Module, body: list[tuple[Bits, Bits] | Switch], line: str, lines: Iterator[str]) -> None:
    if not line or line.startswith("attribute "):
        return
    if line.startswith("assign "):
        body.append(_pair(module, line))
    elif line.startswith("switch "):
        body.append(_switch(module, line, lines))
    else:
        raise UnknownError(line)


def _switch(module: Module, line: str, lines: Iterator[str]) -> Switch:
    switch = Switch(_bits(module, line.removeprefix("switch ")))
    for inner in lines:
        if inner == "end":
            return switch
        if inner == "case" or inner.startswith("case "):
            patterns = re.findall(r"\d+'([01-]+)", inner)
            if not patterns and inner != "case":
                raise UnknownError(inner)
            switch.cases.append((patterns, []))
        elif inner and not inner.startswith("attribute "):
            if not switch.cases:
                raise UnknownError(inner)
            _statement(module, switch.cases[-1][1], inner, lines)
    raise UnknownError("the end of a switch is missing")


def _pair(module: Module, line: str) -> tuple[Bits, Bits]:
    """Two runs of bits behind a word."""
    tokens = _TOKEN.findall(line.split(maxsplit=1)[1])
    left = _take(module, tokens)
    return left, _take(module, tokens)


def _bits(module: Module, text: str) -> Bits:
    return _take(module, _TOKEN.findall(text))


def _take(module: Module, tokens: list[str]) -> Bits:
    """The first bits of some tokens, which are taken away."""
    token = tokens.pop(0)
    if token == "{":
        parts = []
        while tokens[0] != "}":
            parts.append(_take(module, tokens))
        tokens.pop(0)
        return tuple(piece for part in reversed(parts) for piece in part)
    if token[0] in "\\$":
        if token not in module.widths:
            raise UnknownError(f"{token} is no wire")
        low, width = 0, module.widths[token]
        if tokens and tokens[0][0] == "[":
            high, _, last = tokens.pop(0)[1:-1].partition(":")
            low, width = int(last or high), int(high) - int(last or high) + 1
        return ((token, low, width),) if width else ()
    if "'" not in token:
        raise UnknownError(f"{token} is no number of bits")
    width = int(token.partition("'")[0])
    return ((number(token), 0, width),) if width else ()
