"""Processing elements: XNOR, popcount, accumulate."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..compressor import Popcount

__all__ = ["ProcessingElements"]


class ProcessingElements(wiring.Component):
    """P processing elements that share S input bits a cycle; each holds one accumulator.

    In a cycle with `valid`, every element computes
    ``acc <= (preset if first else acc) + popcount(x XNOR w)``, where x and w are those of
    ``popcount.stages(simd)`` cycles before.

    Parameters
    ----------
    pe : int
        Number of elements, P.
    simd : int
        Inputs of each, S.
    width : int
        Bits of an accumulator, signed.
    popcount : Popcount
        How the popcount is built.

    Members
    -------
    x : In(simd)
        Inputs.
    w : In(pe * simd)
        Weights; element p has the bits from ``p * simd`` on.
    valid, first : In(1)
        ``stages`` cycles after the x and w they belong to.
    preset : In(pe * width)
        Start values, at the time of `first`.
    acc : Out(pe * width)
        The accumulators, one cycle after `valid`.
    """

    def __init__(self, *, pe: int, simd: int, width: int, popcount: Popcount) -> None:
        self.pe, self.simd, self.width, self.popcount = pe, simd, width, popcount
        super().__init__(
            {
                "x": In(simd),
                "w": In(pe * simd),
                "valid": In(1),
                "first": In(1),
                "preset": In(pe * width),
                "acc": Out(pe * width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for p in range(self.pe):
            terms = [~(self.x[s] ^ self.w[p * self.simd + s]) for s in range(self.simd)]
            level = 0
            while len(terms) > 1:
                terms = [
                    terms[i] + terms[i + 1] if i + 1 < len(terms) else terms[i] for i in range(0, len(terms), 2)
                ]
                level += 1
                if self.popcount.levels_per_stage and level % self.popcount.levels_per_stage == 0:
                    staged = [Signal.like(t, name=f"p{p}_l{level}_{i}") for i, t in enumerate(terms)]
                    m.d.sync += Cat(*staged).eq(Cat(*terms))
                    terms = staged
            acc = Signal(signed(self.width), name=f"acc_{p}")
            preset = self.preset.word_select(p, self.width).as_signed()
            with m.If(self.valid):
                m.d.sync += acc.eq(Mux(self.first, preset, acc) + terms[0])
            m.d.comb += self.acc.word_select(p, self.width).eq(acc)
        return m
