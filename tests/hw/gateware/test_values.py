"""Numbers that codes stand for."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from bitweir_hw.gateware.values import number


@pytest.mark.parametrize(
    ("bits", "offset", "step"),
    [(1, -1, 2), (2, -1, 1), (3, 2, 4), (3, 7, 12), (2, -5, 8), (3, 6, -4), (4, 0, 1), (3, -4, 1), (2, 3, 6)],
)
def test_a_number_is_its_offset_and_steps(bits, offset, step):
    code, found = Signal(bits), []
    value = number(code, offset, step)
    out = Signal(value.shape())
    m = Module()
    m.d.comb += out.eq(value)

    async def bench(ctx):
        for n in range(1 << bits):
            ctx.set(code, n)
            await ctx.delay(1e-9)
            found.append(ctx.get(out))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == [offset + step * n for n in range(1 << bits)]
