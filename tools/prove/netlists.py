"""Netlists of components, as the flow of each family maps them, in AND gates and registers."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from bitweir.synthesis.cell_models import cell_models
from bitweir.synthesis.flows import script
from bitweir_hw.tools import convert, run_yosys
from bitweir_sim.formal import Circuit
from bitweir_sim.formal.begun import LOWER, begun

__all__ = ["FAMILIES", "mapped", "part"]

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
    with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
        folder = Path(work)
        (folder / "design.il").write_text(convert(Many(parts), name="top"))
        run_yosys(script(family, top="top"), folder)
        module = json.loads((folder / "netlist.json").read_text())["modules"]["top"]
        if fault:
            _plant(module["cells"], fault)
        kinds = {cell["type"] for cell in module["cells"].values()}
        (folder / "mapped.json").write_text(json.dumps({"modules": {"top": module}}))
        (folder / "cells.v").write_text(cell_models(family, (kind for kind in kinds if kind[0] != "$")))
        commands = ["read_verilog cells.v", "read_json mapped.json", "hierarchy -check -top top", LOWER]
        run_yosys("\n".join([*commands, "write_json gates.json"]), folder, log="gates.log")
        return begun(json.loads((folder / "gates.json").read_text())["modules"]["top"])


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


def _plant(cells: dict[str, Any], fault: str) -> None:
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
