"""A width converter whose shifter has registers: beats never stop on their way to their places."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.counters import FillLevel, counter, sum_and_one
from ...gateware.fifo import Fifo
from .beats import Beats
from .spec import WidthSpec

__all__ = ["Shifter"]


class Shifter(wiring.Component):
    """Shifts beats behind the rest of those before, in stages; see `gateware.WidthConverter`.

    What a beat does is known before it comes: counters are two beats ahead, its phase and how many output beats it
    completes one. It is taken while places are left for these, so nothing behind the input ever waits but the
    queue. Output beats that are completed at once stand side by side in it, and leave one by one.

    | property         | formula                                                                           |
    |------------------|-----------------------------------------------------------------------------------|
    | latency          | 1 cycle from the beat that completes an output beat, and ``spec.latency``         |
    | shifter          | for each bit of an input beat and of the rest ``log2(o_lanes / step)`` LUTs,      |
    |                  | ``spec.shift_stages`` registers                                                   |
    | queue            | ``spec.places + 1`` words of `most` output beats                                  |

    Members
    -------
    i : In(stream.Signature(spec.i_bits))
    o : Out(stream.Signature(spec.o_bits))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: WidthSpec) -> None:
        self.spec, self.beats = spec, Beats(spec)
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, beats = self.spec, self.beats
        take, ready = Signal(), Signal()
        m.d.comb += [self.i.ready.eq(ready), take.eq(self.i.valid & ready)]
        kind, phase, count = self._ahead(m, take)
        self._places(m, take, ready, count)

        # What pads elements may be anything at the input, and is 0 from here on.
        data: Value = self._pick(kind, [self.i.payload[: elements * spec.lane_bits] for elements in beats.elements])
        valid: Value = take
        puts, levels = valid, beats.farthest.bit_length()
        width, done = beats.farthest * beats.step * spec.lane_bits + spec.i_bits, 0
        for stage in range(spec.shift_stages):
            until = min(2 * spec.stage_levels * (stage + 1) - 1, levels)
            for level in range(done, until):
                far = (beats.step << level) * spec.lane_bits
                data = Mux(phase[level - done], Cat(Const(0, far), data), data)[:width]
            puts = self._mark(m, f"puts_{stage}", valid & (count != 0))
            valid = self._mark(m, f"valid_{stage}", valid)
            data, phase, count = self._later(m, stage, data, phase[until - done :], count)
            done = until
        words = self._behind_rest(m, valid, data, count, width)
        if beats.most == 1:
            m.submodules.queue = queue = Fifo(width=spec.o_bits, depth=spec.places + 1)
            m.d.comb += [queue.i.valid.eq(puts), queue.i.payload.eq(words)]
            wiring.connect(m, queue.o, wiring.flipped(self.o))
        else:
            self._one_by_one(m, puts, words, count)
        return m

    @staticmethod
    def _later(m: Module, stage: int, *values: Value) -> tuple[Value, ...]:
        """The values in the next cycle."""
        found = []
        for name, value in zip(("data", "phase", "count"), values, strict=True):
            later = Signal(len(value), name=f"{name}_{stage}", reset_less=True)
            m.d.sync += later.eq(value)
            found.append(later)
        return tuple(found)

    @staticmethod
    def _mark(m: Module, name: str, value: Value) -> Signal:
        later = Signal(name=name)
        m.d.sync += later.eq(value)
        return later

    def _pick(self, kind: list[Value], values: list[Value]) -> Value:
        """What goes with the kind of a beat: a kind is among those of the kind before it."""
        chosen, *others = values
        for is_kind, value in zip(kind, others, strict=True):
            chosen = Mux(is_kind, value, chosen)
        return chosen

    def _ahead(self, m: Module, take: Signal) -> tuple[list[Value], Signal, Signal]:
        """Whether the next beat is of each kind but the first, its phase, and how many output beats it completes."""
        spec, beats = self.spec, self.beats
        size = len(beats.order)
        now, after = (beats.order[n % size] for n in range(2))
        # The kind of the beat behind the next two.
        beat, part = 2 % spec.part_beats, 2 // spec.part_beats % spec.parts
        _, tail = counter(m, "beat", take, spec.part_beats, init=beat)
        _, end = counter(m, "part", take & tail, spec.parts, init=part)
        kinds = [tail] if spec.part_beats > 1 and spec.parts > 1 else []
        kinds += [tail & end] if size > 1 else []
        kind = [Signal(name=f"is_kind{n}", init=now >= n) for n in range(1, len(kinds) + 1)]
        kind_after = [Signal(name=f"is_kind{n}_after", init=after >= n) for n in range(1, len(kinds) + 1)]

        # Of the beat after the next: its phase, what it adds to it, with a turn and without, and what it completes.
        added = [steps % beats.phases for steps in beats.steps]
        onward = Signal(range(beats.phases), init=added[after])
        back = Signal(range(-beats.phases, 0), init=added[after] - beats.phases)
        wholes = [[min(steps // beats.phases + more, beats.most) for steps in beats.steps] for more in (0, 1)]
        whole = [Signal(range(beats.most + 1), name=f"whole_{n}", init=wholes[n][after]) for n in (0, 1)]
        phase, phase_after = Signal(range(beats.phases)), Signal(range(beats.phases), init=beats.places[1 % size])
        count = Signal(range(beats.most + 1), init=(beats.places[0] + beats.steps[now]) // beats.phases)
        turned = phase_after + back
        with m.If(take):
            m.d.sync += [Cat(*kind).eq(Cat(*kind_after)), Cat(*kind_after).eq(Cat(*kinds)), phase.eq(phase_after)]
            m.d.sync += [
                onward.eq(self._pick(kinds, [Const(steps, len(onward)) for steps in added])),
                back.eq(self._pick(kinds, [Const(steps - beats.phases, back.shape()) for steps in added])),
                phase_after.eq(Mux(turned[-1], phase_after + onward, turned[: len(phase)])),
                count.eq(Mux(turned[-1], whole[0], whole[1])),
            ]
            for number, numbers in zip(whole, wholes, strict=True):
                m.d.sync += number.eq(self._pick(kinds, [Const(n, len(number)) for n in numbers]))
        return list(kind), phase, count

    def _places(self, m: Module, take: Signal, ready: Signal, count: Signal) -> None:
        """Count output beats that are on their way or wait."""
        spec, beats = self.spec, self.beats
        give = Signal()
        m.d.comb += give.eq(self.o.valid & self.o.ready)
        if beats.most == 1:
            level = FillLevel(m, "waiting", spec.places + 1, change=(take & count[0]) ^ give, down=give)
            m.d.comb += ready.eq(level.space)
            return
        # Less all places and one more: its sign says that there is a place.
        used = Signal(range(-1 - spec.places, beats.most), init=-1 - spec.places)
        m.d.sync += used.eq(sum_and_one(used, Mux(take, count - 1, -1), ~give))
        m.d.comb += ready.eq(used[-1])

    def _behind_rest(self, m: Module, valid: Value, data: Value, count: Value, width: int) -> Value:
        """The complete output beats of a beat that is at its place, from the lowest bits on."""
        spec, beats = self.spec, self.beats
        rest = Signal(beats.farthest * beats.step * spec.lane_bits)
        joined = Signal(width)
        m.d.comb += joined.eq(data | rest)
        with m.If(valid), m.Switch(count):
            for number in sorted({number for _, _, number in beats.events}):
                with m.Case(number):
                    m.d.sync += rest.eq(joined[number * spec.o_bits :])
        words = Signal(beats.most * spec.o_bits)
        m.d.comb += words.eq(joined)
        return words

    def _one_by_one(self, m: Module, puts: Value, words: Value, count: Value) -> None:
        """Let output beats wait as they come, and leave one by one through a register."""
        spec, most = self.spec, self.beats.most
        bits = (most - 1).bit_length()
        m.submodules.queue = queue = Fifo(width=most * spec.o_bits + bits, depth=spec.places + 1)
        oldest, end = queue.o.payload[bits:], queue.o.payload[:bits]
        at, free, is_last, is_valid = Signal(bits), Signal(), Signal(), Signal()
        payload = Signal(spec.o_bits, reset_less=True)
        m.d.comb += [
            queue.i.valid.eq(puts),
            queue.i.payload.eq(Cat((count - 1)[:bits], words)),
            free.eq(self.o.ready | ~is_valid),
            is_last.eq(at == end),
            queue.o.ready.eq(free & is_last),
            self.o.valid.eq(is_valid),
            self.o.payload.eq(payload),
        ]
        with m.If(free):
            m.d.sync += [
                is_valid.eq(queue.o.valid),
                payload.eq(Array(oldest[n * spec.o_bits : (n + 1) * spec.o_bits] for n in range(most))[at]),
            ]
            with m.If(queue.o.valid):
                m.d.sync += at.eq(Mux(is_last, 0, at + 1))
