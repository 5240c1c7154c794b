"""How deep FIFOs must be, from the cycle model: as shallow as they can be without costing a cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

import numpy as np
from bitweir_hw.blocks import FifoSpec
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.errors import PlanError
from bitweir_hw.lower.layers import UNDER_WAY, lower
from bitweir_hw.network import Network
from bitweir_hw.plan import Plan

from .stepping import stepper

__all__ = ["fit_depths", "interval", "jam_error", "latency", "least_depths", "with_depths"]

_NEVER = np.zeros(0, np.uint8)
#: Frames of the run that starts empty before the other one starts.
_ALONE = 3


def interval(pipeline: Pipeline) -> Fraction | None:
    """Cycles from frame to frame in steady state; None if the pipeline jams.

    The same as that of `cycles.steady_state`, often found sooner. Two runs look for it by turns, and the first one
    whose state repeats tells. One starts empty: there the pace of a slow block shows when all before it has caught up.
    The other one starts with all buffers full, by a sink that takes nothing at first: there it shows when all behind
    it has run empty.
    """
    empty = _Pace(pipeline)
    for _ in range(_ALONE):
        if empty.frame():
            return empty.found
    full = _Pace(pipeline)
    full.fill()
    while True:
        for run in (full, empty):
            if run.frame():
                return run.found


class _Pace:
    """A run that goes on until its state repeats.

    Attributes
    ----------
    found : Fraction or None
        Cycles from frame to frame; None if it jams.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline, self._run = pipeline, stepper(pipeline)
        self._finished: list[int] = []
        self._seen: dict[tuple[bytes, int], int] = {}
        self.found: Fraction | None = None

    def fill(self) -> None:
        """Fill all buffers."""
        self._run.run(outputs=1, closed=True, pauses=_NEVER, refusals=_NEVER)

    def frame(self) -> bool:
        """Go on for a frame; whether the interval is known then."""
        number, beats = len(self._finished), self._pipeline.output.beats
        self._finished.append(self._run.run(outputs=(number + 1) * beats, pauses=_NEVER, refusals=_NEVER))
        counts = self._run.counts()
        if counts[-1] < (number + 1) * beats:
            return True
        # So that no state is kept, only what tells it from others.
        key = (sha256(self._run.state()).digest(), counts[0] % self._pipeline.input.beats)
        before = self._seen.setdefault(key, number)
        if before == number:
            return False
        self.found = Fraction(self._finished[-1] - self._finished[before], number - before)
        return True


def latency(pipeline: Pipeline) -> int | None:
    """Cycles from the first input beat of a frame to its last output beat, with nothing before it; None if it jams."""
    run = stepper(pipeline)
    # The source offers its first beat in cycle 0, and an empty block takes it.
    last = run.run(outputs=pipeline.output.beats, pauses=_NEVER, refusals=_NEVER) - 1
    return None if run.counts()[-1] < pipeline.output.beats else last


def with_depths(pipeline: Pipeline, depths: Mapping[str, int]) -> Pipeline:
    """The same pipeline with other depths of some FIFOs, by their names."""
    nodes = tuple(
        replace(node, block=replace(node.block, depth=depths[node.block.name]))
        if isinstance(node.block, FifoSpec) and node.block.name in depths
        else node
        for node in pipeline.nodes
    )
    return replace(pipeline, nodes=nodes)


def fit_depths(network: Network, plan: Plan) -> Plan:
    """The plan with the smallest depth for each FIFO that costs no cycle: neither from frame to frame, nor of a frame.

    FIFOs are fitted one after the other, in order of the stream, with the later ones at their default. So none
    can be one beat shallower without cost.

    Parameters
    ----------
    network : Network
    plan : Plan
        Depths that it gives are kept.

    Raises
    ------
    PlanError
        The plan does not fit the network, or jams with the depths that it gives.
    """
    depths = least_depths(lower(network, plan), given=dict(plan.depths))
    return replace(plan, depths=(*plan.depths, *depths.items()))


def least_depths(pipeline: Pipeline, *, given: Mapping[str, int]) -> dict[str, int]:
    """The smallest depth of each FIFO that costs no cycle; see `fit_depths`.

    Parameters
    ----------
    pipeline : Pipeline
    given : mapping
        Depths that are kept, by the names of FIFOs; the pipeline has them.

    Raises
    ------
    PlanError
        The pipeline jams with the depths that are given.
    """
    open_fifos = [fifo for fifo in _fifos(pipeline) if fifo.name not in given]
    fitted: dict[str, int] = {}
    if not open_fifos:
        return fitted
    soonest, goal = latency(pipeline), interval(pipeline)
    if goal is None:
        raise jam_error(pipeline)

    def as_good(trial: Pipeline) -> bool:
        return latency(trial) == soonest and interval(trial) == goal

    for fifo in open_fifos:
        fitted[fifo.name] = _least_depth(pipeline, fifo, fitted, as_good)
    return fitted


def jam_error(pipeline: Pipeline) -> PlanError:
    """What tells of a pipeline that jams which FIFOs are too shallow, and the depths that are enough.

    Depths that are given are kept where deeper FIFOs behind them make up for it.
    """
    enough = {fifo.name: max(fifo.depth, 2 * fifo.beats, UNDER_WAY) for fifo in _fifos(pipeline)}
    roomy = with_depths(pipeline, enough)
    needed: dict[str, int] = {}
    for fifo in _fifos(pipeline):
        needed[fifo.name] = fifo.depth
        if not _moves(with_depths(roomy, needed)):
            del needed[fifo.name]
            needed[fifo.name] = _least_depth(roomy, fifo, needed, _moves)
    shallow = [
        (fifo.name, needed[fifo.name], fifo.depth) for fifo in _fifos(pipeline) if needed[fifo.name] > fifo.depth
    ]
    if not shallow:
        raise RuntimeError("the accelerator jams whatever its FIFOs hold")
    told = " and ".join(
        f"its FIFO {name!r} must hold at least {need} beats, not {have}" for name, need, have in shallow
    )
    return PlanError(
        f"The accelerator jams with the depths of its plan: {told}; bitweir generate finds depths that cost no cycle."
    )


def _moves(pipeline: Pipeline) -> bool:
    return interval(pipeline) is not None


def _fifos(pipeline: Pipeline) -> list[FifoSpec]:
    return [block for block in pipeline.blocks if isinstance(block, FifoSpec)]


def _least_depth(
    pipeline: Pipeline, fifo: FifoSpec, others: Mapping[str, int], good: Callable[[Pipeline], bool]
) -> int:
    """The smallest depth of a FIFO at which a pipeline is good, with the depths of others as given."""
    low, (high,) = 2, (block.depth for block in _fifos(pipeline) if block.name == fifo.name)
    # Many need the least depth, so it is tried first.
    trial = low
    while low < high:
        if good(with_depths(pipeline, {**others, fifo.name: trial})):
            high = trial
        else:
            low = trial + 1
        trial = (low + high) // 2
    return high
