"""A wired layer: all of its sums at once, from constants, and many neurons share parts of theirs."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput, chain_credits, chain_output, datapath_link
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
    | cycles a vector   | ``spec.steps``                                                         |
    | latency           | ``spec.latency``, write, 1 cycle, output                               |
    | ready             | a place of ``fifo_depth`` is free, and the last vector is in its last  |
    |                   | step; in a chain, see `blocks.chain`, the first block asks for places  |
    |                   | and the last one has them                                              |
    | sums              | V times the LUTs and adders of ``spec.circuit``; with several steps, a |
    |                   | LUT for each bit of the vector that a step leaves, an accumulator for  |
    |                   | each sum, and ``spec.last_circuit``                                    |
    | registers         | behind every ``levels_per_stage`` levels of these, and of the results; |
    |                   | of the inputs, where the layer is cut into parts                       |
    | offset memory     | a word of M offsets for each class of pixels, where there are several  |

    Members
    -------
    i : In(stream.Signature(Q * K * V * B))
        Element k of frame v has the bits from ``(k * V + v) * B`` on.
    o : Out(stream.Signature(M * V * o_lane_bits))
        Neuron m of frame v likewise.

    In a chain, `i`, `o` or both are a `datapath_link` of as many bits.
    """

    i: Any
    o: Any

    def __init__(self, spec: WiredSpec) -> None:
        self.spec = spec
        taken = stream.Signature if spec.before is None else datapath_link
        handed = stream.Signature if spec.after is None else datapath_link
        super().__init__({"i": In(taken(spec.i_bits)), "o": Out(handed(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        take, result = Signal(), Signal(spec.o_bits)
        done = delayed(m, take, spec.latency)
        if spec.chained:
            self._link(m, take, done, result)
        else:
            m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
            wiring.connect(m, output.o, wiring.flipped(self.o))
            m.d.comb += [
                self.i.ready.eq(self._ready(m, output.free, take)),
                take.eq(self.i.valid & self.i.ready),
                output.start.eq(take),
                output.done.eq(done),
                output.result.eq(result),
            ]
        flips = ((1 << spec.i_bits) - 1) // ((1 << spec.lane_bits) - 1) << (spec.lane_bits - 1)
        payload = held(m, self.i.payload) if spec.entry else self.i.payload
        codes = elements(payload ^ flips if spec.flip else payload, spec.lane_bits)
        found = [self._sums(m, codes[v :: spec.parallel_frames], take, v) for v in range(spec.parallel_frames)]
        sums = [value for neuron in zip(*found, strict=True) for value in neuron]
        if spec.by_class:
            sums = self._with_offsets(m, sums, take)
        m.d.comb += result.eq(Cat(sums))
        return m

    def _link(self, m: Module, take: Signal, done: Value, result: Signal) -> None:
        """Take and hand on beats in a chain: its first block counts the places of the FIFO of its last one."""
        left: Value
        if self.spec.after is None:
            left = chain_output(m, self.o, done, result, depth=self.spec.fifo_depth)
        else:
            left = self.o.left
            m.d.comb += [self.o.valid.eq(done), self.o.payload.eq(result)]
        if self.spec.before is None:
            free = chain_credits(m, take, left, depth=self.spec.fifo_depth)
            m.d.comb += [self.i.ready.eq(free), take.eq(self.i.valid & free)]
        else:
            m.d.comb += [self.i.left.eq(left), take.eq(self.i.valid)]

    def _ready(self, m: Module, free: Value, take: Value) -> Value:
        """Whether there is a place for a result, and the last vector needs no step but that of this cycle."""
        if self.spec.steps == 1:
            return free
        left = Signal(range(self.spec.steps))
        with m.If(take):
            m.d.sync += left.eq(self.spec.steps - 1)
        with m.Elif(left.any()):
            m.d.sync += left.eq(left - 1)
        return free & ~left.any()

    def _accumulated(self, m: Module, codes: list[Value], take: Value, name: str) -> list[Value]:
        """Sums of all steps, of which each takes the lowest bits that are left of its elements."""
        spec, bits = self.spec, self.spec.step_bits
        staged = spec.popcount.levels_per_stage > 0
        parts: list[Value] = []
        for n, code in enumerate(codes):
            left = Signal(spec.lane_bits, name=f"left_{n}", reset_less=True)
            m.d.sync += left.eq(Mux(take, code, left >> bits))
            parts.append(Cat(left[:bits]))
        # A cycle before the first step.
        clear = delayed(m, take, spec.first_stage - 1)
        sums = elaborate(m, spec.circuit, parts, levels_per_stage=spec.popcount.levels_per_stage, name=name)
        found: list[Value] = []
        for n, ((value, _), width) in enumerate(zip(sums, spec.accumulators, strict=True)):
            if not width:
                found.append(Const(0, 0))
                continue
            total = Signal(width, name=f"accumulated_{n}")
            above = Signal(max(width - bits, 0), name=f"above_{n}")
            below = Signal(bits * (spec.steps - 1), name=f"below_{n}", reset_less=True)
            m.d.comb += total.eq((held(m, value) if staged else value) + above)
            m.d.sync += [
                above.eq(Mux(clear, 0, total >> bits)),
                below.eq(Cat(below, Cat(total, Const(0, bits))[:bits])[bits:]),
            ]
            whole = Cat(below, total)
            found.append(held(m, whole) if staged else whole)
        return found

    def _sums(self, m: Module, codes: list[Value], take: Value, v: int) -> list[Value]:
        """The sums of one frame, or its output elements where no offsets are to come."""
        spec, name = self.spec, f"_{v}_" if v else ""
        if spec.steps > 1:
            codes = self._accumulated(m, codes, take, f"step{name}")
        found, result = [], Value.cast(0)
        counts = spec.thresholds is not None and not spec.by_class
        for value, offset in elaborate(
            m, spec.last_circuit, codes, levels_per_stage=spec.popcount.levels_per_stage, name=name
        ):
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
