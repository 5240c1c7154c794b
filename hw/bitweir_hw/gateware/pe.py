"""Processing elements: XNOR, popcount, accumulate."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..compressor import Popcount
from .pe_ecp5 import ecp5_sums
from .popcount import count_bits

__all__ = ["ProcessingElements"]


class ProcessingElements(wiring.Component):
    """P processing elements that share S input bits a cycle; each holds one accumulator.

    In a cycle with `valid`, every element computes
    ``acc <= (preset if first else acc) + popcount(x XNOR w)``, where x and w are those of
    ``popcount.stages(simd)`` cycles before.

    LUT sites of one element without registers, 11-bit accumulator (benchmarks/pe_sites.py):

    | style, family       | about                              | S = 64 | S = 256 |
    |---------------------|------------------------------------|--------|---------|
    | ecp5                | 1.5 S + width + ends of chains     | 110    | 402     |
    | xc7 on Xilinx       | 1.4 S + width                      | 100    | 377     |
    | tree on iCE40       | 2.0 S + 2 width                    | 142    | 524     |
    | fused on Gowin      | 2.25 S + 2 width                   | 163    | 597     |

    Latency: `acc` follows `valid` by one cycle, x and w by ``1 + popcount.stages(simd)``.

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
        accs = [Signal(signed(self.width), name=f"acc_{p}", reset_less=True) for p in range(self.pe)]
        m.d.comb += self.acc.eq(Cat(*accs))
        if self.popcount.style == "ecp5":
            sums = ecp5_sums(m, self.x, self.w, self.first, self.preset, accs, self.popcount)
        else:
            sums = self._sums(m, accs)
        with m.If(self.valid):
            m.d.sync += [acc.eq(total) for acc, total in zip(accs, sums, strict=True)]
        return m

    def _sums(self, m: Module, accs: list[Signal]) -> list[Value]:
        """What each accumulator takes next."""
        lanes = []
        for p in range(self.pe):
            match = Signal(self.simd, name=f"pe{p}_match")
            m.d.comb += match.eq(~(self.x ^ self.w.word_select(p, self.simd)))
            lanes.append(match)
        sums: list[Value] = []
        for p, (count, one) in enumerate(count_bits(m, lanes, self.popcount)):
            base = Mux(self.first, self.preset.word_select(p, self.width), accs[p])
            # The count comes first: on xc7 the adder's first operand is the one that the carry chain
            # needs as a net of its own, so the multiplexer melts into the LUT of the sum.
            if one is None:
                sums.append(count + base)
            else:
                sums.append((Cat(one, count) + Cat(Const(1, 1), base))[1:])
        return sums
