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

    All bits pass one by one, the lowest first, through the check sum and into bytes; whatever widths
    scores and classes have, this takes one multiplexer each.

    | property  | formula                                                                               |
    |-----------|---------------------------------------------------------------------------------------|
    | latency   | 8 cycles from a byte of a header, or from a result, to the first byte made of it      |
    | cycles    | 9 for each byte, 2 for each packet, 1 for each result that nobody asked for and 1 for |
    |           | each frame of which the scores are asked for                                          |
    | resources | ``lanes * score_bits / 3 * 2`` LUTs, 32 registers of the check sum, a memory of the   |
    |           | identity (512 bits, read-only), a `FrameCounter`, about 25 registers                  |

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
        # The bit, whether it is there, whether it is the last one of its part; and it moves.
        bit, there, last, step = Signal(), Signal(), Signal(), Signal()
        # Its place in the byte, and the byte's place in its part.
        place, at = Signal(3), Signal(range(self.identity.SIZE))
        byte, full, whole, is_end = Signal(8), Signal(), Signal(), Signal()
        m.d.comb += [
            step.eq(there & ~full),
            whole.eq(place == 7),
            check.clear.eq(is_end),
            check.step.eq(step),
            check.bit.eq(bit),
            self.o.valid.eq(full | is_end),
            self.o.payload.data.eq(byte),
            self.o.payload.end.eq(~full),
        ]
        with m.If(step):
            m.d.sync += [byte.eq(Cat(byte[1:], bit)), place.eq(place + 1), full.eq(whole)]
            with m.If(whole):
                m.d.sync += at.eq(Mux(last, 0, at + 1))
        with m.Elif(self.o.ready):
            m.d.sync += full.eq(0)

        header, result = self.headers.payload, data.View(result_layout(self.spec), self.results.payload)
        is_hello, with_scores = Signal(), Signal()
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(self.headers.valid | ~fsm.ongoing("header"))
            with m.State("header"):
                m.d.comb += [
                    there.eq(self.headers.valid),
                    bit.eq(header.bit_select(place, 1)),
                    last.eq(whole & (at == HEADER.size - 1)),
                    self.headers.ready.eq(~full & whole),
                    counter.data.eq(header),
                    counter.low.eq(step & (at == 3)),
                    counter.high.eq(step & (at == 4)),
                ]
                with m.If(at == 0):
                    # Among the kinds that there are.
                    m.d.sync += [is_hello.eq(header[:2] == Kind.HELLO), with_scores.eq(header[:2] == Kind.SCORES)]
                with m.If(step & last):
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
                    there.eq(1),
                    bit.eq(self._identity(m, at).bit_select(place, 1)),
                    last.eq(whole & (at == self.identity.SIZE - 1)),
                ]
                with m.If(step & last):
                    m.next = "check"
            with m.State("scores"):
                m.d.comb += [
                    there.eq(self.results.valid),
                    self.results.ready.eq(~full & last & ~result.last),
                ]
                self._scores(m, result, bit, last, step)
                with m.If(step & last & result.last):
                    m.next = "class"
            with m.State("class"):
                padded = Cat(Value.cast(result.best), Const(0, 15))[: 8 * self.identity.class_bytes]
                m.d.comb += [
                    there.eq(self.results.valid & result.last),
                    bit.eq(padded.bit_select(Cat(place, at)[: (len(padded) - 1).bit_length()], 1)),
                    last.eq(whole & (at == self.identity.class_bytes - 1)),
                    self.results.ready.eq(~result.last | ~full & last),
                    counter.step.eq(step & last),
                ]
                with m.If(step & last):
                    m.next = "frame"
            with m.State("check"):
                m.d.comb += [
                    there.eq(1),
                    check.is_check.eq(1),
                    bit.eq(check.due),
                    last.eq(whole & (at == CHECK_BYTES - 1)),
                ]
                with m.If(step & last):
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

    def _identity(self, m: Module, at: Value) -> Value:
        """A byte of the identity. It is there a cycle after its place, when the byte before it moves."""
        m.submodules.memory = store = memory.Memory(
            shape=8, depth=self.identity.SIZE, init=self.identity.to_bytes(), attrs={"rom_style": "block"}
        )
        read = store.read_port()
        m.d.comb += [read.addr.eq(at), read.en.eq(1)]
        return read.data
