"""The end of a network whose result is no class."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput
from ...gateware.values import elements
from .argmax import result_layout
from .spec import ResultSpec

__all__ = ["Result"]


class Result(wiring.Component):
    """Lets labels, scores or codes pass and marks the last beat of each frame.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a frame    | ceil(M / lanes)                                                   |
    | latency           | 1 cycle                                                           |
    | ready             | a place of ``fifo_depth`` is free                                 |
    | resources         | a counter of beats; gates for the lanes that pad the last one     |

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * lane_bits))
        The lanes that pad the last beat may hold anything.
    o : Out(stream.Signature(result_layout(spec).size))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: ResultSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        beat, take = Signal(range(spec.cycles)), Signal()
        last = Signal(init=spec.cycles == 1)
        result = Signal(result_layout(spec))
        m.d.comb += [
            self.i.ready.eq(output.free),
            take.eq(self.i.valid & self.i.ready),
            output.start.eq(take),
            output.done.eq(take),
            output.result.eq(result),
            result.last.eq(last),
        ]
        if spec.cycles > 1:
            with m.If(take):
                m.d.sync += [
                    beat.eq(Mux(last, 0, beat + 1)),
                    last.eq(beat == spec.cycles - 2 if spec.cycles > 2 else ~last),
                ]
        kept = spec.classes - (spec.cycles - 1) * spec.lanes
        for lane, values in enumerate(elements(self.i.payload, spec.parallel_frames * spec.lane_bits)):
            m.d.comb += result.scores[lane].eq(values if lane < kept else Mux(result.last, 0, values))
        return m
