"""Flow control for a datapath that never stops: a beat goes in only if its result has a place."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .counters import FillLevel
from .fifo import Fifo

__all__ = ["CreditedOutput", "chain_credits", "chain_output", "datapath_link", "output_ports"]


def output_ports(width: int) -> dict[str, wiring.Member]:
    """The members of the end of a pipeline without stalls: see `CreditedOutput`."""
    return {
        "free": Out(1),
        "start": In(1),
        "done": In(1),
        "result": In(width),
        "o": Out(stream.Signature(width)),
    }


class CreditedOutput(wiring.Component):
    """The end of a pipeline without stalls: results wait in a FIFO whose places are lent before.

    The head of the pipeline asks `free` before it starts a result and then sets `start`; the result
    is written with `done` any fixed number of cycles later (in the same cycle at the earliest).

    Parameters
    ----------
    width : int
        Bits of a result.
    depth : int
        Results under way or waiting.

    Members
    -------
    free : Out(1)
        A place is free. From a register.
    start : In(1)
        Takes the place.
    done : In(1)
    result : In(width)
        Written with `done`.
    o : Out(stream.Signature(width))
    """

    o: stream.Interface
    free: Signal
    start: Signal
    done: Signal
    result: Signal

    def __init__(self, *, width: int, depth: int) -> None:
        self.width, self.depth = width, depth
        super().__init__(output_ports(width))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = Fifo(width=self.width, depth=self.depth)
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        back = Signal()
        lent = FillLevel(m, "lent", self.depth, change=self.start ^ back, down=back)
        m.d.comb += [
            back.eq(self.o.valid & self.o.ready),
            self.free.eq(lent.space),
            fifo.i.valid.eq(self.done),
            fifo.i.payload.eq(self.result),
        ]
        return m


def datapath_link(width: int) -> wiring.Signature:
    """Between two datapaths that never stall: a beat comes with `valid` and is taken.

    `left` goes back: in a cycle with it, a result has left the FIFO behind the last of them.
    """
    return wiring.Signature({"payload": Out(width), "valid": Out(1), "left": In(1)})


def chain_credits(m: Module, start: Value, left: Value, *, depth: int) -> Value:
    """Whether one of `depth` places is free at the end of several datapaths, where they begin. From a register."""
    returned = Signal()
    # The end may be far away.
    m.d.sync += returned.eq(left)
    return FillLevel(m, "lent", depth, change=start ^ returned, down=returned).space


def chain_output(m: Module, o: Any, done: Value, result: Value, *, depth: int) -> Value:
    """The FIFO behind the last of several datapaths; whether a result leaves."""
    m.submodules.output = fifo = Fifo(width=len(result), depth=depth)
    wiring.connect(m, fifo.o, wiring.flipped(o))
    m.d.comb += [fifo.i.valid.eq(done), fifo.i.payload.eq(result)]
    return o.valid & o.ready
