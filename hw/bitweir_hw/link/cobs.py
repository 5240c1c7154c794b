"""Consistent overhead byte stuffing: packets of any bytes, ended by a zero that stands nowhere else."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .ring import Ring

__all__ = ["DECODED", "PIECE", "CobsDecoder", "CobsEncoder"]

#: Code of the longest block: so many bytes, its own included, and no zero behind them.
_LONGEST = 0xFF


#: A byte of a packet, or what comes after the last one.
PIECE = data.StructLayout({"data": 8, "end": 1})
#: The same of a packet from outside: at its end, `bad` tells that the encoding was wrong.
DECODED = data.StructLayout({"data": 8, "end": 1, "bad": 1})


class CobsDecoder(wiring.Component):
    """Undoes COBS as the bytes come.

    An empty packet, which a zero after a zero ends, is an end alone. A packet is bad if its last block is
    shorter than its code says.

    | property  | formula                                        |
    |-----------|------------------------------------------------|
    | latency   | 1 cycle                                        |
    | cycles    | 2 for each byte, 1 for the first               |
    | resources | 20 registers, a counter with a load of 8 bits  |

    Members
    -------
    i : In(stream.Signature(8))
    o : Out(stream.Signature(DECODED))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(DECODED))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Bytes of the block still to come, and whether a zero follows it if the packet goes on.
        left, zero = Signal(8), Signal()
        is_code, is_end = Signal(), Signal()
        piece = Signal(DECODED, reset_less=True)
        m.d.comb += [
            self.o.payload.eq(piece),
            self.i.ready.eq(~self.o.valid),
            is_code.eq(left == 0),
            is_end.eq(self.i.payload == 0),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                self.o.valid.eq(~is_code | is_end | zero),
                piece.data.eq(Mux(is_code, 0, self.i.payload)),
                piece.end.eq(is_end),
                piece.bad.eq(~is_code),
                left.eq(Mux(is_code, self.i.payload, left) - 1),
            ]
            with m.If(is_code):
                m.d.sync += zero.eq(self.i.payload != _LONGEST)
            with m.If(is_end):
                m.d.sync += [left.eq(0), zero.eq(0)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


class CobsEncoder(wiring.Component):
    """Encodes packets by COBS and ends each with a zero.

    The code of a block tells where the next zero is, so up to 254 bytes wait in block RAM until it is
    known, while those of the block before leave. The first byte after reset is a zero.

    | property  | formula                                                                        |
    |-----------|--------------------------------------------------------------------------------|
    | latency   | 3 cycles from what ends a block to its code                                    |
    | cycles    | 2 for each byte, 4 more for each 254 without a zero, 4 for the end of a packet |
    | resources | a `Ring` of 256 bytes, two of its positions, a counter to 255, 17 LUTs to choose |

    Members
    -------
    i : In(stream.Signature(PIECE))
    o : Out(stream.Signature(8))
    """

    i: stream.Interface
    o: stream.Interface

    #: A block of 255 bytes is written while the one before leaves, and one place is for the next code.
    DEPTH = 256

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(PIECE)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ring = ring = Ring(depth=self.DEPTH)
        wiring.connect(m, ring.o, wiring.flipped(self.o))

        # Each block begins with the place of its code, which is written when the block is over.
        place, tail = Signal.like(ring.end), Signal.like(ring.end, init=1)
        code = Signal(8, init=0)
        # After the last block, what is written as the code of an empty one is the zero that ends the packet.
        # So it is after reset: a packet that the reset cut off is over.
        ending, free, go, is_split, over = Signal(init=1), Signal(), Signal(), Signal(), Signal()
        pause = Signal()
        m.d.sync += pause.eq(go)
        m.d.comb += [
            ring.end.eq(place),
            ring.tail.eq(tail),
            free.eq(~ring.full & ~pause),
            is_split.eq((code == _LONGEST) & ~self.i.payload.end),
            self.i.ready.eq(free & ~ending & ~is_split),
            go.eq(free & (ending | self.i.valid)),
            over.eq(ending | is_split | self.i.payload.end | (self.i.payload.data == 0)),
            ring.put.eq(go),
            ring.at.eq(Mux(over, place, tail)),
            ring.data.eq(Mux(over, code, self.i.payload.data)),
        ]
        with m.If(go):
            m.d.sync += [tail.eq(tail + 1), code.eq(code + 1), ending.eq(~ending & self.i.payload.end)]
            with m.If(over):
                m.d.sync += [place.eq(tail), code.eq(ending | ~self.i.payload.end)]
        return m
