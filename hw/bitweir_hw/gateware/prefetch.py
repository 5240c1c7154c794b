"""Words that come over a stream in the order of use, some of them taken ahead."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory import Layout
from .counters import FillLevel, counter
from .store import Store

__all__ = ["Prefetch"]


class Prefetch(wiring.Component):
    """Takes words ahead and gives them in order, as `rom.Rom` gives those of a memory.

    A word that comes in one cycle can be used in the next. It may be read later than it is used, in `step`, by up to
    ``depth - room`` cycles: so long its place stays its own.

    Resources: a LUT RAM of `depth` words and a register of a word, two addresses and a fill level.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Places of words.
    room : int
        Words that wait to be used, at most.

    Members
    -------
    i : In(stream.Signature(width))
    some : Out(1)
        A word is there. From a register.
    use : In(1)
        Uses one; only where there is one.
    step : In(1)
        The next word stands at `data` in the next cycle, and only then.
    data : Out(width)
    """

    i: stream.Interface
    some: Signal
    use: Signal
    step: Signal
    data: Signal

    def __init__(self, *, width: int, depth: int, room: int) -> None:
        self.width, self.depth, self.room = width, depth, room
        self.layout = Layout(depth=depth)
        super().__init__(
            {"i": In(stream.Signature(width)), "some": Out(1), "use": In(1), "step": In(1), "data": Out(width)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        take = Signal()
        held = FillLevel(m, "held", self.room, change=take ^ self.use, down=self.use)
        w_at, _ = counter(m, "w_at", take, self.depth)
        r_at, _ = counter(m, "r_at", self.step, self.depth)
        m.submodules.memory = store = Store(depth=self.depth, width=self.width, layout=self.layout, attrs={})
        m.d.comb += [
            self.i.ready.eq(held.space),
            take.eq(self.i.valid & held.space),
            self.some.eq(held.some),
            store.write.eq(take),
            store.w_address.eq(w_at),
            store.w_data.eq(self.i.payload),
            store.address.eq(r_at),
            self.data.eq(store.data),
        ]
        return m
