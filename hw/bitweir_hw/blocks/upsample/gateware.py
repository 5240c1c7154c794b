"""The repetition of pixels: a map goes in, a larger one comes out in which each pixel stands several times."""

from __future__ import annotations

from math import prod
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.counters import FillLevel, counter
from ...gateware.credits import CreditedOutput
from ...gateware.store import Store
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
    | address          | 2 adders of ``log2(words)`` bits side by side                               |

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

        # Counters are one beat ahead, so that all that follows from them is registers when it is needed.
        # The first beat waits for a word, so they get ahead in time.
        take, issue, step, begun = Signal(), Signal(), Signal(), Signal()
        # Of each loop, whether it and all loops inside it are at their ends; behind the last, nothing is.
        ends = [Signal(name=f"{name}_ends") for name in LOOPS] + [Const(1, 1)]
        counters, lasts = [], []
        for level, (name, count) in enumerate(zip(LOOPS, spec.loops, strict=True)):
            number, last = counter(m, name, step & ends[level + 1], count)
            counters.append(number)
            lasts.append(last)
            m.d.comb += ends[level].eq(last & ends[level + 1])

        # A word is new in the first copy of its pixel and its row, and free again after the last.
        fresh, spent, use, freed = Signal(init=1), Signal(), Signal(), Signal()
        with m.If(step):
            m.d.sync += [
                fresh.eq((counters[0] == 0) & (counters[2] == 0)),
                spent.eq(lasts[0] & lasts[2]),
            ]
        held = FillLevel(m, "held", spec.words, change=take ^ freed, down=freed)
        unread = FillLevel(m, "unread", spec.words, change=take ^ use, down=use)
        m.d.comb += [
            self.i.ready.eq(held.space),
            take.eq(self.i.valid & held.space),
            issue.eq((~fresh | unread.some) & output.free),
            use.eq(fresh & unread.some & output.free),
            # Where there are copies, the last one is not the first.
            freed.eq(spent & output.free if prod(spec.factors) > 1 else use),
            step.eq(issue | ~begun),
            output.start.eq(issue),
        ]
        m.d.sync += begun.eq(1)
        done: Value = issue
        for _ in range(spec.latency):
            before, done = done, Signal(name="done")
            m.d.sync += done.eq(before)
        m.d.comb += [output.done.eq(done), output.result.eq(self._buffer(m, take, issue, step, ends))]
        return m

    def _buffer(self, m: Module, take: Signal, issue: Signal, step: Signal, ends: list[Value]) -> Value:
        """Build the ring; the word whose beat is due.

        The address goes on from word to word, and back to the first word of the pixel or of the row. The next one is
        computed as if it went round, too: the sign of that tells which one is right.
        """
        spec = self.spec
        depth = spec.words
        w_at, _ = counter(m, "w_at", take, depth)
        # How far on the next word is: behind the last repeat the next pixel, behind the last copy the next row.
        onward, beyond = Signal(range(depth)), Signal(range(-depth, 0), init=-depth)

        def moves(far: int) -> list[Any]:
            return [onward.eq(far % depth), beyond.eq(far % depth - depth)]

        with m.If(step):
            m.d.sync += moves(1)
            with m.If(ends[3] & ~ends[2]):
                m.d.sync += moves(1 - spec.shape[2])
            with m.If(ends[1] & ~ends[0]):
                m.d.sync += moves(1 - spec.row_words)
        r_at = Signal(range(depth))
        there, around = (r_at + onward)[: len(r_at)], r_at + beyond
        with m.If(issue):
            m.d.sync += r_at.eq(there if depth & (depth - 1) == 0 else Mux(around[-1], there, around))
        attrs = {"ram_style": "block"} if spec.buffer.block else {}
        layout = spec.buffer.layout
        m.submodules.buffer = store = Store(depth=depth, width=spec.word_bits, layout=layout, attrs=attrs)
        m.d.comb += [
            store.write.eq(take),
            store.w_address.eq(w_at),
            store.w_data.eq(self.i.payload),
            store.address.eq(r_at),
        ]
        return store.data
