"""The longest path of a routed design, in terms of its pipeline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .results import PathEnd, PathStep, TimingPath

__all__ = ["ACCELERATOR", "LINK", "block_of", "longest_path", "registers"]

#: Where the blocks of the pipeline are in the hierarchy of a bitstream.
ACCELERATOR = "device.accelerator."
#: What all around them is called.
LINK = "link"

#: What Yosys puts around the name of a signal to name the register of it.
_REGISTER = re.compile(r"\\\w+$|_DFFLC$")
#: What Yosys puts before a name that it made up, when it flattens.
_FLAT = "$flatten\\"


def registers(module: Mapping[str, Any]) -> dict[str, str]:
    """The flip-flop in each logic cell, by what nextpnr-ice40 calls the cell: after the LUT in it.

    Parameters
    ----------
    module : mapping
        The flat module of a ``write_json`` file.
    """
    cells = module["cells"]
    luts = {cell["connections"]["O"][0]: name for name, cell in cells.items() if cell["type"] == "SB_LUT4"}
    inputs = {name: cell["connections"]["D"][0] for name, cell in cells.items() if cell["type"].startswith("SB_DFF")}
    return {f"{luts[bit]}_LC": name for name, bit in inputs.items() if bit in luts}


def longest_path(
    steps: list[dict[str, Any]], layers: Mapping[str, str], signals: Mapping[str, str] | None = None
) -> TimingPath:
    """The route of a path and the delays on it.

    Parameters
    ----------
    steps : list of dict
        As nextpnr's report has them.
    layers : mapping
        The layer of each block.
    signals : mapping, optional
        From `registers`, where the names of cells do not tell.
    """
    blocks: list[str] = []
    for step in steps:
        # What nextpnr adds on the way, such as the end of a carry chain, has no name of ours.
        cell = step["to"]["cell"]
        blocks.append(block_of(cell, layers) if not cell.startswith("$nextpnr") or not blocks else blocks[-1])
    known = signals or {}
    first, last = (known.get(cell, cell) for cell in (steps[0]["from"]["cell"], steps[-1]["to"]["cell"]))
    routing = sum(step["delay"] for step in steps if step["type"] == "routing")
    total = sum(step["delay"] for step in steps)
    return TimingPath(
        ns=round(total, 3),
        logic_ns=round(total - routing, 3),
        routing_ns=round(routing, 3),
        start=_end(first, layers),
        end=_end(last, layers),
        steps=tuple(
            PathStep(kind=step["type"], ns=round(step["delay"], 3), block=block, cell=step["to"]["cell"])
            for step, block in zip(steps, blocks, strict=True)
        ),
    )


def block_of(cell: str, layers: Mapping[str, str]) -> str:
    """The block of a cell of a flat netlist, or `LINK`."""
    name = cell.removeprefix(_FLAT)
    block = name.removeprefix(ACCELERATOR).split(".")[0]
    return block if name.startswith(ACCELERATOR) and block in layers else LINK


def _end(cell: str, layers: Mapping[str, str]) -> PathEnd:
    block = block_of(cell, layers)
    name = cell.removeprefix(_FLAT)
    if block != LINK:
        name = name.removeprefix(f"{ACCELERATOR}{block}.")
    return PathEnd(block=block, layer=layers.get(block), register=_REGISTER.sub("", name))
