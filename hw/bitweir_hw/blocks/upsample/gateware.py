"""The repetition of pixels: a map goes in, a larger one comes out in which each pixel stands several times."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput
from ...gateware.fifo import wrap_increment
from ...memory import is_block
from .spec import UpsampleSpec

__all__ = ["Upsample"]

#: Names of the loops that make the beats of a row, outermost first.
LOOPS = ("copy", "column", "repeat", "word")


class Upsample(wiring.Component):
    """Keeps a row of words, and reads it as often as it is to leave.

    The buffer is a ring of words. A word of the first copy is read once it is there; the last copy frees it.

    | property         | formula                                                                     |
    |------------------|-----------------------------------------------------------------------------|
    | cycles a frame   | ``o_beats``                                                                 |
    | latency          | input beat, 1 cycle, issue, ``spec.latency``, write, 1 cycle, output        |
    | memory           | ``words`` words of ``word_bits`` bits                                       |
    | address          | an adder of ``log2(words)`` bits, and one more where it goes round          |

    Members
    -------
    i, o : stream.Signature(spec.word_bits)
        Words of a pixel one after the other, pixels row by row.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: UpsampleSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))

        take, issue = Signal(), Signal()
        counters = [Signal(range(count), name=name) for name, count in zip(LOOPS, spec.loops, strict=True)]
        # Of each loop, whether it and all loops inside it are at their ends; behind the last, nothing is.
        ends = [Signal(name=f"{name}_ends") for name in LOOPS] + [Const(1, 1)]
        for level, count in enumerate(spec.loops):
            m.d.comb += ends[level].eq((counters[level] == count - 1) & ends[level + 1])
            with m.If(issue & ends[level + 1]):
                m.d.sync += counters[level].eq(wrap_increment(counters[level], count))

        copy, _, repeat, _ = counters
        fresh, spent = Signal(), Signal()
        # Both have a sign that says all: words that were never read, less one, and places that are left, less one.
        unread, room = Signal(range(-1, spec.words), init=-1), Signal(range(-1, spec.words), init=spec.words - 1)
        m.d.comb += [
            fresh.eq((copy == 0) & (repeat == 0)),
            spent.eq((copy == spec.factors[0] - 1) & (repeat == spec.factors[1] - 1)),
            self.i.ready.eq(~room[-1]),
            take.eq(self.i.valid & self.i.ready),
            issue.eq((~fresh | ~unread[-1]) & output.free),
            output.start.eq(issue),
        ]
        m.d.sync += [
            unread.eq(unread + Mux(take, ~(issue & fresh), -(issue & fresh))),
            room.eq(room + Mux(issue & spent, ~take, -take)),
        ]
        done: Value = issue
        for _ in range(spec.latency):
            before, done = done, Signal(name="done")
            m.d.sync += done.eq(before)
        m.d.comb += [output.done.eq(done), output.result.eq(self._buffer(m, take, issue, ends))]
        return m

    def _buffer(self, m: Module, take: Signal, issue: Signal, ends: list[Value]) -> Value:
        """Build the ring; the word whose beat is due.

        The address counts down by 1 from word to word, and goes back to the first word of the pixel or of the row.
        """
        spec = self.spec
        depth = spec.words
        w_at, r_at = Signal(range(depth), init=depth - 1), Signal(range(depth), init=depth - 1)
        with m.If(take):
            m.d.sync += w_at.eq(Mux(w_at == 0, depth - 1, w_at - 1))
        # How far on the next word is: behind the last repeat the next pixel, behind the last copy the next row.
        again, pixel = 1 - spec.row_words, 1 - spec.shape[2]
        onward = Mux(ends[3] & ~ends[2], Const(pixel % depth, range(depth)), Const(1, range(depth)))
        onward = Mux(ends[1] & ~ends[0], Const(again % depth, range(depth)), onward)
        below = r_at - onward
        with m.If(issue):
            m.d.sync += r_at.eq(below[: len(r_at)] + Mux(below[-1], depth, 0))
        attrs = {"ram_style": "block"} if is_block(depth, spec.word_bits) else {}
        m.submodules.buffer = store = memory.Memory(shape=spec.word_bits, depth=depth, init=[], attrs=attrs)
        write, read = store.write_port(), store.read_port()
        m.d.comb += [
            write.en.eq(take),
            write.addr.eq(w_at),
            write.data.eq(self.i.payload),
            read.en.eq(1),
            read.addr.eq(r_at),
        ]
        # The memory itself is the first cycle; a further one makes for a faster clock.
        word: Value = read.data
        for _ in range(spec.latency - 1):
            before, word = word, Signal.like(read.data, name="word", reset_less=True)
            m.d.sync += word.eq(before)
        return word
