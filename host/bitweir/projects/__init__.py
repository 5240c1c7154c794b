"""Files beside the Verilog for the tools that engineers use: projects, descriptions, a library for C."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import metadata, resources
from pathlib import Path

from bitweir_hw.accelerator.comments import module_ports
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.checked import chosen
from bitweir_hw.network import Network

from .facts import Facts
from .fusesoc import fusesoc
from .ipxact import ipxact
from .scripts import quartus, vivado

__all__ = ["TOOLS", "Facts", "check_tools", "write_tool_files"]


def _c_library(facts: Facts) -> dict[str, str]:
    """The two files of the library for C."""
    folder = resources.files("bitweir") / "c"
    return {name: (folder / name).read_text() for name in ("bitweir.c", "bitweir.h")}


#: For each tool what makes its files: their names, and what they hold.
TOOLS: dict[str, Callable[[Facts], dict[str, str]]] = {
    "c": _c_library,
    "fusesoc": fusesoc,
    "ip-xact": ipxact,
    "vivado": vivado,
    "quartus": quartus,
}


def check_tools(tools: Iterable[str]) -> None:
    """Check the names of tools.

    Raises
    ------
    PlanError
        There are no files for one of them.
    """
    for tool in tools:
        chosen(tool, "A tool to write files for", TOOLS)


def write_tool_files(
    folder: Path,
    tools: Iterable[str],
    network: Network,
    pipeline: Pipeline,
    *,
    clock: float,
    memories: Sequence[str],
    models: Sequence[str],
    axi: bool,
) -> None:
    """Write the files for some tools beside the Verilog that is in a folder.

    Parameters
    ----------
    folder : Path
    tools : iterable of str
    network : Network
    pipeline : Pipeline
    clock : float
        Hz.
    memories, models : sequence of str
        See `Facts`.
    axi : bool
        Whether there is a wrapper with AXI ports.
    """
    top = f"{network.name}_axi" if axi else network.name
    facts = Facts(
        network=network, pipeline=pipeline, version=metadata.version("bitweir"), top=top,
        ports=module_ports((folder / f"{top}.v").read_text(), top),
        sources=[f"{network.name}.v", *([f"{top}.v"] if axi else [])], models=models, memories=memories, clock=clock,
    )  # fmt: skip
    for tool in tools:
        for name, text in TOOLS[tool](facts).items():
            (folder / name).write_text(text)
