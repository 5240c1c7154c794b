"""Packets to the beats of an image."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.fifo import Fifo, wrap_increment
from ..gateware.loading import load_layout
from .receive import transfer_layout

__all__ = ["PacketBeats"]


class PacketBeats(wiring.Component):
    """Hands out the bytes of packets beat by beat, and marks the first of each.

    Beats of which no byte is there (tkeep is 0) are left out. One of which some bytes are missing is marked as bad,
    since what stands behind the gap would come to a wrong place. A packet that was cut is followed by a first beat,
    which begins a new load.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a transfer | ``tdata_bytes / load_width``                                      |
    | latency           | 1 cycle                                                           |
    | resources         | a FIFO of 2 transfers, a multiplexer of ``tdata_bytes`` bytes     |

    Parameters
    ----------
    tdata_bytes, load_width : int
        Bytes of a transfer, and of a beat, which divides it.

    Members
    -------
    i : In(stream.Signature(transfer_layout(tdata_bytes)))
    o : Out(stream.Signature(loading.load_layout(load_width)))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, tdata_bytes: int, *, load_width: int = 1) -> None:
        self.tdata_bytes, self.load_width = tdata_bytes, load_width
        super().__init__(
            {
                "i": In(stream.Signature(transfer_layout(tdata_bytes))),
                "o": Out(stream.Signature(load_layout(load_width))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beats = self.tdata_bytes // self.load_width
        m.submodules.transfers = transfers = Fifo(width=transfer_layout(self.tdata_bytes).size, depth=2)
        waiting = data.View(transfer_layout(self.tdata_bytes), transfers.o.payload)
        place, first = Signal(range(beats)), Signal(init=1)
        keep, there, moves, ends = Signal(self.load_width), Signal(), Signal(), Signal()
        m.d.comb += [
            transfers.i.valid.eq(self.i.valid),
            transfers.i.payload.eq(self.i.payload),
            self.i.ready.eq(transfers.i.ready),
            keep.eq(waiting.keep.word_select(place, self.load_width)),
            there.eq(keep.any()),
            self.o.valid.eq(transfers.o.valid & there),
            self.o.payload.data.eq(waiting.data.word_select(place, 8 * self.load_width)),
            self.o.payload.first.eq(first),
            moves.eq(transfers.o.valid & (self.o.ready | ~there)),
            ends.eq(place == beats - 1),
            transfers.o.ready.eq(moves & ends),
        ]
        if self.load_width > 1:
            m.d.comb += self.o.payload.bad.eq(~keep.all())
        with m.If(moves):
            m.d.sync += [
                place.eq(wrap_increment(place, beats)),
                first.eq((waiting.last & ends) | (first & ~there)),
            ]
        return m
