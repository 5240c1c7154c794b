"""Which burst of which layer is asked for next."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.fifo import Fifo
from .spec import ReaderSpec

__all__ = ["CYCLES_A_REQUEST", "BurstScheduler", "pending_layout", "request_layout"]

#: Cycles from one request to the next, if none waits.
CYCLES_A_REQUEST = 5


def request_layout(spec: ReaderSpec) -> data.StructLayout:
    """A burst that is asked for: its address in bytes, and how many beats come behind the first."""
    return data.StructLayout({"address": spec.address_bits, "more": _more_bits(spec)})


def pending_layout(spec: ReaderSpec) -> data.StructLayout:
    """A burst that has not come yet: its layer, and how many beats come behind the first."""
    return data.StructLayout({"layer": max(1, (len(spec.layout.streams) - 1).bit_length()), "more": _more_bits(spec)})


def _more_bits(spec: ReaderSpec) -> int:
    return (spec.layout.burst_beats - 1).bit_length()


class BurstScheduler(wiring.Component):
    """Asks for the bursts of all layers; those that have space take turns.

    For each layer it knows the next burst, in LUT RAM: it is written once before the first request, as a reset does
    not reach what a memory holds. Behind the last burst of a layer follows its first.

    | property  | formula                                                                                    |
    |-----------|--------------------------------------------------------------------------------------------|
    | cycles    | ``layers + 1`` from `enable` on, then 5 for each request: choose a layer, its number, what |
    |           | is stored about it, the address, and the request itself                                    |
    | resources | LUT RAM and a ROM of a word a layer, an adder of addresses, a comparator, 2 carry chains   |
    |           | of a bit a layer                                                                           |

    Members
    -------
    enable : In(1)
    base : In(address_bits)
        See `reader.WeightReader`.
    asks : In(layers)
        Which layers have space for a burst.
    stop : In(1)
        Nothing more is asked for.
    request : Out(stream.Signature(request_layout(spec)))
    pending : Out(stream.Signature(pending_layout(spec)))
        The same bursts. Only waits where there was space for it.
    taken : Out(layers)
        Which layer's burst is being asked for in this cycle, if any.
    more : Out
        How many beats it has behind the first.
    failed : Out(1)
        The base is wrong, or an address is not one.
    """

    enable: Signal
    base: Signal
    asks: Signal
    stop: Signal
    request: stream.Interface
    pending: stream.Interface
    taken: Signal
    more: Signal
    failed: Signal

    def __init__(self, spec: ReaderSpec) -> None:
        self.spec, self.layers = spec, len(spec.layout.streams)
        super().__init__(
            {
                "enable": In(1),
                "base": In(spec.address_bits),
                "asks": In(self.layers),
                "stop": In(1),
                "request": Out(stream.Signature(request_layout(spec))),
                "pending": Out(stream.Signature(pending_layout(spec))),
                "taken": Out(self.layers),
                "more": Out(_more_bits(spec)),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, layout = self.spec, self.spec.layout
        burst_bits = (layout.burst_bytes - 1).bit_length()
        m.submodules.requests = requests = Fifo(width=request_layout(spec).size, depth=2)
        index, row, number, put, init = self._memories(m)
        chosen, later, final = Signal(self.layers), Signal(self.layers), Signal()
        base = Signal(spec.address_bits - burst_bits)
        address, sends = Signal(len(base) + 1), Signal()
        begins, fits = Signal(), ~address[-1]
        m.d.comb += [
            self.more.eq(Mux(final, row.tail, layout.burst_beats - 1)),
            requests.i.payload.eq(Cat(Const(0, burst_bits), address[:-1], self.more)),
            self.request.valid.eq(requests.o.valid),
            Value.cast(self.request.payload).eq(requests.o.payload),
            requests.o.ready.eq(self.request.ready),
            self.pending.payload.layer.eq(index),
            self.pending.payload.more.eq(self.more),
            self.pending.valid.eq(sends),
            self.taken.eq(Mux(sends, chosen, 0)),
            put.en.eq(begins | sends),
            put.data.eq(Mux(begins, init, Mux(final, row.first, (number + 1)[: len(number)]))),
        ]
        # The lowest one of those behind the last that was served, or else of all.
        behind = self.asks & later
        with m.FSM():
            with m.State("WAIT"):
                m.d.sync += base.eq(self.base[burst_bits:])
                with m.If(self.enable & (self.base[:burst_bits] != 0)):
                    m.d.sync += self.failed.eq(1)
                    m.next = "FAILED"
                with m.Elif(self.enable):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += begins.eq(1)
                m.d.sync += index.eq(index + 1)
                with m.If(index == self.layers - 1):
                    m.next = "CHOOSE"
            with m.State("CHOOSE"):
                m.d.sync += chosen.eq(Mux(behind.any(), behind & -behind, self.asks & -self.asks))
                with m.If(self.asks.any() & self.pending.ready & ~self.stop):
                    m.next = "INDEX"
            with m.State("INDEX"):
                m.d.sync += [index.eq(_index(chosen)), later.eq(-chosen ^ chosen)]
                m.next = "READ"
            with m.State("READ"):
                m.next = "ADD"
            with m.State("ADD"):
                m.d.sync += [address.eq(base + number), final.eq(number == row.final)]
                m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [requests.i.valid.eq(fits), sends.eq(fits & requests.i.ready)]
                with m.If(sends):
                    m.next = "CHOOSE"
                with m.If(~fits):
                    m.d.sync += self.failed.eq(1)
                    m.next = "FAILED"
            with m.State("FAILED"):
                pass
        return m

    def _memories(self, m: Module) -> tuple[Signal, data.View, Signal, memory.WritePort, Value]:
        """What is known of each layer.

        Its number, to be set; a cycle later what is fixed about it, and its next burst; where the next one is written;
        and its first burst in the cycle itself.
        """
        layout = self.spec.layout
        bits = max(1, (sum(layout.bursts) - 1).bit_length())
        entry = data.StructLayout({"first": bits, "final": bits, "tail": _more_bits(self.spec)})
        rows = [
            {"first": first, "final": first + bursts - 1, "tail": (beats - 1) % layout.burst_beats}
            for first, bursts, beats in zip(layout.first_bursts, layout.bursts, layout.beats, strict=True)
        ]
        # A memory of one word has an address of no bits, which not all tools take well.
        depth = max(2, self.layers)
        m.submodules.layers = rom = memory.Memory(shape=entry, depth=depth, init=rows)
        m.submodules.bursts = ram = memory.Memory(shape=bits, depth=depth, init=[])
        about, following, put = rom.read_port(domain="comb"), ram.read_port(domain="comb"), ram.write_port()
        index, row, number = Signal(range(depth)), Signal(entry, reset_less=True), Signal(bits, reset_less=True)
        m.d.comb += [about.addr.eq(index), following.addr.eq(index), put.addr.eq(index)]
        m.d.sync += [row.eq(about.data), number.eq(following.data)]
        return index, row, number, put, about.data.first


def _index(one: Signal) -> Value:
    """The number of the only bit that is 1."""
    bits = (len(one) - 1).bit_length()
    return Cat(Cat(one[n] for n in range(len(one)) if n >> bit & 1).any() for bit in range(bits))
