"""The cycle of every beat without stalls, beat by beat: for frames at a fixed rate, and how late each beat may be.

No schedule depends on data, so an accelerator is a graph of events (beats that move and steps of programmes), and
each event comes at the soonest cycle that the events before it allow: a max-plus linear system (Baccelli et al.,
"Synchronization and Linearity", 1992). `flow.cpp` computes it event by event, in whatever order they become known;
`stepping`, which steps all blocks in each cycle, defines what it must give.

Three things follow from the graph:

- An event never comes sooner because another one comes later. So a deeper FIFO delays nothing.
- With frames that come every I cycles, no beat comes nearer to the start of its frame than the same beat of the frame
  before. So where the sum over all beats repeats from frame to frame, each beat repeats; and where that holds for as
  many frames as events look back, it holds for ever.
- Backwards, the latest cycle of each event with which no result is late tells how deep a FIFO must be at least.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from functools import cache
from pathlib import Path
from weakref import finalize

import numpy as np
from bitweir_hw.blocks import Buffered, Level
from bitweir_hw.blocks.pipeline import Node, Pipeline
from numpy.typing import NDArray

from ..compiler import compiler_missing
from .stepping import library, program, stepper
from .supply import Supply

__all__ = ["Arrivals", "Cycles", "Ending", "arrivals", "latest", "least_interval", "steady", "stepped_arrivals"]

Cycles = NDArray[np.int64]
_NONE = np.zeros(0, np.uint8)


class Ending(IntEnum):
    """How a run ended."""

    JAMMED = 0
    SETTLED = 1
    LATE = 2
    UNSETTLED = 3


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """When the results of frames came that were offered at a fixed rate.

    Parameters
    ----------
    ending : Ending
    finished : tuple of int
        Cycle of the last output beat of each frame.
    recorded : dict
        Of each stream that was to be recorded, the cycles of its beats.
    """

    ending: Ending
    finished: tuple[int, ...]
    recorded: dict[int, Cycles]


def least_interval(pipeline: Pipeline) -> int:
    """Cycles a frame that some block or stream needs alone: no accelerator is faster than this."""
    return max(_alone(pipeline, node) for node in pipeline.nodes)


def _alone(pipeline: Pipeline, node: Node) -> int:
    taken, made = ([pipeline.streams[stream].beats for stream in streams] for streams in (node.inputs, node.outputs))
    match node.block.machine:
        case Buffered(programme=programme):
            steps, result = programme[:, 0], programme[:, 1]
            return max(*taken, -(-made[0] * int(steps.sum()) // int(steps[result > 0].sum())))
        case Level(turns=turns) if turns is not None:
            return max(sum(taken), *made)
        case _:
            return max(*taken, *made)


def arrivals(
    pipeline: Pipeline,
    interval: Fraction,
    *,
    most: int = 1 << 40,
    deadlines: Sequence[int] = (),
    record: Sequence[int] = (),
) -> Arrivals:
    """Run with frames that are offered every `interval` cycles, until all repeats for ever.

    Parameters
    ----------
    pipeline : Pipeline
    interval : Fraction
        The first beat of frame k is offered in cycle ``floor(k * interval)``, the others behind it without a gap.
    most : int
        Frames after which the run ends in any case.
    deadlines : sequence of int
        Cycles of the last output beats of the first frames: the run ends where one comes later. Those of further frames
        follow at the same rate; none for no deadlines, else as many as the denominator of the interval.
    record : sequence of int
        Streams of which the cycle of each beat is recorded.
    """
    flow = _flow(pipeline)
    if flow is None:
        return stepped_arrivals(pipeline, interval, most=most, deadlines=deadlines, record=record)
    for stream in record:
        _library().flow_record(flow, stream)
    limits = np.array(deadlines, np.int64)
    ending = _library().flow_forward(
        flow, interval.numerator, interval.denominator, most, limits.ctypes.data, len(limits)
    )
    return Arrivals(ending=Ending(ending), finished=_finished(flow), recorded={s: _recorded(flow, s) for s in record})


def latest(pipeline: Pipeline, deadlines: Sequence[int], record: Sequence[int]) -> dict[int, Cycles] | None:
    """The latest cycle in which each beat of some streams may move.

    Parameters
    ----------
    pipeline : Pipeline
    deadlines : sequence of int
        Of the last output beat of each frame; the source offers as many frames.
    record : sequence of int
        The streams.

    Returns
    -------
    dict of int64 array, or None
        For each stream; None where it cannot be computed on this system.
    """
    flow = _flow(pipeline)
    if flow is None:
        return None
    for stream in record:
        _library().flow_record(flow, stream)
    limits = np.array(deadlines, np.int64)
    if not _library().flow_backward(flow, limits.ctypes.data, len(limits)):
        return None
    return {stream: _recorded(flow, stream)[::-1] for stream in record}


def steady(pipeline: Pipeline, supplies: Sequence[Supply]) -> tuple[tuple[int, ...], int] | None:
    """Frames that follow each other without a gap, until all repeats for ever.

    Parameters
    ----------
    pipeline : Pipeline
    supplies : sequence of Supply
        Of each of its `Pipeline.weight_streams`.

    Returns
    -------
    finished : tuple of int
        Cycle of the last output beat of each frame.
    period : int
        So many frames repeat for ever, from those that finish last; 0 where the pipeline jams.

    None where it cannot be computed on this system, or words of weights are stalled by a pattern.
    """
    flow = _flow(pipeline)
    if flow is None or any(len(supply.pattern) for supply in supplies):
        return None
    for number, supply in enumerate(supplies):
        _library().flow_supply(flow, number, supply.words, supply.cycles, supply.latency)
    period: int = _library().flow_steady(flow)
    return _finished(flow), period


def _flow(pipeline: Pipeline) -> _Handle | None:
    """A run in C++; None where there is no compiler, or a machine that it does not know."""
    if compiler_missing():
        return None
    numbers = np.concatenate([[len(pipeline.streams), len(pipeline.nodes)], *map(program, pipeline.nodes)])
    beats = np.array([stream.beats for stream in pipeline.streams], np.int64)
    handle = _library().flow_new(np.ascontiguousarray(numbers, np.int64).ctypes.data, beats.ctypes.data)
    return _Handle(handle) if handle else None


class _Handle(ctypes.c_void_p):
    """Frees what it points to."""

    def __init__(self, address: int) -> None:
        super().__init__(address)
        finalize(self, _library().flow_free, address)


def _finished(flow: _Handle) -> tuple[int, ...]:
    cycles = ctypes.POINTER(ctypes.c_int64)()
    count = _library().flow_finished(flow, ctypes.byref(cycles))
    return tuple(cycles[:count])


def _recorded(flow: _Handle, stream: int) -> Cycles:
    cycles = ctypes.POINTER(ctypes.c_int64)()
    count = _library().flow_recorded(flow, stream, ctypes.byref(cycles))
    return np.ctypeslib.as_array(cycles, (count,)).copy() if count else np.zeros(0, np.int64)


@cache
def _library() -> ctypes.CDLL:
    found = library(Path(__file__).with_name("flow.cpp"))
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    found.flow_new.restype, found.flow_new.argtypes = pointer, [pointer, pointer]
    found.flow_free.restype, found.flow_free.argtypes = None, [pointer]
    found.flow_record.restype, found.flow_record.argtypes = None, [pointer, number]
    found.flow_forward.restype = number
    found.flow_forward.argtypes = [pointer, number, number, number, pointer, number]
    found.flow_supply.restype, found.flow_supply.argtypes = None, [pointer, *[number] * 4]
    found.flow_steady.restype, found.flow_steady.argtypes = number, [pointer]
    found.flow_backward.restype, found.flow_backward.argtypes = number, [pointer, pointer, number]
    found.flow_finished.restype, found.flow_finished.argtypes = number, [pointer, pointer]
    found.flow_recorded.restype, found.flow_recorded.argtypes = number, [pointer, number, pointer]
    return found


def stepped_arrivals(
    pipeline: Pipeline,
    interval: Fraction,
    *,
    most: int = 1 << 40,
    deadlines: Sequence[int] = (),
    record: Sequence[int] = (),
) -> Arrivals:
    """`arrivals` by stepping all blocks in each cycle: the definition. It may need another number of frames."""
    run, beats, frame = stepper(pipeline), pipeline.input.beats, 0
    seen: set[tuple[bytes, int]] = set()
    before: tuple[bytes, list[int]] | None = None
    while True:
        frame += 1
        # Until the next frame is offered; the run must not end before, even if nothing moves.
        until = frame * interval.numerator // interval.denominator
        run.run(inputs=frame * beats, outputs=0, drain=1 << 40, until=until, pauses=_NONE, refusals=_NONE, record=True)
        state, counts = run.state(), run.counts()
        finished = run.recorded(len(counts) - 1)[pipeline.output.beats - 1 :: pipeline.output.beats].tolist()
        ending = _ending(finished, until, interval, most, deadlines)
        if ending is None and before == (state, counts):
            ending = Ending.JAMMED
        before = (state, counts)
        if ending is None and frame % interval.denominator == 0:
            key = (state, counts[0] - frame * beats)
            ending = Ending.SETTLED if key in seen else None
            seen.add(key)
        if ending is not None:
            return Arrivals(ending=ending, finished=tuple(finished), recorded={s: run.recorded(s) for s in record})


def _ending(
    finished: Sequence[int], cycle: int, interval: Fraction, most: int, deadlines: Sequence[int]
) -> Ending | None:
    """How a run ends for its results."""
    deadlines = list(deadlines)
    while deadlines and len(deadlines) <= len(finished):
        deadlines.append(deadlines[-interval.denominator] + interval.numerator)
    for frame, deadline in enumerate(deadlines):
        if (finished[frame] if frame < len(finished) else cycle) > deadline:
            return Ending.LATE
    return Ending.UNSETTLED if len(finished) >= most else None
