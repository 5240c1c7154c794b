"""FIFOs, and the places that are lent in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from unittest.mock import patch

from amaranth.hdl import Signal
from bitweir_hw.gateware import fifo as fifo_module
from bitweir_hw.gateware.credits import CreditedOutput
from bitweir_hw.gateware.fifo import Fifo
from bitweir_sim.formal import Bench, Verdict, prove

from .around import Around
from .claim import Case, Claim

__all__ = ["CLAIMS"]

#: A beat of two bits, of which the solver marks one beat: the other beats may be anything.
WIDTH = 2
#: Fill levels are kept in two ways, up to 9 and from there on.
LUT_DEPTHS, BLOCK_DEPTHS = range(2, 10), range(4, 11)
LATENCIES, DEPTHS = range(3), range(2, 11)


def followed(depth: int, *, block: bool = False, lies: int = 0) -> Verdict:
    """Prove that a FIFO keeps the beats it takes, in their order.

    Any one beat is marked, at any time. How many beats are before it is counted: it must come out behind these, as it
    was. Since each beat may be the marked one, none is lost, made up, changed, or overtakes another.

    Parameters
    ----------
    depth : int
    block : bool
        Whether it is one of block RAM.
    lies : int
        How many places fewer are claimed than there are: a planted fault.
    """
    with patch.object(fifo_module, "is_block", lambda depth, width: block and depth > 3):
        around = Around(Fifo(width=WIDTH, depth=depth))
        bench, m, i, o = around.bench, around.bench.m, around.inputs["i"], around.outputs["o"]
        level, marked, word, before = Signal(range(depth + 1)), Signal(), Signal(WIDTH), Signal(range(depth + 1))
        take, give, mark = Signal(), Signal(), bench.free(1, "mark")
        m.d.comb += [take.eq(i.valid & i.ready), give.eq(o.valid & o.ready)]
        m.d.sync += level.eq(level + take - give)
        with m.If(take & mark & ~marked):
            m.d.sync += [marked.eq(1), word.eq(i.payload), before.eq(level - give)]
        with m.Elif(marked & give):
            m.d.sync += [before.eq(before - 1), marked.eq(before != 0)]
        bench.require("holds_no_more_than_its_depth", level <= depth)
        bench.require("takes_while_there_is_a_place", i.ready == (level < depth - lies))
        bench.require("offers_what_it_holds", o.valid == (level != 0))
        bench.require("the_marked_beat_comes_as_it_was", ~(marked & (before == 0)) | (o.payload == word))
        bench.show("level", level)
        return prove(bench.circuit(), seconds=300)


def credited(latency: int, depth: int, *, short: int = 0) -> Verdict:
    """Prove that lent places are enough, and that none is lent for ever.

    Parameters
    ----------
    latency : int
        Cycles from a start to its result.
    depth : int
    short : int
        How much later a result comes than is said: a planted fault, where there is more than one latency.
    """
    bench = Bench()
    m = bench.m
    m.submodules.output = output = CreditedOutput(width=1, depth=depth)
    want, ready = bench.free(1, "want"), bench.free(1, "ready")
    moving = Signal(latency + 1)
    start = want & (output.free | (short > 0))
    m.d.comb += [
        output.start.eq(start),
        moving[0].eq(start),
        output.done.eq(moving[latency]),
        output.result.eq(bench.free(1, "result")),
        output.o.ready.eq(ready),
    ]
    if latency:
        m.d.sync += moving[1:].eq(moving[:-1])
    # Lent places are those of results that are under way or wait.
    waiting = Signal(range(depth + 2))
    m.d.sync += waiting.eq(waiting + output.done - (output.o.valid & ready))
    under_way = sum((moving[n] for n in range(1, latency + 1)), start=Signal(1))
    bench.require("no_result_finds_the_fifo_full", waiting <= depth)
    bench.require("a_place_is_free_unless_all_are_used", output.free == (under_way + waiting < depth))
    bench.require("results_that_wait_are_offered", output.o.valid == (waiting != 0))
    bench.show("waiting", waiting)
    return prove(bench.circuit(), seconds=300)


def _fifos() -> Iterator[Case]:
    for block, depths in ((False, LUT_DEPTHS), (True, BLOCK_DEPTHS)):
        for depth in depths:
            kind = "block RAM" if block else "LUT RAM"
            yield Case(name=f"{kind}, {depth}", run=partial(followed, depth, block=block), quick=depth in (2, 5))


def _fifo_faults() -> Iterator[Case]:
    yield Case(name="a place that is not there", run=partial(followed, 3, lies=1), quick=True)


def _credits() -> Iterator[Case]:
    for latency in LATENCIES:
        for depth in DEPTHS:
            quick = (latency, depth) in ((0, 2), (3, 4))
            yield Case(name=f"latency {latency}, depth {depth}", run=partial(credited, latency, depth), quick=quick)


def _credit_faults() -> Iterator[Case]:
    yield Case(name="starts without a place", run=partial(credited, 2, 3, short=1), quick=True)


CLAIMS = (
    Claim(
        name="FIFOs",
        says="A FIFO holds no more than its depth, takes a beat whenever it holds less, offers one whenever it holds "
        "any, and gives each beat as it came, in the order of their coming.",
        parameters="all depths from 2 to 9 in LUT RAM, from 4 to 10 in block RAM; beats of 2 bits",
        method="a beat that is marked at any time; an invariant by PDR",
        tool="ABC, checked by Glucose (python-sat)",
        fault="a place that is not there",
        cases=_fifos,
        faults=_fifo_faults,
    ),
    Claim(
        name="credits",
        says="Results of a datapath that never stalls always find a place, and a place is free unless so many results "
        "are under way or wait.",
        parameters="all latencies from 0 to 2 with all depths from 2 to 10",
        method="an invariant by PDR",
        tool="ABC, checked by Glucose (python-sat)",
        fault="a start that has no place",
        cases=_credits,
        faults=_credit_faults,
    ),
)
