"""A small design for the tests of the simulators: two stages of two places each, and its model."""

from __future__ import annotations

from collections import deque

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from bitweir_sim.trace import Beats, Trace, as_words

BUGS = ("drops", "changes", "late")


class Stage(wiring.Component):
    """Two places, and one is added to each payload."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, width: int, bug: str | None = None) -> None:
        self.bug = bug
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        head, behind = Signal.like(self.i.payload), Signal.like(self.i.payload)
        level = Signal(range(3))
        count = Signal(3)
        hidden = Signal()
        take, store, give = Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(level != 2),
            self.o.valid.eq((level != 0) & ~hidden),
            self.o.payload.eq(head),
            take.eq(self.i.valid & self.i.ready),
            give.eq(self.o.valid & self.o.ready),
            # The bug: a beat that comes while the head is held back is lost.
            store.eq(take & ~(self.o.valid & ~self.o.ready) if self.bug == "drops" else take),
        ]
        if self.bug == "late":
            # The beats 7, 15, ... come a cycle late.
            m.d.comb += hidden.eq(count == 7)
            with m.If((level != 0) & hidden | give):
                m.d.sync += count.eq(count + 1)
        m.d.sync += level.eq(level + store - give)
        with m.If(give):
            m.d.sync += head.eq(behind)
        with m.If(store):
            with m.If(level == give):
                m.d.sync += head.eq(self.i.payload + 1)
            with m.Else():
                m.d.sync += behind.eq(self.i.payload + 1)
        if self.bug == "changes":
            with m.If(self.o.valid & ~self.o.ready):
                m.d.sync += head.eq(head ^ 4)
        return m


class TwoStages(wiring.Component):
    """Two stages with a tap between them; the bug is in the second."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, width: int = 70, bug: str | None = None) -> None:
        self.width, self.bug = width, bug
        tap = wiring.Signature({"payload": Out(width), "valid": Out(1), "ready": Out(1)})
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width)), "tap_inner": Out(tap)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.first = first = Stage(self.width)
        m.submodules.second = second = Stage(self.width, self.bug)
        wiring.connect(m, wiring.flipped(self.i), first.i)
        wiring.connect(m, first.o, second.i)
        wiring.connect(m, second.o, wiring.flipped(self.o))
        m.d.comb += [
            self.tap_inner.payload.eq(first.o.payload),
            self.tap_inner.valid.eq(first.o.valid),
            self.tap_inner.ready.eq(first.o.ready),
        ]
        return m


def model(beats: list[int], i_stalls: list[bool], o_stalls: list[bool], *, width: int = 70, drain: int = 0) -> Trace:
    """What the design without a bug does."""

    def stalled(pattern: list[bool], cycle: int) -> bool:
        return cycle < len(pattern) and bool(pattern[cycle])

    waiting, stages = deque(beats), (deque[int](), deque[int]())
    moved: dict[str, list[tuple[int, int]]] = {"i": [], "inner": [], "o": []}
    offered, cycle, after = False, 0, 0
    while True:
        if len(moved["o"]) == len(beats):
            after += 1
            if after > drain:
                break
        offered = offered or (bool(waiting) and not stalled(i_stalls, cycle))
        accepts = [len(stage) < 2 for stage in stages]
        holds = [len(stage) > 0 for stage in stages]
        if holds[1] and not stalled(o_stalls, cycle):
            moved["o"].append((cycle, stages[1].popleft()))
        if holds[0] and accepts[1]:
            moved["inner"].append((cycle, stages[0][0]))
            stages[1].append((stages[0].popleft() + 1) % 2**width)
        if offered and accepts[0]:
            moved["i"].append((cycle, waiting[0]))
            stages[0].append((waiting.popleft() + 1) % 2**width)
            offered = False
        cycle += 1
    streams = {
        name: Beats(np.array([c for c, _ in beats], np.int64), as_words([p for _, p in beats], width))
        for name, beats in moved.items()
    }
    return Trace(streams, cycle)
