"""The weighted sum of several streams."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput
from ...gateware.values import elements, number, weighted_sum
from .spec import AddSpec

__all__ = ["Add"]


class Add(wiring.Component):
    """Computes ``out = sum_k factors[k] * value_k``, element by element, exactly.

    It takes a beat of each input in one cycle, or of none: an input is ready while all others offer a
    beat and a place is free.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a frame    | ``beats``                                                         |
    | latency           | input beats, 1 cycle, write, 1 cycle, output                      |
    | resources         | ``inputs - 1`` adders for each lane and frame, and for factors    |
    |                   | and steps what `values.weighted_sum` says                         |

    Members
    -------
    i0, i1, ... : In(stream.Signature(lanes * parallel_frames * i_lane_bits[k]))
        Codes of ``formats[k]``, or signed numbers.
    o : Out(stream.Signature(lanes * parallel_frames * o_lane_bits))
        Signed sums.
    """

    o: stream.Interface

    def __init__(self, spec: AddSpec) -> None:
        self.spec = spec
        ports = {f"i{k}": In(stream.Signature(bits)) for k, bits in enumerate(spec.i_bits)}
        super().__init__({**ports, "o": Out(stream.Signature(spec.o_bits))})

    @property
    def inputs(self) -> list[stream.Interface]:
        """The streams i0, i1, ..."""
        return [getattr(self, f"i{k}") for k in range(self.spec.inputs)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        take, done = Signal(), Signal()
        valid = Signal(spec.inputs)
        m.d.comb += [
            valid.eq(Cat(i.valid for i in self.inputs)),
            take.eq(valid.all() & output.free),
            output.start.eq(take),
            output.done.eq(done),
        ]
        for k, i in enumerate(self.inputs):
            m.d.comb += i.ready.eq((valid | (1 << k)).all() & output.free)

        lanes = [elements(i.payload, bits) for i, bits in zip(self.inputs, spec.i_lane_bits, strict=True)]
        m.d.sync += done.eq(take)
        for place, codes in enumerate(zip(*lanes, strict=True)):
            total = Signal(signed(spec.o_lane_bits), name=f"sum_{place}", reset_less=True)
            m.d.sync += total.eq(weighted_sum([self._term(k, code) for k, code in enumerate(codes)]))
            m.d.comb += output.result.word_select(place, spec.o_lane_bits).eq(total)
        return m

    def _term(self, k: int, code: Value) -> tuple[Value, int]:
        """What input k adds, and how often."""
        factor, form = self.spec.factors[k], self.spec.formats[k]
        if form is None or factor == 0:
            return code.as_signed(), factor
        return number(code, factor * form.offset, factor * form.step), 1
