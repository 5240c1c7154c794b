"""Packets made bit by bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .cobs import PIECE
from .crc import CheckSum

__all__ = ["Sender"]


class Sender(wiring.Component):
    """Shifts bits into bytes, and into the check sum.

    What is there as a whole byte is loaded, and then its own bits are shifted in.

    | property  | formula                                                       |
    |-----------|---------------------------------------------------------------|
    | latency   | 1 cycle from the last bit of a byte to the byte               |
    | cycles    | 9 for each byte, 1 more where it is loaded; 1 for the end     |
    | resources | a `CheckSum`, 8 LUTs and registers, counters to 8 and `longest`|

    Parameters
    ----------
    longest : int
        Bytes of the longest part of a packet in which their places count.

    Members
    -------
    load : In(1)
        Takes a byte; not while one is there.
    data : In(8)
    step : In(1)
        Takes a bit, the lowest one of a byte first: of the byte that is `loaded`, or else `bit`; not while `full`.
    bit : In(1)
    is_check : In(1)
        It is of the check sum, in place of `bit`.
    last : In(1)
        The byte is the last one of its part.
    end : In(1)
        The packet is over.
    at : Out(range(longest))
        Place of the byte in its part. From a register.
    place : Out(3)
        Of the bit in its byte. From a register.
    is_whole : Out(1)
        The bit is the last one of its byte.
    over : Out(1)
        With this bit, the part is over.
    loaded, full : Out(1)
        A byte is loaded, or waits for the output. From registers.
    ended : Out(1)
        The end is taken.
    o : Out(stream.Signature(PIECE))
    """

    load: Signal
    data: Signal
    step: Signal
    bit: Signal
    is_check: Signal
    last: Signal
    end: Signal
    at: Signal
    place: Signal
    is_whole: Signal
    over: Signal
    loaded: Signal
    full: Signal
    ended: Signal
    o: stream.Interface

    def __init__(self, *, longest: int) -> None:
        ins = dict.fromkeys(("load", "step", "bit", "is_check", "last", "end"), In(1))
        outs = dict.fromkeys(("is_whole", "over", "loaded", "full", "ended"), Out(1))
        places = {"at": Out(range(longest)), "place": Out(3)}
        super().__init__({**ins, "data": In(8), **outs, **places, "o": Out(stream.Signature(PIECE))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        byte, stepped = Signal(8, reset_less=True), Signal()
        m.submodules.check = check = CheckSum()
        bit = Mux(self.loaded, byte[0], Mux(self.is_check, check.due, self.bit))
        with m.If(self.load | self.step):
            m.d.sync += byte.eq(Mux(self.load, self.data, Cat(byte[1:], bit)))
        with m.If(self.load):
            m.d.sync += self.loaded.eq(1)
        with m.If(self.step):
            m.d.sync += self.place.eq(self.place + 1)
            with m.If(self.is_whole):
                m.d.sync += [self.full.eq(1), self.loaded.eq(0), self.at.eq(Mux(self.last, 0, self.at + 1))]
        with m.Elif(self.o.ready):
            m.d.sync += self.full.eq(0)
        m.d.sync += stepped.eq(self.step & ~self.is_check)
        m.d.comb += [
            self.is_whole.eq(self.place == 7),
            self.over.eq(self.step & self.is_whole & self.last),
            self.ended.eq(self.end & self.o.ready & ~self.full),
            self.o.valid.eq(self.full | self.end),
            self.o.payload.data.eq(byte),
            self.o.payload.end.eq(~self.full),
            # The sum takes a bit from the byte, a cycle late; its own bits it gives at once.
            check.step.eq(stepped | self.step & self.is_check),
            check.is_check.eq(~stepped),
            check.bit.eq(byte[7]),
            check.clear.eq(self.end),
        ]
        return m
