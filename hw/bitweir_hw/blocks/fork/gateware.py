"""One stream to several that carry the same."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.fifo import Fifo
from .spec import ForkSpec

__all__ = ["Fork"]


class Fork(wiring.Component):
    """Hands each beat to all outputs, which need not take it at the same time.

    A beat is taken when every output has a place for it; then those that are behind catch up from
    buffers of their own. Deeper buffers, where one way is longer than another, are blocks of their own.

    | property        | formula                                                       |
    |-----------------|---------------------------------------------------------------|
    | cycles a frame  | beats, if no output stalls                                    |
    | latency         | 1 cycle                                                       |
    | registers       | ``outputs * fifo_depth`` payloads                             |

    Members
    -------
    i : In(stream.Signature(spec.bits))
    o0, o1, ... : Out(stream.Signature(spec.bits))
    """

    i: stream.Interface

    def __init__(self, spec: ForkSpec) -> None:
        self.spec = spec
        outputs = {f"o{n}": Out(stream.Signature(spec.bits)) for n in range(spec.outputs)}
        super().__init__({"i": In(stream.Signature(spec.bits)), **outputs})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        places = Signal(spec.outputs)
        take = Signal()
        m.d.comb += [self.i.ready.eq(places.all()), take.eq(self.i.valid & self.i.ready)]
        for n in range(spec.outputs):
            m.submodules[f"fifo_{n}"] = fifo = Fifo(width=spec.bits, depth=spec.fifo_depth)
            m.d.comb += [places[n].eq(fifo.i.ready), fifo.i.valid.eq(take), fifo.i.payload.eq(self.i.payload)]
            wiring.connect(m, fifo.o, wiring.flipped(getattr(self, f"o{n}")))
        return m
