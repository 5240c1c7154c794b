"""Popcounts and dot products in mapped netlists, of each family in its own construction."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from bitweir.synthesis.cell_models import cell_models
from bitweir.synthesis.flows import script
from bitweir_hw.popcount import STYLE, DotProduct, Popcount
from bitweir_hw.popcount.elements import ProcessingElements
from bitweir_hw.tools import convert, run_yosys
from bitweir_sim.formal import Verdict
from bitweir_sim.formal.begun import LOWER, begun

from .claim import Case, Claim
from .popcounts import METHOD, TOOL, Shape, element_sums

__all__ = ["CLAIMS"]

FAMILIES = ("ecp5", "ice40", "gowin", "xilinx")
#: Of popcounts without registers.
LANES = (5, 16, 33, 64)


class Many(wiring.Component):
    """Elements side by side, with ports of their own: synthesis begins once for all of them."""

    def __init__(self, shapes: list[Shape]) -> None:
        self.elements = [
            ProcessingElements(pe=1, dot=shape.dot, width=shape.width, popcount=shape.popcount) for shape in shapes
        ]
        super().__init__(
            {
                f"{name}{n}": member
                for n, element in enumerate(self.elements)
                for name, member in element.signature.members.items()
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for n, element in enumerate(self.elements):
            m.submodules += element
            for name, member in element.signature.members.items():
                inner, outer = getattr(element, name), getattr(self, f"{name}{n}")
                m.d.comb += inner.eq(outer) if member.flow == wiring.In else outer.eq(inner)
        return m


def shapes_of(family: str, lanes: Iterable[int], each: int = 0) -> list[Shape]:
    """Popcounts of so many lanes, with accumulators that are a little longer."""
    popcount = Popcount(style=STYLE[family], levels_per_stage=each)
    return [Shape(DotProduct(simd=n), n.bit_length() + 2, popcount) for n in lanes]


def netlists(family: str, shapes: list[Shape], fault: str = "") -> Verdict:
    """Prove the elements of a netlist, one after the other; the first that is not proved, else the last.

    Parameters
    ----------
    fault : str
        Planted: the number of inputs of a LUT cell, one of whose entries is turned over; or a carry cell that is lost,
        as abc9 of Yosys 0.70 loses some.
    """
    with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
        folder = Path(work)
        (folder / "design.il").write_text(convert(Many(shapes), name="top"))
        run_yosys(script(family, top="top"), folder)
        module = json.loads((folder / "netlist.json").read_text())["modules"]["top"]
        if fault:
            plant(module["cells"], fault)
        kinds = {cell["type"] for cell in module["cells"].values()}
        (folder / "mapped.json").write_text(json.dumps({"modules": {"top": module}}))
        (folder / "cells.v").write_text(cell_models(family, (kind for kind in kinds if kind[0] != "$")))
        commands = ["read_verilog cells.v", "read_json mapped.json", "hierarchy -check -top top", LOWER]
        run_yosys("\n".join([*commands, "write_json gates.json"]), folder, log="gates.log")
        circuit = begun(json.loads((folder / "gates.json").read_text())["modules"]["top"])
    for n, shape in enumerate(shapes):
        verdict = element_sums(circuit.cone([f"acc{n}"]), shape, str(n))
        if verdict.status != "proved":
            break
    return verdict


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


def cases() -> Iterator[Case]:
    """Of each family."""
    yield Case(name="ecp5, 5 lanes", run=partial(netlists, "ecp5", shapes_of("ecp5", [5])), quick=True)
    for family in FAMILIES:
        shapes = [*shapes_of(family, LANES), *shapes_of(family, [20], 1)]
        yield Case(name=f"{family}, {', '.join(map(str, LANES))} lanes", run=partial(netlists, family, shapes))


def faults() -> Iterator[Case]:
    """Cells that synthesis could have got wrong."""
    yield Case(
        name="ecp5, a carry cell is lost",
        run=partial(netlists, "ecp5", shapes_of("ecp5", [5]), "lost carry"), quick=True,
    )  # fmt: skip
    for family in FAMILIES[1:]:
        yield Case(
            name=f"{family}, an entry of a table", run=partial(netlists, family, shapes_of(family, [5]), "table")
        )


CLAIMS = (
    Claim(
        name="sums",
        says="In a mapped netlist, each step of an accumulator adds the dot product of the inputs and weights that "
        "came as many cycles before as the plan says, and begins with the preset.",
        parameters="ECP5, iCE40, Gowin and Xilinx 7, each in its own construction; popcounts of 5, 16, 33 and 64 "
        "lanes, and of 20 with registers",
        method=METHOD,
        tool=TOOL,
        fault="a carry cell that synthesis has lost, or an entry of a table",
        cases=cases,
        faults=faults,
    ),
)
