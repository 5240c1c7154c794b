"""Where the beats of a layer wait."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.counters import FillLevel, counter
from ..gateware.credits import CreditedOutput
from ..gateware.stages import delayed
from ..gateware.store import Store
from ..memory import Layout, is_block

__all__ = ["BeatBuffer"]


class BeatBuffer(wiring.Component):
    """A memory that beats are put into where there is a place, and from which they leave in order.

    In place of a `Fifo`: block RAM has its output register here, and is read a few cycles ahead.

    | property  | formula                                                                                    |
    |-----------|--------------------------------------------------------------------------------------------|
    | cycles    | one a beat                                                                                 |
    | latency   | ``3 + layout.registers`` cycles from `put` to the output                                   |
    | resources | a `Store` of `depth` beats, two addresses, a fill level, a `CreditedOutput` of a beat for  |
    |           | each cycle that reading takes and one more                                                 |

    Parameters
    ----------
    width, depth : int
        Bits of a beat, and beats.
    layout : Layout
        Of the memory.

    Members
    -------
    put : In(1)
    beat : In(width)
        Only where there is a place.
    frees : Out(1)
        A place is free again.
    o : Out(stream.Signature(width))
    """

    put: Signal
    beat: Signal
    frees: Signal
    o: stream.Interface

    def __init__(self, *, width: int, depth: int, layout: Layout) -> None:
        self.width, self.depth, self.layout = width, depth, layout
        super().__init__({"put": In(1), "beat": In(width), "frees": Out(1), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        latency = 1 + self.layout.registers
        attrs = {"ram_style": "block"} if is_block(self.depth, self.width) else {}
        m.submodules.memory = store = Store(depth=self.depth, width=self.width, layout=self.layout, attrs=attrs)
        m.submodules.output = output = CreditedOutput(width=self.width, depth=latency + 2)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        stored = FillLevel(m, "stored", self.depth, change=self.put ^ self.frees, down=self.frees)
        w_at, _ = counter(m, "w_at", self.put, self.depth)
        r_at, _ = counter(m, "r_at", self.frees, self.depth)
        m.d.comb += [
            self.frees.eq(stored.some & output.free),
            store.write.eq(self.put),
            store.w_address.eq(w_at),
            store.w_data.eq(self.beat),
            store.address.eq(r_at),
            output.start.eq(self.frees),
            output.done.eq(delayed(m, self.frees, latency)),
            output.result.eq(store.data),
        ]
        return m
