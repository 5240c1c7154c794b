"""Simulates a design on images, and compares it with the golden model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.network import Integers
from bitweir_sim.time.cycles import Timing
from bitweir_sim.trace import Trace
from bitweir_sim.values.golden import Result
from numpy.typing import NDArray

from ..images import Images
from ..progress import Progress, silent
from ..results import Quality, quality
from ..speed import ExpectedClock, target_clock
from ..weight_memory import WeightMemory, Weights
from .engines import ENGINES, AnyDesign, loading_cycles, waveform
from .runner import compared_with_golden

__all__ = ["Simulation", "simulate"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation:
    """The results of a simulation.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    simulator : str
        What the engine used.
    images : int
        How many were run.
    rounded : int
        How many of their numbers became the nearest that the input takes.
    result : Result
    quality : Quality
        How the results compare with the labels of the images.
    mismatches : int
        Images whose result differs from that of the golden model, or comes in another cycle than the cycle model says.
    first_mismatch : str or None
        The first of them, and what differs.
    cycles_per_frame : float
        In steady state; each of V parallel frames has its share.
    cycles_per_frame_from : str
        ``"simulation"``, or ``"model"`` where the run was too short to tell, or had no cycles.
    latency_cycles : int
        From the first input beat of a frame to its last output beat.
    clock : float
        Hz, for the times that follow from cycles.
    expected : ExpectedClock or None
        How sure that clock is; None where the caller named it, or where no part is known.
    made_for_clock : float
        Hz, of the target of the design.
    frames_per_second : float
        At `clock`.
    seconds : float
        Duration of the run, without building the simulator.
    trace : Trace or None
        When the beats moved; None from ``"golden"``.
    """

    engine: str
    simulator: str
    images: int
    rounded: int
    result: Result
    quality: Quality
    mismatches: int
    first_mismatch: str | None
    cycles_per_frame: float
    cycles_per_frame_from: str
    latency_cycles: int
    clock: float
    expected: ExpectedClock | None
    made_for_clock: float
    frames_per_second: float
    seconds: float
    trace: Trace | None

    @property
    def accuracy(self) -> float | None:
        """Share of the images whose class, or all of whose labels, are right."""
        return self.quality.accuracy

    @property
    def latency_us(self) -> float:
        """Latency in microseconds, at `clock`."""
        return self.latency_cycles / self.clock * 1e6

    @property
    def simulated_cycles(self) -> int | None:
        """Clock cycles of the run; None from ``"golden"``."""
        return None if self.trace is None else self.trace.cycles_run

    @property
    def cycles_per_second(self) -> int | None:
        """Simulated clock cycles in a second of the run; None from ``"golden"``."""
        return None if self.trace is None else round(self.trace.cycles_run / self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """The figures, as JSON has them."""
        cycles = {"simulated_cycles": self.simulated_cycles, "cycles_per_second": self.cycles_per_second}
        return {
            "engine": self.engine,
            "simulator": self.simulator,
            "images": self.images,
            "rounded": self.rounded,
            **self.quality.to_dict(),
            "seconds": round(self.seconds, 6),
            "cycles_per_frame": self.cycles_per_frame,
            "cycles_per_frame_from": self.cycles_per_frame_from,
            "latency_cycles": self.latency_cycles,
            "clock_mhz": self.clock / 1e6,
            "frames_per_second": self.frames_per_second,
            "latency_us": self.latency_us,
            "made_for_mhz": self.made_for_clock / 1e6,
            **(cycles if self.trace is not None else {}),
            "mismatches": self.mismatches,
            "first_mismatch": self.first_mismatch,
        }


def simulate(
    design: AnyDesign,
    images: Images,
    *,
    engine: str = "compiled",
    clock: float | None = None,
    waves: Path | None = None,
    weight_memory: WeightMemory | None = None,
    progress: Progress = silent,
) -> Simulation:
    """Run images through a design, and compare every score, label, code and class with the golden model.

    Parameters
    ----------
    design : Design or DesignFolder
        The Verilog in a folder must be that of network and plan.
    images : Images
        At least one; see `images.as_images` and `images.load_images`.
    engine : str
        One of `ENGINES`.
    clock : float, optional
        Hz; turns cycles into times. By default that of the target of the design.
    waves : Path, optional
        Where waveforms go.
    weight_memory : WeightMemory, optional
        From which streamed weights come; by default a word comes in every cycle.
    progress : Progress
        Shows what is under way.

    Raises
    ------
    ValueError
        There is no such engine.
    SimulationError
        The design ends without all results; or, from ``"cocotb"``, does another thing in some cycle than it must.
    PlanError
        The design jams.
    ToolError
        A tool is missing, or fails.
    FileError
        The waveform cannot be written, or the Verilog is not that of network and plan.
    """
    if engine not in ENGINES:
        raise ValueError(f"The engine must be one of {', '.join(ENGINES)}, not {engine!r}.")
    with waveform(waves):
        # Tried before anything takes time: simulators go on without a word when they cannot write.
        pass
    # What jams is refused before anything is compiled.
    timing = design.timing
    expected = None if clock else target_clock(design.pipeline, design.target, folder=getattr(design, "folder", None))
    clock = clock or (expected.hertz if expected else design.target.clock)
    weights = Weights(supplies={}, timing=timing)
    if weight_memory:
        with progress("Computing when weights come"):
            weights = weight_memory.weights(design.pipeline, timing, clock)
        timing = weights.timing
    run = ENGINES[engine](design, waves, weights)(images, progress)
    late = _late(design, timing, run.trace, len(images))
    found = compared_with_golden(design.network, images, run.result, late=late)
    interval, latency, source = float(timing.interval), timing.latency, "model"
    if run.trace is not None:
        latency = int(_finished(design, run.trace)[0] - run.trace.i.cycles[0])
        if measured := _interval(design, timing, run.trace):
            interval, source = measured, "simulation"
    frames = design.pipeline.parallel_frames
    return Simulation(
        engine=engine,
        simulator=run.simulator,
        images=len(images),
        rounded=images.rounded,
        result=run.result,
        quality=quality(design.network, run.result, images.labels),
        mismatches=found.count,
        first_mismatch=found.first,
        cycles_per_frame=interval / frames,
        cycles_per_frame_from=source,
        latency_cycles=latency,
        clock=clock,
        expected=expected,
        made_for_clock=design.target.clock,
        frames_per_second=frames * clock / interval,
        seconds=run.seconds,
        trace=run.trace,
    )


def _late(design: AnyDesign, timing: Timing, trace: Trace | None, images: int) -> NDArray[np.bool_] | None:
    """Images whose result comes in another cycle than the cycle model says, (N,)."""
    if trace is None:
        return None
    finished = _finished(design, trace) - loading_cycles(design)
    late = finished != [timing.last_cycle(n + 1) for n in range(len(finished))]
    return np.repeat(late, design.pipeline.parallel_frames)[:images]


def _interval(design: AnyDesign, timing: Timing, trace: Trace) -> float | None:
    """Cycles from frame to frame, or from group to group of those side by side; None if the run was too short."""
    finished = _finished(design, trace)
    settled = len(timing.finished) - 1 - timing.period
    whole = (len(finished) - 1 - settled) // timing.period * timing.period
    return float(finished[-1] - finished[-1 - whole]) / whole if whole > 0 else None


def _finished(design: AnyDesign, trace: Trace) -> Integers:
    """Cycle of the last output beat of each frame, or of the frames that go side by side."""
    beats = design.pipeline.output.beats
    return trace.o.cycles[beats - 1 :: beats]
