"""Cells that a design instantiates, as modules that can be translated: each of the parameters that occur."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bitweir_hw.tools import run_yosys

__all__ = ["with_cells"]

#: A cell of another module with parameters, as RTLIL has it.
_CELL = re.compile(r"(?m)^( *)cell \\(\w+) (\S+)\n((?: *parameter [^\n]*\n)+)")
_PARAMETER = re.compile(r"parameter \\(\w+) ([^\n]*)\n")
#: The name of a module in Verilog.
_NAME = re.compile(r"(?m)^module (\w+)")


def with_cells(text: str, models: Sequence[Path], folder: Path) -> str:
    """RTLIL of a design, with a module for each set of parameters of the cells in it.

    Parameters
    ----------
    text : str
        As Amaranth writes it.
    models : sequence of Path
        Verilog files, each of one module without registers.
    folder : Path
        For what Yosys writes.
    """
    known = {_NAME.findall(path.read_text())[0]: path for path in models}
    kinds: dict[tuple[str, str], str] = {}

    def without_parameters(match: re.Match[str]) -> str:
        space, kind, name, parameters = match.groups()
        if kind not in known:
            return match[0]
        place = kinds.setdefault((kind, parameters), f"{kind}.{len(kinds)}")
        return f"{space}cell \\{place} {name}\n"

    text = _CELL.sub(without_parameters, text)
    if not kinds:
        return text
    cells = "".join(
        f"{kind} #({', '.join(f'.{name}({_literal(value)})' for name, value in _PARAMETER.findall(parameters))}) "
        f"c{number} ();\n"
        for number, (kind, parameters) in enumerate(kinds)
    )
    (folder / "cells.v").write_text(f"module cells;\n{cells}endmodule\n")
    reads = "".join(f"read_verilog {path}\n" for path in known.values())
    run_yosys(f"{reads}read_verilog cells.v\nhierarchy -top cells\nproc\nopt_expr\nwrite_rtlil cells.il\n", folder)
    return text + _renamed((folder / "cells.il").read_text(), list(kinds.values()))


def _literal(value: str) -> str:
    """A parameter in Verilog: bits, or text."""
    return value if value.startswith('"') else value.replace("'", "'b")


def _renamed(text: str, names: Sequence[str]) -> str:
    """The modules that Yosys made of cells, in their order, with these names."""
    found = re.findall(r"(?m)^  cell (\S+) \\c(\d+)$", text)
    name_of = {kind: f"\\{names[int(number)]}" for kind, number in found}
    modules = re.findall(r"(?ms)^module (\S+)\n(.*?^end\n)", text)
    parts = []
    for kind, body in modules:
        if kind in name_of:
            body = re.sub(r"(?m)^  parameter .*\n", "", body)
            # A table at an address within it: a shift.
            parts.append(f"module {name_of[kind]}\n{body.replace('cell $shiftx ', 'cell $shr ')}")
    return "\n" + "\n".join(parts)
