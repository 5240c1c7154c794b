"""The resources of each block of a build, as Yosys measures them."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from bitweir_hw.accelerator import accelerator_rtlil
from bitweir_hw.blocks import MatVecSpec, WiredSpec
from bitweir_hw.errors import PlanError
from bitweir_hw.parts import COUNTED_AS
from bitweir_hw.resources.memories import OUTPUT_REGISTERS
from bitweir_hw.tools import YOSYS_LOG, Told, run_yosys, yosys_version
from bitweir_sim.formal.solver import solvers
from msgspec import UNSET

from ..cells import FAMILY_OF_CELL, cell_of
from ..cells import cell_models as cell_files
from ..design import DesignFolder
from ..folders import added_file, whole_file
from .cell_models import check_models
from .flows import FAMILIES, classify, lone_carries, script, sites
from .output_registers import absorb_registers
from .proof import prove_netlist, verilog_ports
from .results import RESOURCES, LaneResources, Measured

__all__ = ["FAMILIES", "VERSION", "absorb", "synthesise"]

#: Raised when what is counted changes.
VERSION = 3


def synthesise(
    build: DesignFolder, family: str, *, netlist: Path | None = None, prove: bool = False, told: Told | None = None
) -> Measured:
    """Map a build to a family and count what each block needs; the result is kept in the build folder.

    Parameters
    ----------
    build : DesignFolder
    family : str
        One of `FAMILIES`.
    netlist : Path, optional
        Where to keep the mapped netlist, as Yosys writes it in Verilog.
    prove : bool
        Whether to prove of each block that the mapped netlist does what the Verilog in the folder does.
    told : callable, optional
        Takes the pass of Yosys that is under way.

    Returns
    -------
    Measured

    Raises
    ------
    PlanError
        The build uses primitives of another family, or jams.
    ToolError
        Yosys failed; or something is to be proved of a family that has no models of its cells.
    """
    cell = cell_of(build.plan)
    if cell and FAMILY_OF_CELL[cell] != family:
        what, whose = {"CCU2C": ("popcounts", "ECP5"), "CARRY4": ("wired layers", "Xilinx 7")}[cell]
        raise PlanError(
            f"The {what} of this build are made of {whose}'s carry cells, which {family} does not have: "
            f"generate it again with --family {family} or generic."
        )
    if prove:
        check_models(family)
        # What lacks its solver is refused before Yosys starts, too.
        solvers()
    # What jams is refused before Yosys starts.
    _ = build.timing
    top = build.network.name
    names = [block.name for block in build.pipeline.blocks]
    modules = {f"{top}__{name}": name for name in names}
    # What loads parameters belongs to no block, but to the total.
    others = [f"{top}__{name}" for name in ("loader", "gate")] if build.plan.weights == "ram" else []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
        folder = Path(work)
        (folder / "design.il").write_text(accelerator_rtlil(build.pipeline, name=top))
        run_yosys(script(family, top=top, keep=[*modules, *others]), folder, told=told)
        log = (folder / YOSYS_LOG).read_bytes()
        stat = json.loads((folder / "stat.json").read_text())["modules"]
        mapped = json.loads((folder / "netlist.json").read_text())["modules"]
        if COUNTED_AS[family] in OUTPUT_REGISTERS:
            for module in (*modules, *others):
                absorb(stat[f"\\{module}"]["num_cells_by_type"], mapped[module])
        seconds = time.perf_counter() - started
        own = {name: module for name, module in mapped.items() if name in (top, *modules, *others)}
        proof = (
            prove_netlist(
                folder, top=top, modules=modules | {name: name.removeprefix(f"{top}__") for name in others},
                family=family, netlist=own, ports=verilog_ports(build.pipeline, top), told=told,
                sources=[build.folder / f"{top}.v", *cell_files(build.plan)],
            )
            if prove else UNSET
        )  # fmt: skip
        if netlist:
            (folder / "own.json").write_text(json.dumps({"modules": own}))
            run_yosys("read_json own.json\nwrite_verilog -noattr -norename netlist.v\n", folder)
            whole_file(netlist, (folder / "netlist.v").read_bytes())
    lanes = {
        block.name: block.lanes * block.parallel_frames if isinstance(block, MatVecSpec | WiredSpec) else 0
        for block in build.pipeline.blocks
    }
    blocks = {
        name: _row(family, stat[f"\\{module}"]["num_cells_by_type"], mapped[module], lanes[name])
        for module, name in modules.items()
    }
    rows = [*blocks.values(), *(_row(family, stat[f"\\{m}"]["num_cells_by_type"], mapped[m], 0) for m in others)]
    result = Measured(
        version=VERSION,
        family=family,
        tool=f"Yosys {yosys_version()}",
        seconds=round(seconds, 3),
        blocks=blocks,
        proof=proof,
        total=LaneResources(**{key: sum(getattr(row, key) for row in rows) for key in (*RESOURCES, "lanes")}),
    )
    added_file(build.folder / f"yosys-{family}.log", log)
    added_file(build.folder / f"synthesis-{family}.json", (json.dumps(result.to_dict(), indent=1) + "\n").encode())
    return result


def absorb(cells: dict[str, int], module: dict[str, Any]) -> None:
    """Let block RAM hold the registers behind it; they are counted no more."""
    kinds = {name: cell["type"] for name, cell in module["cells"].items()}
    for name in absorb_registers(module):
        cells[kinds[name]] -= 1


def _row(family: str, cells: dict[str, int], module: dict[str, Any], lanes: int) -> LaneResources:
    return LaneResources(
        **classify(family, cells), sites=sites(family, cells, lone=lone_carries(family, module)), lanes=lanes
    )
