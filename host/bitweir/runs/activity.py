"""How often the registers of each block change: a measure of the energy that a design takes in motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from bitweir_hw.errors import PlanError
from bitweir_sim.simulators.compiled import compile_design
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.frames import pack
from bitweir_sim.verify import weight_feeds
from msgspec import Meta

from .. import schemas
from ..cells import cell_models
from ..images import Images
from ..progress import Progress, silent
from ..schemas import Count, Json, Positive
from .engines import SPARE_CYCLES, AnyDesign, loading_cycles, simulated_result, simulated_rtlil
from .runner import compared_with_golden

__all__ = ["Activity", "BlockActivity", "activity", "activity_schema"]


@dataclass(frozen=True, kw_only=True)
class BlockActivity:
    """How often the registers of a block changed.

    Parameters
    ----------
    block : str
    layer : str
    toggles : float
        Bits of its registers that changed, for each frame.
    share : float
        Of all toggles.
    """

    block: str
    layer: str
    toggles: Annotated[float, Meta(ge=0)]
    share: Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Activity:
    """How often the registers of a design changed while it ran.

    Dynamic power goes with the capacitances that are charged. Bits of registers stand for these here: what LUTs, wires,
    clocks and memories take is not counted, so figures compare blocks and plans, and are no energy.

    Parameters
    ----------
    schema : str
    version : int
    images : int
        Frames that were run, from reset to the last result.
    cycles : int
        Clock cycles of the run.
    toggles : float
        Bits of registers that changed, for each frame.
    blocks : tuple of BlockActivity
        In the order of the stream.
    around : float
        Bits of registers that belong to no block, for each frame.
    """

    schema: Literal["bitweir activity"] = "bitweir activity"
    version: Literal[1] = 1
    images: Positive
    cycles: Count
    toggles: Annotated[float, Meta(ge=0)]
    blocks: tuple[BlockActivity, ...]
    around: Annotated[float, Meta(ge=0)]

    def to_dict(self) -> Json:
        """The JSON object that `bitweir activity` prints with ``--json``."""
        return schemas.to_dict(self)


def activity_schema() -> Json:
    """The JSON schema of what `activity` returns."""
    return schemas.schema(
        Activity,
        title="bitweir activity",
        description="How often the registers of each block change. Printed by bitweir activity --json.",
    )


def activity(design: AnyDesign, images: Images, *, progress: Progress = silent) -> Activity:
    """Run images through the RTL of a design, and count the bits of registers that change.

    Parameters
    ----------
    design : Design or DesignFolder
    images : Images
        At least one.
    progress : Progress
        Shows what is under way.

    Raises
    ------
    SimulationError
        A result is not that of the golden model.
    PlanError
        Its parameters are loaded.
    ToolError
        There is no compiler, or registers of this design cannot be counted.
    """
    pipeline = design.pipeline
    if loading_cycles(design):
        raise PlanError(
            "Registers are counted of designs whose parameters are constants: generate it without --weights ram (in "
            "Python weights='rom')."
        )
    with progress("Compiling the design (kept for the next time)"):
        top, text = simulated_rtlil(design)
        compiled = compile_design(text, top=top, verilog=cell_models(design.plan), backend="toggles")
    groups = -(-len(images) // pipeline.parallel_frames)
    beats = groups * pipeline.output.beats
    cycles = design.timing.last_cycle(groups) + SPARE_CYCLES
    with progress(f"Simulating {len(images):,} frames") as done:
        trace = compiled.run(
            pack(images.codes, pipeline.input), expected_outputs=beats, max_cycles=cycles,
            feeds=weight_feeds(pipeline, {}, cycles=cycles), progress=lambda _, found: done(found / beats),
        )  # fmt: skip
    wrong = compared_with_golden(
        design.network, images, simulated_result(design, trace, len(images)), progress=progress
    )
    if wrong.count:
        raise SimulationError(f"The simulation differs: {wrong.first}.", trace=trace)
    found, total = trace.toggles, sum(trace.toggles.values())
    return Activity(
        images=len(images),
        cycles=trace.cycles_run,
        toggles=total / len(images),
        blocks=tuple(
            BlockActivity(
                block=block.name,
                layer=block.layer,
                toggles=found.get(block.name, 0) / len(images),
                share=found.get(block.name, 0) / total if total else 0.0,
            )
            for block in pipeline.blocks
        ),
        around=(total - sum(found.get(block.name, 0) for block in pipeline.blocks)) / len(images),
    )
