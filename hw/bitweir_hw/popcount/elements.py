"""Processing elements: combine inputs with weights, sum up, accumulate."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .dot_product import DotProduct, PartialSum, Popcount
from .ecp5 import ecp5_sums
from .portable import count_bits

__all__ = ["ProcessingElements"]


class ProcessingElements(wiring.Component):
    """P processing elements with inputs of S lanes a cycle; each holds one accumulator.

    All share their inputs, or those of each of Q parts do: the first P/Q elements have those of the first part.

    In a cycle with `valid`, every element computes ``acc <= (preset if first else acc) + T``, where T
    is the dot product (see `DotProduct`) of the inputs and weights of ``dot.stages(popcount)`` cycles
    before. With V streams there are V such sets of inputs and elements, which share weights and presets.

    LUT sites of one element with bits and XNOR, without registers, 11-bit accumulator
    (benchmarks/pe_sites.py; more bits: see `DotPlan`):

    | style, family       | about                              | S = 64 | S = 256 |
    |---------------------|------------------------------------|--------|---------|
    | ecp5                | 1.5 S + width + ends of chains     | 110    | 402     |
    | xc7 on Xilinx       | 1.4 S + width                      | 100    | 377     |
    | tree on iCE40       | 2.0 S + 2 width                    | 142    | 524     |
    | fused on Gowin      | 2.25 S + 2 width                   | 163    | 597     |

    Latency: `acc` follows `valid` by one cycle, x and w by ``1 + dot.stages(popcount)``.

    Parameters
    ----------
    pe : int
        Number of elements, P.
    dot : DotProduct
        What each sums up: S lanes, B bits, planes of weights.
    width : int
        Bits of an accumulator, signed.
    popcount : Popcount
        How the sum is built.
    parallel_frames : int
        V.
    parts : int
        Q, divides P.
    pixels : int
        M: sums of so many pixels take turns, so that each step continues the one M steps before.

    Members
    -------
    x : In(Q * S * V * B)
        Inputs; lane s of stream v of part q has the bits from ``((q * S + s) * V + v) * B`` on.
    w : In(P * planes * S)
        Weights; plane n of element p has the bits from ``(p * planes + n) * S`` on.
    valid, first : In(1)
        ``stages`` cycles after the x and w they belong to.
    preset : In(P * width)
        Start values, at the time of `first`.
    acc : Out(P * V * width)
        The accumulators, one cycle after `valid`; element p of stream v has the bits from
        ``(p * V + v) * width`` on.
    """

    x: Signal
    w: Signal
    valid: Signal
    first: Signal
    preset: Signal
    acc: Signal

    def __init__(
        self,
        *,
        pe: int,
        dot: DotProduct,
        width: int,
        popcount: Popcount,
        parallel_frames: int = 1,
        parts: int = 1,
        pixels: int = 1,
    ) -> None:
        self.pixels = pixels
        self.pe, self.dot, self.width, self.popcount, self.parallel_frames = pe, dot, width, popcount, parallel_frames
        self.parts = parts
        super().__init__(
            {
                "x": In(parts * dot.simd * parallel_frames * dot.bits),
                "w": In(pe * len(dot.planes) * dot.simd),
                "valid": In(1),
                "first": In(1),
                "preset": In(pe * width),
                "acc": Out(pe * parallel_frames * width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        accs = [
            Signal(signed(self.width), name=f"acc_{p}", reset_less=True) for p in range(self.pe * self.parallel_frames)
        ]
        m.d.comb += self.acc.eq(Cat(*accs))
        before = accs
        for turn in range(1, self.pixels):
            later = [Signal(signed(self.width), name=f"acc_{p}_{turn}", reset_less=True) for p in range(len(accs))]
            with m.If(self.valid):
                m.d.sync += [acc.eq(total) for acc, total in zip(later, before, strict=True)]
            before = later
        if self.popcount.style == "ecp5":
            presets = [self.preset.word_select(p // self.parallel_frames, self.width) for p in range(len(accs))]
            sums = ecp5_sums(m, self.x, self._pairs, self.first, presets, before, self.dot, self.popcount)
        else:
            sums = self._sums(m, before)
        with m.If(self.valid):
            m.d.sync += [acc.eq(total) for acc, total in zip(accs, sums, strict=True)]
        return m

    def _pairs(self, inputs: Value, element: int, plane: int, bit: int) -> tuple[Value, Value]:
        """One bit of all inputs, and what an element combines with it: both S bits."""
        p, v = divmod(element, self.parallel_frames)
        step = self.parallel_frames * self.dot.bits
        part = p * self.parts // self.pe
        x = inputs if self.parts == 1 else inputs.word_select(part, self.dot.simd * step)
        return x[v * self.dot.bits + bit :: step], self.w.word_select(p * len(self.dot.planes) + plane, self.dot.simd)

    def _sums(self, m: Module, accs: list[Signal]) -> list[Value]:
        """What each accumulator takes next."""
        dot, plan = self.dot, self.dot.plan(self.popcount)
        gates = {}
        for element in range(len(accs)):
            for n, plane in enumerate(dot.planes):
                for bit in range(dot.bits):
                    name = f"pe{element}_match" if dot.plain else f"pe{element}_plane{n}_bit{bit}"
                    gates[element, n, bit] = gate = Signal(dot.simd, name=name)
                    x, w = self._pairs(self.x, element, n, bit)
                    match = ~(x ^ w) if plane.xnor else ~(x & w) if plane.negative else x & w
                    m.d.comb += gate.eq(match)

        def lanes(element: int, part: PartialSum) -> Value | list[list[Value]]:
            if plan.words:
                words = [[gates[element, n, bit] for bit in range(dot.bits)] for n, _ in part.sources]
                return [[bit[s] for bit in word] for word in words for s in range(dot.simd)]
            bits = [gates[element, n, bit] for n, bit in part.sources]
            return bits[0] if len(bits) == 1 else Cat(*bits)

        sums: list[Value] = []
        for p, (count, one) in enumerate(count_bits(m, plan, self.popcount, len(accs), lanes)):
            base: Value = Mux(self.first, self.preset.word_select(p // self.parallel_frames, self.width), accs[p])
            low = base[: plan.exponent]
            if plan.exponent:
                base = base[plan.exponent :]
            # The count comes first: on xc7 the adder's first operand is the one that the carry chain
            # needs as a net of its own, so the multiplexer melts into the LUT of the sum.
            total = count + base if one is None else (Cat(one, count) + Cat(Const(1, 1), base))[1:]
            sums.append(Cat(low, total) if plan.exponent else total)
        return sums
