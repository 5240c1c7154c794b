"""One frame on its way through the pipeline, when frames follow each other without a gap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from bitweir_sim.time.stepping import Stepper

from ..design import DesignFolder
from .model import BlockSpan, Timeline

__all__ = ["timeline"]


def timeline(build: DesignFolder, run: Stepper) -> Timeline:
    """First and last beat of each block for one frame.

    Cycles count from the first beat of the frame at the input.

    Parameters
    ----------
    build : DesignFolder
    run : Stepper
        Of the same pipeline, in steady state. It goes on until the next frame that comes in has left.
    """
    pipeline = build.pipeline
    before, never = run.counts(), np.zeros(0, np.uint8)
    frame = -(-before[0] // pipeline.input.beats)
    run.run(outputs=(frame + 1) * pipeline.output.beats, pauses=never, refusals=never, record=True)
    spans = []
    for number, stream in enumerate(pipeline.streams):
        first = frame * stream.beats - before[number]
        cycles = run.recorded(number)[first : first + stream.beats]
        spans.append((int(cycles[0]), int(cycles[-1])))
    start = spans[0][0]
    rows = []
    for node in pipeline.nodes:
        inputs, outputs = ([spans[stream] for stream in streams] for streams in (node.inputs, node.outputs))
        taken = (min(first for first, _ in inputs) - start, max(last for _, last in inputs) - start)
        given = (min(first for first, _ in outputs) - start, max(last for _, last in outputs) - start)
        # Within a chain, beats come a fixed time after it took them.
        within = [tuple(end + link.cycles for end in taken) for link in pipeline.links if link.receiver in node.blocks]
        for block, (come, leave) in zip(node.blocks, pairwise([taken, *within, given]), strict=True):
            rows.append(
                BlockSpan(name=block.name, first_in=come[0], last_in=come[1], first_out=leave[0], last_out=leave[1])
            )
    return Timeline(
        frame=frame, cycles=spans[-1][1] - start + 1, interval=float(build.timing.interval), blocks=tuple(rows)
    )
