"""A channel between two chips: beats one way, credits the other.

The receiver has a FIFO, and the sender a credit for each free place of it. A beat takes a credit along, and gives it
back when it leaves the FIFO. So whatever carries beats need not be able to hold them back, and any number of them may
be under way, however long that takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks.machines import Collect
from ..blocks.passing import PassingSpec
from ..gateware.counters import FillLevel, counter
from ..gateware.fifo import Fifo
from ..memory import Memory

__all__ = ["MAX_CREDITS", "MAX_LATENCY", "ChannelSpec", "CreditReceiver", "CreditSender", "Transport"]

#: Cycles from chip to chip, and beats under way, at most.
MAX_LATENCY, MAX_CREDITS = 4096, 1 << 16


@dataclass(frozen=True, kw_only=True)
class ChannelSpec(PassingSpec):
    """A channel, in the form of a block.

    Parameters
    ----------
    credits : int
        Places of the receiver's FIFO, at least 2.
    latency : int
        Cycles from the output of the sender's chip to the input of the receiver's, one way or the other.
    """

    credits: int
    latency: int = 0

    @property
    def whole_rate(self) -> int:
        """Credits with which a beat moves in every cycle: the cycles from using one until it can be used again."""
        return 2 * self.latency + 4

    @property
    def machine(self) -> Collect:
        """When beats move.

        A register of the sender and one of the receiver lie on the way of a beat, one of the receiver and one of the
        sender on that of its credit.
        """
        return Collect(
            completes=np.ones(1, np.int64), latency=self.latency + 1, depth=self.credits, back=self.latency + 1
        )

    def memories(self) -> tuple[Memory, ...]:
        """The FIFO of the receiver."""
        return (Memory(role="buffer", depth=self.credits, width=self.bits, writable=True),)


class CreditSender(wiring.Component):
    """Sends a beat for each credit.

    | property   | formula                                          |
    |------------|--------------------------------------------------|
    | latency    | 1 cycle                                          |
    | ready      | a credit is there, and a register of two is free |
    | resources  | a `Fifo` of 2, a fill level of `credits`         |

    Parameters
    ----------
    width : int
    credits : int
        Places of the receiver's FIFO; all are free after reset.

    Members
    -------
    i : In(stream.Signature(width))
    o : Out(stream.Signature(width))
        To what carries beats. It may hold them back, but need not.
    credit : In(1)
        1 in a cycle for each credit that is back.
    """

    i: stream.Interface
    o: stream.Interface
    credit: Signal

    def __init__(self, *, width: int, credits: int) -> None:
        self.width, self.credits = width, credits
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width)), "credit": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = Fifo(width=self.width, depth=2)
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        take = Signal()
        lent = FillLevel(m, "lent", self.credits, change=take ^ self.credit, down=self.credit)
        m.d.comb += [
            self.i.ready.eq(fifo.i.ready & lent.space),
            fifo.i.valid.eq(self.i.valid & lent.space),
            fifo.i.payload.eq(self.i.payload),
            take.eq(self.i.valid & self.i.ready),
        ]
        return m


class CreditReceiver(wiring.Component):
    """Has a place for each beat that arrives, and gives back a credit for each that leaves.

    | property   | formula                   |
    |------------|---------------------------|
    | latency    | 1 cycle                   |
    | resources  | a `Fifo` of `credits`     |

    Parameters
    ----------
    width : int
    credits : int
        At least 2.

    Members
    -------
    i : In(stream.Signature(width))
        From what carries beats. `ready` is 1 whenever a sender with as many credits sends.
    o : Out(stream.Signature(width))
    credit : Out(1)
        To the sender; from a register.
    """

    i: stream.Interface
    o: stream.Interface
    credit: Signal

    def __init__(self, *, width: int, credits: int) -> None:
        self.width, self.credits = width, credits
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width)), "credit": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = Fifo(width=self.width, depth=self.credits)
        wiring.connect(m, wiring.flipped(self.i), fifo.i)
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        m.d.sync += self.credit.eq(self.o.valid & self.o.ready)
        return m


class Transport(wiring.Component):
    """What carries beats and credits in simulation: each arrives `latency` cycles later.

    Parameters
    ----------
    width, latency : int

    Members
    -------
    i : In(stream.Signature(width))
        Whose `ready` is always 1.
    o : Out(stream.Signature(width))
        Whose `ready` is not looked at.
    credit_i : In(1)
    credit_o : Out(1)
    """

    i: stream.Interface
    o: stream.Interface
    credit_i: Signal
    credit_o: Signal

    def __init__(self, *, width: int, latency: int) -> None:
        self.width, self.latency = width, latency
        super().__init__({
            "i": In(stream.Signature(width)), "o": Out(stream.Signature(width)), "credit_i": In(1), "credit_o": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.i.ready.eq(1)
        for name, source, target in (("valid", self.i.valid, self.o.valid), ("credit", self.credit_i, self.credit_o)):
            bits = Signal(self.latency, name=f"{name}_under_way")
            if self.latency:
                m.d.sync += bits.eq(bits << 1 | source)
            m.d.comb += target.eq(bits[-1] if self.latency else source)
        if not self.latency:
            m.d.comb += self.o.payload.eq(self.i.payload)
            return m
        # Each word is read when the next one takes its place.
        m.submodules.payloads = store = memory.Memory(shape=self.width, depth=self.latency, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        at, _ = counter(m, "at", 1, self.latency)
        m.d.comb += [
            write.en.eq(1), write.addr.eq(at), write.data.eq(self.i.payload), read.addr.eq(at),
            self.o.payload.eq(read.data),
        ]  # fmt: skip
        return m
