"""The cells of mapped netlists in Verilog, and their models."""

from __future__ import annotations

import re

from bitweir.synthesis import cell_models as models

__all__ = ["cell_models", "instances"]


def instances(netlist: str) -> set[str]:
    """Types of the cells in a netlist; its own modules start with ``net__``."""
    found = re.findall(r"^  (\w+) (?:#\($|\S+ +\($)", netlist, re.MULTILINE)
    return {kind for kind in found if not kind.startswith("net__")}


def cell_models(family: str, netlist: str) -> str:
    """Verilog models of the cells that a netlist uses."""
    return models.cell_models(family, instances(netlist))
