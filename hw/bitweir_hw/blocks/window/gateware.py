"""The sliding window unit: a map goes in pixel by pixel, its windows come out."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.counters import counter, sum_and_one
from ...gateware.credits import CreditedOutput
from ...gateware.store import Store
from .spec import WindowSpec

__all__ = ["Window"]

#: Names of the loops that make beats, outermost first.
LOOPS = ("row", "column", "group", "kernel_row", "kernel_column", "word")


class Window(wiring.Component):
    """Keeps the part of a map that windows still look at, and reads window after window from it.

    The buffer is a ring of words, as large as the map makes it and no larger. Each pixel of an output
    beat has a copy of it with an address of its own, so that a beat leaves every cycle, also from row
    to row and from frame to frame. Padding is made at the output, it takes no place and no time.

    | property         | formula                                                                     |
    |------------------|-----------------------------------------------------------------------------|
    | cycles a frame   | max(input beats, output beats)                                              |
    | latency          | input beat, 1 cycle, issue, ``spec.latency``, write, 1 cycle, output        |
    | memory           | ``taps`` copies of ``words`` words of ``lanes * lane_bits`` bits            |
    | addresses        | for each copy 2 adders of ``log2(words)`` bits side by side                 |
    | padding          | 1 or 2 LUTs for each bit of a tap that can be outside the map               |

    Members
    -------
    i : In(stream.Signature(spec.i_bits))
        Words of a pixel one after the other, pixels row by row.
    o : Out(stream.Signature(spec.o_bits))
        Channel c of tap t has the bits from ``(t * lanes + c) * lane_bits`` on.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: WindowSpec) -> None:
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
        counters = []
        for level, (name, count) in enumerate(zip(LOOPS, spec.loops, strict=True)):
            number, last = counter(m, name, step & ends[level + 1], count)
            counters.append(number)
            m.d.comb += ends[level].eq(last & ends[level + 1])

        arrived = self._levels(m, take, issue, step, ends[2], counters)
        m.d.comb += [
            take.eq(self.i.valid & self.i.ready),
            issue.eq(arrived & output.free),
            step.eq(issue | ~begun),
            output.start.eq(issue),
            output.done.eq(self._later(m, issue, "done", spec.latency, is_data=False)),
        ]
        m.d.sync += begun.eq(1)

        words = self._buffer(m, take, issue, step, ends)
        outside, pad = self._padding(m, step, counters)
        m.d.comb += output.result.eq(
            Cat(word if out is None else Mux(out, pad, word) for word, out in zip(words, outside, strict=True))
        )
        return m

    @staticmethod
    def _later(m: Module, value: Signal, name: str, cycles: int, *, is_data: bool = True) -> Signal:
        """What the value was so many cycles before; only what is no data has a reset."""
        for _ in range(cycles):
            before, value = value, Signal.like(value, name=name, reset_less=is_data)
            m.d.sync += value.eq(before)
        return value

    def _levels(
        self, m: Module, take: Signal, issue: Signal, step: Signal, closes: Value, counters: Sequence[Signal]
    ) -> Value:
        """Count words; `closes` marks the last beat of a window.

        Returns
        -------
        Value
            All words of the window that is due have arrived.
        """
        spec = self.spec
        arrivals, departures = ((pixels * spec.pixel_words).tolist() for pixels in (spec.arrivals, spec.departures))
        first, most, least = (
            int(pixels) * spec.pixel_words
            for pixels in (spec.needed.flat[0], spec.arrivals.max(), (spec.needed - spec.spent - spec.departures).min())
        )
        # Both numbers have a sign that says all: words that are kept, less the places for them, and words that are
        # there beyond those that the window needs. What it spends may have to arrive yet (pixels that
        # no window looks at), so there can be more places than words.
        kept = Signal(range(min(0, least) - spec.words, 1), init=-spec.words)
        ahead = Signal(range(-max(first, most), spec.words + 1), init=-first)
        # What a beat adds to them.
        to_kept, to_ahead = Signal.like(kept, init=0), Signal.like(ahead, init=0)

        def adds(arrive: int, depart: int) -> list[Any]:
            return [to_kept.eq(-depart), to_ahead.eq(-arrive)]

        with m.If(step):
            m.d.sync += adds(0, 0)
            with m.If(closes):
                pairs = [list(zip(*rows, strict=True)) for rows in zip(arrivals, departures, strict=True)]
                for in_row, values in _cases(m, counters[0], [tuple(pair) for pair in pairs]):
                    with in_row:
                        for in_column, (arrive, depart) in _cases(m, counters[1], values):
                            with in_column:
                                m.d.sync += adds(arrive, depart)
        m.d.sync += [
            kept.eq(sum_and_one(kept, Mux(issue, to_kept, 0), take)),
            ahead.eq(sum_and_one(ahead, Mux(issue, to_ahead, 0), take)),
        ]
        m.d.comb += self.i.ready.eq(kept[-1])
        return ~ahead[-1]

    def _buffer(self, m: Module, take: Signal, issue: Signal, step: Signal, ends: Sequence[Value]) -> list[Value]:
        """Build the copies of the buffer; the words of the beat whose result is due.

        All copies are read at one address: what a tap is apart from the first word of the window, its copy was written
        apart. The next address is computed as if it went round, too: the sign of that tells which one is right.
        """
        spec = self.spec
        depth, pixel, line = spec.words, spec.pixel_words, spec.shape[1] * spec.pixel_words
        (top, left), (along, across) = spec.pads[:2], spec.tap_shape
        steps = (spec.stride[0] * line, spec.stride[1] * pixel, spec.group_words, along * line, across * pixel, 1)

        # How far the next beat is, by the outermost loop that goes on; behind all, the next frame.
        back = sum((count - 1) * far for count, far in zip(spec.loops, steps, strict=True))
        onward, beyond = Signal(range(depth)), Signal(range(-depth, 0), init=-depth)

        def moves(far: int) -> list[Any]:
            return [onward.eq(far % depth), beyond.eq(far % depth - depth)]

        with m.If(step):
            m.d.sync += moves(spec.shape[0] * line - back)
            for level, (count, far) in enumerate(zip(spec.loops, steps, strict=True)):
                back -= (count - 1) * far
                if count > 1:
                    with m.If(~ends[level]):
                        m.d.sync += moves(far - back)

        attrs = {"ram_style": "block"} if spec.buffer.block else {}
        r_at = Signal(range(depth))
        there, around = (r_at + onward)[: len(r_at)], r_at + beyond
        with m.If(issue):
            m.d.sync += r_at.eq(there if depth & (depth - 1) == 0 else Mux(around[-1], there, around))
        words: list[Value] = []
        for tap in range(spec.taps):
            start = (tap // across - top) * line + (tap % across - left) * pixel
            w_at, _ = counter(m, f"w_at_{tap}", take, depth, init=-start % depth)
            layout = spec.buffer.layout
            m.submodules[f"buffer_{tap}"] = store = Store(depth=depth, width=spec.i_bits, layout=layout, attrs=attrs)
            m.d.comb += [
                store.write.eq(take),
                store.w_address.eq(w_at),
                store.w_data.eq(self.i.payload),
                store.address.eq(r_at),
            ]
            words.append(store.data)
        return words

    def _padding(self, m: Module, step: Signal, counters: Sequence[Signal]) -> tuple[list[Value | None], Value]:
        """What is outside the map, for the beat whose result is due.

        Returns
        -------
        list of Value or None
            Whether each tap is; None for never.
        Value
            The word that stands there.
        """
        spec = self.spec

        def due(value: Value, name: str) -> Signal:
            now = Signal(len(value), name=f"{name}_next")  # of the counters, which reset, too
            with m.If(step):
                m.d.sync += now.eq(value)
            return self._later(m, now, name, spec.latency)

        sides: list[list[list[Value]]] = [[], []]
        for axis, side in enumerate(sides):
            window, kernel = counters[axis], counters[3 + axis]
            size, taps, parts = spec.shape[axis], spec.tap_shape[axis], spec.loops[3 + axis]
            for tap in range(taps):
                # In which parts of the kernel the tap is outside -> for which windows.
                windows: dict[tuple[int, ...], list[int]] = {}
                for position in range(spec.positions[axis]):
                    start = position * spec.stride[axis] - spec.pads[axis] + tap
                    out = tuple(part for part in range(parts) if not 0 <= start + part * taps < size)
                    windows.setdefault(out, []).append(position)
                side.append([_among(window, these) & _among(kernel, out) for out, these in windows.items() if out])
        conditions = [rows + columns for rows in sides[0] for columns in sides[1]]
        outside = [due(reduce(or_, some), f"outside_{tap}") if some else None for tap, some in enumerate(conditions)]

        words = spec.pad_words
        differ = reduce(or_, (word ^ words[0] for word in words))
        if not differ or not any(conditions):
            return outside, Const(words[0], spec.i_bits)
        pad = Signal(spec.i_bits)
        with m.Switch(Cat(counters[5], counters[2])):
            for index, word in enumerate(words):
                group, at = divmod(index, spec.group_words)
                with m.Case(group << len(counters[5]) | at):
                    m.d.comb += pad.eq(word)
        pad = due(pad, "pad")
        return outside, Cat(pad[n] if differ >> n & 1 else Const(words[0] >> n & 1, 1) for n in range(spec.i_bits))


def _among(number: Signal, numbers: Sequence[int]) -> Value:
    """Whether a counter is at one of the numbers."""
    return number.matches(*numbers) if len(number) else Const(1, 1)


_Thing = TypeVar("_Thing", bound=Hashable)


def _cases(
    m: Module, number: Signal, values: Sequence[_Thing]
) -> Iterator[tuple[AbstractContextManager[None], _Thing]]:
    """The branches of a choice by the counter, each with its value; the most common one last, without a condition."""
    places: dict[_Thing, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(value, []).append(place)
    value, *rest = sorted(places, key=lambda value: -len(places[value]))
    for index, other in enumerate(rest):
        yield (m.Elif if index else m.If)(_among(number, places[other])), other
    yield m.Else() if rest else nullcontext(), value
