"""Beats that go from one clock domain to another."""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["Crossing"]


class Crossing(wiring.Component):
    """Hands beats on to another clock, one at a time; the two clocks may have any ratio and phase.

    The beat stays where it is: by the rules of streams its source holds it until it moves, and it moves when the
    other side has taken it. So nothing is stored, and only two bits are synchronised, each of which changes once a
    beat: that there is a beat, and that it is taken. An asynchronous FIFO would move a beat every cycle, but takes
    a memory for it: on iCE40 a block RAM, or registers for every bit of every place.

    Payloads come over wires alone. They change a cycle of `i_domain` and three of `o_domain` before the edge that may
    take them: a path from them to a register may be three cycles of `o_domain` long.

    | property  | formula                                                                                  |
    |-----------|------------------------------------------------------------------------------------------|
    | latency   | 1 cycle of `i_domain`, then 3 or 4 of `o_domain`                                         |
    | cycles    | for a beat at most 5 of `o_domain` and, with ``stages = 2``, 5 of `i_domain`             |
    | resources | ``6 + stages`` registers, 5 LUTs                                                         |

    Both domains are reset together: for some time of at least ``stages + 2`` cycles of either clock, both are in reset.
    Then no beat of before is left, whichever begins or ends its reset first.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload.
    i_domain, o_domain : str
        Of the streams `i` and `o`.
    stages : int
        Registers of the synchroniser in `i_domain`: each one more lets a beat move a cycle later. What changes in
        `o_domain` at the edge that takes a beat, and goes through fewer registers, is there before the beat moves.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, shape: ShapeLike, *, i_domain: str, o_domain: str, stages: int = 2) -> None:
        self.i_domain, self.o_domain, self.stages = i_domain, o_domain, stages
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A bit of each side that changes for every beat, and what the other side sees of it.
        sent, arrived, taken, returned = Signal(), Signal(), Signal(), Signal()
        m.submodules.there = FFSynchronizer(sent, arrived, o_domain=self.o_domain)
        m.submodules.back = FFSynchronizer(taken, returned, o_domain=self.i_domain, stages=self.stages)
        offered = Signal()
        m.d.comb += [
            self.i.ready.eq(offered & (returned == sent)),
            self.o.payload.eq(self.i.payload),
        ]
        with m.If(self.i.ready):
            m.d[self.i_domain] += offered.eq(0)
        with m.Elif(self.i.valid & ~offered):
            m.d[self.i_domain] += [offered.eq(1), sent.eq(~sent)]
        with m.If(~self.o.valid):
            m.d[self.o_domain] += self.o.valid.eq(arrived != taken)
        with m.Elif(self.o.ready):
            m.d[self.o_domain] += [self.o.valid.eq(0), taken.eq(~taken)]
        return m
