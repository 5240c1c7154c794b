"""Some channels of a map, in any order."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.fifo import Fifo, wrap_increment
from ...gateware.values import elements
from .spec import SelectSpec

__all__ = ["Select"]


class Select(wiring.Component):
    """Takes a beat while a place is free, and writes what is wanted of it, if anything.

    | property          | formula                                                                 |
    |-------------------|-------------------------------------------------------------------------|
    | cycles a frame    | ``i_beats``                                                             |
    | latency           | 1 cycle                                                                 |
    | resources         | 2 registers a bit of the output; with several beats a pixel a counter,  |
    |                   | and a multiplexer where they differ in the lanes that leave             |

    Members
    -------
    i : In(stream.Signature(i_lanes * lane_bits))
    o : Out(stream.Signature(o_lanes * lane_bits))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: SelectSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.fifo = fifo = Fifo(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        beat = Signal(range(spec.pixel_beats))
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += beat.eq(wrap_increment(beat, spec.pixel_beats))
        lanes = elements(self.i.payload, spec.lane_bits)
        made = spec.picks_made

        def shown(row: list[int]) -> Value:
            return lanes[row[0]] if len(set(row)) == 1 else Array(lanes[at] for at in row)[beat]

        m.d.comb += [
            self.i.ready.eq(fifo.i.ready),
            fifo.i.valid.eq(self.i.valid & (Const(1) if all(made) else Array(Const(one) for one in made)[beat])),
            fifo.i.payload.eq(Cat(shown(row) for row in spec.sources)),
        ]
        return m
