"""Circuits whose registers begin with what the design says, as an FPGA loads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bitweir_hw.tools import run_yosys, yosys_version

from ..cache import cached, content_key
from .circuit import Circuit, read_netlist

__all__ = ["LOWER", "begun", "begun_circuit"]

#: Yosys commands after which each module has gates and registers only. Memories become registers, and those that
#: nothing writes become constants. What the design leaves open is 0, but for what registers begin with.
LOWER = """\
proc
flatten -noscopeinfo
delete t:$scopeinfo
opt_expr
opt_clean
memory -nomap
opt_mem
memory_map
opt_expr
opt_clean
techmap
simplemap
async2sync
dffunmap
setundef -undriven -zero
formalff -clk2ff
opt_clean
aigmap
opt_clean
"""


def begun(module: Mapping[str, Any]) -> Circuit:
    """A module as ``write_json`` tells it after `LOWER`; its registers begin with what the attribute ``init`` says.

    Where it says nothing, `Circuit.initial` is None.
    """
    initial: dict[Any, int] = {}
    for wire in module["netnames"].values():
        for bit, value in zip(wire["bits"], reversed(wire["attributes"].get("init", "")), strict=False):
            if value in "01":
                initial[bit] = int(value)
    held = [cell["connections"]["Q"][0] for cell in module["cells"].values() if cell["type"] == "$_FF_"]
    return replace(read_netlist(dict(module)), initial=tuple(initial.get(bit) for bit in held))


def begun_circuit(files: Mapping[str, str], commands: Sequence[str], top: str = "top") -> Circuit:
    """What Yosys makes of a design, see `bench.from_yosys`."""
    script = "\n".join([*commands, f"hierarchy -check -top {top}", LOWER, "write_json circuit.json"])

    def build(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text)
        run_yosys(script, folder)

    parts = [part for pair in sorted(files.items()) for part in pair]
    folder = cached(content_key("begun", yosys_version(), script, *parts), build)
    return begun(json.loads((folder / "circuit.json").read_bytes())["modules"][top])
