"""Results to packets."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import EndSpec, WidthSpec
from ..blocks.scores.argmax import result_layout
from ..blocks.width.gateware import WidthConverter
from ..gateware.fifo import Fifo, wrap_increment
from .layout import PacketLayout
from .receive import transfer_layout

__all__ = ["ResultSender"]

#: Up to so many bits of scores come together in registers first; words are then cut from them by wires alone.
TOGETHER = 512
#: Classes that wait for the words of their scores: as many results as can be among the converters.
CLASSES = 4


class ResultSender(wiring.Component):
    """Packs the scores and the class of each frame, its class alone, or its labels or codes, into one packet.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a result   | max(result beats, ``result_words``)                               |
    | latency           | 2 to 4 cycles from the last beat of a result to its first word    |
    |                   | that was not complete before                                      |
    | resources         | a `WidthConverter` to words of tdata; where results are several   |
    |                   | beats of at most 512 bits in all, one before it that collects     |
    |                   | them; FIFOs of 4 classes, if there are any, and of 2 transfers    |

    Members
    -------
    i : In(stream.Signature(argmax.result_layout(spec)))
    o : Out(stream.Signature(transfer_layout(tdata_bytes)))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, layout: PacketLayout, spec: EndSpec) -> None:
        self.layout, self.spec = layout, spec
        super().__init__(
            {
                "i": In(stream.Signature(result_layout(spec))),
                "o": Out(stream.Signature(transfer_layout(layout.sent_bytes))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self.layout
        classes = self._classes(m) if layout.decides else None
        scores, words = self._none(m) if layout.class_only else self._converters(m)
        m.d.comb += scores.payload.eq(self.i.payload.scores)
        if classes is None:
            m.d.comb += [self.i.ready.eq(scores.ready), scores.valid.eq(self.i.valid)]
        else:
            m.d.comb += [
                self.i.ready.eq(scores.ready & classes.i.ready),
                scores.valid.eq(self.i.valid & classes.i.ready),
                classes.i.valid.eq(self.i.valid & scores.ready & self.i.payload.last),
                classes.i.payload.eq(self.i.payload.best),
            ]

        m.submodules.output = output = Fifo(width=len(Value.cast(self.o.payload)), depth=2)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        sent = Signal(transfer_layout(layout.sent_bytes))
        word = Signal(range(layout.result_words))
        last, with_scores, moves = Signal(), Signal(), Signal()
        filled = layout.result_bytes - (layout.result_words - 1) * layout.sent_bytes
        m.d.comb += [
            last.eq(word == layout.result_words - 1),
            with_scores.eq(word < -(-layout.scores_bytes // layout.sent_bytes)),
            # A class comes with the last scores, which take a cycle or more: it is there when they are.
            output.i.valid.eq(classes.o.valid if classes and layout.class_only else words.valid | ~with_scores),
            output.i.payload.eq(sent),
            moves.eq(output.i.valid & output.i.ready),
            words.ready.eq(moves & with_scores),
            sent.keep.eq(Mux(last, (1 << filled) - 1, (1 << layout.sent_bytes) - 1)),
            sent.last.eq(last),
        ]
        if classes is None:
            m.d.comb += sent.data.eq(words.payload)
        else:
            m.d.comb += [
                classes.o.ready.eq(moves & last),
                sent.data.eq(Mux(with_scores, words.payload, 0) | self._class(word, classes.o.payload)),
            ]
        with m.If(moves):
            m.d.sync += word.eq(wrap_increment(word, layout.result_words))
        return m

    def _classes(self, m: Module) -> Fifo:
        """Where the classes of frames wait."""
        m.submodules.classes = classes = Fifo(width=self.spec.index_bits * self.spec.parallel_frames, depth=CLASSES)
        return classes

    def _none(self, m: Module) -> tuple[stream.Interface, stream.Interface]:
        """What takes scores, where the class is sent alone, and gives no word."""
        scores, words = stream.Signature(self.spec.i_bits).create(), stream.Signature(self.layout.sent_bits).create()
        m.d.comb += scores.ready.eq(1)
        return scores, words

    def _converters(self, m: Module) -> tuple[stream.Interface, stream.Interface]:
        """From the scores of beats to words of tdata: where they go in and come out."""
        layout, spec = self.layout, self.spec
        each = spec.lane_bits * spec.parallel_frames
        bits, lanes = layout.scores_bits, spec.lanes * each
        chain = []
        if spec.o_beats > 1 and bits <= TOGETHER:
            m.submodules.together = together = WidthConverter(
                WidthSpec(
                    name="together", layer="scores", i_length=spec.classes, o_length=spec.classes, i_lanes=spec.lanes,
                    o_lanes=spec.classes, lane_bits=each,
                )
            )  # fmt: skip
            chain.append(together)
            lanes = bits
        m.submodules.words = words = WidthConverter(
            WidthSpec(
                name="words", layer="scores", i_length=bits, o_length=bits, i_lanes=lanes, o_lanes=layout.sent_bits,
                lane_bits=1,
            )
        )  # fmt: skip
        chain.append(words)
        if len(chain) > 1:
            wiring.connect(m, together.o, words.i)
        return chain[0].i, words.o

    def _class(self, word: Signal, best: Value) -> Value:
        """The bytes of the classes that belong into a word; 0 in all others."""
        layout, bits = self.layout, self.spec.index_bits
        fill = Const(0, 8 * layout.class_bytes - bits)
        numbers = Cat(*(Cat(best.word_select(n, bits), fill) for n in range(layout.parallel_frames)))
        first = layout.scores_bytes // layout.sent_bytes
        placed = Cat(Const(0, 8 * (layout.scores_bytes - first * layout.sent_bytes)), numbers)
        parts: list[Value] = []
        for number in range(first, layout.result_words):
            at = (number - first) * layout.sent_bits
            parts.append(Mux(word == number, placed[at : at + layout.sent_bits], 0))
        return reduce(or_, parts)
