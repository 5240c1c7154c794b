"""Bytes that wait in block RAM."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ByteQueue", "Ring"]


class Ring(wiring.Component):
    """A block RAM that leaves as a stream, in a circle; who writes tells where to, and how far it may be read.

    Positions count from 0 to ``2 * depth - 1`` and round, so that a full ring is not an empty one. A place
    is free again when its byte stands at the output.

    | property  | formula                                             |
    |-----------|-----------------------------------------------------|
    | latency   | 1 cycle from `end` to the byte before it            |
    | cycles    | 1 a byte                                            |
    | resources | a block RAM, a counter, two comparators of positions|

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
    end : In(range(2 * depth))
        Bytes before this position leave. They were written in a cycle before.
    begin : Out(range(2 * depth))
        Positions before this one are free. From a register.
    o : Out(stream.Signature(8))
    """

    put: Signal
    at: Signal
    data: Signal
    end: Signal
    begin: Signal
    o: stream.Interface

    def __init__(self, *, depth: int) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two from 2 on, not {depth}")
        self.depth = depth
        super().__init__(
            {
                "put": In(1),
                "at": In(range(2 * depth)),
                "data": In(8),
                "end": In(range(2 * depth)),
                "begin": Out(range(2 * depth)),
                "o": Out(stream.Signature(8)),
            }
        )

    def is_full(self, tail: Value) -> Value:
        """Whether no place is free at a position."""
        return tail == self.begin ^ self.depth

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = store = memory.Memory(shape=8, depth=self.depth, init=[], attrs={"ram_style": "block"})
        write, read = store.write_port(), store.read_port()
        fetch = Signal()
        m.d.comb += [
            write.en.eq(self.put),
            write.addr.eq(self.at[:-1]),
            write.data.eq(self.data),
            fetch.eq((self.begin != self.end) & (self.o.ready | ~self.o.valid)),
            read.en.eq(fetch),
            read.addr.eq(self.begin[:-1]),
            # The register at the output of the memory is that of the stream.
            self.o.payload.eq(read.data),
        ]
        with m.If(fetch):
            m.d.sync += [self.begin.eq(self.begin + 1), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


class ByteQueue(wiring.Component):
    """A first-in-first-out buffer of bytes in block RAM.

    | property  | formula                                        |
    |-----------|------------------------------------------------|
    | latency   | 2 cycles                                       |
    | cycles    | 1 a byte                                       |
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
        tail = Signal.like(ring.end)
        m.d.comb += [
            self.i.ready.eq(~ring.is_full(tail)),
            ring.put.eq(self.i.valid & self.i.ready),
            ring.at.eq(tail),
            ring.data.eq(self.i.payload),
            ring.end.eq(tail),
        ]
        with m.If(ring.put):
            m.d.sync += tail.eq(tail + 1)
        return m
