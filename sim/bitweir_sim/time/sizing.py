"""Depths of FIFOs from the cycle model: the minimum that costs no cycle."""

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

__all__ = ["fit_depths", "interval", "jam_error", "latency", "minimum_depths", "with_depths"]

_NEVER = np.zeros(0, np.uint8)
#: Frames of the run that starts empty before the other one starts.
_ALONE = 3


def interval(pipeline: Pipeline) -> Fraction | None:
    """Cycles from frame to frame in steady state; None if the pipeline jams.

    The same as that of `cycles.steady_state`, often found sooner: two runs take turns, and the first one whose state
    repeats gives the interval. One starts empty, and settles when all blocks before the slowest one have caught up.
    The other starts with all buffers full, from a sink that takes nothing at first, and settles when all blocks behind
    the slowest one have run empty.
    """
    empty = _Settling(pipeline)
    for _ in range(_ALONE):
        if empty.frame():
            return empty.found
    full = _Settling(pipeline)
    full.fill()
    while True:
        for run in (full, empty):
            if run.frame():
                return run.found


class _Settling:
    """A run until its state repeats.

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
        """Run for one more frame; returns whether the interval is known then."""
        number, beats = len(self._finished), self._pipeline.output.beats
        self._finished.append(self._run.run(outputs=(number + 1) * beats, pauses=_NEVER, refusals=_NEVER))
        counts = self._run.counts()
        if counts[-1] < (number + 1) * beats:
            return True
        # A hash, as states of large pipelines are long.
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
    """The same pipeline with other depths of some FIFOs, which are given by name."""
    nodes = tuple(
        replace(node, block=replace(node.block, depth=depths[node.block.name]))
        if isinstance(node.block, FifoSpec) and node.block.name in depths
        else node
        for node in pipeline.nodes
    )
    return replace(pipeline, nodes=nodes)


def fit_depths(network: Network, plan: Plan) -> Plan:
    """Return the plan with the minimum depth of each FIFO that costs no cycle of latency or initiation interval.

    FIFOs are fitted one after the other, in the order of the stream, with the later ones at their default. So no
    FIFO can be one beat shallower without cost.

    Parameters
    ----------
    network : Network
    plan : Plan
        Depths in it are kept.

    Raises
    ------
    PlanError
        The plan does not fit the network, or jams with the depths that it gives.
    """
    depths = minimum_depths(lower(network, plan), given=dict(plan.depths))
    return replace(plan, depths=(*plan.depths, *depths.items()))


def minimum_depths(pipeline: Pipeline, *, given: Mapping[str, int]) -> dict[str, int]:
    """Compute the minimum depth of each FIFO that costs no cycle; see `fit_depths`.

    Parameters
    ----------
    pipeline : Pipeline
    given : mapping
        Depths of FIFOs by their names, which are kept; the pipeline has them.

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
        fitted[fifo.name] = _minimum_depth(pipeline, fifo, fitted, as_good)
    return fitted


def jam_error(pipeline: Pipeline) -> PlanError:
    """The error for a pipeline that jams: which FIFOs are too shallow, and which depths are enough.

    Given depths are kept where deeper FIFOs behind them compensate.
    """
    enough = {fifo.name: max(fifo.depth, 2 * fifo.beats, UNDER_WAY) for fifo in _fifos(pipeline)}
    roomy = with_depths(pipeline, enough)
    needed: dict[str, int] = {}
    for fifo in _fifos(pipeline):
        needed[fifo.name] = fifo.depth
        if not _moves(with_depths(roomy, needed)):
            del needed[fifo.name]
            needed[fifo.name] = _minimum_depth(roomy, fifo, needed, _moves)
    shallow = [
        (fifo.name, needed[fifo.name], fifo.depth) for fifo in _fifos(pipeline) if needed[fifo.name] > fifo.depth
    ]
    if not shallow:
        raise RuntimeError("the accelerator jams whatever its FIFOs hold")
    depths = " and ".join(
        f"its FIFO {name!r} must hold at least {need} beats, not {have}" for name, need, have in shallow
    )
    return PlanError(
        f"The accelerator jams with the depths of its plan: {depths}; bitweir generate finds depths that cost no cycle."
    )


def _moves(pipeline: Pipeline) -> bool:
    return interval(pipeline) is not None


def _fifos(pipeline: Pipeline) -> list[FifoSpec]:
    return [block for block in pipeline.blocks if isinstance(block, FifoSpec)]


def _minimum_depth(
    pipeline: Pipeline, fifo: FifoSpec, others: Mapping[str, int], good: Callable[[Pipeline], bool]
) -> int:
    """The minimum depth of a FIFO at which the pipeline is good, with the depths of the others as given."""
    low, (high,) = 2, (block.depth for block in _fifos(pipeline) if block.name == fifo.name)
    # The minimum suffices for many FIFOs, so it is tried first.
    trial = low
    while low < high:
        if good(with_depths(pipeline, {**others, fifo.name: trial})):
            high = trial
        else:
            low = trial + 1
        trial = (low + high) // 2
    return high
