"""Answers requests in the order in which they came."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import EndSpec
from ..blocks.scores.argmax import result_layout
from .cobs import PIECE
from .counting import FrameCounter
from .protocol import CHECK_BYTES, COUNT_AT, HEADER, KIND_BITS, Identity, Kind
from .sender import Sender

__all__ = ["Answerer"]


class Answerer(wiring.Component):
    """Makes a packet of each header and the results of its frames.

    All bits pass one by one through a `Sender`; so whatever widths scores and classes have, they take one
    multiplexer each. A result that is no class is sent whole, whether a request asks for classes or scores.

    | property  | formula                                                                             |
    |-----------|-------------------------------------------------------------------------------------|
    | latency   | 9 cycles from a byte of a header to its byte, 8 from a result to its first one      |
    | cycles    | 10 for each byte of a header or the identity, 9 for others, 2 for each packet,      |
    |           | 1 for each frame, and for each result that nobody asked for                         |
    | resources | ``2 / 3 * lanes * score_bits`` LUTs to choose a bit, a `Sender`, a `FrameCounter`,  |
    |           | a memory of the identity                                                            |

    Parameters
    ----------
    identity : Identity
    spec : EndSpec
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
        A header is there that is not answered, from its first byte on.
    loaded : In(1)
    checksum : In(32)
        Where an image is loaded: whether one is in place, and its CRC-32.
    """

    headers: stream.Interface
    results: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, identity: Identity, spec: EndSpec, *, most: int) -> None:
        self.identity, self.spec, self.most = identity, spec, most
        loading = {"loaded": In(1), "checksum": In(32)} if identity.takes_image else {}
        super().__init__(
            {
                **loading,
                "headers": In(stream.Signature(8)),
                "results": In(stream.Signature(self.spec.o_bits)),
                "o": Out(stream.Signature(PIECE)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sender = sender = Sender(longest=self.identity.SIZE)
        m.submodules.counter = counter = FrameCounter(frame_bytes=1, most=self.most)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        identity = self._identity(m, sender.at)
        with m.FSM() as fsm:
            # Between two bytes of a header none may be there.
            begun = sender.loaded | (sender.at != 0)
            m.d.comb += self.busy.eq(self.headers.valid | begun | ~fsm.ongoing("header"))
            with m.State("header"):
                is_hello, with_scores = self._header(m, sender, counter)
                with m.If(sender.over):
                    m.next = "frame"
            with m.State("frame"):
                with m.If(is_hello):
                    m.next = "identity"
                with m.Elif(~counter.some):
                    m.next = "check"
                with m.Elif(with_scores):
                    m.next = "scores"
                with m.Else():
                    m.next = "class" if self.spec.index_bits else "scores"
            with m.State("identity"):
                m.d.comb += [
                    sender.load.eq(~sender.loaded & ~sender.full),
                    sender.data.eq(identity),
                    sender.step.eq(sender.loaded),
                    sender.last.eq(sender.at == self.identity.SIZE - 1),
                ]
                with m.If(sender.over):
                    m.next = "check"
            if self.spec.index_bits:
                with m.State("scores"), m.If(self._scores(m, sender)):
                    m.next = "class"
                with m.State("class"):
                    self._class(m, sender)
                    m.d.comb += counter.step.eq(sender.over)
                    with m.If(sender.over):
                        m.next = "frame"
            else:
                with m.State("scores"):
                    over = self._scores(m, sender)
                    m.d.comb += counter.step.eq(over)
                    with m.If(over):
                        m.next = "frame"
            with m.State("check"):
                m.d.comb += [
                    sender.is_check.eq(1),
                    sender.step.eq(~sender.full),
                    sender.last.eq(sender.at == CHECK_BYTES - 1),
                ]
                with m.If(sender.over):
                    m.next = "end"
            with m.State("end"):
                m.d.comb += sender.end.eq(1)
                with m.If(sender.ended):
                    m.next = "header"
        return m

    def _header(self, m: Module, sender: Sender, counter: FrameCounter) -> tuple[Signal, Signal]:
        """Hand on a header; whether it is that of an identity, or one with scores."""
        header = self.headers.payload
        is_hello, with_scores = Signal(), Signal()
        m.d.comb += [
            self.headers.ready.eq(~sender.loaded & ~sender.full),
            sender.load.eq(self.headers.valid & self.headers.ready),
            sender.data.eq(header),
            sender.step.eq(sender.loaded),
            sender.last.eq(sender.at == HEADER.size - 1),
            counter.data.eq(header),
            counter.low.eq(sender.load & (sender.at == COUNT_AT)),
            counter.high.eq(sender.load & (sender.at == COUNT_AT + 1)),
        ]
        with m.If(sender.load & (sender.at == 0)):
            kind = header[:KIND_BITS]
            m.d.sync += [is_hello.eq(kind == Kind.HELLO), with_scores.eq(kind == Kind.SCORES)]
        return is_hello, with_scores

    def _scores(self, m: Module, sender: Sender) -> Value:
        """Hand on the scores, labels or codes of a frame; whether the last bit of them moves."""
        result = data.View(result_layout(self.spec), self.results.payload)
        scores, width = Value.cast(result.scores), self.spec.lanes * self.spec.lane_bits
        # What fills the last byte is taken for bits of the last beat: there are zeros behind its scores.
        tail = 8 * self.identity.scores_bytes - (self.spec.cycles - 1) * width
        final = tail if self.spec.cycles == 1 else Mux(result.last, tail, width)
        at = Signal(range(max(tail, width)))
        m.d.comb += [
            sender.step.eq(self.results.valid & ~sender.full),
            sender.bit.eq(Cat(scores, Const(0, 7)).bit_select(at, 1)),
            sender.last.eq(at == final - 1),
            # The last beat stays until its class has left.
            self.results.ready.eq(~sender.full & sender.last & (~result.last if self.spec.index_bits else Const(1))),
        ]
        with m.If(sender.step):
            m.d.sync += at.eq(Mux(sender.last, 0, at + 1))
        return sender.over & result.last

    def _class(self, m: Module, sender: Sender) -> None:
        """Hand on the class of a frame, from its last result; let those before go by."""
        result, class_bytes = data.View(result_layout(self.spec), self.results.payload), self.identity.class_bytes
        padded, place = Cat(Value.cast(result.best), Const(0, 15))[: 8 * class_bytes], Cat(sender.place, sender.at)
        m.d.comb += [
            sender.step.eq(self.results.valid & result.last & ~sender.full),
            sender.bit.eq(padded.bit_select(place[: (8 * class_bytes - 1).bit_length()], 1)),
            sender.last.eq(sender.at == class_bytes - 1),
            self.results.ready.eq(~result.last | ~sender.full & sender.is_whole & sender.last),
        ]

    def _identity(self, m: Module, at: Value) -> Value:
        """A byte of the identity. It is there when the byte before it has left, which takes two cycles."""
        fixed = self.identity.FIXED
        m.submodules.memory = store = memory.Memory(
            shape=8, depth=fixed, init=self.identity.to_bytes()[:fixed], attrs={"rom_style": "block"}
        )
        read = store.read_port()
        m.d.comb += [read.addr.eq(at), read.en.eq(1)]
        live: Value = Const(0, 8)
        if self.identity.takes_image:
            live = Mux(self.loaded, self.checksum.word_select(at[:2], 8), 0)
        return Mux(at < fixed, read.data, live)
