"""From beats of one width to beats of another, vector by vector."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import WidthSpec
from .fifo import following

__all__ = ["WidthConverter"]


class WidthConverter(wiring.Component):
    """Cuts vectors of `length` elements into other beats; widths need not divide each other.

    A buffer holds the elements that wait, the next one to leave in the lowest bits. An input beat
    is put behind them; an output beat shifts them down. The elements that pad the last input beat
    are dropped, the last output beat is padded with zeros.

    | property         | formula                                                      |
    |------------------|--------------------------------------------------------------|
    | latency          | 1 cycle from the beat that completes an output beat           |
    | cycles a vector  | max(input beats, output beats)                                |
    | registers        | ``capacity * lane_bits``, plus the fill level                 |

    Members
    -------
    i : In(stream.Signature(spec.i_bits))
    o : Out(stream.Signature(spec.o_bits))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: WidthSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        step, bits = spec.step, spec.step * spec.lane_bits
        # The level counts steps: all that comes and goes is a multiple of one.
        level = Signal(range(spec.capacity // step + 1))
        buffer = Signal(spec.capacity * spec.lane_bits)
        beat = Signal(range(spec.i_beats))
        last, take, give = Signal(), Signal(), Signal()
        o_steps = spec.o_lanes // step
        m.d.comb += [
            last.eq(beat == spec.i_beats - 1),
            self.i.ready.eq(level <= spec.room // step),
            self.o.valid.eq(level >= o_steps),
            self.o.payload.eq(buffer),
            take.eq(self.i.valid & self.i.ready),
            give.eq(self.o.valid & self.o.ready),
        ]
        with m.If(take):
            m.d.sync += beat.eq(following(beat, spec.i_beats))

        kept = (spec.length - (spec.i_beats - 1) * spec.i_lanes) * spec.lane_bits
        fresh = Signal(spec.i_bits)
        m.d.comb += fresh.eq(Mux(last, self.i.payload[:kept], self.i.payload))

        # Where the new beat goes is known before anything moves: the level, less a beat that leaves.
        remaining = Signal.like(level)
        m.d.comb += remaining.eq(level - Mux(give, o_steps, 0))
        m.d.sync += level.eq(remaining + Mux(take, Mux(last, spec.last // step, spec.i_lanes // step), 0))

        shifted = Signal.like(buffer)
        m.d.comb += shifted.eq(Mux(give, buffer[spec.o_bits :], buffer))
        chunks = [fresh[at : at + bits] for at in range(0, spec.i_bits, bits)]
        places = spec.room // step + 1
        here = [Signal(name=f"here_{place}") for place in range(places)]
        m.d.comb += [signal.eq(take & (remaining == place)) for place, signal in enumerate(here)]
        incoming = []
        for place in range(spec.capacity // step):
            terms = [
                chunk & here[place - c].replicate(bits) for c, chunk in enumerate(chunks) if 0 <= place - c < places
            ]
            total = Const(0, bits)
            for term in terms:
                total = total | term
            incoming.append(total)
        m.d.sync += buffer.eq(shifted | Cat(*incoming))
        return m
