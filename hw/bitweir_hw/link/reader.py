"""Takes requests apart: frames for the accelerator, headers for who answers."""

from __future__ import annotations

from math import gcd

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.fifo import following
from .counting import FrameCounter
from .protocol import ANSWER, HEADER, Identity, Kind
from .ring import ByteQueue

__all__ = ["FRAME_BYTE", "Reader", "Unpacker"]


#: A byte of a frame.
FRAME_BYTE = data.StructLayout({"data": 8, "last": 1})


class Unpacker(wiring.Component):
    """Beats from the bytes of a frame, which follow each other from the lowest bit on.

    Bits are shifted in, as many at once as divide both a byte and a beat.

    | property  | formula, with ``step = gcd(8, beat_bits)``                             |
    |-----------|------------------------------------------------------------------------|
    | latency   | 1 cycle from the last bits of a beat                                   |
    | cycles    | ``8 / step`` for each byte, 1 more for each beat                       |
    | resources | ``beat_bits`` registers, counters to 8 / step and to beat_bits / step  |

    Parameters
    ----------
    beat_bits, frame_bits : int
        Of a beat, and of all beats of a frame.

    Members
    -------
    i : In(stream.Signature(FRAME_BYTE))
        In the last byte of a frame, bits behind the last beat may be anything.
    o : Out(stream.Signature(beat_bits))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, *, beat_bits: int, frame_bits: int) -> None:
        self.beat_bits, self.frame_bits = beat_bits, frame_bits
        super().__init__({"i": In(stream.Signature(FRAME_BYTE)), "o": Out(stream.Signature(beat_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = gcd(8, self.beat_bits)
        part, fill = Signal(range(8 // step)), Signal(range(self.beat_bits // step))
        final = Mux(self.i.payload.last, (self.frame_bits - 1) % 8 // step, 8 // step - 1)
        go = Signal()
        m.d.comb += [
            go.eq(self.i.valid & ~self.o.valid),
            self.i.ready.eq(~self.o.valid & (part == final)),
        ]
        with m.If(go):
            bits = self.i.payload.data.word_select(part, step)
            m.d.sync += [
                self.o.payload.eq(Cat(self.o.payload, bits)[step:]),
                part.eq(Mux(self.i.ready, 0, part + 1)),
                fill.eq(following(fill, self.beat_bits // step)),
                self.o.valid.eq(fill == self.beat_bits // step - 1),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


class Reader(wiring.Component):
    """Takes requests apart.

    A header goes on before its frames, so whoever answers knows of all that are in the accelerator; it
    becomes that of the answer. If nobody takes headers or beats, requests wait where they come from.

    | property  | formula                                                                           |
    |-----------|-----------------------------------------------------------------------------------|
    | latency   | 3 cycles from a byte of a header to `headers`; see `Unpacker` for `frames`        |
    | cycles    | 2 for each byte of a header, 1 more for each request, and those of the `Unpacker` |
    | resources | a `ByteQueue` of 64 bytes, a `FrameCounter`, an `Unpacker`, 4 registers           |

    Parameters
    ----------
    frame_bytes, most : int
        See `FrameCounter`.
    beat_bits, frame_bits : int
        See `Unpacker`.

    Members
    -------
    i : In(stream.Signature(8))
        Headers and payloads of requests, one behind the other; what is not `Kind.HELLO` has frames.
    headers : Out(stream.Signature(8))
        Of the answers, byte by byte.
    frames : Out(stream.Signature(beat_bits))
    """

    i: stream.Interface
    headers: stream.Interface
    frames: stream.Interface

    #: Headers of 12 requests: more than an accelerator works on, as each one takes its time on the wire.
    QUEUE_BYTES = 64

    def __init__(self, *, frame_bytes: int, most: int, beat_bits: int, frame_bits: int) -> None:
        self.frame_bytes, self.most = frame_bytes, most
        self.beat_bits, self.frame_bits = beat_bits, frame_bits
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "headers": Out(stream.Signature(8)),
                "frames": Out(stream.Signature(beat_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = ByteQueue(depth=self.QUEUE_BYTES)
        m.submodules.unpacker = unpacker = Unpacker(beat_bits=self.beat_bits, frame_bits=self.frame_bits)
        m.submodules.counter = counter = FrameCounter(frame_bytes=self.frame_bytes, most=self.most)
        wiring.connect(m, queue.o, wiring.flipped(self.headers))
        wiring.connect(m, unpacker.o, wiring.flipped(self.frames))
        at, is_header, take, hello = Signal(range(HEADER.size + 1)), Signal(), Signal(), Signal()
        with m.If(at == 0):
            # Among the kinds that there are.
            m.d.sync += hello.eq(self.i.payload[:2] == Kind.HELLO)
        m.d.comb += [
            is_header.eq(at != HEADER.size),
            queue.i.payload.eq(self.i.payload | Mux(at == 0, ANSWER, 0) | Mux(hello & (at == 3), Identity.SIZE, 0)),
            queue.i.valid.eq(self.i.valid & is_header),
            unpacker.i.payload.data.eq(self.i.payload),
            unpacker.i.payload.last.eq(counter.last),
            unpacker.i.valid.eq(self.i.valid & ~is_header & counter.some),
            self.i.ready.eq(Mux(is_header, queue.i.ready, unpacker.i.ready & counter.some)),
            take.eq(self.i.valid & self.i.ready),
            counter.data.eq(self.i.payload),
            counter.low.eq(take & (at == 3)),
            counter.high.eq(take & (at == 4)),
            counter.step.eq(take & ~is_header),
        ]
        with m.If(is_header):
            m.d.sync += at.eq(at + take)
        with m.Elif(~counter.some):
            m.d.sync += at.eq(0)
        return m
