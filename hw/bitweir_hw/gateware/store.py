"""Memories as banks, with registers between their multiplexers."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..memory import Layout

__all__ = ["Store"]


class Store(wiring.Component):
    """A memory with one port to read, and perhaps one to write.

    Where `layout.direct` says so, a register without reset or enable stands behind each bank, which a block RAM can
    hold. Multiplexers of banks follow, with the number of the bank beside them.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | latency           | ``1 + layout.registers`` cycles from an address to its word       |
    | registers         | ``banks * width`` in block RAM or behind LUTs, a word for each    |
    |                   | that is left behind a level of multiplexers with a register       |

    Parameters
    ----------
    depth, width : int
    layout : Layout
    words : sequence of int, optional
        What it holds, where it is not written.
    attrs : dict
        Of the memory, for synthesis.

    Members
    -------
    address : In(range(depth))
    data : Out(width)
    write : In(1)
    w_address : In(range(depth))
    w_data : In(width)
        Without `words`: what is written. What a word is that is written and read at once, is not told.
    """

    address: Signal
    data: Signal
    write: Signal
    w_address: Signal
    w_data: Signal

    def __init__(
        self, *, depth: int, width: int, layout: Layout, words: Sequence[int] | None = None, attrs: dict[str, str]
    ) -> None:
        self.depth, self.width, self.layout, self.words, self.attrs = depth, width, layout, words, attrs
        ports = {"address": In(range(depth)), "data": Out(width)}
        if words is None:
            ports |= {"write": In(1), "w_address": In(range(depth)), "w_data": In(width)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self.layout
        outputs = self._banks(m)
        # The number of the bank, in the cycle in which the words are there.
        bank: Value = self._bank(self.address)
        direct = min(layout.registers, int(layout.direct))
        for _ in range(1 + direct):
            bank = _later(m, bank, "bank")
        if direct:
            outputs = [_later(m, word, "output") for word in outputs]
        left = layout.registers - direct
        for level, (_, registered) in enumerate(layout.multiplexers()):
            select, bank = bank[:2], bank[2:]
            outputs = [_chosen(select, outputs[at : at + 4]) for at in range(0, len(outputs), 4)]
            if registered:
                outputs = [_later(m, word, f"level_{level}") for word in outputs]
                bank = _later(m, bank, "bank")
                left -= 1
        (data,) = outputs
        for _ in range(left):
            data = _later(m, data, "waiting")
        m.d.comb += self.data.eq(data)
        return m

    def _bank(self, address: Signal) -> Value:
        """The number of the bank: those of more than one have a power of two words."""
        return address[(self.layout.depth - 1).bit_length() :] if self.layout.banks > 1 else address[:0]

    def _banks(self, m: Module) -> list[Value]:
        """Build the memories; the word of each bank."""
        layout, width = self.layout, self.width
        words = list(self.words or ())
        if layout.shared:
            words += [0] * (layout.depth * layout.banks - len(words))
            folded = [
                sum(word << (bank * width) for bank, word in enumerate(words[at :: layout.depth]))
                for at in range(layout.depth)
            ]
            data = self._bank_of(m, "banks", layout.depth, width * layout.banks, folded)
            return [data.word_select(bank, width) for bank in range(layout.banks)]
        found: list[Value] = []
        for bank in range(layout.banks):
            first = bank * layout.depth
            depth = min(layout.depth, self.depth - first)
            name = f"bank_{bank}" if layout.banks > 1 else "memory"
            found.append(self._bank_of(m, name, depth, width, words[first : first + depth], bank))
        return found

    def _bank_of(self, m: Module, name: str, depth: int, width: int, words: list[int], bank: int = 0) -> Value:
        m.submodules[name] = store = memory.Memory(shape=width, depth=depth, init=words, attrs=self.attrs)
        if self.words is None:
            write = store.write_port()
            here = self._bank(self.w_address) == bank
            m.d.comb += [
                write.en.eq(self.write & here if self.layout.banks > 1 else self.write),
                write.addr.eq(self.w_address),
                write.data.eq(self.w_data),
            ]
        read = store.read_port()
        m.d.comb += [read.addr.eq(self.address), read.en.eq(1)]
        return read.data


def _later(m: Module, value: Value, name: str) -> Value:
    """The value in the next cycle."""
    if not len(value):
        return value
    later = Signal(len(value), name=name, reset_less=True)
    m.d.sync += later.eq(value)
    return later


def _chosen(select: Value, words: list[Value]) -> Value:
    """The word of up to four with this number."""
    for bit in select:
        pairs = [words[at : at + 2] for at in range(0, len(words), 2)]
        words = [Mux(bit, pair[1], pair[0]) if len(pair) > 1 else pair[0] for pair in pairs]
    (word,) = words
    return word
