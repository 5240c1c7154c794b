"""The reset of a board: as long as it must be, and again whenever somebody presses the button."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.sim import Simulator
from bitweir_hw.boards.clocking import RESET_SECONDS, Clocking


class Counter(wiring.Component):
    """Counts the cycles since reset ended."""

    def __init__(self, clock: float) -> None:
        self.clocking = Clocking(pll=None, clock=clock)
        self.oscillator, self.button = Signal(), Signal()
        super().__init__({"count": Out(16)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.clocking = clocking = self.clocking
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [
            clocking.oscillator.eq(self.oscillator),
            clocking.button.eq(self.button),
            sync.clk.eq(clocking.clk),
            sync.rst.eq(clocking.rst),
        ]
        m.d.sync += self.count.eq(self.count + 1)
        return m


@pytest.mark.parametrize("clock", [2e6, 12e6, 30.5e6])
def test_reset_lasts_long_enough_and_comes_back(clock: float) -> None:
    dut = Counter(clock)
    cycles = dut.clocking.cycles
    assert cycles >= RESET_SECONDS * clock > cycles / 2
    edge = 0.5 / clock

    async def bench(ctx: Any) -> None:
        async def ticks(count: int) -> None:
            for _ in range(count):
                ctx.set(dut.oscillator, 1)
                await ctx.delay(edge)
                ctx.set(dut.oscillator, 0)
                await ctx.delay(edge)

        async def first_count() -> int:
            for tick in range(1, 2 * cycles):
                await ticks(1)
                if ctx.get(dut.count):
                    return tick
            raise AssertionError("reset must end")

        # Two registers synchronise, `cycles` pass, two more registers follow, and the counter counts in the next.
        assert await first_count() == cycles + 4
        assert ctx.get(dut.clocking.running)
        await ticks(5)
        assert ctx.get(dut.count) == 6

        ctx.set(dut.button, 1)
        await ticks(5)
        assert not ctx.get(dut.clocking.running) and ctx.get(dut.count) == 0
        await ticks(3 * cycles)
        assert ctx.get(dut.count) == 0
        ctx.set(dut.button, 0)
        assert await first_count() == cycles + 4

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
