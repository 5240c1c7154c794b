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
    """Counts the cycles of both clocks since their resets ended."""

    def __init__(self, frequency: float) -> None:
        self.clocking = Clocking(pll=None, frequency=frequency)
        self.oscillator, self.button = Signal(), Signal()
        super().__init__({"count": Out(16), "link_count": Out(16)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.clocking = clocking = self.clocking
        m.domains.sync = sync = ClockDomain()
        m.domains.link = link = ClockDomain()
        m.d.comb += [
            clocking.oscillator.eq(self.oscillator),
            clocking.button.eq(self.button),
            sync.clk.eq(clocking.clk),
            sync.rst.eq(clocking.rst),
            link.clk.eq(clocking.link_clk),
            link.rst.eq(clocking.link_rst),
        ]
        m.d.sync += self.count.eq(self.count + 1)
        m.d.link += self.link_count.eq(self.link_count + 1)
        return m


@pytest.mark.parametrize("frequency", [2e6, 12e6, 30.5e6])
def test_reset_lasts_long_enough_and_comes_back(frequency: float) -> None:
    dut = Counter(frequency)
    cycles = dut.clocking.cycles
    assert cycles >= RESET_SECONDS * frequency > cycles / 2
    edge = 0.5 / frequency

    async def bench(ctx: Any) -> None:
        async def ticks(count: int) -> None:
            for _ in range(count):
                ctx.set(dut.oscillator, 1)
                await ctx.delay(edge)
                ctx.set(dut.oscillator, 0)
                await ctx.delay(edge)

        async def first_counts() -> tuple[int, int]:
            seen: dict[str, int] = {}
            for tick in range(1, 2 * cycles):
                await ticks(1)
                for name in ("link_count", "count"):
                    if ctx.get(getattr(dut, name)):
                        seen.setdefault(name, tick)
                if len(seen) == 2:
                    return seen["link_count"], seen["count"]
            raise AssertionError("reset must end")

        # Two registers synchronise, `cycles` pass, two more registers follow, and the counter counts in the next; to
        # the accelerator's clock there are three more.
        assert await first_counts() == (cycles + 4, cycles + 7)
        assert ctx.get(dut.clocking.running)
        await ticks(5)
        assert (ctx.get(dut.link_count), ctx.get(dut.count)) == (9, 6)

        ctx.set(dut.button, 1)
        await ticks(8)
        assert not ctx.get(dut.clocking.running) and ctx.get(dut.count) == ctx.get(dut.link_count) == 0
        await ticks(3 * cycles)
        assert ctx.get(dut.count) == ctx.get(dut.link_count) == 0
        ctx.set(dut.button, 0)
        assert await first_counts() == (cycles + 4, cycles + 7)

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
