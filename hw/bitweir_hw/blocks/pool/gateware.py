"""The largest, or the sum, of the elements in each window."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.counters import counter
from ...gateware.credits import CreditedOutput
from ...gateware.stages import delayed, held
from ...gateware.values import elements, number
from .spec import PoolSpec

__all__ = ["Pool"]


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """Where along the rows or the columns a pixel stands. From registers.

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
    """What is known of a beat. From registers.

    Parameters
    ----------
    taken : Value
        There is one.
    first, inside, completes : Value
        It is the first of its window; it belongs to one; it is the last of one.
    invert : Value
        For each lane whose least is wanted: see `Pool._least`.
    at, next_at : Value
        Address of the partial result of its window, and of that of the beat after it.
    stays : Value
        Both beats may belong to one window.
    """

    taken: Value
    first: Value
    inside: Value
    completes: Value
    invert: Value
    at: Value
    next_at: Value
    stays: Value

    def later(self, m: Module) -> _Place:
        """The same in the next cycle."""
        told = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        found = {name: value if isinstance(value, Const) else held(m, value) for name, value in told.items()}
        return _Place(**{**found, "taken": delayed(m, self.taken, 1)})


@dataclass(frozen=True, kw_only=True)
class _Marks:
    """What is known of a row or a column: its window, where in it, and what `_Axis` tells."""

    window: int
    phase: int
    inside: bool
    ends: bool
    turns: bool
    wraps: bool


class Pool(wiring.Component):
    """Combines the elements of each window, channel by channel, as they arrive.

    Windows do not overlap, so each beat belongs to one at most. The partial result of a window waits
    in a memory, at one word for each word of a row of windows, until its last beat.

    | property          | formula                                                            |
    |-------------------|--------------------------------------------------------------------|
    | cycles a frame    | ``rows * columns * words * beats``                                 |
    | latency           | 1 cycle from the beat that completes a window, and ``spec.latency``|
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
        take = Signal()
        place = self._place(m, take)
        m.d.comb += [
            self.i.ready.eq(output.free | ~place.completes),
            take.eq(self.i.valid & (output.free | ~place.completes)),
            output.start.eq(self.i.valid & output.free & place.completes),
        ]
        count = spec.lanes * spec.parallel_frames
        masks = self._masks(place)
        taps = elements(self.i.payload, spec.i_lane_bits)
        trees = [
            [self._number(tap ^ masks[index].replicate(spec.i_lane_bits)) for tap in taps[index::count]]
            for index in range(count)
        ]
        for stage in range(spec.tree_stages):
            trees = [[held(m, value) for value in self._levels(m, values, stage)] for values in trees]
            place = place.later(m)
        trees = [self._levels(m, values, spec.tree_stages) for values in trees]
        combined = Signal(count * self._partial_bits)
        partials = elements(self._partial(m, place, combined), self._partial_bits)
        for index, (values, partial) in enumerate(zip(trees, partials, strict=True)):
            total = self._combine(m, index, values[0], partial, place.first)
            m.d.comb += combined.word_select(index, self._partial_bits).eq(total)
        done: Value = Signal()
        m.d.comb += done.eq(place.taken & place.completes)
        result: Value = combined
        if spec.stage_levels:
            done, result, place = delayed(m, done, 1), held(m, combined), place.later(m)
        m.d.comb += output.done.eq(done)
        for index, (total, mask) in enumerate(
            zip(elements(result, self._partial_bits), self._masks(place), strict=True)
        ):
            value = self._result(total if spec.format is not None else total.as_signed(), mask)
            m.d.comb += output.result.word_select(index, spec.o_lane_bits).eq(value)
        return m

    def _number(self, tap: Value) -> Value:
        """What an element counts."""
        return tap if self.spec.format is not None else tap.as_signed()

    def _levels(self, m: Module, values: list[Value], stage: int) -> list[Value]:
        """The values after the levels of a stage of the tree over taps; behind the last stage there are none."""
        spec = self.spec
        for _ in range(spec.stage_tree_levels if stage < spec.tree_stages or not spec.stage_levels else 0):
            pairs = [self._merge(m, a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
            values = pairs + values[2 * len(pairs) :]
        return values

    def _merge(self, m: Module, a: Value, b: Value) -> Value:
        """Two elements of a window as one."""
        spec = self.spec
        if spec.kind == "sum":
            return a + b
        if spec.is_or:
            return a | b
        result = Signal(a.shape(), name="larger")
        m.d.comb += result.eq(Mux(b > a, b, a))
        return result

    def _combine(self, m: Module, index: int, fresh: Value, partial: Value, first: Value) -> Value:
        """The partial result with one beat more; `partial` does not count with the first beat of a window."""
        spec = self.spec
        if spec.is_or:
            return fresh | (partial & ~first)
        shape = unsigned if spec.format is not None else signed
        total = Signal(shape(self._partial_bits), name=f"total_{index}")
        partial = self._number(partial)
        if spec.kind == "sum":
            m.d.comb += total.eq(fresh + Mux(first, 0, partial))
        else:
            m.d.comb += total.eq(Mux(first | (fresh > partial), fresh, partial))
        return total

    def _result(self, total: Value, mask: Value) -> Value:
        """What leaves, of the combination of a whole window."""
        form = self.spec.format
        if self.spec.kind == "max":
            return total ^ mask.replicate(len(total))
        return total if form is None else number(total, self._window * form.offset, form.step)

    def _least(self, word: Signal) -> Value:
        """For lanes whose least is wanted in some words: whether it is in this one.

        Elements of which the least is wanted are inverted, before and after.
        """
        spec = self.spec
        if spec.least is None:
            return Const(0, 0)
        columns = [column for column in spec.least.T.tolist() if len(set(column)) > 1]
        bits = [Const(sum(least << at for at, least in enumerate(column)), len(column)) for column in columns]
        return Cat(*(column.bit_select(word, 1) for column in bits))

    def _masks(self, place: _Place) -> list[Value]:
        """For each element of a beat, whether the least is wanted."""
        spec = self.spec
        columns = [[False]] * spec.lanes if spec.least is None else spec.least.T.tolist()
        changing = iter(place.invert)
        lanes = [next(changing) if len(set(column)) > 1 else Const(column[0], 1) for column in columns]
        return [mask for mask in lanes for _ in range(spec.parallel_frames)]

    def _partial(self, m: Module, place: _Place, combined: Signal) -> Value:
        """The partial result of the window to which a beat belongs; that with the beat takes its place."""
        spec = self.spec
        if self._window == spec.taps:
            return Const(0, len(combined))
        take, keep = place.taken, place.taken & place.inside
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
            # What the next beat needs is read as this one is taken, and stays until that is taken: there is no cycle
            # for a register behind block RAM.
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
        """Count the beats that are taken. Counters are one beat ahead, so that the place of a beat is registers."""
        spec = self.spec
        words, beats = spec.shape[2:]
        row, column, word_at, beat_at = (int(at[0]) for at in np.unravel_index([1 % spec.i_beats], spec.shape))
        next_column, next_row = Signal(), Signal()
        columns = self._axis(m, 1, next_column, column)
        rows = self._axis(m, 0, next_row, row)
        beat, last_beat = counter(m, "beat", take, beats, init=beat_at)
        word, last_word = counter(m, "word", take & last_beat, words, init=word_at)
        m.d.comb += [
            next_column.eq(take & last_beat & last_word),
            next_row.eq(next_column & columns.wraps),
        ]

        def now(value: Value, init: int, name: str) -> Signal:
            register = Signal(len(value), name=name, init=init)
            with m.If(take):
                m.d.sync += register.eq(value)
            return register

        # The address of the beat behind the next, from that of the next.
        size = range(spec.partial_words)
        after = self._address_after(0, beats == 1, words == 1, self._marks(1, 0)) % spec.partial_words
        at, next_at, following = Signal(size), Signal(size, init=after), Signal(size)
        with m.If(~last_beat):
            m.d.comb += following.eq(next_at)
        with m.Elif(last_word & columns.wraps):
            m.d.comb += following.eq(0)
        with m.Elif(last_word & ~columns.turns):
            m.d.comb += following.eq(next_at - (words - 1))
        with m.Else():
            m.d.comb += following.eq(next_at + 1)
        with m.If(take):
            m.d.sync += [at.eq(next_at), next_at.eq(following)]

        starts = [self._marks(axis, 0) for axis in (0, 1)]
        whole = self._window == spec.taps
        stays = ~last_beat | ~columns.turns if words == 1 else ~last_beat
        return _Place(
            taken=take,
            first=Const(1, 1) if whole else now(rows.first & columns.first & (beat == 0), 1, "is_first"),
            inside=now(rows.inside & columns.inside, 1, "is_inside"),
            completes=now(
                rows.ends & columns.ends & last_beat, beats == 1 and all(marks.ends for marks in starts), "completes"
            ),
            invert=self._least(now(word, 0, "word_now")),
            at=at,
            next_at=next_at,
            stays=now(stays, beats > 1 or (words == 1 and not starts[1].turns), "stays"),
        )

    def _address_after(self, at: int, last_beat: bool, last_word: bool, column: _Marks) -> int:
        """The address behind that of a beat."""
        if not last_beat:
            return at
        if last_word and column.wraps:
            return 0
        return at - (self.spec.shape[2] - 1) if last_word and not column.turns else at + 1

    def _marks(self, axis: int, at: int) -> _Marks:
        """What is known of a row (0) or a column (1)."""
        spec = self.spec
        size, kernel, stride, count = spec.shape[axis], spec.kernel[axis], spec.stride[axis], spec.positions[axis]
        window = min(at // stride, count - 1)
        phase = at - window * stride
        limit = size - window * stride - 1 if window == count - 1 else stride - 1
        return _Marks(
            window=window, phase=phase, inside=phase < kernel, ends=phase == kernel - 1, turns=phase == limit,
            wraps=at == size - 1,
        )  # fmt: skip

    def _axis(self, m: Module, axis: int, step: Signal, start: int) -> _Axis:
        """Count the rows (0) or the columns (1), from one on."""
        spec = self.spec
        size, kernel, stride = spec.shape[axis], spec.kernel[axis], spec.stride[axis]
        count, begin = spec.positions[axis], self._marks(axis, start)
        name = ("row", "column")[axis]
        # What is left over after the last window belongs to the gap behind it.
        tail = size - (count - 1) * stride
        first, inside, ends, turns = (
            Signal(name=f"{name}_{flag}", init=init)
            for flag, init in (
                ("first", begin.phase == 0), ("inside", begin.inside), ("ends", begin.ends), ("turns", begin.turns)
            )
        )  # fmt: skip
        window, last = counter(m, f"{name}_window", step & turns, count, init=begin.window)
        phase = Signal(range(max(tail, stride if count > 1 else 0)), name=name, init=begin.phase)
        # Whether the next window is the last one: then it ends elsewhere.
        last_next = window == count - 2 if count > 1 else Const(1, 1)
        with m.If(step):
            with m.If(turns):
                m.d.sync += [
                    phase.eq(0), first.eq(1), inside.eq(1), ends.eq(kernel == 1),
                    turns.eq(Mux(last_next, tail == 1, stride == 1)),
                ]  # fmt: skip
            with m.Else():
                m.d.sync += [
                    phase.eq(phase + 1), first.eq(0), inside.eq(phase < kernel - 1),
                    ends.eq(phase == kernel - 2 if kernel > 1 else 0),
                    turns.eq(Mux(last, phase == tail - 2 if tail > 1 else 0, phase == stride - 2 if stride > 1 else 0)),
                ]  # fmt: skip
        return _Axis(first=first, inside=inside, ends=ends, turns=turns, wraps=turns & last)
