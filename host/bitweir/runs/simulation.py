"""Simulates a design on images, and compares it with the golden model."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitweir_hw.checked import chosen, hertz, whole
from bitweir_sim.trace import Trace
from bitweir_sim.values.golden import Result, joined

from ..design import DesignFolder
from ..folders import FileError
from ..images import Images
from ..jobs import workers
from ..progress import Progress, silent
from ..results import Quality, quality
from ..speed import ExpectedClock, target_clock
from ..weight_memory import WeightMemory, Weights
from .engines import ENGINES, AnyDesign, prepare
from .measuring import Measured, measure
from .pieces import Journal, Work, run_pieces
from .waves import check_waves

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
        Duration of the run, without building the simulator; of all pieces together, as time went by.
    pieces : int
        Runs from reset; 1 unless the images were divided.
    resumed : int
        How many images were simulated before, by a run that was interrupted.
    simulated_cycles : int or None
        Clock cycles of all runs; None from ``"golden"``.
    resumed_cycles : int or None
        Those of them that were simulated before.
    trace : Trace or None
        When the beats moved; None from ``"golden"`` and of pieces.
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
    pieces: int
    resumed: int
    simulated_cycles: int | None
    resumed_cycles: int | None
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
    def cycles_per_second(self) -> int | None:
        """Simulated clock cycles in a second of the run; None from ``"golden"``."""
        if self.simulated_cycles is None:
            return None
        return round((self.simulated_cycles - (self.resumed_cycles or 0)) / self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """The figures, as JSON has them."""
        cycles = {"simulated_cycles": self.simulated_cycles, "cycles_per_second": self.cycles_per_second}
        return {
            "engine": self.engine,
            "simulator": self.simulator,
            "images": self.images,
            "rounded": self.rounded,
            "pieces": self.pieces,
            "resumed": self.resumed,
            **self.quality.to_dict(),
            "seconds": round(self.seconds, 6),
            "cycles_per_frame": self.cycles_per_frame,
            "cycles_per_frame_from": self.cycles_per_frame_from,
            "latency_cycles": self.latency_cycles,
            "clock_mhz": self.clock / 1e6,
            "frames_per_second": self.frames_per_second,
            "latency_us": self.latency_us,
            "made_for_mhz": self.made_for_clock / 1e6,
            **(cycles if self.simulated_cycles is not None else {}),
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
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Simulation:
    """Run images through a design, and compare every score, label, code and class with the golden model.

    With `jobs` or `scheduler` the images are divided into pieces, each of which is a run of its own from reset. Pieces
    that are done are kept until all are, so that the same call goes on after an interruption.

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
        Where the waveform goes: a name that ends in .vcd or .fst.
    weight_memory : WeightMemory, optional
        From which streamed weights come; by default a word comes in every cycle.
    jobs : int, optional
        Processes.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take the place of processes.
    progress : Progress
        Shows what is under way.

    Raises
    ------
    SimulationError
        The design ends without all results; or, from ``"cocotb"``, does another thing in some cycle than it must.
    PlanError
        The design jams; or there is no such engine, clock or number of processes.
    ToolError
        A tool is missing, or fails.
    FileError
        The waveform cannot be written, or there would be several; or the Verilog is not that of network and plan.
    """
    chosen(engine, "The engine", ENGINES)
    clock = None if clock is None else hertz(clock)
    jobs = None if jobs is None else whole(jobs, "The number of processes (jobs)")
    parallel = jobs is not None or scheduler is not None
    if waves and parallel:
        raise FileError(
            "Waveforms show one run, and pieces are several: leave out --waves, or --jobs and --scheduler (in Python "
            "waves=, jobs= and scheduler=)."
        )
    # Tried before anything takes time: simulators go on without a word when they cannot write.
    check_waves(waves)
    # What jams is refused before anything is compiled.
    with progress("Computing when results come"):
        timing = design.timing
    expected = None if clock else target_clock(design.pipeline, design.target, folder=getattr(design, "folder", None))
    clock = clock or (expected.hertz if expected else design.target.clock)
    weights = Weights(supplies={}, timing=timing)
    if weight_memory:
        with progress("Computing when weights come"):
            weights = weight_memory.weights(design.pipeline, timing, clock)
        timing = weights.timing
    if not parallel:
        measured = [measure(design, images, engine=engine, weights=weights, waves=waves, progress=progress)]
        resumed, seconds = list[Measured](), measured[0].seconds
    else:
        with workers(jobs, scheduler):
            if scheduler is None:
                # Else each process would wait for the one that compiles it.
                prepare(design, engine, progress)
            own = design.design if isinstance(design, DesignFolder) else design
            work = Work(design=own, engine=engine, weights=weights)
            settings = json.dumps([weight_memory and [weight_memory.bandwidth, weight_memory.latency, clock]])
            with progress(f"Simulating {len(images):,} frames in pieces") as done:
                started = time.perf_counter()
                measured, resumed = run_pieces(work, images, Journal.of(work, images, settings), progress=done)
                seconds = time.perf_counter() - started
    result = joined([piece.result for piece in measured])
    interval, source = float(timing.interval), "model"
    if steady := [piece.interval for piece in measured if piece.interval is not None]:
        # All are equal, where no result comes in another cycle than it must.
        interval, source = max(steady), "simulation"
    frames = design.pipeline.parallel_frames
    return Simulation(
        engine=engine,
        simulator=", ".join(sorted({piece.simulator for piece in measured})),
        images=len(images),
        rounded=images.rounded,
        result=result,
        quality=quality(design.network, result, images.labels),
        mismatches=sum(int(piece.differ.sum()) for piece in measured),
        first_mismatch=next((piece.first for piece in measured if piece.first), None),
        cycles_per_frame=interval / frames,
        cycles_per_frame_from=source,
        latency_cycles=max([piece.latency for piece in measured if piece.latency is not None], default=timing.latency),
        clock=clock,
        expected=expected,
        made_for_clock=design.target.clock,
        frames_per_second=frames * clock / interval,
        seconds=seconds,
        pieces=len(measured),
        resumed=sum(map(len, resumed)),
        simulated_cycles=_cycles(measured),
        resumed_cycles=_cycles(resumed),
        trace=None if parallel else measured[0].trace,
    )


def _cycles(pieces: Sequence[Measured]) -> int | None:
    cycles = [piece.cycles for piece in pieces if piece.cycles is not None]
    return sum(cycles) if cycles else None
