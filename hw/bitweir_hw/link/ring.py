"""Bytes that wait in block RAM."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ByteQueue", "Ring"]


class Ring(wiring.Component):
    """A block RAM that leaves as a stream, in a circle; who writes tells where to, and how far it may be read.

    Positions count from 0 to ``2 * depth - 1`` and round, so that a full ring is not an empty one.

    | property  | formula                                              |
    |-----------|------------------------------------------------------|
    | latency   | 2 cycles from `end` to the byte before it            |
    | cycles    | 2 a byte                                             |
    | resources | a block RAM, a counter, two comparators of positions |

    Parameters
    ----------
    depth : int
        Bytes, a power of two from 2 on.

    Members
    -------
    put : In(1)
    at : In(range(2 * depth))
        Position of the byte that is written: not before `end`, or not read yet.
    data : In(8)
    tail : In(range(2 * depth))
        The first position that is not in use.
    full : Out(1)
        There was no place for it a cycle ago: who has moved it waits a cycle. From a register.
    end : In(range(2 * depth))
        Bytes before this position leave. They were written in a cycle before.
    o : Out(stream.Signature(8))
        The payload comes from the memory itself, whose delay on some parts leaves little time in its cycle.
    """

    put: Signal
    at: Signal
    data: Signal
    tail: Signal
    full: Signal
    end: Signal
    o: stream.Interface

    def __init__(self, *, depth: int) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two from 2 on, not {depth}")
        self.depth = depth
        position = In(range(2 * depth))
        super().__init__(
            {
                "put": In(1),
                "at": position,
                "data": In(8),
                "tail": position,
                "full": Out(1),
                "end": position,
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = store = memory.Memory(shape=8, depth=self.depth, init=[], attrs={"ram_style": "block"})
        write, read = store.write_port(), store.read_port()
        begin, some, fetch = Signal.like(self.end), Signal(), Signal()
        m.d.comb += [
            write.en.eq(self.put),
            write.addr.eq(self.at[:-1]),
            write.data.eq(self.data),
            # The next one is read when this one has left: by then all that is compared is known.
            fetch.eq(some & ~self.o.valid),
            read.en.eq(fetch),
            read.addr.eq(begin[:-1]),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += [
            some.eq(begin != self.end),
            self.full.eq(self.tail == begin ^ self.depth),
        ]
        with m.If(fetch):
            m.d.sync += [begin.eq(begin + 1), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


class ByteQueue(wiring.Component):
    """A first-in-first-out buffer of bytes in block RAM.

    | property  | formula                                        |
    |-----------|------------------------------------------------|
    | latency   | 3 cycles                                       |
    | cycles    | 2 a byte                                       |
    | resources | a `Ring`, a counter                            |

    Parameters
    ----------
    depth : int
        Bytes, a power of two; one more waits at the output.

    Members
    -------
    i, o : stream.Signature(8)
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, *, depth: int) -> None:
        self.depth = depth
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ring = ring = Ring(depth=self.depth)
        wiring.connect(m, ring.o, wiring.flipped(self.o))
        tail, pause = Signal.like(ring.end), Signal()
        m.d.comb += [
            self.i.ready.eq(~ring.full & ~pause),
            ring.put.eq(self.i.valid & self.i.ready),
            ring.at.eq(tail),
            ring.data.eq(self.i.payload),
            ring.tail.eq(tail),
            ring.end.eq(tail),
        ]
        m.d.sync += pause.eq(ring.put)
        with m.If(ring.put):
            m.d.sync += tail.eq(tail + 1)
        return m
