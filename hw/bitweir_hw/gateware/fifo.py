"""A first-in-first-out buffer whose output is a register."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory import is_block
from .counters import FillLevel, counter

__all__ = ["Fifo", "wrap_increment"]


def wrap_increment(value: Signal, end: int) -> Value:
    """The number after `value`, counting from 0 to ``end - 1`` and round."""
    if end & (end - 1) == 0 and len(value) == (end - 1).bit_length():
        return (value + 1)[: len(value)]
    return Mux(value == end - 1, 0, value + 1)


class Fifo(wiring.Component):
    """Holds up to `depth` beats.

    A beat taken in one cycle is offered in the next. Moves a beat every cycle from depth 2 on.

    | depth                               | resources, in words of `width` bits                       |
    |-------------------------------------|-----------------------------------------------------------|
    | 2                                   | 2 registers                                               |
    | more                                | 1 register, a LUT RAM of ``depth - 1``                    |
    | where block RAM pays (`is_block`)   | 2 registers, 2 LUTs a bit, a block RAM of ``depth - 2``   |

    Behind block RAM is no register: whether a word is read depends on the cycle, and it must be there in the next one.

    Parameters
    ----------
    width : int
        Bits of the payload.
    depth : int
        At least 2.

    Members
    -------
    i : In(stream.Signature(width))
    o : Out(stream.Signature(width))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, *, width: int, depth: int) -> None:
        if depth < 2:
            raise ValueError(f"depth must be at least 2, not {depth}")
        self.width, self.depth = width, depth
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        change, moves, take, put, fetch = Signal(), Signal(), Signal(), Signal(), Signal()
        # Of the beats that wait, one leaves where the output register takes one and none comes.
        level = FillLevel(m, "stored", self.depth - 1, change=change, down=moves)
        payload, valid = Signal(self.width, reset_less=True), Signal()
        m.d.comb += [
            # Space in the memory also means that nothing waits for the output register alone.
            self.i.ready.eq(level.space),
            take.eq(self.i.valid & level.space),
            moves.eq(self.o.ready | ~valid),
            fetch.eq(moves & level.some),
            put.eq(take & (~moves | level.some)),
            change.eq(Mux(moves, level.some & ~take, take)),
            self.o.valid.eq(valid),
            self.o.payload.eq(payload),
        ]
        oldest = self._store(m, level, put, fetch)
        # A beat that comes to a free output register goes there at once where none waits, and then there is space.
        with m.If(moves):
            m.d.sync += [payload.eq(Mux(level.some, oldest, self.i.payload)), valid.eq(level.some | self.i.valid)]
        return m

    def _store(self, m: Module, level: FillLevel, put: Signal, fetch: Signal) -> Value:
        """Where beats wait for the output register; the oldest one of them."""
        words = self.depth - 1
        block = is_block(self.depth, self.width)
        if words == 1:
            # A memory of one word has an address of no bits, which not all tools take well. What is written
            # while there is space counts for nothing until a beat is put there.
            word = Signal(self.width, reset_less=True)
            with m.If(level.space):
                m.d.sync += word.eq(self.i.payload)
            return word
        if block:
            # The oldest one that waits is outside, at the output of the memory or in a register.
            words -= 1
        m.submodules.memory = store = memory.Memory(
            shape=self.width, depth=words, init=[], attrs={"ram_style": "block"} if block else {}
        )
        write, read = store.write_port(), store.read_port(domain="sync" if block else "comb")
        w_at, _ = counter(m, "w_at", put, words)
        r_at, _ = counter(m, "r_at", fetch, words, init=int(block))
        m.d.comb += [
            write.en.eq(put if block else level.space),
            write.addr.eq(w_at),
            write.data.eq(self.i.payload),
            read.addr.eq(r_at),
        ]
        if not block:
            return read.data

        # With each beat that goes on, the memory reads the one behind the next. That comes too early
        # for a beat which is not there yet when it would be read: it waits in the register.
        late = Signal(self.width, reset_less=True)
        is_late = Signal()
        m.d.comb += read.en.eq(fetch)
        with m.If(put & (~level.some | level.one & fetch)):
            m.d.sync += [late.eq(self.i.payload), is_late.eq(1)]
        with m.Elif(fetch):
            m.d.sync += is_late.eq(0)
        return Mux(is_late, late, read.data)
