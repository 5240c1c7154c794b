"""Memories whose words come in a fixed order: constant ones, or such as are loaded before."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..memory import Layout, is_block
from .counters import counter
from .fifo import wrap_increment
from .loading import MemoryLoader, chain_ports, pass_on
from .store import Store

__all__ = ["ClassRom", "Rom"]


class Rom(wiring.Component):
    """Gives its words in order, and round again.

    Resources: block RAMs as `memory.layout` tells where `memory.is_block` says so, LUTs elsewhere; one word is wires.
    Where words are loaded: the same block RAMs, LUT RAM elsewhere, registers for one word; and a
    `loading.MemoryLoader`.

    Parameters
    ----------
    words : list of int
    width : int
        Bits of a word.
    style : str
        One of `memory.STYLES`.
    loaded : bool
        Whether the words come through a chain, later. Those given only tell how many there are.
    load_width : int
        Bytes of a beat of the chain.
    layout : Layout, optional
        In block RAM, its banks and registers; by default a bank without a register behind it.

    Members
    -------
    step : In(1)
        The next word stands at `data` in the next cycle, and only then; as many cycles later as there are registers.
    data : Out(width)
    load : In(loading.chain_signature(load_width))
    on : Out(loading.chain_signature(load_width))
        With `loaded`: see `loading.MemoryLoader`. No word may be asked for meanwhile.
    """

    step: Signal
    data: Signal

    def __init__(
        self,
        *,
        words: Sequence[int],
        width: int,
        style: str = "auto",
        loaded: bool = False,
        load_width: int = 1,
        layout: Layout | None = None,
    ) -> None:
        self.words, self.width, self.style, self.loaded, self.load_width = words, width, style, loaded, load_width
        self.layout = layout or Layout(depth=len(words))
        super().__init__({"step": In(1), "data": Out(width), **(chain_ports(load_width) if loaded else {})})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = len(self.words)
        if self.loaded:
            m.submodules.filler = filler = MemoryLoader(depth=depth, width=self.width, load_width=self.load_width)
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
        shares = self.layout.shares(self.width)
        for number, bits in enumerate(shares):
            name = f"_{number}" if len(shares) > 1 else ""
            words = None if self.loaded else self.words if not name else [_part(word, bits) for word in self.words]
            store = Store(depth=depth, width=bits.stop - bits.start, layout=self.layout, words=words, attrs=attrs)
            m.submodules[f"memory{name}"] = store
            if self.loaded:
                m.d.comb += [
                    store.write.eq(filler.write),
                    store.w_address.eq(filler.address),
                    store.w_data.eq(filler.word[bits]),
                ]
            m.d.comb += [store.address.eq(self._address(m, name)), self.data[bits].eq(store.data)]
        return m

    def _address(self, m: Module, name: str) -> Signal:
        """The address of the next word: equal ones are counted apart, so that synthesis does not make one of them."""
        return counter(m, f"at{name}", self.step, len(self.words))[0]


def _part(word: int, bits: slice) -> int:
    """Some bits of a word."""
    return word >> bits.start & ((1 << (bits.stop - bits.start)) - 1)


class ClassRom(Rom):
    """Gives the words of each pixel of a map, those of the class that the pixel has.

    Resources: as `Rom`, and counters of columns and rows with a few comparators.

    Parameters
    ----------
    words : list of int
        For each class of rows, for each class of columns, the same number of words.
    width, loaded, load_width, layout
        As for `Rom`.
    rows, columns : sequence of int
        A class from 0 on for each row and column of pixels, rising by at most 1.
    """

    def __init__(
        self,
        *,
        words: Sequence[int],
        width: int,
        rows: Sequence[int],
        columns: Sequence[int],
        loaded: bool = False,
        load_width: int = 1,
        layout: Layout | None = None,
    ) -> None:
        super().__init__(words=words, width=width, loaded=loaded, load_width=load_width, layout=layout)
        self.rows, self.columns = rows, columns

    def _address(self, m: Module, name: str) -> Signal:
        # From a word to the one after it in the memory, which also is the first one of the next class;
        # or back, to the first word of the same class or of the same row of classes, or of all.
        band = len(self.words) // (max(self.rows) + 1)
        each = band // (max(self.columns) + 1)
        marks = [({each - 1},), _marks(self.columns), _marks(self.rows)]
        # Counters are one word ahead, so that how far the next word is comes from a register.
        word, column = 1 % each, (each == 1) % len(self.columns)
        row = (each == 1 == len(self.columns)) % len(self.rows)
        (last,) = _count(m, "word", self.step, each, marks[0], word)
        ends, more = _count(m, "column", self.step & last, len(self.columns), marks[1], column)
        bottom, lower = _count(m, "row", self.step & last & ends, len(self.rows), marks[2], row)
        at = Signal(range(len(self.words)), name=f"at{name}")
        starts = [0 in numbers for axis in marks for numbers in axis]
        onward = Signal(len(at), init=self._far(each, band, *starts) % (1 << len(at)))
        with m.If(self.step):
            m.d.sync += at.eq(at + onward)
            with m.If(~last):
                m.d.sync += onward.eq(1)
            with m.Elif(~ends):
                m.d.sync += onward.eq(Mux(more, 1, 1 - each))
            with m.Elif(~bottom):
                m.d.sync += onward.eq(Mux(lower, 1, 1 - band))
            with m.Else():
                m.d.sync += onward.eq(1 - len(self.words))
        return at

    def _far(self, each: int, band: int, last: bool, ends: bool, more: bool, bottom: bool, lower: bool) -> int:
        """How far the word behind one is that is such."""
        if not last:
            return 1
        if not ends:
            return 1 if more else 1 - each
        if not bottom:
            return 1 if lower else 1 - band
        return 1 - len(self.words)


def _marks(classes: Sequence[int]) -> tuple[set[int], set[int]]:
    """The last number, and those after which the class rises."""
    return {len(classes) - 1}, {n for n in range(len(classes) - 1) if classes[n] != classes[n + 1]}


def _count(m: Module, name: str, step: Value, end: int, marks: tuple[set[int], ...], init: int) -> list[Signal]:
    """Count from 0 to ``end - 1`` and round; whether the number is among each of the marks, from registers."""
    at = Signal(range(end), name=name, init=init)
    flags = [Signal(init=init in numbers, name=f"{name}_is{n}") for n, numbers in enumerate(marks)]
    with m.If(step):
        m.d.sync += at.eq(wrap_increment(at, end))
        for flag, numbers in zip(flags, marks, strict=True):
            before = [at == (number - 1) % end for number in sorted(numbers)]
            m.d.sync += flag.eq(Cat(*before).any() if before else 0)
    return flags
