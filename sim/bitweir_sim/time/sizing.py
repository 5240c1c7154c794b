"""Depths of FIFOs from the cycle model: the minimum that costs no cycle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from itertools import islice

import numpy as np
from bitweir_hw.blocks import FifoSpec
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.errors import PlanError
from bitweir_hw.lower.layers import UNDER_WAY, lower
from bitweir_hw.network import Network
from bitweir_hw.plan import Plan

from .flow import Arrivals, Cycles, Ending, arrivals, latest, least_interval
from .stepping import stepper

__all__ = ["fit_depths", "interval", "jam_error", "latency", "minimum_depths", "with_depths"]

#: Takes the share that is done; or in words, which FIFO is next.
Progress = Callable[[float | str], None]

_NEVER = np.zeros(0, np.uint8)
#: What FIFOs hold at least.
_LEAST = 2
#: Frames of the run that starts empty before the other one starts.
_ALONE = 3
#: Frames of a trial: what goes well for these is confirmed for all at the end.
_FRAMES = 2
#: Frames after which a rate is taken for too fast, if they still wait longer from one to the next.
_SETTLING = 24


def _silent(how_far: float | str) -> None:
    pass


def interval(pipeline: Pipeline) -> Fraction | None:
    """Cycles from frame to frame in steady state; None if the pipeline jams.

    The same as that of `cycles.steady_state`, often found sooner. Where no FIFO holds it back, it is what the slowest
    block takes alone, which frames at that rate confirm. Else two runs take turns, and the first one whose state
    repeats gives the interval. One starts empty, and settles when all blocks before the slowest one have caught up.
    The other starts with all buffers full, from a sink that takes nothing at first, and settles when all blocks behind
    the slowest one have run empty.
    """
    alone = Fraction(least_interval(pipeline))
    match arrivals(pipeline, alone, most=_SETTLING).ending:
        case Ending.SETTLED:
            return alone
        case Ending.JAMMED:
            return None
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
    # The source offers its first beat in cycle 0, and an empty block takes it. No beat waits for one of a later frame.
    run = arrivals(pipeline, Fraction(least_interval(pipeline)), most=1)
    return run.finished[0] if run.finished else None


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
    """Return the plan with the minimum depth of each FIFO that costs no cycle; see `minimum_depths`.

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


def minimum_depths(pipeline: Pipeline, *, given: Mapping[str, int], progress: Progress = _silent) -> dict[str, int]:
    """Compute the minimum depth of each FIFO that costs no cycle.

    With frames that come as fast as the accelerator can take them for ever, each result comes in the cycle in which
    it comes with the FIFOs of the pipeline: latency and initiation interval stay. FIFOs are fitted one after the other,
    with the later ones as the pipeline has them: in the order of the pipeline, but of several FIFOs on one branch, the
    second one behind the first ones of all branches, and so on. So no FIFO can be one beat shallower without cost.

    Most depths need no trial: the soonest and the latest cycles of all beats tell what each FIFO must hold at least,
    and mostly that is enough for all of them together. One run confirms at the end that no result is ever late.

    Parameters
    ----------
    pipeline : Pipeline
    given : mapping
        Depths of FIFOs by their names, which are kept; the pipeline has them.
    progress : callable
        Takes the share that is done, and which FIFO is next.

    Raises
    ------
    PlanError
        The pipeline jams with the depths that are given.
    """
    names = [fifo.name for fifo in _fifos(pipeline) if fifo.name not in given]
    if not names:
        return {}
    fitting = _Fitting(pipeline, names, progress)
    frames = _FRAMES
    while not fitting.lasts(depths := fitting.depths(frames)):
        frames *= 2
    progress(1.0)
    return {name: depths[name] for name in names}


class _Fitting:
    """The depths of some FIFOs, one after the other."""

    def __init__(self, pipeline: Pipeline, names: list[str], progress: Progress) -> None:
        self._pipeline, self._progress = pipeline, progress
        self._ranks = _ranks(pipeline)
        self._names = sorted(names, key=lambda name: self._ranks[name])
        self._ends = {node.block.name: (node.inputs[0], node.outputs[0]) for node in pipeline.nodes}
        self._pace = Fraction(least_interval(pipeline))
        leaves = [self._ends[name][1] for name in names]
        self._usual = arrivals(pipeline, self._pace, most=_SETTLING, record=leaves)
        if self._usual.ending is not Ending.SETTLED:
            pace = interval(pipeline)
            if pace is None:
                raise jam_error(pipeline)
            self._pace, self._usual = pace, arrivals(pipeline, pace, record=leaves)
        self._deadlines = self._usual.finished

    def lasts(self, depths: Mapping[str, int]) -> bool:
        """Whether no result is ever late with these depths."""
        trial = with_depths(self._pipeline, depths)
        return arrivals(trial, self._pace, deadlines=self._deadlines).ending is Ending.SETTLED

    def depths(self, frames: int) -> dict[str, int]:
        """The minimum depths with which no result of the first frames is late."""
        fitted: dict[str, int] = {}
        bounds = self._bounds(fitted, frames)
        while bounds:
            rest = self._names[len(fitted) :]
            self._progress(f"FIFO {len(fitted) + 1} of {len(self._names)}")
            shallow = {name: bounds[name] for name in rest}
            if _in_time(self._run({**fitted, **shallow}, frames)):
                return {**fitted, **shallow}
            # Not all together: as many as are, and then what the others must hold beside these.
            count = sum(self._ranks[name] == self._ranks[rest[0]] for name in rest)
            found = self._bounds({**fitted, **_first(shallow, count)}, frames) if count < len(rest) else None
            if found is None:
                count = self._ready(fitted, shallow, count - 1, frames)
                if not count:
                    shallow[rest[0]] = self._deep_enough(fitted, rest[0], shallow[rest[0]] + 1, frames)
                    count = 1
                found = self._bounds({**fitted, **_first(shallow, count)}, frames)
            fitted |= _first(shallow, count)
            bounds = found
            self._progress(len(fitted) / len(self._names))
        return fitted

    def _ready(self, fitted: Mapping[str, int], shallow: Mapping[str, int], most: int, frames: int) -> int:
        """The number of FIFOs that together can be so shallow, beside those that are fitted."""
        low, high = 0, most
        while low < high:
            trial = (low + high + 1) // 2
            good = _in_time(self._run({**fitted, **_first(shallow, trial)}, frames))
            low, high = (trial, high) if good else (low, trial - 1)
        return low

    def _run(self, depths: Mapping[str, int], frames: int, record: Sequence[int] = ()) -> Arrivals:
        """The first frames with other depths."""
        pipeline = with_depths(self._pipeline, depths)
        return arrivals(pipeline, self._pace, most=frames, deadlines=self._deadlines, record=record)

    def _deep_enough(self, fitted: Mapping[str, int], name: str, least: int, frames: int) -> int:
        """The minimum depth of a FIFO, which is at least so much, beside those that are fitted."""
        (most,) = (fifo.depth for fifo in _fifos(self._pipeline) if fifo.name == name)

        def good(depth: int) -> bool:
            return _in_time(self._run({**fitted, name: depth}, frames))

        low = high = least
        step = 1
        while high < most and not good(high):
            low, high, step = high + 1, min(high + step, most), 2 * step
        while low < high:
            trial = (low + high) // 2
            low, high = (low, trial) if good(trial) else (trial + 1, high)
        return high

    def _bounds(self, fitted: Mapping[str, int], frames: int) -> dict[str, int] | None:
        """What each FIFO must hold at least, beside those that are fitted; None if results are late with these.

        The beat that enters a FIFO `depth` beats behind another one enters when that one has left. So a depth is too
        small if not even the soonest cycle in which that one can leave lies before the latest one in which it must
        enter.
        """
        pipeline = with_depths(self._pipeline, fitted)
        ends = {name: self._ends[name] for name in self._names if name not in fitted}
        soon = self._run(fitted, frames, [end for _, end in ends.values()]) if fitted else self._usual
        if not _in_time(soon):
            return None
        entries = latest(pipeline, self._deadlines[:frames], [start for start, _ in ends.values()])
        if entries is None:
            return dict.fromkeys(ends, _LEAST)
        return {name: _depth(soon.recorded[end], entries[start]) for name, (start, end) in ends.items()}


def _in_time(run: Arrivals) -> bool:
    return run.ending in (Ending.SETTLED, Ending.UNSETTLED)


def _ranks(pipeline: Pipeline) -> dict[str, int]:
    """How many FIFOs before each one, in the order of the pipeline, share its branch: those share what it must hold."""
    heads: dict[int, int] = {}
    ranks, counted = {}, Counter[int]()
    for node in pipeline.nodes:
        # A branch is called by its first stream.
        alone = len(node.inputs) == len(node.outputs) == 1
        heads |= {stream: heads.get(node.inputs[0], node.inputs[0]) if alone else stream for stream in node.outputs}
        if isinstance(node.block, FifoSpec):
            head = heads[node.outputs[0]]
            ranks[node.block.name] = counted[head]
            counted[head] += 1
    return ranks


def _first(depths: Mapping[str, int], count: int) -> dict[str, int]:
    return dict(islice(depths.items(), count))


def _depth(leaves: Cycles, entries: Cycles) -> int:
    """The minimum depth with which each beat may enter in time behind the one that makes room for it."""
    leaves = leaves[: len(entries)]
    behind = np.searchsorted(entries, leaves + 1)
    return int((behind - np.arange(len(leaves))).max(initial=_LEAST))


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
    low, (high,) = _LEAST, (block.depth for block in _fifos(pipeline) if block.name == fifo.name)
    # The minimum suffices for many FIFOs, so it is tried first.
    trial = low
    while low < high:
        if good(with_depths(pipeline, {**others, fifo.name: trial})):
            high = trial
        else:
            low = trial + 1
        trial = (low + high) // 2
    return high
