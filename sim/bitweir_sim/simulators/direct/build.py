"""A design in RTLIL as units that compile apart: C++ of its blocks, and of what is around them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bitweir_hw.accelerator.literals import Contents, take_contents

from ...cache import cached, content_key
from ...compiler import compile_with, compiler_version
from .code import stride, unit_code
from .lanes import grouped
from .netlist import Memory, Netlist, flatten, ordered
from .rtlil import UnknownError, read
from .words import to_words

__all__ = ["Direct", "direct", "objects", "top_code"]

_HERE = Path(__file__).parent
#: Nodes from which on a block is a unit of its own, where there is no reason for it but speed.
_LARGE = 64


@dataclass(frozen=True)
class Unit:
    """A part of the design, or what is around these.

    Parameters
    ----------
    path : str
        Before the names of its ports in what is around it; empty for this.
    code : str
    net : Netlist
    """

    path: str
    code: str
    net: Netlist

    @property
    def name(self) -> str:
        """The prefix of its functions: equal units have the same."""
        return content_key("unit", self.code).replace("-", "_")


@dataclass(frozen=True)
class Direct:
    """A design in units; the first is what is around the others."""

    units: list[Unit]
    contents: dict[tuple[str, str], Contents]

    def ports(self) -> tuple[dict[str, tuple[int, int]], dict[str, tuple[int, int]]]:
        """Inputs and outputs of the design: the width of each, and the number of its first word."""
        net = self.units[0].net
        return _placed(net.inputs), _placed(net.outputs)

    def words(self) -> tuple[bytes, dict[tuple[str, str], int]]:
        """What memories begin with, and the first byte of each that begins with more than zeros."""
        places, parts, size = dict[tuple[str, str], int](), list[bytes](), 0
        for unit in self.units:
            for memory in unit.net.memories:
                key = memory.module, memory.name
                if key in places or key not in self.contents:
                    continue
                data = _rows(memory, self.contents[key])
                if data.any():
                    places[key] = size
                    parts.append(data.tobytes())
                    size += data.nbytes
        return b"".join(parts), places


def _placed(widths: dict[str, int]) -> dict[str, tuple[int, int]]:
    found, at = {}, 0
    for name, width in widths.items():
        found[name] = width, at
        at += max(1, -(-width // 64))
    return found


def _rows(memory: Memory, contents: Contents) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Each word in whole numbers of 64 bits, the lowest bit first."""
    bits = np.frombuffer(contents.bits.encode(), np.uint8)[::-1].reshape(-1, contents.width) - ord("0")
    if bits.shape != (memory.depth, memory.width):
        raise UnknownError(f"the words of {memory.path}")
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, stride(memory.width) - packed.shape[1])))


def direct(text: str, top: str, *, large: int = _LARGE) -> Direct:
    """Take apart RTLIL as Amaranth writes it.

    Parameters
    ----------
    text : str
    top : str
        The top module.
    large : int
        Nodes from which on a block is a unit of its own.

    Raises
    ------
    UnknownError
        There is something in it that cannot be translated.
    """
    text, found = take_contents(text)
    contents = {(f"\\{one.module}", f"\\{one.memory}"): one for one in found}
    modules = read(text)
    top = f"\\{top}"
    if top not in modules:
        raise UnknownError(f"no module {top}")
    parts, units = dict[str, set[str]](), list[Unit]()
    kinds = [cell.kind for cell in modules[top].cells if cell.kind in modules]
    for cell in modules[top].cells:
        if cell.kind not in modules or kinds.count(cell.kind) != 1:
            continue
        net, clocks = flatten(modules, cell.kind, {})
        if len(clocks) == 1 and _alone(net):
            nodes = to_words(net)
            if len(nodes) >= large:
                parts[cell.kind] = clocks
                units.append(Unit(f"{cell.name[1:]}.", unit_code(net, grouped(nodes)), net))
    net, clocks = flatten(modules, top, parts)
    if clocks - {"\\clk"}:
        raise UnknownError("several clocks")
    nodes = to_words(net)
    return Direct([Unit("", unit_code(net, grouped(nodes)), net), *units], contents)


def _alone(net: Netlist) -> bool:
    """Whether no output depends on an input of the same cycle."""
    return all(node.op != "input" for node in ordered([*net.values.values()], through_registers=False))


def objects(units: Iterable[Unit], *, flags: Sequence[str], compiler: Sequence[str]) -> list[Path]:
    """Compile the units that the cache does not have."""
    unique = list({unit.name: unit for unit in units}.values())
    with ThreadPoolExecutor(max(os.cpu_count() or 1, 1)) as pool:
        return list(pool.map(lambda unit: _object(unit, flags=flags, compiler=compiler), unique))


def _object(unit: Unit, *, flags: Sequence[str], compiler: Sequence[str]) -> Path:
    headers = [(_HERE / name).read_bytes() for name in ("unit.h", "unit_functions.h")]
    settings = json.dumps([list(flags), list(compiler), compiler_version(*compiler)])

    def build(folder: Path) -> None:
        (folder / "unit.cc").write_text(unit.code)
        compile_with(
            [*compiler, "-std=c++17", "-fPIC", *flags, f"-DUNIT={unit.name}", f"-I{_HERE}", "-c", "unit.cc"]
            + ["-o", "unit.o"],
            folder,
            "compiler.log",
        )

    return cached(content_key("unit", *headers, settings, unit.name, unit.code), build) / "unit.o"


def top_code(design: Direct, places: dict[tuple[str, str], int], *, toggles: bool = False) -> str:
    """The class that the harness drives: its ports, a clock cycle of all units, and how many bits changed in each."""
    around, *parts = design.units
    inputs, outputs = design.ports()
    lines = [
        "#include <direct/top.h>",
        "static const uint8_t *memories = nullptr;",
        'extern "C" {',
        "void bitweir_memories(const unsigned char *from) { memories = from; }",
    ]
    for name in dict.fromkeys(unit.name for unit in design.units):
        lines += [
            f"void *{name}_new(const uint8_t *const *);",
            f"void {name}_free(void *);",
            f"void {name}_show(void *, uint64_t *);",
            f"void {name}_settle(void *, const uint64_t *, uint64_t *);",
            f"void {name}_step(void *, const uint64_t *, uint64_t *);",
            *([f"uint64_t {name}_toggles(void *);"] if toggles else []),
        ]
    lines += ["}", "struct Top {"]
    for side, ports in (("in", inputs), ("out", outputs)):
        size = sum(max(1, -(-width // 64)) for width, _ in ports.values())
        lines.append(f"    uint64_t {side}[{size + 2}] = {{}};")
    for side, ports in (("in", inputs), ("out", outputs)):
        lines += [
            f"    Port<{width}> {_member(name)}{{{side} + {at}}};"
            for name, (width, at) in ports.items()
            if "." not in name
        ]
    for number, unit in enumerate(design.units):
        words = [places.get((memory.module, memory.name)) for memory in unit.net.memories]
        given = ", ".join("nullptr" if at is None else f"memories + {at}u" for at in words) or "nullptr"
        lines += [
            f"    static void *make{number}() {{ const uint8_t *const words[] = {{{given}}}; "
            f"return {unit.name}_new(words); }}",
            f"    void *const unit{number} = make{number}();",
        ]
    lines += ["    Top() {"]
    starts = [(number, unit, *_starts(unit, inputs, outputs)) for number, unit in enumerate(parts, 1)]
    lines += [f"        {unit.name}_show(unit{number}, in + {into});" for number, unit, _, into in starts]
    lines += ["    }", "    Top(const Top &) = delete;", "    ~Top() {"]
    lines += [f"        {unit.name}_free(unit{number});" for number, unit in enumerate(design.units)]
    lines += ["    }", "    void settle() {", f"        {around.name}_settle(unit0, in, out);", "    }"]
    lines += ["    void edge() {"]
    lines += [f"        {unit.name}_step(unit{number}, out + {of}, in + {into});" for number, unit, of, into in starts]
    lines.append("    }")
    if toggles:
        counts = ", ".join(f"{unit.name}_toggles(unit{number})" for number, unit in enumerate(design.units))
        lines += ["    uint64_t toggles(size_t unit) {", f"        const uint64_t counts[] = {{{counts}}};"]
        lines += ["        return counts[unit];", "    }"]
    lines.append("};")
    return "\n".join(lines)


def _starts(unit: Unit, inputs: dict[str, tuple[int, int]], outputs: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """Where its inputs begin among the outputs of what is around it, and its outputs among the inputs."""
    of = min((at for name, (_, at) in outputs.items() if name.startswith(unit.path)), default=0)
    into = min((at for name, (_, at) in inputs.items() if name.startswith(unit.path)), default=0)
    return of, into


def _member(name: str) -> str:
    return "p_" + name.removeprefix("\\")
