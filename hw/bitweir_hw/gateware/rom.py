"""A read-only memory that is read from its first word to its last, and round again."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .fifo import following

__all__ = ["Rom"]

#: Up to this depth LUTs serve better: a block RAM is 256 to 1024 words deep on all families.
LUT_DEPTH = 32


class Rom(wiring.Component):
    """Gives its words in order.

    Resources: ``ceil(width / W) * ceil(depth / D)`` block RAMs of D words of W bits above
    `LUT_DEPTH` words, LUTs below; one word is wires.

    Parameters
    ----------
    words : list of int
    width : int
        Bits of a word.

    Members
    -------
    step : In(1)
        The next word stands at `data` in the next cycle, and only then.
    data : Out(width)
    """

    step: Signal
    data: Signal

    def __init__(self, *, words: list[int], width: int) -> None:
        self.words, self.width = words, width
        super().__init__({"step": In(1), "data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = len(self.words)
        if depth == 1:
            m.d.comb += self.data.eq(self.words[0])
            return m
        style = "block" if depth > LUT_DEPTH else "logic"
        m.submodules.memory = store = memory.Memory(
            shape=self.width, depth=depth, init=self.words, attrs={"rom_style": style}
        )
        read = store.read_port()
        at = Signal(range(depth))
        m.d.comb += [read.addr.eq(at), read.en.eq(1), self.data.eq(read.data)]
        with m.If(self.step):
            m.d.sync += at.eq(following(at, depth))
        return m
