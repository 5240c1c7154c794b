"""One run of a design from reset: its results beside those of the golden model, and its cycles beside the model's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.network import Integers
from bitweir_sim.time.cycles import Timing
from bitweir_sim.trace import Trace
from bitweir_sim.values.golden import Result
from numpy.typing import NDArray

from ..images import Images
from ..progress import Progress
from ..weight_memory import Weights
from .engines import ENGINES, AnyDesign, loading_cycles
from .runner import compared_with_golden

__all__ = ["Measured", "measure"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What a run from reset shows.

    Parameters
    ----------
    start, stop : int
        Its first image, and the one behind its last.
    result : Result
        Of these images.
    differ : bool array, (stop - start,)
        Images whose result differs from that of the golden model, or comes in another cycle than the cycle model says.
    first : str or None
        The first of them, and what differs.
    interval : float or None
        Cycles from frame to frame, or from group to group of those side by side, in steady state; None where the run
        was too short to tell.
    latency : int or None
        From the first input beat to the last output beat of the first frame; None where there are no cycles.
    cycles : int or None
        Of the whole run.
    seconds : float
        Duration of the run alone.
    simulator : str
        What ran it.
    trace : Trace or None
        When the beats moved.
    """

    start: int
    stop: int
    result: Result
    differ: NDArray[np.bool_]
    first: str | None
    interval: float | None
    latency: int | None
    cycles: int | None
    seconds: float
    simulator: str
    trace: Trace | None = None

    def __len__(self) -> int:
        return self.stop - self.start

    def without_trace(self) -> Measured:
        """The same without its trace, which holds every beat."""
        return replace(self, trace=None)

    def figures(self) -> dict[str, Any]:
        """All but arrays and the trace."""
        names = ("start", "stop", "first", "interval", "latency", "cycles", "seconds", "simulator")
        return {name: getattr(self, name) for name in names}


def measure(
    design: AnyDesign,
    images: Images,
    *,
    engine: str,
    weights: Weights,
    waves: Path | None = None,
    progress: Progress,
) -> Measured:
    """Run images through a design, and compare with the golden model and the cycle model; see `simulation.simulate`."""
    run, timing = ENGINES[engine](design, waves, weights)(images, progress), weights.timing
    late = _late(design, timing, run.trace, len(images))
    found = compared_with_golden(design.network, images, run.result, late=late, progress=progress)
    latency = interval = None
    if run.trace is not None:
        latency = int(_finished(design, run.trace)[0] - run.trace.i.cycles[0])
        interval = _interval(design, timing, run.trace)
    return Measured(
        start=images.first, stop=images.first + len(images), result=run.result, differ=found.frames, first=found.first,
        interval=interval, latency=latency, cycles=None if run.trace is None else run.trace.cycles_run,
        seconds=run.seconds, simulator=run.simulator, trace=run.trace,
    )  # fmt: skip


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
