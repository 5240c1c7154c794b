"""How deep FIFOs must be, from the cycle model: as shallow as they can be without costing a cycle."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from bitweir_hw.blocks import FifoSpec
from bitweir_hw.lower import lower
from bitweir_hw.network import Network
from bitweir_hw.pipeline import Pipeline
from bitweir_hw.plan import Plan

from .stepping import stepper

__all__ = ["fit_depths", "interval"]


def interval(pipeline: Pipeline) -> Fraction | None:
    """Cycles from frame to frame in steady state; None if frames get stuck.

    The same as that of `cycles.steady_state`, found sooner: all buffers are filled first, by a sink that takes
    nothing. From there the pace of the slowest block shows after a frame or two, and not only when
    everything before it has caught up.
    """
    run, never = stepper(pipeline), np.zeros(0, np.uint8)
    # Longer than any block waits for itself.
    span = 2 * max(block.cycles for block in pipeline.blocks) + 100
    counts, cycle = [-1], 0
    while counts != run.counts():
        counts = run.counts()
        cycle = run.run(outputs=1, until=cycle + span, pauses=never, refusals=np.ones(cycle + span, np.uint8))
    stalled = np.ones(cycle, np.uint8)
    finished: list[int] = []
    seen: dict[tuple[bytes, int], int] = {}
    while True:
        outputs = (len(finished) + 1) * pipeline.output.beats
        limit = cycle + 1000 * span
        cycle = run.run(outputs=outputs, until=limit, pauses=never, refusals=stalled)
        if run.counts()[-1] < outputs:
            return None
        finished.append(cycle)
        key = (run.state(), run.counts()[0] % pipeline.input.beats)
        if key in seen:
            before = seen[key]
            return Fraction(finished[-1] - finished[before], len(finished) - 1 - before)
        seen[key] = len(finished) - 1


def fit_depths(network: Network, plan: Plan) -> Plan:
    """The plan with the smallest depth for each FIFO at which frames still follow each other as fast.

    FIFOs are fitted one after the other, in order of the stream, with the later ones at their default. So none
    can be one beat shallower without cost.

    Parameters
    ----------
    network : Network
    plan : Plan
        Depths that it gives are kept.
    """
    pipeline = lower(network, plan)
    fifos = [block for block in pipeline.blocks if isinstance(block, FifoSpec)]
    given = dict(plan.depths)
    open_fifos = [fifo for fifo in fifos if fifo.name not in given]
    if not open_fifos:
        return plan
    goal = interval(pipeline)
    for fifo in open_fifos:
        low, high = 2, fifo.depth
        while low < high:
            middle = (low + high) // 2
            trial = replace(plan, depths=(*plan.depths, (fifo.name, middle)))
            if interval(lower(network, trial)) == goal:
                high = middle
            else:
                low = middle + 1
        plan = replace(plan, depths=(*plan.depths, (fifo.name, high)))
    return plan
