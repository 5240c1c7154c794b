"""How far the payload of a packet has come."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..gateware.fifo import wrap_increment

__all__ = ["FrameCounter"]


class FrameCounter(wiring.Component):
    """Counts the bytes of `count` frames down.

    | property  | formula                                                      |
    |-----------|--------------------------------------------------------------|
    | latency   | 1 cycle                                                      |
    | resources | counters of ``log2(most)`` and of ``log2(frame_bytes)`` bits |

    Parameters
    ----------
    frame_bytes : int
        Of a frame.
    most : int
        Frames that a packet may have. Higher counts that fit the counter are taken all the same.

    Members
    -------
    data : In(8)
        A byte of the count, with `low` or `high`.
    low, high : In(1)
        Take it; the low one first. Only between payloads, or to begin anew.
    excess : Out(1)
        The byte at `data` has bits that the counter has not, as `high` says or else as a low one. No register.
    step : In(1)
        A byte goes by.
    some : Out(1)
        There are bytes to come.
    last : Out(1)
        The next one is the last one of its frame.
    """

    data: Signal
    low: Signal
    high: Signal
    excess: Signal
    step: Signal
    some: Signal
    last: Signal

    def __init__(self, *, frame_bytes: int, most: int) -> None:
        self.frame_bytes, self.most = frame_bytes, most
        ins = {"data": In(8), "low": In(1), "high": In(1), "step": In(1)}
        super().__init__(ins | {"excess": Out(1), "some": Out(1), "last": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        frames, place = Signal(range(self.most + 1)), Signal(range(self.frame_bytes))
        upper = max(0, len(frames) - 8)
        m.d.comb += [
            self.some.eq(frames != 0),
            self.last.eq(place == self.frame_bytes - 1),
        ]
        with m.If(self.high):
            m.d.comb += self.excess.eq(self.data[upper:].any())
        with m.Else():
            m.d.comb += self.excess.eq(self.data[len(frames) :].any())
        # What is loaded, or else one less: one choice for each bit.
        fewer, ends = (frames - 1)[: len(frames)], self.step & self.last
        with m.If(self.low | ends):
            m.d.sync += frames[:8].eq(Mux(self.low, self.data, fewer[:8]))
        with m.If(self.high | ends):
            m.d.sync += frames[8:].eq(Mux(self.high, self.data[:upper], fewer[8:]))
        with m.If(self.low):
            m.d.sync += place.eq(0)
        with m.Elif(self.step):
            m.d.sync += place.eq(wrap_increment(place, self.frame_bytes))
        return m
