"""Primitives of FPGA families that generated Verilog instantiates, and models of them for simulators."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from bitweir_hw.memory import WIRED
from bitweir_hw.plan import Plan
from bitweir_hw.popcount import STYLE

__all__ = ["CELLS", "FAMILY_OF_CELL", "cell_file", "cell_model", "cell_models", "cell_of", "needed_cells"]

#: Whose cells they are. All other Verilog is made of operators, whatever the family.
CELLS = {"CCU2C": "ECP5 carry", "CARRY4": "Xilinx 7 carry"}
#: The family that has them.
FAMILY_OF_CELL = {"CCU2C": "ecp5", "CARRY4": "xilinx"}


def needed_cells(verilog: str) -> tuple[str, ...]:
    """The primitives that some Verilog instantiates."""
    return tuple(cell for cell in CELLS if re.search(rf"^ *{cell} (#\(|\S+ *\()", verilog, re.MULTILINE))


def cell_file(cell: str) -> str:
    """Name of the file with the model of a primitive."""
    return f"{cell.lower()}.v"


def cell_model(cell: str) -> Path:
    """The file of this package with the model of a primitive, which is ours."""
    # The package is installed as files, as a compiler must read them.
    return Path(str(resources.files("bitweir_sim.simulators") / cell_file(cell)))


def cell_of(plan: Plan) -> str | None:
    """The primitive that the Verilog of a plan instantiates, if any: ECP5's in popcounts, that of Xilinx 7 if wired."""
    if plan.popcount.style == STYLE["ecp5"]:
        return "CCU2C"
    wired = any(folding.memory == WIRED for folding in plan.foldings)
    return "CARRY4" if wired and plan.popcount.carry4 else None


def cell_models(plan: Plan) -> list[Path]:
    """Models of the primitives that the Verilog of a plan instantiates, if any."""
    cell = cell_of(plan)
    return [cell_model(cell)] if cell else []
