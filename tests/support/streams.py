"""Sources and sinks of streams for Amaranth's simulator: beats with stalls, and the rules of streams in every cycle.

A driver of a block is a `Source` for each input, a `Sink` for each output, and what is to be said of each cycle::

    source, sink = Source(dut.i, beats, stalls), Sink(dut.o, expected=results)
    drive(dut, [source], [sink], each=lambda cycle: ...)
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from amaranth.hdl import Value
from amaranth.sim import Simulator

__all__ = ["Sink", "Source", "drive", "stalled"]


def stalled(pattern: Sequence[Any], cycle: int) -> bool:
    """Whether a side holds back in a cycle; after its pattern it never does."""
    return 0 <= cycle < len(pattern) and bool(pattern[cycle])


class Source:
    """Offers beats one by one; once offered, a beat stays until it moves.

    Parameters
    ----------
    stream : stream interface, or an object with ``payload``, ``valid`` and ``ready``
    beats : sequence of int
    stalls : sequence of bool
        Cycles in which nothing new is offered.
    """

    def __init__(self, stream: Any, beats: Sequence[int], stalls: Sequence[Any] = ()) -> None:
        self.beats, self.stalls = beats, stalls
        self.offers = self.offered = self.ready = self.moves = False
        #: Cycles in which beats moved.
        self.cycles: list[int] = []
        self._stream, self._payload = stream, Value.cast(stream.payload)
        self._ones = (1 << len(self._payload)) - 1
        self._noise = random.Random(len(self._payload))
        self._shown = 0

    @property
    def sent(self) -> int:
        """Beats that have moved."""
        return len(self.cycles)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to offer."""
        return self.sent == len(self.beats)

    def begin(self, cycle: int) -> None:
        """Decide whether a beat is offered in a cycle."""
        self.offers = self.offers or not (self.done or stalled(self.stalls, cycle))
        self._shown = self.beats[self.sent] if self.offers else self._noise.randint(0, self._ones)

    def show(self, ctx: Any, *, opposite: bool = False) -> None:
        """Set the signals, or to the opposite of what they will be in this cycle."""
        ctx.set(self._stream.valid, self.offers ^ opposite)
        ctx.set(self._payload, self._shown ^ (self._ones if opposite else 0))

    def see(self, ctx: Any) -> bool:
        """Whether the beat would be taken."""
        return bool(ctx.get(self._stream.ready))

    def end(self, cycle: int, ready: bool) -> None:
        """Note what happened in a cycle."""
        self.offered, self.ready, self.moves = self.offers, ready, self.offers and ready
        if self.moves:
            self.cycles.append(cycle)
            self.offers = False


class Sink:
    """Takes beats, compares them, and sees to it that what is offered stays until it moves.

    Parameters
    ----------
    stream
        As of `Source`.
    expected : sequence of int or None
        What must come, and nothing else; None takes whatever comes.
    stalls : sequence of bool
        Cycles in which nothing is taken.
    late : int
        Cycles by which the stalls are late, so that sinks do not move in step.
    masks : sequence of int or None
        For each expected beat, the bits that count.
    """

    def __init__(
        self,
        stream: Any,
        expected: Sequence[int] | None = None,
        stalls: Sequence[Any] = (),
        *,
        late: int = 0,
        masks: Sequence[int] | None = None,
    ) -> None:
        self.expected, self.stalls, self.late, self.masks = expected, stalls, late, masks
        self.takes = self.valid = self.moves = False
        #: What has moved, and in which cycles.
        self.beats: list[int] = []
        self.cycles: list[int] = []
        self._stream, self._payload = stream, Value.cast(stream.payload)
        self._held: int | None = None

    @property
    def done(self) -> bool:
        """Whether all that must come has come, and nothing waits."""
        return self._held is None and (self.expected is None or len(self.beats) == len(self.expected))

    def begin(self, cycle: int) -> None:
        """Decide whether a beat is taken in a cycle."""
        self.takes = not stalled(self.stalls, cycle - self.late)

    def show(self, ctx: Any, *, opposite: bool = False) -> None:
        """Set `ready`, or to the opposite of what it will be in this cycle."""
        ctx.set(self._stream.ready, self.takes ^ opposite)

    def see(self, ctx: Any) -> int | None:
        """Return what is offered, or None."""
        return ctx.get(self._payload) if ctx.get(self._stream.valid) else None

    def end(self, cycle: int, offered: int | None) -> None:
        """Note and check what happened in a cycle."""
        self.valid, self.moves = offered is not None, offered is not None and self.takes
        assert self._held is None or self._held == offered, f"what waits changed in cycle {cycle}"
        self._held = None if self.takes else offered
        if offered is not None and self.expected is not None:
            number = len(self.beats)
            assert number < len(self.expected), f"a beat too many in cycle {cycle}"
            mask = -1 if self.masks is None else self.masks[number]
            assert not (offered ^ self.expected[number]) & mask, f"beat {number} in cycle {cycle}"
        if offered is not None and self.takes:
            self.beats.append(offered)
            self.cycles.append(cycle)


def drive(
    dut: Any,
    sources: Sequence[Source],
    sinks: Sequence[Sink],
    *,
    each: Callable[[Any, int], None] = lambda ctx, cycle: None,
    quiet: int = 10,
    limit: int = 100_000,
) -> int:
    """Let all beats through.

    In each cycle a side is first shown the opposite of what it sees then: what a block says must not depend on it
    (rule 4 of the streams). Sinks turn with the first source. The `ready` of one input may depend on other inputs.

    Parameters
    ----------
    each : callable
        Called with the context and the cycle after everything has moved, before the clock.
    quiet : int
        Cycles without any beat that end it: nothing is left over.
    limit : int
        Cycles.

    Returns
    -------
    int
        Cycles.
    """
    count = 0

    async def bench(ctx: Any) -> None:
        nonlocal count
        since = 0
        while since < quiet:
            assert count < limit, "nothing moves any more"
            for side in (*sources, *sinks):
                side.begin(count)
            for source in sources:
                source.show(ctx)
            early = []
            for source in sources:
                source.show(ctx, opposite=True)
                for sink in sinks:
                    sink.show(ctx, opposite=source is sources[0])
                early.append((source.see(ctx), [sink.see(ctx) for sink in sinks]))
                source.show(ctx)
            for sink in sinks:
                sink.show(ctx)
            readies, offers = [source.see(ctx) for source in sources], [sink.see(ctx) for sink in sinks]
            for source, ready, said in zip(sources, readies, early, strict=True):
                assert said == (ready, offers), f"a path through the block in cycle {count}"
                source.end(count, ready)
            for sink, offered in zip(sinks, offers, strict=True):
                sink.end(count, offered)
            each(ctx, count)
            busy = any(side.moves or not side.done for side in (*sources, *sinks))
            since = 0 if busy else since + 1
            count += 1
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return count
