"""From beats of one width to beats of another, vector by vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.fifo import Fifo, wrap_increment
from .beats import Beats
from .pipelined import Shifter
from .spec import WidthSpec

__all__ = ["WidthConverter"]

#: Makes a choice by the kind of the beat at the input: of keys for each kind, and what a key stands for.
_Pick = Callable[[Sequence[int], Callable[[int], Value]], Value]


class WidthConverter(wiring.Component):
    """Cuts vectors into other beats; widths need not divide each other.

    Several input vectors may follow each other in one output vector. The elements that pad the last
    beat of an input vector are dropped, the last output beat is padded with zeros.

    An input beat is put behind the *rest*, the elements that do not fill an output beat yet. How many
    these are, the *phase*, depends on the place in the vector alone, so the way of the elements does
    not wait for the output. Output beats that are complete wait in a queue.

    | property         | formula                                                                           |
    |------------------|-----------------------------------------------------------------------------------|
    | latency          | 1 cycle from the beat that completes an output beat, and ``spec.latency``         |
    | cycles a frame   | max(input beats, output beats)                                                    |
    | ready            | while at most ``spec.room`` elements wait                                         |
    | alignment        | wires, where each beat completes whole output beats, or beats of one size fill    |
    |                  | one exactly; else a shifter of ``log2(o_lanes / step)`` LUTs a bit, and the rest: |
    |                  | with `stage_levels`, see `pipelined.Shifter`                                      |
    | queue            | 2 or 3 output beats, 1 LUT a bit; where a beat completes up to n > 1 of them,     |
    |                  | n + 2, and about ``2 + (n - 1) * 2 / 3`` LUTs a bit                               |

    Members
    -------
    i : In(stream.Signature(spec.i_bits))
    o : Out(stream.Signature(spec.o_bits))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: WidthSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, beats = self.spec, Beats(self.spec)
        if spec.shift_stages:
            m.submodules.shifter = shifter = Shifter(spec)
            wiring.connect(m, wiring.flipped(self.i), shifter.i)
            wiring.connect(m, shifter.o, wiring.flipped(self.o))
            return m
        take = Signal()
        m.d.comb += take.eq(self.i.valid & self.i.ready)
        pick = self._kinds(m, take)

        # The phase and what a beat adds count in steps; a carry says that one more output beat is complete.
        phase, carry = Signal(range(beats.phases)), Signal()
        count = Signal(range(beats.most + 1))
        added = [steps % beats.phases for steps in beats.steps]
        m.d.comb += [
            carry.eq(pick(added, lambda steps: _at_least(phase, beats.phases - steps))),
            count.eq(pick([steps // beats.phases for steps in beats.steps], Const) + carry),
        ]
        with m.If(take):
            onward, around = pick(added, Const), pick([steps - beats.phases for steps in added], Const)
            m.d.sync += phase.eq(phase + Mux(carry, around, onward))

        # What pads elements may be anything at the input, and is 0 from here on.
        fresh = pick(beats.elements, lambda elements: self.i.payload[: elements * spec.lane_bits])
        words = Signal(beats.most * spec.o_bits)
        if beats.phases == 1:
            m.d.comb += words.eq(fresh)
        elif beats.collects:
            m.d.comb += words.eq(self._collect(m, beats, take, phase, fresh, pick))
        else:
            m.d.comb += words.eq(self._shift(m, beats, take, phase, fresh, count))
        if beats.most == 1:
            self._queue(m, beats, words, take & count[0], phase)
        else:
            self._queue_of_many(m, words, take, count, phase)
        return m

    def _kinds(self, m: Module, take: Signal) -> _Pick:
        """Count beats, so that things can be chosen by their kind."""
        spec = self.spec
        beat, part = Signal(range(spec.part_beats)), Signal(range(spec.parts))
        tail, last = Signal(), Signal()
        m.d.comb += [tail.eq(beat == spec.part_beats - 1), last.eq(tail & (part == spec.parts - 1))]
        with m.If(take):
            m.d.sync += beat.eq(wrap_increment(beat, spec.part_beats))
            with m.If(tail):
                m.d.sync += part.eq(wrap_increment(part, spec.parts))
        conditions = [tail] if spec.part_beats > 1 and spec.parts > 1 else []
        conditions += [last] if spec.part_beats * spec.parts > 1 else []

        def pick(keys: Sequence[int], make: Callable[[int], Value]) -> Value:
            chosen = make(keys[0])
            # A kind is among those of the kind before it: what does not change needs no choice.
            for condition, (before, key) in zip(conditions, pairwise(keys), strict=True):
                if key != before:
                    chosen = Mux(condition, make(key), chosen)
            return chosen

        return pick

    def _collect(self, m: Module, beats: Beats, take: Signal, phase: Signal, fresh: Value, pick: _Pick) -> Value:
        """Keep each beat at its place until the last one of its output beat is there."""
        bits = beats.step * self.spec.lane_bits
        rest = []
        for place in range(beats.phases - 1):
            rest.append(Signal(bits, name=f"rest_{place}", reset_less=True))
            with m.If(take & (phase == place)):
                m.d.sync += rest[place].eq(fresh)

        # Where the last beat of an output beat stands: at the end, or before padding.
        *_, end = (at for at, kind, _ in beats.events if kind == beats.last)
        full = any(kind != beats.last and count for _, kind, count in beats.events)
        parts: list[Value] = []
        for place in range(beats.phases):
            choice = [rest[place] if place < len(rest) else fresh[:bits], fresh[:bits], Const(0, bits)]
            behind = (place >= end) + (place > end)
            usual = (place == len(rest)) if full else behind
            parts.append(pick([usual] * beats.last + [behind], choice.__getitem__))
        return Cat(*parts)

    def _shift(self, m: Module, beats: Beats, take: Signal, phase: Signal, fresh: Value, count: Signal) -> Value:
        """Put each beat behind the rest: complete output beats, from the lowest bits on."""
        spec = self.spec
        bits = beats.step * spec.lane_bits
        most = beats.farthest
        for level in range(most.bit_length()):
            fresh = Mux(phase[level], Cat(Const(0, bits << level), fresh), fresh)
        rest = Signal(most * bits)
        joined = Signal(most * bits + spec.i_bits)
        m.d.comb += joined.eq(fresh | rest)
        with m.If(take), m.Switch(count):
            for number in sorted({number for _, _, number in beats.events}):
                with m.Case(number):
                    m.d.sync += rest.eq(joined[number * spec.o_bits :])
        return joined

    def _queue(self, m: Module, beats: Beats, word: Signal, put: Value, phase: Signal) -> None:
        """Let output beats wait that come one by one."""
        # A third one only comes where a beat that starts an output beat completes it, too.
        depth = 3 if any(at == 0 and count for at, _, count in beats.events) else 2
        m.submodules.queue = queue = Fifo(width=self.spec.o_bits, depth=depth)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        m.d.comb += [queue.i.valid.eq(put), queue.i.payload.eq(word)]
        if depth == 2:
            m.d.comb += self.i.ready.eq(queue.i.ready | (phase == 0))
        elif beats.phases == 1:
            m.d.comb += self.i.ready.eq(queue.i.ready)
        else:
            waiting = Signal(range(depth + 1))
            m.d.sync += waiting.eq(waiting + put - (self.o.valid & self.o.ready))
            m.d.comb += self.i.ready.eq((waiting < 2) | (waiting == 2) & (phase == 0))

    def _queue_of_many(self, m: Module, words: Signal, take: Signal, count: Signal, phase: Signal) -> None:
        """Let output beats wait that come several at once, and leave one by one.

        They are kept as they come, and go on to the output when a place is free there: the output
        register itself, and one before it, so that nothing is left where the next ones come. Where
        `spec.moves_down` says so, those that are kept move down by one with each that leaves, in place of a
        multiplexer of all of them.
        """
        bits, most = self.spec.o_bits, len(words) // self.spec.o_bits
        down = self.spec.moves_down
        # Where the next one stands: not always at the lowest place, as the first may have gone as it came.
        kept, at, left = (
            Signal(len(words), reset_less=True),
            Signal(range(2 if down else most)),
            Signal(range(most + 1)),
        )
        before, is_before = Signal(bits, reset_less=True), Signal()
        payload = Signal(bits, reset_less=True)
        free, to_output, to_before, direct = Signal(), Signal(), Signal(), Signal()
        # What is asked of the number that is left: from registers, as all handshakes wait for it.
        some, one = Signal(), Signal()
        following_word = Array(kept[n * bits : (n + 1) * bits] for n in range(2 if down else most))[at]
        m.d.comb += [
            self.o.payload.eq(payload),
            free.eq(self.o.ready | ~self.o.valid),
            to_output.eq(free & ~is_before & some),
            to_before.eq((free | ~is_before) & some & ~to_output),
            direct.eq(free & ~is_before & ~some),
            # At most two wait; with a rest, at most one.
            self.i.ready.eq(~some & ((phase == 0) | ~is_before) | one & ~is_before & (phase == 0)),
        ]
        with m.If(free):
            m.d.sync += self.o.valid.eq(is_before | some | take & (count != 0))
            with m.If(is_before):
                m.d.sync += payload.eq(before)
            with m.Elif(some):
                m.d.sync += payload.eq(following_word)
            with m.Else():
                m.d.sync += payload.eq(words[:bits])
        with m.If(to_before):
            m.d.sync += [before.eq(following_word), is_before.eq(1)]
        with m.Elif(free):
            m.d.sync += is_before.eq(0)
        if down:
            with m.If(take | to_output | to_before | ~some):
                # None comes while two or more are left; what is kept while none is left has no meaning.
                m.d.sync += kept.eq(Mux(~some | one, words, kept[bits:]))
        else:
            with m.If(take):
                m.d.sync += kept.eq(words)
        with m.If(take):
            m.d.sync += [
                at.eq(direct),
                left.eq(Mux(count == 0, 0, count - direct)),
                some.eq((count > 1) | (count == 1) & ~direct),
                one.eq(Mux(direct, count == 2, count == 1)),
            ]
        with m.Elif(to_output | to_before):
            m.d.sync += [at.eq(at if down else at + 1), left.eq(left - 1), some.eq(~one), one.eq(left == 2)]


def _at_least(number: Signal, limit: int) -> Value:
    """Whether the number reaches the limit: in LUTs, where Yosys would start a carry chain."""
    if limit >> len(number):
        return Const(0, 1)
    reached: Value = Const(1, 1)
    for place in range(len(number)):
        reached = number[place] & reached if limit >> place & 1 else number[place] | reached
    return reached
