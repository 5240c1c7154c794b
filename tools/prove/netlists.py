"""Netlists of components, as the flow of each family maps them, in AND gates and registers."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from bitweir.synthesis.cell_models import cell_models
from bitweir.synthesis.flows import script
from bitweir_hw.tools import convert, run_yosys, yosys_version
from bitweir_sim.cache import cached, content_key
from bitweir_sim.formal import Circuit
from bitweir_sim.formal.begun import begun_circuit

__all__ = ["FAMILIES", "mapped", "part", "plant"]

FAMILIES = ("ecp5", "ice40", "gowin", "xilinx")


class Many(wiring.Component):
    """Components side by side, with ports of their own: synthesis begins once for all of them."""

    def __init__(self, parts: Sequence[wiring.Component]) -> None:
        self.parts = parts
        super().__init__({f"part{n}": Out(part.signature) for n, part in enumerate(parts)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for n, component in enumerate(self.parts):
            m.submodules += component
            wiring.connect(m, component, wiring.flipped(getattr(self, f"part{n}")))
        return m


def mapped(family: str, parts: Sequence[wiring.Component], fault: str = "") -> Circuit:
    """Components as a netlist; their registers begin as an FPGA loads them.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    parts : sequence of Component
        Of each, ports are called ``partN__PORT``, and have two underscores between the words of their paths.
    fault : str
        Planted: ``"table"``, one entry of a LUT is turned over; or ``"lost carry"``, a carry cell is gone, as abc9 of
        Yosys 0.70 loses some.
    """
    text, commands = convert(Many(parts), name="top"), script(family, top="top")

    def build(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
            (Path(work) / "design.il").write_text(text)
            run_yosys(commands, Path(work))
            shutil.copy(Path(work) / "netlist.json", folder)

    kept = cached(content_key("mapped", yosys_version(), commands, text), build)
    module = json.loads((kept / "netlist.json").read_bytes())["modules"]["top"]
    if fault:
        plant(module["cells"], fault)
    kinds = {cell["type"] for cell in module["cells"].values()}
    files = {
        "cells.v": cell_models(family, (kind for kind in kinds if kind[0] != "$")),
        "mapped.json": json.dumps({"modules": {"top": module}}),
    }
    return begun_circuit(files, ["read_verilog cells.v", "read_json mapped.json"])


def part(circuit: Circuit, number: int) -> Circuit:
    """What one of the components of a netlist depends on; its ports have their own names."""
    prefix = f"part{number}__"
    cone = circuit.cone([name for name in circuit.outputs if name.startswith(prefix)])
    return Circuit(
        inputs=tuple((name.removeprefix(prefix), place) for name, place in cone.inputs),
        registers=cone.registers,
        following=cone.following,
        initial=cone.initial,
        gates=cone.gates,
        outputs={name.removeprefix(prefix): bits for name, bits in cone.outputs.items()},
    )


def plant(cells: dict[str, Any], fault: str) -> None:
    """Change a netlist."""
    if fault == "lost carry":
        used = {bit for cell in cells.values() for pin in ("CIN", "CI") for bit in cell["connections"].get(pin, ())}
        # The end of a chain.
        name = next(
            name for name, cell in cells.items()
            if cell["type"] == "CCU2C" and not used & set(cell["connections"].get("COUT", ()))
        )  # fmt: skip
        pins = cells.pop(name)["connections"]
        gone = {bit for pin in ("S0", "S1") for bit in pins.get(pin, ())}
        for cell in cells.values():
            for pin, bits in cell["connections"].items():
                cell["connections"][pin] = ["0" if bit in gone else bit for bit in bits]
        return
    table, cell = next(
        (table, cell) for cell in cells.values() for table in ("INIT", "LUT_INIT", "INIT0")
        if re.fullmatch("(SB_)?LUT[2-6]|CCU2C", cell["type"]) and table in cell["parameters"]
    )  # fmt: skip
    # The entry for zeros on all pins.
    value = cell["parameters"][table]
    cell["parameters"][table] = value[:-1] + ("0" if value[-1] == "1" else "1")
