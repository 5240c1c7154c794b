"""Scores from accumulators: a scale and an offset for each class."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import AffineSpec, signed_bits
from .credits import CreditedOutput
from .rom import Rom

__all__ = ["Affine"]


class Affine(wiring.Component):
    """Computes ``score[m] = scale[m] * acc[m] + offset[m]``, exactly.

    | property        | formula                                                          |
    |-----------------|------------------------------------------------------------------|
    | cycles a frame  | ceil(M / lanes)                                                  |
    | latency         | input beat, 2 cycles, write, 1 cycle, output                     |
    | resources       | a multiplier and an adder a lane; a ROM of M scales and offsets  |

    Members
    -------
    i : In(stream.Signature(lanes * i_lane_bits))
    o : Out(stream.Signature(lanes * o_lane_bits))
        What stands in the lanes that pad the last beat has no meaning.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: AffineSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        take = Signal()
        m.d.comb += [self.i.ready.eq(output.free), take.eq(self.i.valid & self.i.ready), output.start.eq(take)]

        widths = [signed_bits(int(values.min()), int(values.max())) for values in (spec.scale, spec.offset)]
        m.submodules.constants = constants = Rom(words=self._words(widths), width=spec.lanes * sum(widths))
        m.d.comb += constants.step.eq(take)

        acc = Signal(spec.i_bits)
        scores = Signal(spec.o_bits)
        taken, done = Signal(), Signal()
        m.d.sync += [
            acc.eq(self.i.payload),
            taken.eq(take),
            scores.eq(Cat(*self._scores(m, acc, constants.data, widths))),
            done.eq(taken),
        ]
        m.d.comb += [output.done.eq(done), output.result.eq(scores)]
        return m

    def _scores(self, m: Module, acc: Signal, constants: Signal, widths: list[int]) -> list[Signal]:
        spec = self.spec
        result = []
        for lane in range(spec.lanes):
            pair = constants.word_select(lane, sum(widths))
            scale, offset = pair[: widths[0]].as_signed(), pair[widths[0] :].as_signed()
            score = Signal(signed(spec.o_lane_bits), name=f"score_{lane}")
            m.d.comb += score.eq(acc.word_select(lane, spec.i_lane_bits).as_signed() * scale + offset)
            result.append(score)
        return result

    def _words(self, widths: list[int]) -> list[int]:
        """A word a beat: scale and offset of each lane, of the widths given."""
        words = [0] * self.spec.cycles
        for index, (scale, offset) in enumerate(zip(self.spec.scale, self.spec.offset, strict=True)):
            beat, lane = divmod(index, self.spec.lanes)
            pair = int(scale) % (1 << widths[0]) | int(offset) % (1 << widths[1]) << widths[0]
            words[beat] |= pair << (lane * sum(widths))
        return words
