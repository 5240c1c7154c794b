"""A wired layer: all of its sums at once, from constants, and many neurons share parts of theirs."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput
from ...gateware.rom import ClassRom
from ...gateware.stages import delayed, held
from ...gateware.values import elements
from ...wired.arithmetic import elaborate
from .spec import WiredSpec

__all__ = ["Wired"]


class Wired(wiring.Component):
    """Multiplies a vector each cycle with weights that are constants; hands on thresholded bits or sums.

    What a neuron adds up, others may need as well: see `wired`. The datapath never stalls: a beat is taken only when
    the output has a place for the result. V frames go side by side through V copies of the datapath.

    | property          | formula                                                                |
    |-------------------|------------------------------------------------------------------------|
    | cycles a vector   | 1                                                                      |
    | latency           | ``spec.latency``, write, 1 cycle, output                               |
    | ready             | a place of ``fifo_depth`` is free                                      |
    | sums              | V times the LUTs and adders of ``spec.circuit``                        |
    | registers         | behind every ``levels_per_stage`` levels of these, and of the results  |
    | offset memory     | a word of M offsets for each class of pixels, where there are several  |

    Members
    -------
    i : In(stream.Signature(Q * K * V * B))
        Element k of frame v has the bits from ``(k * V + v) * B`` on.
    o : Out(stream.Signature(M * V * o_lane_bits))
        Neuron m of frame v likewise.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: WiredSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        take = Signal()
        m.d.comb += [
            self.i.ready.eq(output.free),
            take.eq(self.i.valid & self.i.ready),
            output.start.eq(take),
            output.done.eq(delayed(m, take, spec.latency)),
        ]
        flips = ((1 << spec.i_bits) - 1) // ((1 << spec.lane_bits) - 1) << (spec.lane_bits - 1)
        codes = elements(self.i.payload ^ flips if spec.flip else self.i.payload, spec.lane_bits)
        found = [self._sums(m, codes[v :: spec.parallel_frames]) for v in range(spec.parallel_frames)]
        sums = [value for neuron in zip(*found, strict=True) for value in neuron]
        if spec.by_class:
            sums = self._with_offsets(m, sums, take)
        m.d.comb += output.result.eq(Cat(sums))
        return m

    def _sums(self, m: Module, codes: list[Value]) -> list[Value]:
        """The sums of one frame, or its output elements where no offsets are to come."""
        spec = self.spec
        found, result = [], Value.cast(0)
        counts = spec.thresholds is not None and not spec.by_class
        for value, offset in elaborate(m, spec.circuit, codes, levels_per_stage=spec.popcount.levels_per_stage):
            if spec.by_class:
                # What it lacks is in the offsets.
                result = value
            else:
                result = Signal(spec.code_bits if counts else signed(spec.sum_bits), name="sum")
                m.d.comb += result.eq(value + offset)
            for _ in range(spec.inner_stages, spec.sum_stages):
                result = held(m, result)
            found.append(result if counts or spec.by_class else Cat(Const(spec.low, spec.shift), result))
        return found

    def _with_offsets(self, m: Module, sums: list[Value], take: Value) -> list[Value]:
        """Sums and the offsets of the class of their pixel, `spec.sum_stages` cycles after it was taken."""
        spec = self.spec
        bits, layout = spec.offset_bits, spec.offset_memory.layout
        m.submodules.offsets = offsets = ClassRom(
            words=spec.offset_words(), width=spec.rows * bits, rows=spec.row_classes, columns=spec.column_classes,
            layout=layout,
        )  # fmt: skip
        # A word stands there once, as many cycles after it was asked for as the memory takes.
        m.d.comb += offsets.step.eq(delayed(m, take, spec.sum_stages - 1 - layout.registers))
        found: list[Value] = []
        for n, value in enumerate(sums):
            total = Signal(signed(bits), name=f"total_{n}")
            m.d.comb += total.eq(value + offsets.data.word_select(n // spec.parallel_frames, bits).as_signed())
            # Without thresholds that are in its offsets, a sum is handed on.
            done = total if spec.thresholds is None else ~total[-1]
            done = held(m, done) if spec.popcount.levels_per_stage else done
            found.append(Cat(Const(spec.low, spec.shift), done) if spec.thresholds is None else done)
        return found
