"""The largest, or the sum, of the elements in each window."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from operator import add, or_

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput
from ...gateware.fifo import wrap_increment
from ...gateware.values import elements, number, tree
from .spec import PoolSpec

__all__ = ["Pool"]


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """Where along the rows or the columns a pixel stands.

    Parameters
    ----------
    first, inside, ends : Value
        It is the first of a window; it belongs to one; it is the last of one.
    turns : Value
        The next one is the first of a window.
    wraps : Value
        It is the last of all.
    """

    first: Value
    inside: Value
    ends: Value
    turns: Value
    wraps: Value


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where in the frame the next beat to be taken stands.

    Parameters
    ----------
    first, inside, completes : Value
        It is the first of its window; it belongs to one; it is the last of one.
    word : Signal
        Which word of the pixel it is.
    at, next_at : Signal
        Address of the partial result of its window, and of that of the beat after it.
    stays : Value
        Both beats may belong to one window.
    """

    first: Value
    inside: Value
    completes: Value
    word: Signal
    at: Signal
    next_at: Signal
    stays: Value


class Pool(wiring.Component):
    """Combines the elements of each window, channel by channel, as they arrive.

    Windows do not overlap, so each beat belongs to one at most. The partial result of a window waits
    in a memory, at one word for each word of a row of windows, until its last beat.

    | property          | formula                                                            |
    |-------------------|--------------------------------------------------------------------|
    | cycles a frame    | ``rows * columns * words * beats``                                 |
    | latency           | 1 cycle from the beat that completes a window                      |
    | ready             | a place of ``fifo_depth`` is free, or the beat completes no window |
    | memory            | ``partial_words`` words of a result, one: a register; none where   |
    |                   | every window is one beat                                           |
    | resources         | for each lane and frame ``taps`` comparators and multiplexers, or  |
    |                   | adders, or for maxima of one-bit codes an OR                       |

    Members
    -------
    i : In(stream.Signature(taps * lanes * parallel_frames * i_lane_bits))
        All lanes of the first tap in the lowest bits.
    o : Out(stream.Signature(lanes * parallel_frames * o_lane_bits))
        Codes of the same format, if they were codes and this is a maximum; signed numbers otherwise.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: PoolSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    @property
    def _window(self) -> int:
        """Elements that make one result."""
        return prod(self.spec.kernel) * self.spec.shape[3] * self.spec.taps

    @property
    def _summed_codes(self) -> bool:
        """Whether codes are summed as they are: what they mean can wait for the end."""
        return self.spec.kind == "sum" and self.spec.format is not None

    @property
    def _partial_bits(self) -> int:
        """Bits of a partial result."""
        if self._summed_codes:
            return (self._window * ((1 << self.spec.i_lane_bits) - 1)).bit_length()
        return self.spec.o_lane_bits

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        take, complete = Signal(), Signal()
        place = self._place(m, take)
        m.d.comb += [
            self.i.ready.eq(output.free | ~place.completes),
            take.eq(self.i.valid & self.i.ready),
            complete.eq(take & place.completes),
            output.start.eq(complete),
            output.done.eq(complete),
        ]
        combined = Signal(spec.lanes * spec.parallel_frames * self._partial_bits)
        partials = elements(self._partial(m, take, place, combined), self._partial_bits)
        invert = self._least(place.word)
        taps = elements(self.i.payload, spec.i_lane_bits)
        for index, partial in enumerate(partials):
            mask = invert[index // spec.parallel_frames]
            values = [
                tap ^ mask.replicate(spec.i_lane_bits) for tap in taps[index :: spec.lanes * spec.parallel_frames]
            ]
            total = self._combine(m, index, values, partial, place.first)
            m.d.comb += [
                combined.word_select(index, self._partial_bits).eq(total),
                output.result.word_select(index, spec.o_lane_bits).eq(self._result(total, mask)),
            ]
        return m

    def _combine(self, m: Module, index: int, taps: list[Value], partial: Value, first: Value) -> Value:
        """The partial result with one beat more; `partial` does not count with the first beat of a window."""
        spec = self.spec
        shape = unsigned if spec.format is not None else signed
        if spec.kind == "max" and spec.format is not None and spec.i_lane_bits == 1:
            return tree(taps, or_) | (partial & ~first)

        total = Signal(shape(self._partial_bits), name=f"total_{index}")
        if spec.format is None:
            taps, partial = [tap.as_signed() for tap in taps], partial.as_signed()
        if spec.kind == "sum":
            m.d.comb += total.eq(tree(taps, add) + Mux(first, 0, partial))
            return total

        def larger(a: Value, b: Value) -> Value:
            result = Signal(shape(spec.i_lane_bits), name=f"larger_{index}")
            m.d.comb += result.eq(Mux(b > a, b, a))
            return result

        fresh = tree(taps, larger)
        m.d.comb += total.eq(Mux(first | (fresh > partial), fresh, partial))
        return total

    def _result(self, total: Value, mask: Value) -> Value:
        """What leaves, of the combination of a whole window."""
        form = self.spec.format
        if self.spec.kind == "max":
            return total ^ mask.replicate(len(total))
        return total if form is None else number(total, self._window * form.offset, form.step)

    def _least(self, word: Signal) -> list[Value]:
        """For each lane, whether the least is wanted: elements are inverted, before and after."""
        spec = self.spec
        if spec.least is None:
            return [Const(0, 1)] * spec.lanes
        result: list[Value] = []
        for column in spec.least.T.tolist():
            bits = Const(sum(least << at for at, least in enumerate(column)), len(column))
            result.append(bits[0] if len(set(column)) == 1 else bits.bit_select(word, 1))
        return result

    def _partial(self, m: Module, take: Signal, place: _Place, combined: Signal) -> Value:
        """The partial result of the window to which the next beat belongs; that with the beat takes its place."""
        spec = self.spec
        if self._window == spec.taps:
            return Const(0, len(combined))
        keep = take & place.inside
        if spec.partial_words == 1:
            partial = Signal.like(combined, reset_less=True)
            with m.If(keep):
                m.d.sync += partial.eq(combined)
            return partial
        m.submodules.memory = store = memory.Memory(
            shape=len(combined),
            depth=spec.partial_words,
            init=[],
            attrs={"ram_style": "block"} if spec.memories()[0].block else {},
        )
        write, read = store.write_port(), store.read_port()
        m.d.comb += [
            write.en.eq(keep),
            write.addr.eq(place.at),
            write.data.eq(combined),
            # What the next beat needs is read as this one is taken, and stays until that is taken.
            read.en.eq(take),
            read.addr.eq(place.next_at),
        ]
        words, beats = spec.shape[2:]
        if words > 1 and beats == 1:
            return read.data
        # Such a word is written just now, and the memory would tell what it held before.
        fresh, newest = Signal(), Signal.like(combined, reset_less=True)
        with m.If(take):
            m.d.sync += [fresh.eq(place.stays), newest.eq(combined)]
        return Mux(fresh, newest, read.data)

    def _place(self, m: Module, take: Signal) -> _Place:
        """Count the beats that are taken."""
        spec = self.spec
        words, beats = spec.shape[2:]
        beat, word = Signal(range(beats)), Signal(range(words))
        last_beat, last_word, next_column, next_row = Signal(), Signal(), Signal(), Signal()
        columns = self._axis(m, 1, next_column)
        rows = self._axis(m, 0, next_row)
        m.d.comb += [
            last_beat.eq(beat == beats - 1),
            last_word.eq(word == words - 1),
            next_column.eq(take & last_beat & last_word),
            next_row.eq(next_column & columns.wraps),
        ]
        at, next_at = Signal(range(spec.partial_words)), Signal(range(spec.partial_words))
        with m.If(take):
            m.d.sync += [beat.eq(wrap_increment(beat, beats)), at.eq(next_at)]
            with m.If(last_beat):
                m.d.sync += word.eq(wrap_increment(word, words))
        with m.If(~last_beat):
            m.d.comb += next_at.eq(at)
        with m.Elif(last_word & columns.wraps):
            m.d.comb += next_at.eq(0)
        with m.Elif(last_word & ~columns.turns):
            m.d.comb += next_at.eq(at - (words - 1))
        with m.Else():
            m.d.comb += next_at.eq(at + 1)
        return _Place(
            first=rows.first & columns.first & (beat == 0) if self._window > spec.taps else Const(1, 1),
            inside=rows.inside & columns.inside,
            completes=rows.ends & columns.ends & last_beat,
            word=word,
            at=at,
            next_at=next_at,
            stays=~last_beat | ~columns.turns if words == 1 else ~last_beat,
        )

    def _axis(self, m: Module, axis: int, step: Signal) -> _Axis:
        """Count the rows (0) or the columns (1)."""
        spec = self.spec
        size, kernel, stride = spec.shape[axis], spec.kernel[axis], spec.stride[axis]
        count = spec.positions[axis]
        name = ("row", "column")[axis]
        # What is left over after the last window belongs to the gap behind it.
        tail = size - (count - 1) * stride
        window = Signal(range(count), name=f"{name}_window")
        phase = Signal(range(max(tail, stride if count > 1 else 0)), name=name)
        last, turns = Signal(name=f"last_{name}_window"), Signal(name=f"{name}_turns")
        m.d.comb += [last.eq(window == count - 1), turns.eq(phase == Mux(last, tail - 1, stride - 1))]
        with m.If(step):
            m.d.sync += phase.eq(Mux(turns, 0, phase + 1))
            with m.If(turns):
                m.d.sync += window.eq(wrap_increment(window, count))
        return _Axis(first=phase == 0, inside=phase < kernel, ends=phase == kernel - 1, turns=turns, wraps=turns & last)
