"""Answers requests in the order in which they came."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import ArgmaxSpec
from ..gateware.argmax import result_layout
from .check import CheckSum
from .cobs import PIECE
from .counting import FrameCounter
from .protocol import CHECK_BYTES, HEADER, Identity, Kind

__all__ = ["Answerer"]


class Answerer(wiring.Component):
    """Makes a packet of each header and the results of its frames.

    All bits pass one by one, the lowest first, through a byte and the check sum; so whatever widths scores
    and classes have, they take one multiplexer each.

    | property  | formula                                                                             |
    |-----------|-------------------------------------------------------------------------------------|
    | latency   | 9 cycles from a byte of a header, or from a result, to the first byte made of it    |
    | cycles    | 10 for each byte of a header or the identity, 9 for others, a few for each packet,  |
    |           | 1 for each frame, and for each result that nobody asked for                         |
    | resources | ``2 / 3 * lanes * score_bits`` LUTs to choose a bit; 32 registers of the check sum, |
    |           | a memory of the identity, a `FrameCounter`, about 30 registers                      |

    Parameters
    ----------
    identity : Identity
    spec : ArgmaxSpec
        Of the results.
    most : int
        Frames that a request may have.

    Members
    -------
    headers : In(stream.Signature(8))
        Of the answers, byte by byte.
    results : In(stream.Signature(spec.o_bits))
        See `argmax.result_layout`. As many as the frames of the headers until here have.
    o : Out(stream.Signature(PIECE))
    busy : Out(1)
        A header is there that is not answered.
    """

    headers: stream.Interface
    results: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, identity: Identity, spec: ArgmaxSpec, *, most: int) -> None:
        self.identity, self.spec, self.most = identity, spec, most
        super().__init__(
            {
                "headers": In(stream.Signature(8)),
                "results": In(stream.Signature(self.spec.o_bits)),
                "o": Out(stream.Signature(PIECE)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.check = check = CheckSum()
        m.submodules.counter = counter = FrameCounter(frame_bytes=1, most=self.most)
        header, identity = self.headers.payload, self._identity(m)
        result = data.View(result_layout(self.spec), self.results.payload)

        # Bits are shifted into a byte, the place of which in its part of the packet is `at`. What is there as a
        # whole byte is loaded, and then its own bits are shifted in.
        byte, bit, place, at = Signal(8, reset_less=True), Signal(), Signal(3), Signal(range(self.identity.SIZE))
        load, loaded, step, stepped, full = Signal(), Signal(), Signal(), Signal(), Signal()
        is_header, is_check, is_end, last = Signal(), Signal(), Signal(), Signal()
        with m.If(load | step):
            m.d.sync += byte.eq(Mux(load, Mux(is_header, header, identity.data), Cat(byte[1:], bit)))
        with m.If(load):
            m.d.sync += loaded.eq(1)
        with m.If(step):
            m.d.sync += place.eq(place + 1)
            with m.If(place == 7):
                m.d.sync += [full.eq(1), loaded.eq(0), at.eq(Mux(last, 0, at + 1))]
        with m.Elif(self.o.ready):
            m.d.sync += full.eq(0)
        m.d.sync += stepped.eq(step & ~is_check)
        m.d.comb += [
            identity.addr.eq(at),
            self.o.valid.eq(full | is_end),
            self.o.payload.data.eq(byte),
            self.o.payload.end.eq(~full),
            check.clear.eq(is_end),
            # The sum takes a bit from the byte, a cycle late; its own bits it gives at once.
            check.step.eq(stepped | step & is_check),
            check.is_check.eq(~stepped),
            check.bit.eq(byte[7]),
        ]

        is_hello, with_scores, over = Signal(), Signal(), Signal()
        m.d.comb += over.eq(step & (place == 7) & last)
        with m.FSM():
            m.d.comb += self.busy.eq(self.headers.valid | ~is_header)
            with m.State("header"):
                m.d.comb += [
                    is_header.eq(1),
                    self.headers.ready.eq(~loaded & ~full),
                    load.eq(self.headers.valid & self.headers.ready),
                    step.eq(loaded),
                    bit.eq(byte[0]),
                    last.eq(at == HEADER.size - 1),
                    counter.data.eq(header),
                    counter.low.eq(load & (at == 3)),
                    counter.high.eq(load & (at == 4)),
                ]
                with m.If(load & (at == 0)):
                    # Among the kinds that there are.
                    m.d.sync += [is_hello.eq(header[:2] == Kind.HELLO), with_scores.eq(header[:2] == Kind.SCORES)]
                with m.If(over):
                    m.next = "frame"
            with m.State("frame"):
                with m.If(is_hello):
                    m.next = "identity"
                with m.Elif(~counter.some):
                    m.next = "check"
                with m.Elif(with_scores):
                    m.next = "scores"
                with m.Else():
                    m.next = "class"
            with m.State("identity"):
                m.d.comb += [
                    load.eq(~loaded & ~full),
                    step.eq(loaded),
                    bit.eq(byte[0]),
                    last.eq(at == self.identity.SIZE - 1),
                ]
                with m.If(over):
                    m.next = "check"
            with m.State("scores"):
                m.d.comb += [
                    step.eq(self.results.valid & ~full),
                    self.results.ready.eq(~full & last & ~result.last),
                ]
                self._scores(m, result, bit, last, step)
                with m.If(over & result.last):
                    m.next = "class"
            with m.State("class"):
                padded = Cat(Value.cast(result.best), Const(0, 15))[: 8 * self.identity.class_bytes]
                m.d.comb += [
                    step.eq(self.results.valid & result.last & ~full),
                    self.results.ready.eq(~result.last | ~full & (place == 7) & last),
                    bit.eq(padded.bit_select(Cat(place, at)[: (len(padded) - 1).bit_length()], 1)),
                    last.eq(at == self.identity.class_bytes - 1),
                    counter.step.eq(over),
                ]
                with m.If(over):
                    m.next = "frame"
            with m.State("check"):
                m.d.comb += [is_check.eq(1), step.eq(~full), bit.eq(check.due), last.eq(at == CHECK_BYTES - 1)]
                with m.If(over):
                    m.next = "end"
            with m.State("end"):
                m.d.comb += is_end.eq(1)
                with m.If(self.o.ready & ~full):
                    m.next = "header"
        return m

    def _scores(self, m: Module, result: data.View, bit: Signal, last: Signal, step: Signal) -> None:
        """A bit of the scores of a beat."""
        scores, width = Value.cast(result.scores), self.spec.lanes * self.spec.lane_bits
        # What fills the last byte is taken for bits of the last beat: there are zeros behind its scores.
        tail = 8 * self.identity.scores_bytes - (self.spec.cycles - 1) * width
        final = tail if self.spec.cycles == 1 else Mux(result.last, tail, width)
        at = Signal(range(max(tail, width)))
        m.d.comb += [bit.eq(Cat(scores, Const(0, 7)).bit_select(at, 1)), last.eq(at == final - 1)]
        with m.If(step):
            m.d.sync += at.eq(Mux(last, 0, at + 1))

    def _identity(self, m: Module) -> memory.ReadPort:
        """The bytes of the identity. One is there when the byte before it has left, which takes two cycles."""
        m.submodules.memory = store = memory.Memory(
            shape=8, depth=self.identity.SIZE, init=self.identity.to_bytes(), attrs={"rom_style": "block"}
        )
        read = store.read_port()
        m.d.comb += read.en.eq(1)
        return read
