"""The channels of several maps, one after the other in each pixel."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.counters import counter
from ...gateware.fifo import Fifo
from ...gateware.values import elements
from .spec import ConcatSpec

__all__ = ["Concat"]


class Concat(wiring.Component):
    """Takes the beats of a pixel from one input after the other; or, of whole pixels, from all at once.

    At its turn an input is ready while a place is free, whatever the others do. Where whole pixels come, an input is
    ready while all others offer a beat and a place is free.

    | property          | formula                                                                 |
    |-------------------|-------------------------------------------------------------------------|
    | cycles a frame    | ``o_beats``                                                             |
    | latency           | 1 cycle                                                                 |
    | resources         | 2 registers a bit of the output; for turns a counter of the beats of a  |
    |                   | pixel, and a multiplexer of the inputs                                  |

    Members
    -------
    i0, i1, ... : In(stream.Signature(i_lanes[k] * parallel_frames * i_lane_bits[k]))
    o : Out(stream.Signature(lanes * parallel_frames * o_lane_bits))
    """

    o: stream.Interface

    def __init__(self, spec: ConcatSpec) -> None:
        self.spec = spec
        ports = {f"i{k}": In(stream.Signature(bits)) for k, bits in enumerate(spec.i_bits)}
        super().__init__({**ports, "o": Out(stream.Signature(spec.o_bits))})

    @property
    def inputs(self) -> list[stream.Interface]:
        """The parallel_frames i0, i1, ..."""
        return [getattr(self, f"i{k}") for k in range(self.spec.inputs)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = Fifo(width=self.spec.o_bits, depth=self.spec.fifo_depth)
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        (self._side_by_side if self.spec.whole else self._by_turns)(m, fifo.i)
        return m

    def _side_by_side(self, m: Module, to: stream.Interface) -> None:
        valid = Signal(self.spec.inputs)
        m.d.comb += [
            valid.eq(Cat(i.valid for i in self.inputs)),
            to.valid.eq(valid.all()),
            to.payload.eq(Cat(self._extended(k) for k in range(self.spec.inputs))),
        ]
        for k, i in enumerate(self.inputs):
            m.d.comb += i.ready.eq((valid | (1 << k)).all() & to.ready)

    def _by_turns(self, m: Module, to: stream.Interface) -> None:
        turns = [k for k, beats in enumerate(self.spec.turns) for _ in range(beats)]
        # The turn, and whether it is that of each input, are registers: nothing is compared on the way to the inputs.
        turn, is_turn = Signal(range(self.spec.inputs)), Signal(self.spec.inputs, init=1)
        move, after = Signal(), Signal.like(turn)
        beat, _ = counter(m, "beat", move, len(turns))
        m.d.comb += [move.eq(to.valid & to.ready), after.eq(Array(turns[1:] + turns[:1])[beat])]
        with m.If(move):
            m.d.sync += [turn.eq(after), is_turn.eq(1 << after)]
        m.d.comb += [
            to.valid.eq(Array(i.valid for i in self.inputs)[turn]),
            to.payload.eq(Array(self._extended(k) for k in range(self.spec.inputs))[turn]),
        ]
        for k, i in enumerate(self.inputs):
            m.d.comb += i.ready.eq(is_turn[k] & to.ready)

    def _extended(self, k: int) -> Value:
        """The elements of an input with as many bits as at the output."""
        spec = self.spec
        codes = elements(self.inputs[k].payload, spec.i_lane_bits[k])
        more = spec.o_lane_bits - spec.i_lane_bits[k]
        return Cat(Cat(code, (code[-1] if spec.signed else Const(0, 1)).replicate(more)) for code in codes)
