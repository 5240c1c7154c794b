"""Stall analysis: in how many cycles of steady state each stream moves or waits, and which block is the cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from bitweir_hw.blocks.pipeline import Link, Pipeline

from .cycles import Timing, steady_state
from .stepping import Stepper, stepper

__all__ = ["SINK", "SOURCE", "StreamWaits", "stalls"]

#: What stands at the ends of a pipeline, where no block is.
SOURCE, SINK = "source", "sink"
_WITHOUT_END = 1 << 62


@dataclass(frozen=True, kw_only=True)
class StreamWaits:
    """The cycles of a stream in one period of steady state; the four counts add up to the period.

    Parameters
    ----------
    name : str
        The name of the stream.
    sender, receiver : str
        The names of the blocks on both sides; ``"source"`` and ``"sink"`` at the ends of the pipeline.
    moved : int
        Cycles in which a beat moved.
    starved : int
        Cycles in which the receiver was ready and nothing was offered.
    blocked : int
        Cycles in which a beat was offered and not taken.
    idle : int
        Cycles in which no beat was offered and the receiver was not ready.
    starved_by, blocked_by : str or None
        The block that the receiver, or the sender, waits for in the end: not always the one on the other side, which
        may wait itself. None without such cycles.
    """

    name: str
    sender: str
    receiver: str
    moved: int
    starved: int
    blocked: int
    idle: int
    starved_by: str | None
    blocked_by: str | None


def stalls(pipeline: Pipeline, timing: Timing | None = None, *, run: Stepper | None = None) -> list[StreamWaits]:
    """Analyse the streams of a pipeline whose frames follow each other without a gap, over one period of steady state.

    Parameters
    ----------
    pipeline : Pipeline
    timing : Timing, optional
        The timing of this pipeline, if it is known.
    run : Stepper, optional
        A stepper at reset, which is in steady state afterwards; by default the fastest one.

    Returns
    -------
    list of StreamWaits
        For each of `Pipeline.shown`.
    """
    timing = timing or steady_state(pipeline)
    run = run or stepper(pipeline)
    never = np.zeros(0, np.uint8)
    # The state after these two output beats is the same.
    first, end = (timing.last_cycle(timing.settled + more) + 1 for more in (0, timing.period))
    run.run(outputs=_WITHOUT_END, until=first, pauses=never, refusals=never)
    before = run.counts()
    run.run(outputs=_WITHOUT_END, until=end, pauses=never, refusals=never, watch=True)
    moved = [now - then for now, then in zip(run.counts(), before, strict=True)]
    found = list(_attributed(_Wiring(pipeline), moved, run.waits(), cycles=end - first, frames=timing.period))
    told = {waits.name: waits for waits in (*found, *(_linked(link, found[link.source]) for link in pipeline.links))}
    return [told[stream.name] for stream in pipeline.shown]


def _linked(link: Link, taken: StreamWaits) -> StreamWaits:
    """The cycles of a link, whose beats are those that its chain took, and never wait."""
    missing = taken.starved + taken.blocked + taken.idle
    return StreamWaits(
        name=link.stream.name, sender=link.sender.name, receiver=link.receiver.name, moved=taken.moved, starved=missing,
        blocked=0, idle=0, starved_by=(taken.starved_by or taken.blocked_by) if missing else None, blocked_by=None,
    )  # fmt: skip


class _Wiring:
    """The blocks on both sides of each stream."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.sender: dict[int, int] = {}
        self.receiver: dict[int, int] = {}
        for number, node in enumerate(pipeline.nodes):
            self.receiver |= dict.fromkeys(node.inputs, number)
            self.sender |= dict.fromkeys(node.outputs, number)

    def name(self, number: int | None, outside: str, *, takes: bool = False) -> str:
        """The name of a block; of a chain, of the one that hands on beats, or of the one that takes them."""
        return outside if number is None else self.pipeline.nodes[number].blocks[0 if takes else -1].name


def _attributed(
    wiring: _Wiring, moved: list[int], waits: list[tuple[int, int]], *, cycles: int, frames: int
) -> Iterator[StreamWaits]:
    causes = _Causes(wiring, waits, cycles, frames)
    for number, stream in enumerate(wiring.pipeline.streams):
        starved, blocked = waits[number]
        yield StreamWaits(
            name=stream.name,
            sender=wiring.name(wiring.sender.get(number), SOURCE),
            receiver=wiring.name(wiring.receiver.get(number), SINK, takes=True),
            moved=moved[number],
            starved=starved,
            blocked=blocked,
            idle=cycles - moved[number] - starved - blocked,
            starved_by=causes.of_starving(number) if starved else None,
            blocked_by=causes.of_blocking(number) if blocked else None,
        )


class _Causes:
    """Follows waits to the block that causes them.

    A block that is busy in every cycle of the period is a cause. Any other block that makes its neighbour wait and
    waits itself passes the blame on: if it is blocked, to the block behind its most blocked output; if it starves, to
    the one before its most starved input.
    """

    def __init__(self, wiring: _Wiring, waits: list[tuple[int, int]], cycles: int, frames: int) -> None:
        self._wiring, self._waits = wiring, waits
        self._busy = [node.block.cycles * frames >= cycles for node in wiring.pipeline.nodes]

    def of_blocking(self, stream: int) -> str:
        return self._follow(stream, self._wiring.receiver.get(stream), set())

    def of_starving(self, stream: int) -> str:
        return self._follow(stream, self._wiring.sender.get(stream), set())

    def _follow(self, stream: int, block: int | None, seen: set[int]) -> str:
        """The cause of a wait on `stream`, starting at `block` on its other side."""
        if block is None:
            return SOURCE if stream == 0 else SINK
        node = self._wiring.pipeline.nodes[block]
        if self._busy[block] or block in seen:
            return node.block.name
        seen.add(block)
        starving = [(self._waits[other][0], other, self._wiring.sender.get(other)) for other in node.inputs]
        blocking = [(self._waits[other][1], other, self._wiring.receiver.get(other)) for other in node.outputs]
        # If its receiver waits, a block first blames its inputs; if its sender waits, its outputs.
        for sides in (starving, blocking) if stream in node.outputs else (blocking, starving):
            others = [side for side in sides if side[0] and side[1] != stream]
            if others:
                _, other, beyond = max(others, key=lambda side: side[0])
                return self._follow(other, beyond, seen)
        return node.block.name
