"""Memories whose words come in a fixed order: constant ones, or such as are loaded before."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..memory import is_block
from .fifo import wrap_increment
from .loading import MemoryLoader, chain_ports, pass_on

__all__ = ["ClassRom", "Rom"]


class Rom(wiring.Component):
    """Gives its words in order, and round again.

    Resources: ``ceil(width / W) * ceil(depth / D)`` block RAMs of D words of W bits where
    `memory.is_block` says so, LUTs elsewhere; one word is wires. Where words are loaded: the same block
    RAMs, LUT RAM elsewhere, registers for one word; and a `loading.MemoryLoader`.

    Parameters
    ----------
    words : list of int
    width : int
        Bits of a word.
    style : str
        One of `memory.STYLES`.
    loaded : bool
        Whether the words come through a chain, later. Those given only tell how many there are.

    Members
    -------
    step : In(1)
        The next word stands at `data` in the next cycle, and only then.
    data : Out(width)
    load : In(loading.CHAIN)
    on : Out(loading.CHAIN)
        With `loaded`: see `loading.MemoryLoader`. No word may be asked for meanwhile.
    """

    step: Signal
    data: Signal

    def __init__(self, *, words: Sequence[int], width: int, style: str = "auto", loaded: bool = False) -> None:
        self.words, self.width, self.style, self.loaded = words, width, style, loaded
        super().__init__({"step": In(1), "data": Out(width), **(chain_ports() if loaded else {})})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = len(self.words)
        if self.loaded:
            m.submodules.filler = filler = MemoryLoader(depth=depth, width=self.width)
            pass_on(m, self, [filler])
        if depth == 1:
            if self.loaded:
                with m.If(filler.write):
                    m.d.sync += self.data.eq(filler.word)
            else:
                m.d.comb += self.data.eq(self.words[0])
            return m
        # "distributed" would be an error: no family has a LUT RAM that is read-only.
        block = is_block(depth, self.width, self.style)
        if self.loaded:
            attrs = {"ram_style": "block"} if block else {}
        else:
            attrs = {"rom_style": "block" if block else "logic"}
        m.submodules.memory = store = memory.Memory(
            shape=self.width, depth=depth, init=[] if self.loaded else self.words, attrs=attrs
        )
        if self.loaded:
            write = store.write_port()
            m.d.comb += [write.en.eq(filler.write), write.addr.eq(filler.address), write.data.eq(filler.word)]
        read = store.read_port()
        at = Signal(range(depth))
        m.d.comb += [read.addr.eq(at), read.en.eq(1), self.data.eq(read.data)]
        with m.If(self.step):
            m.d.sync += at.eq(self._following(m, at))
        return m

    def _following(self, m: Module, at: Signal) -> Value:
        """The address after this one."""
        return wrap_increment(at, len(self.words))


class ClassRom(Rom):
    """Gives the words of each pixel of a map, those of the class that the pixel has.

    Resources: as `Rom`, and counters of columns and rows with a few comparators.

    Parameters
    ----------
    words : list of int
        For each class of rows, for each class of columns, the same number of words.
    width, loaded
        As for `Rom`.
    rows, columns : sequence of int
        A class from 0 on for each row and column of pixels, rising by at most 1.
    """

    def __init__(
        self, *, words: Sequence[int], width: int, rows: Sequence[int], columns: Sequence[int], loaded: bool = False
    ) -> None:
        super().__init__(words=words, width=width, loaded=loaded)
        self.rows, self.columns = rows, columns

    def _following(self, m: Module, at: Signal) -> Value:
        # From a word to the one after it in the memory, which also is the first one of the next class;
        # or back, to the first word of the same class or of the same row of classes, or of all.
        band = len(self.words) // (max(self.rows) + 1)
        each = band // (max(self.columns) + 1)
        (last,) = _count(m, "word", self.step, each, ({each - 1},))
        ends, more = _count(m, "column", self.step & last, len(self.columns), _marks(self.columns))
        bottom, lower = _count(m, "row", self.step & last & ends, len(self.rows), _marks(self.rows))
        back = Signal(range(len(self.words) + 1))
        with m.If(~last):
            m.d.comb += back.eq(0)
        with m.Elif(~ends):
            m.d.comb += back.eq(Mux(more, 0, each))
        with m.Elif(~bottom):
            m.d.comb += back.eq(Mux(lower, 0, band))
        with m.Else():
            m.d.comb += back.eq(len(self.words))
        return at + 1 - back


def _marks(classes: Sequence[int]) -> tuple[set[int], set[int]]:
    """The last number, and those after which the class rises."""
    return {len(classes) - 1}, {n for n in range(len(classes) - 1) if classes[n] != classes[n + 1]}


def _count(m: Module, name: str, step: Value, end: int, marks: tuple[set[int], ...]) -> list[Signal]:
    """Count from 0 to ``end - 1`` and round; whether the number is among each of the marks, from registers."""
    at = Signal(range(end), name=name)
    flags = [Signal(init=0 in numbers, name=f"{name}_is{n}") for n, numbers in enumerate(marks)]
    with m.If(step):
        m.d.sync += at.eq(wrap_increment(at, end))
        for flag, numbers in zip(flags, marks, strict=True):
            before = [at == (number - 1) % end for number in sorted(numbers)]
            m.d.sync += flag.eq(Cat(*before).any() if before else 0)
    return flags
