"""The weighted sum of several streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...arithmetic import signed_bits
from ...gateware.credits import CreditedOutput
from ...gateware.stages import Stages, delayed, staged_sum
from ...gateware.values import elements, number
from .spec import AddSpec

__all__ = ["Add", "staged"]


class Add(wiring.Component):
    """Computes ``out = sum_k factors[k] * value_k``, element by element, exactly.

    It takes a beat of each input in one cycle, or of none: an input is ready while all others offer a
    beat and a place is free.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a frame    | ``beats``                                                         |
    | latency           | input beats, `spec.latency` cycles, write, 1 cycle, output        |
    | resources         | ``inputs - 1`` adders for each lane and frame; one more for each  |
    |                   | signed digit of a factor or step beyond one, and for an offset;   |
    |                   | a multiplier for factors of more than two                         |

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
        take = Signal()
        valid = Signal(spec.inputs)
        m.d.comb += [
            valid.eq(Cat(i.valid for i in self.inputs)),
            take.eq(valid.all() & output.free),
            output.start.eq(take),
            output.done.eq(delayed(m, take, spec.latency)),
        ]
        for k, i in enumerate(self.inputs):
            m.d.comb += i.ready.eq((valid | (1 << k)).all() & output.free)

        lanes = [elements(i.payload, bits) for i, bits in zip(self.inputs, spec.i_lane_bits, strict=True)]
        shared: dict[Any, tuple[Value, Value]] = {}
        for place, codes in enumerate(zip(*lanes, strict=True)):
            total = Signal(signed(spec.o_lane_bits), name=f"sum_{place}", reset_less=True)
            m.d.sync += total.eq(staged(spec, Stages(m, spec.registers, shared), codes))
            m.d.comb += output.result.word_select(place, spec.o_lane_bits).eq(total)
        return m


def staged(spec: AddSpec, stages: Stages, codes: Sequence[Value]) -> Value:
    """The sum of an element of each input, at the end of all levels."""
    terms: list[tuple[Value, Value | int]] = []
    for k, factor in spec.terms:
        form, code = spec.formats[k], codes[k]
        if form is None:
            terms.append((code.as_signed(), spec.factors[k]))
        elif factor is None:
            terms.append((number(code, spec.factors[k] * form.offset, spec.factors[k] * form.step), 1))
        else:
            terms.append((Cat(code, Const(0, 1)).as_signed(), factor))
    if constant := spec.constant:
        terms.append((Const(constant, signed(signed_bits(constant, constant))), 1))
    return stages.finish(staged_sum(stages, terms, spec.o_lane_bits, spec.piece), spec.levels)
