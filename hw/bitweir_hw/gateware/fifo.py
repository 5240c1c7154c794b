"""A first-in-first-out buffer whose output is a register."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory import is_block

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
        waiting = self.depth - 1
        stored = Signal(range(waiting + 1))

        take, give = Signal(), Signal()
        store_it, fetch = Signal(), Signal()
        m.d.comb += [
            # Space in the memory also means that nothing waits for the output register alone.
            self.i.ready.eq(stored != waiting),
            take.eq(self.i.valid & self.i.ready),
            give.eq(self.o.valid & self.o.ready),
            fetch.eq((give | ~self.o.valid) & (stored != 0)),
            store_it.eq(take & ((self.o.valid & ~give) | (stored != 0))),
        ]
        m.d.sync += stored.eq(stored + store_it - fetch)
        oldest = self._store(m, stored, store_it, fetch)
        payload = Signal(self.width, reset_less=True)
        m.d.comb += self.o.payload.eq(payload)
        with m.If(fetch):
            m.d.sync += payload.eq(oldest)
        with m.Elif(take & ~store_it):
            m.d.sync += payload.eq(self.i.payload)
        with m.If(fetch | take):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(give):
            m.d.sync += self.o.valid.eq(0)
        return m

    def _store(self, m: Module, stored: Signal, put: Signal, fetch: Signal) -> Value:
        """Where beats wait for the output register; the oldest one of them."""
        words = self.depth - 1
        block = is_block(self.depth, self.width)
        if words == 1:
            # A memory of one word has an address of no bits, which not all tools take well.
            word = Signal(self.width, reset_less=True)
            with m.If(put):
                m.d.sync += word.eq(self.i.payload)
            return word
        if block:
            # The oldest one that waits is outside, at the output of the memory or in a register.
            words -= 1
        m.submodules.memory = store = memory.Memory(
            shape=self.width, depth=words, init=[], attrs={"ram_style": "block"} if block else {}
        )
        write, read = store.write_port(), store.read_port(domain="sync" if block else "comb")
        w_at, r_at = Signal(range(words)), Signal(range(words), init=int(block))
        m.d.comb += [
            write.en.eq(put),
            write.addr.eq(w_at),
            write.data.eq(self.i.payload),
            read.addr.eq(r_at),
        ]
        with m.If(put):
            m.d.sync += w_at.eq(wrap_increment(w_at, words))
        with m.If(fetch):
            m.d.sync += r_at.eq(wrap_increment(r_at, words))
        if not block:
            return read.data

        # With each beat that goes on, the memory reads the one behind the next. That comes too early
        # for a beat which is not there yet when it would be read: it waits in the register.
        late = Signal(self.width, reset_less=True)
        is_late = Signal()
        m.d.comb += read.en.eq(fetch)
        with m.If(put & (stored == fetch)):
            m.d.sync += [late.eq(self.i.payload), is_late.eq(1)]
        with m.Elif(fetch):
            m.d.sync += is_late.eq(0)
        return Mux(is_late, late, read.data)
