"""Layers with weights outside the chip: drawn images, and a memory whose answers come when they are told to."""

from collections import deque

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator
from bitweir_hw.offchip import ImageLayout, StreamedWeights, pack_image
from support.streams import Sink

__all__ = ["Beats", "as_numbers", "drawn_words", "drive_reader", "image_beats", "made_layout", "numbers"]


def made_layout(shapes, *, beat_bytes, burst_beats):
    """A layout of layers with (bits of a word, words)."""
    streams = [StreamedWeights(name=f"layer{n}", width=width, depth=depth) for n, (width, depth) in enumerate(shapes)]
    return ImageLayout(streams=tuple(streams), beat_bytes=beat_bytes, burst_beats=burst_beats)


def drawn_words(layout, seed):
    """Random words, as `pack_image` takes them."""
    rng = np.random.default_rng(seed)
    return [rng.random((weights.depth, weights.width)) < 0.5 for weights in layout.streams]


def as_numbers(bits):
    """Words as numbers, column 0 in the lowest bit."""
    return [sum(int(bit) << place for place, bit in enumerate(row)) for row in bits]


def numbers(layout, words, counts):
    """The first words of each layer, which repeat."""
    found = []
    for bits, count in zip(words, counts, strict=True):
        once = as_numbers(bits)
        found.append([once[n % len(once)] for n in range(count)])
    return found


def image_beats(layout, words):
    """The image as beats of the bus."""
    image = pack_image(layout, words).tobytes()
    size = layout.beat_bytes
    return [int.from_bytes(image[at : at + size], "little") for at in range(0, len(image), size)]


class Beats:
    """A memory on the plain port of a reader: requests are taken and beats come in the cycles that are given.

    Parameters
    ----------
    refuses : sequence of bool
        Cycles in which no request is taken.
    waits : sequence of int
        Cycles before the beats, one after the other, over and over.
    latency : int
        Cycles from a request to its first beat, at least 1.
    """

    def __init__(self, dut, layout, content, base, *, refuses=(), waits=(0,), latency=1, error_at=None):
        self.request, self.answer = dut.request, dut.answer
        self.layout, self.content, self.base = layout, content, base
        self.refuses, self.waits, self.latency, self.error_at = refuses, waits, latency, error_at
        self.asked = deque()  # (first beat, beats, cycle)
        self.sent = self.wait = 0
        self.accepted = self.gives = False
        self.moved = []
        self._wait()

    def _wait(self):
        self.wait = self.waits[self.sent % len(self.waits)]

    def begin(self, ctx, cycle):
        """What it shows in this cycle."""
        ctx.set(self.request.ready, not (cycle < len(self.refuses) and self.refuses[cycle]))
        due = bool(self.asked) and cycle >= self.asked[0][2] + self.latency
        if due and self.wait:
            self.wait -= 1
            due = False
        self.gives = due
        ctx.set(self.answer.valid, due)
        at, beats = self.asked[0][:2] if due else (0, 0)
        ctx.set(self.answer.data, self.content[at] if due else 0x55 << (cycle % 4))
        ctx.set(self.answer.last, beats == 1 if due else cycle % 2)
        ctx.set(self.answer.error, self.sent == self.error_at if due else cycle % 3 == 0)

    def end(self, ctx, cycle):
        """Note what moved."""
        self.accepted = bool(ctx.get(self.request.valid) & ctx.get(self.request.ready))
        if self.gives:
            at, beats, since = self.asked.popleft()
            if beats > 1:
                self.asked.appendleft((at + 1, beats - 1, since))
            self.sent += 1
            self._wait()
        if self.accepted:
            asked = ctx.get(self.request.payload)
            at, beats = asked.address - self.base, asked.more + 1
            self.moved.append((at, beats))
            self.asked.append((at // self.layout.beat_bytes, beats, cycle))

    def after(self, ctx):
        """Nothing is left to do behind the clock."""


def drive_reader(
    dut, layout, memory, expected, stalls, *, base, each=lambda ctx, cycle, sinks: None, start=0, limit=20000
):
    """Let words through; each layer gets those that are expected, and then takes no more.

    Parameters
    ----------
    stalls : list of sequence of bool
        For each layer, cycles in which it takes nothing.
    start : int
        The first cycle with `enable`.

    Returns
    -------
    int
        Cycles.
    """
    streams = [getattr(dut.weights, weights.name) for weights in layout.streams]
    sinks = [Sink(port, None, pause) for port, pause in zip(streams, stalls, strict=True)]
    count = 0

    async def bench(ctx):
        nonlocal count
        held = None
        while any(len(sink.beats) < len(want) for sink, want in zip(sinks, expected, strict=True)):
            assert count < limit, "nothing moves any more"
            ctx.set(dut.enable, count == start)
            ctx.set(dut.base, base if count <= start else 0x33 << 4)
            memory.begin(ctx, count)
            for sink, want in zip(sinks, expected, strict=True):
                sink.begin(count)
                # Taking nothing for ever holds no other layer up.
                sink.takes = sink.takes and len(sink.beats) < len(want)
                sink.show(ctx)
            offered = ctx.get(Value.cast(memory.request.payload)) if ctx.get(memory.request.valid) else None
            assert held is None or offered == held, "a request changed while it waited"
            memory.end(ctx, count)
            held = None if memory.accepted else offered
            for sink in sinks:
                sink.end(count, sink.see(ctx))
            each(ctx, count, sinks)
            count += 1
            await ctx.tick()
        for sink, want in zip(sinks, expected, strict=True):
            assert sink.beats == want

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return count
