"""Takes requests apart: frames for the accelerator, headers for who answers."""

from __future__ import annotations

from math import gcd

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.fifo import wrap_increment
from ..gateware.loading import LOAD
from .counting import FrameCounter
from .protocol import ANSWER, COUNT_AT, HEADER, KIND_BITS, Identity, Kind
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
                fill.eq(wrap_increment(fill, self.beat_bits // step)),
                self.o.valid.eq(fill == self.beat_bits // step - 1),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


class Reader(wiring.Component):
    """Takes requests apart.

    A header goes on before its frames, so whoever answers knows of all that are in the accelerator; it
    becomes that of the answer. If nobody takes headers or beats, requests wait where they come from.

    Where parameters are loaded, a request waits until those before it are in place, and one that carries parameters
    until all before it are answered: so what an answer tells of them is of one time. Pieces that come twice, and
    frames that come while there are no parameters, are dropped; the answer to these has none.

    | property  | formula                                                                           |
    |-----------|-----------------------------------------------------------------------------------|
    | latency   | 3 cycles from a byte of a header to `headers`; see `Unpacker` for `frames`        |
    | cycles    | 2 for each byte of a header, 1 more for each request, and those of the `Unpacker` |
    | resources | a `ByteQueue` of 128 bytes, a `FrameCounter`, an `Unpacker`, 4 registers, 4 more   |
    |           | where there are parameters to load                                                |

    Parameters
    ----------
    frame_bytes, most : int
        See `FrameCounter`.
    beat_bits, frame_bits : int
        See `Unpacker`.
    loads : bool
        Whether there are parameters to load.

    Members
    -------
    i : In(stream.Signature(8))
        Headers and payloads of requests, one behind the other; what is not `Kind.HELLO` has frames.
    headers : Out(stream.Signature(8))
        Of the answers, byte by byte.
    frames : Out(stream.Signature(beat_bits))
    load : Out(stream.Signature(LOAD))
    loaded, settled : In(1)
        With `loads`, to and from a `gateware.loading.Loader`. `settled` is 0 from the cycle on that follows a byte
        which is not in its place, and `loaded` is right whenever `settled` is 1.
    answered : In(1)
        With `loads`: there is no header that waits for its answer, the one in the queue included.
    """

    i: stream.Interface
    headers: stream.Interface
    frames: stream.Interface

    #: Headers of 11 requests: more than an accelerator works on, as each one takes its time on the wire.
    QUEUE_BYTES = 128

    def __init__(self, *, frame_bytes: int, most: int, beat_bits: int, frame_bits: int, loads: bool = False) -> None:
        self.frame_bytes, self.most = frame_bytes, most
        self.beat_bits, self.frame_bits = beat_bits, frame_bits
        self.loads = loads
        flags = dict.fromkeys(("loaded", "settled", "answered"), In(1))
        loading = {"load": Out(stream.Signature(LOAD)), **flags} if loads else {}
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "headers": Out(stream.Signature(8)),
                "frames": Out(stream.Signature(beat_bits)),
                **loading,
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
            m.d.sync += hello.eq(self.i.payload[:KIND_BITS] == Kind.HELLO)
        # Whether a request may begin; whether the answer has nothing for each frame; and who takes the payload.
        begins, empty, some, taken = Signal(init=1), Signal(), Signal(), Signal()
        count = Mux(empty & (at >= COUNT_AT), 0, self.i.payload)
        m.d.comb += [
            is_header.eq(at != HEADER.size),
            queue.i.payload.eq(count | Mux(at == 0, ANSWER, 0) | Mux(hello & (at == COUNT_AT), Identity.SIZE, 0)),
            queue.i.valid.eq(self.i.valid & is_header & begins),
            some.eq(self.i.valid & ~is_header & counter.some),
            unpacker.i.payload.data.eq(self.i.payload),
            unpacker.i.payload.last.eq(counter.last),
            self.i.ready.eq(Mux(is_header, queue.i.ready & begins, taken & counter.some)),
            take.eq(self.i.valid & self.i.ready),
            counter.data.eq(self.i.payload),
            counter.low.eq(take & (at == COUNT_AT)),
            counter.high.eq(take & (at == COUNT_AT + 1)),
            counter.step.eq(take & ~is_header),
        ]
        with m.If(is_header):
            m.d.sync += at.eq(at + take)
        with m.Elif(~counter.some):
            m.d.sync += at.eq(0)
        if self.loads:
            is_load, wanted = self._loading(m, begin=take & (at == 0), payload=some)
            m.d.comb += [
                # Of a header before, the first byte has gone through the queue long before the last has entered it.
                begins.eq((at != 0) | self.settled & (self.answered | (self.i.payload[:KIND_BITS] < Kind.LOAD))),
                empty.eq(is_load | ~wanted),
                unpacker.i.valid.eq(some & wanted & ~is_load),
                taken.eq(~wanted | Mux(is_load, self.load.ready, unpacker.i.ready)),
            ]
        else:
            m.d.comb += [unpacker.i.valid.eq(some), taken.eq(unpacker.i.ready)]
        return m

    def _loading(self, m: Module, *, begin: Value, payload: Value) -> tuple[Signal, Signal]:
        """Give pieces of an image to the loader; `begin` of a request, and a byte of a `payload`.

        Returns
        -------
        is_load, wanted : Signal
            Of the request: whether it has a piece, and whether its payload is for anybody. From registers.
        """
        is_load, wanted, even = Signal(), Signal(), Signal()
        kind = self.i.payload[:KIND_BITS]
        with m.If(begin):
            m.d.sync += [is_load.eq(kind >= Kind.LOAD), wanted.eq(self.loaded)]
            with m.Switch(kind):
                with m.Case(Kind.LOAD):
                    m.d.sync += [wanted.eq(1), even.eq(0), self.load.payload.first.eq(1)]
                with m.Case(Kind.LOAD_ODD):
                    m.d.sync += [wanted.eq(~even), even.eq(1)]
                with m.Case(Kind.LOAD_EVEN):
                    m.d.sync += [wanted.eq(even), even.eq(0)]
        m.d.comb += [
            self.load.payload.data.eq(self.i.payload),
            self.load.valid.eq(payload & wanted & is_load),
        ]
        with m.If(self.load.valid & self.load.ready):
            m.d.sync += self.load.payload.first.eq(0)
        return is_load, wanted
