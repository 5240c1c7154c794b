"""Takes packets whole, or not at all."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .cobs import DECODED
from .counting import FrameCounter
from .crc import CheckSum
from .protocol import CHECK_BYTES, COUNT_AT, HEADER, Kind
from .ring import Ring

__all__ = ["Receiver"]

_COMPLETE = HEADER.size + CHECK_BYTES


class Receiver(wiring.Component):
    """Checks packets and keeps the good ones until they are read.

    Header and payload are written to a ring as they come. If the packet turns out to be a request, they
    may be read from then on; if not, their places are free again. What a request is, see `docs/link.md`:
    the check sum is right, the kind is known, the payload is `count` whole frames, and all of it had room.

    | property  | formula                                                                            |
    |-----------|------------------------------------------------------------------------------------|
    | latency   | 3 cycles from the end of a packet to its first byte                                |
    | cycles    | 8 for each byte, as the check sum takes a bit a cycle, and 8 for the end           |
    | ready     | always within 8 cycles: what finds no room is dropped                              |
    | resources | a `Ring` of `capacity` bytes, two of its positions, 32 registers of the check sum, |
    |           | a `FrameCounter`, 10 registers                                                     |

    Parameters
    ----------
    capacity : int
        Bytes of requests, a power of two.
    frame_bytes : int
    loads : bool
        Whether there are parameters to load.

    Members
    -------
    i : In(stream.Signature(DECODED))
    o : Out(stream.Signature(8))
        Headers and payloads of requests, one behind the other.
    dropped : Out(1)
        For one cycle: a packet, not an empty one, was dropped.
    """

    i: stream.Interface
    o: stream.Interface
    dropped: Signal

    def __init__(self, *, capacity: int, frame_bytes: int, loads: bool = False) -> None:
        self.capacity, self.frame_bytes, self.loads = capacity, frame_bytes, loads
        super().__init__({"i": In(stream.Signature(DECODED)), "o": Out(stream.Signature(8)), "dropped": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ring = ring = Ring(depth=self.capacity)
        wiring.connect(m, ring.o, wiring.flipped(self.o))
        piece = self.i.payload
        bit, byte, end = Signal(3), Signal(), Signal()
        with m.If(self.i.valid):
            m.d.sync += bit.eq(bit + 1)
        m.d.comb += [
            self.i.ready.eq(bit == 7),
            byte.eq(self.i.valid & self.i.ready & ~piece.end),
            end.eq(self.i.valid & self.i.ready & piece.end),
        ]
        stored, wrong, complete = self._parts(m, byte, end)
        m.submodules.check = check = CheckSum()
        m.d.comb += [
            check.clear.eq(end),
            check.step.eq(self.i.valid & ~piece.end),
            check.bit.eq(piece.data.bit_select(bit, 1)),
            check.is_check.eq(~stored),
        ]

        tail, committed, spoiled, good = Signal.like(ring.end), Signal.like(ring.end), Signal(), Signal()
        m.d.comb += [
            ring.put.eq(byte & stored & ~ring.full),
            ring.at.eq(tail),
            ring.tail.eq(tail),
            ring.data.eq(piece.data),
            ring.end.eq(committed),
            good.eq(complete & ~spoiled & ~piece.bad),
        ]
        with m.If(byte & (wrong | stored & ring.full) | check.step & ~stored & (check.bit != check.due)):
            m.d.sync += spoiled.eq(1)
        with m.If(ring.put | end & ~good):
            m.d.sync += tail.eq(Mux(end, committed, tail + 1))
        with m.If(end):
            m.d.sync += spoiled.eq(0)
            with m.If(good):
                m.d.sync += committed.eq(tail)

        begun = Signal()
        m.d.sync += self.dropped.eq(end & ~good & (begun | piece.bad))
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += begun.eq(byte)
        return m

    def _parts(self, m: Module, byte: Signal, end: Signal) -> tuple[Signal, Signal, Signal]:
        """Tell the parts of a packet apart.

        Returns
        -------
        stored, wrong : Signal
            The byte that comes is part of the header or the payload; with it, this is no request.
        complete : Signal
            All parts were there, and nothing more.
        """
        data = self.i.payload.data
        m.submodules.frames = frames = FrameCounter(
            frame_bytes=self.frame_bytes, most=(self.capacity - HEADER.size) // self.frame_bytes
        )
        # The place in the packet; it stays amid the payload.
        at, hello = Signal(range(_COMPLETE + 1)), Signal()
        is_header, stored, wrong, complete = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            # What the counter tells before it is loaded is of a packet before.
            is_header.eq(at < HEADER.size),
            stored.eq(is_header | frames.some),
            complete.eq(at == _COMPLETE),
            frames.data.eq(data),
            frames.low.eq(byte & (at == COUNT_AT)),
            frames.high.eq(byte & (at == COUNT_AT + 1)),
            frames.step.eq(byte & ~is_header & frames.some),
        ]
        with m.Switch(at):
            with m.Case(0):
                m.d.comb += wrong.eq(~Cat(data == kind for kind in Kind.known(loads=self.loads)).any())
                with m.If(byte):
                    m.d.sync += hello.eq(data == Kind.HELLO)
            with m.Case(COUNT_AT, COUNT_AT + 1):
                m.d.comb += wrong.eq(frames.excess)
            with m.Case(HEADER.size):
                m.d.comb += wrong.eq(hello & frames.some)
            with m.Case(_COMPLETE):
                m.d.comb += wrong.eq(1)
        with m.If(byte & (is_header | ~frames.some)):
            m.d.sync += at.eq(at + 1)
        with m.If(end):
            m.d.sync += at.eq(0)
        return stored, wrong, complete
