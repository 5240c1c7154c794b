"""The clock cycle in which each beat moves, without values.

Each block's specification gives a machine that steps the same counters as its gateware (`machines`), and all of them
step together (`stepping`). Cycles count from 0, the first cycle after reset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from bitweir_hw.blocks.pipeline import Pipeline
from numpy.typing import NDArray

from .flow import steady
from .sizing import jam_error
from .stepping import stepper
from .supply import Supplier, Supply, supplies_of

__all__ = ["Timing", "schedule", "steady_state"]

Pattern = NDArray[np.bool_]


def schedule(
    pipeline: Pipeline,
    frames: int,
    *,
    i_stalls: Pattern | None = None,
    o_stalls: Pattern | None = None,
    supplies: Mapping[str, Supplier] | None = None,
    drain: int = 0,
) -> list[NDArray[np.int64]]:
    """Compute the cycle of every beat on every stream.

    Parameters
    ----------
    pipeline : Pipeline
    frames : int
        Frames (or groups of V parallel frames) that are offered at the input without a gap.
    i_stalls : bool array, optional
        Whether the source holds back a new beat in a cycle; once offered, a beat stays until it
        moves. After the end of the pattern nothing stalls.
    o_stalls : bool array, optional
        Whether the sink refuses a beat in a cycle; likewise.
    supplies : mapping of str to Supplier, optional
        How streamed weights come, by the names of their blocks: a `Supply`, or `offchip.reader_supplies`; a word in
        every cycle, by default.
    drain : int
        Cycles to go on after the last output beat, in which beats that no result needs may still move.

    Returns
    -------
    list of int64 array
        For each stream of the pipeline, and behind these for each of its `Pipeline.weight_streams`.

    Raises
    ------
    PlanError
        The accelerator jams; names the FIFOs that are too shallow, and the depths that are enough.
    """
    run, total = stepper(pipeline, supplies), frames * pipeline.output.beats
    run.run(
        inputs=frames * pipeline.input.beats,
        outputs=total,
        drain=drain,
        pauses=_stalls(i_stalls),
        refusals=_stalls(o_stalls),
        record=True,
    )
    if run.counts()[-1] < total:
        raise jam_error(pipeline)
    return [run.recorded(stream) for stream in range(len(pipeline.streams) + len(pipeline.weight_streams))]


def _stalls(pattern: Pattern | None) -> NDArray[np.uint8]:
    return np.zeros(0, np.uint8) if pattern is None else np.ascontiguousarray(pattern, np.uint8)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Latency and initiation interval of frames when neither side stalls.

    Parameters
    ----------
    latency : int
        Cycles from the first input beat of a frame to its last output beat, with nothing before it.
    finished : tuple of int
        Cycle of the last output beat of each of the first frames.
    period : int
        From ``finished[-1 - period]`` on, that many frames repeat for ever.
    settled : int
        After this many frames, and `period` more, the state of all blocks is the same. It may be later than
        ``len(finished) - period``: FIFOs may still fill up when results come at their pace.
    """

    latency: int
    finished: tuple[int, ...]
    period: int
    settled: int

    @property
    def interval(self) -> Fraction:
        """Cycles from frame to frame in steady state."""
        return Fraction(self.finished[-1] - self.finished[-1 - self.period], self.period)

    def last_cycle(self, frames: int) -> int:
        """The cycle of the last output beat of this many frames."""
        known = len(self.finished)
        if frames <= known:
            return self.finished[frames - 1]
        rounds = -(-(frames - known) // self.period)
        span = self.finished[-1] - self.finished[-1 - self.period]
        return self.finished[frames - 1 - rounds * self.period] + rounds * span


def steady_state(pipeline: Pipeline, supplies: Mapping[str, Supply] | None = None) -> Timing:
    """Compute latency and initiation interval of frames that follow each other without a gap.

    All state is finite and no schedule depends on data, so the state after a frame must repeat; the
    rest is arithmetic.

    Parameters
    ----------
    pipeline : Pipeline
    supplies : mapping of str to Supply, optional
        As for `schedule`, without stalls.

    Raises
    ------
    PlanError
        The accelerator jams; names the FIFOs that are too shallow, and the depths that are enough.
    """
    if found := steady(pipeline, supplies_of(pipeline, supplies)):
        frames, period = found
        if not period:
            raise jam_error(pipeline)
        return Timing(latency=frames[0], finished=_needed(frames, period), period=period, settled=len(frames) - period)
    return _stepped_state(pipeline, supplies)


def _needed(finished: tuple[int, ...], period: int) -> tuple[int, ...]:
    """Without the last frames that follow from those before them: a run of few frames is in steady state, too."""
    known = len(finished)
    while known > period + 1 and finished[known - 1] + finished[known - 2 - period] == (
        finished[known - 2] + finished[known - 1 - period]
    ):
        known -= 1
    return finished[:known]


def _stepped_state(pipeline: Pipeline, supplies: Mapping[str, Supply] | None) -> Timing:
    """`steady_state` by stepping all blocks in each cycle: the definition. It may tell another number of frames."""
    run, never = stepper(pipeline, supplies), _stalls(None)
    finished: list[int] = []
    seen: dict[tuple[bytes, int], int] = {}
    while True:
        outputs = (len(finished) + 1) * pipeline.output.beats
        finished.append(run.run(outputs=outputs, pauses=never, refusals=never) - 1)
        if run.counts()[-1] < outputs:
            raise jam_error(pipeline)
        key = (run.state(), run.counts()[0] % pipeline.input.beats)
        if key in seen:
            # The source offers its first beat in cycle 0, and an empty block takes it.
            settled = seen[key] + 1
            period = len(finished) - settled
            return Timing(latency=finished[0], finished=tuple(finished), period=period, settled=settled)
        seen[key] = len(finished) - 1
