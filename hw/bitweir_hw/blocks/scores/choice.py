"""The class of each pixel: the lowest channel with the highest value."""

from __future__ import annotations

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput
from .argmax import RunningArgmax
from .spec import ChoiceSpec

__all__ = ["Choice"]


class Choice(wiring.Component):
    """Turns the scores of each pixel into its class.

    | property          | formula                                                            |
    |-------------------|--------------------------------------------------------------------|
    | cycles a frame    | ``pixels * ceil(M / lanes)``                                       |
    | latency           | 1 cycle from the last beat of a pixel                              |
    | ready             | a place of ``fifo_depth`` is free, or it is not the last beat      |
    | resources         | a comparator and a multiplexer for each lane and frame, in a tree  |

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * lane_bits))
        The lanes that pad the last beat of a pixel may hold anything.
    o : Out(stream.Signature(parallel_frames * index_bits))
        The class of the pixel in each frame.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: ChoiceSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        m.submodules.leader = leader = RunningArgmax(
            classes=spec.classes,
            lanes=spec.lanes,
            parallel_frames=spec.parallel_frames,
            score=Shape(spec.lane_bits, spec.signed),
        )
        take, complete = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(output.free | ~leader.last),
            take.eq(self.i.valid & self.i.ready),
            complete.eq(take & leader.last),
            leader.scores.eq(self.i.payload),
            leader.step.eq(take),
            output.start.eq(complete),
            output.done.eq(complete),
            output.result.eq(leader.best),
        ]
        return m
