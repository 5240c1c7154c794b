"""Packets to the bytes of an image."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.fifo import Fifo, wrap_increment
from ..gateware.loading import LOAD
from .receive import transfer_layout

__all__ = ["PacketBytes"]


class PacketBytes(wiring.Component):
    """Hands out the bytes of packets one by one, and marks the first of each.

    Bytes that are not there (tkeep is 0) are left out. So a packet that was cut is followed by a first byte, which
    begins a new load.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a transfer | ``tdata_bytes``                                                   |
    | latency           | 1 cycle                                                           |
    | resources         | a FIFO of 2 transfers, a multiplexer of ``tdata_bytes`` bytes     |

    Members
    -------
    i : In(stream.Signature(transfer_layout(tdata_bytes)))
    o : Out(stream.Signature(loading.LOAD))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, tdata_bytes: int) -> None:
        self.tdata_bytes = tdata_bytes
        super().__init__({"i": In(stream.Signature(transfer_layout(tdata_bytes))), "o": Out(stream.Signature(LOAD))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.transfers = transfers = Fifo(width=transfer_layout(self.tdata_bytes).size, depth=2)
        waiting = data.View(transfer_layout(self.tdata_bytes), transfers.o.payload)
        place, first = Signal(range(self.tdata_bytes)), Signal(init=1)
        there, moves, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            transfers.i.valid.eq(self.i.valid),
            transfers.i.payload.eq(self.i.payload),
            self.i.ready.eq(transfers.i.ready),
            there.eq(waiting.keep.bit_select(place, 1)),
            self.o.valid.eq(transfers.o.valid & there),
            self.o.payload.data.eq(waiting.data.word_select(place, 8)),
            self.o.payload.first.eq(first),
            moves.eq(transfers.o.valid & (self.o.ready | ~there)),
            ends.eq(place == self.tdata_bytes - 1),
            transfers.o.ready.eq(moves & ends),
        ]
        with m.If(moves):
            m.d.sync += [
                place.eq(wrap_increment(place, self.tdata_bytes)),
                first.eq((waiting.last & ends) | (first & ~there)),
            ]
        return m
