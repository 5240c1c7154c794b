"""Counters and fill levels whose flags are registers: every cycle against plain numbers."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from bitweir_hw.gateware.counters import SHIFTED, FillLevel, counter
from hypothesis import given
from hypothesis import strategies as st


def run(m: Module, bench) -> None:
    # A counter to 1 has no register, and a clock must have one.
    ticks = Signal()
    m.d.sync += ticks.eq(~ticks)
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@given(end=st.integers(1, 18), data=st.data())
def test_a_counter_knows_its_last_number(end, data):
    start, steps = data.draw(st.integers(0, end - 1)), data.draw(st.lists(st.booleans(), max_size=60))
    m, step, told = Module(), Signal(), Signal()
    at, last = counter(m, "at", step, end, init=start)
    m.d.comb += told.eq(last)

    async def bench(ctx):
        number = start
        for steps_now in steps:
            ctx.set(step, steps_now)
            assert (ctx.get(at), ctx.get(told)) == (number, number == end - 1)
            await ctx.tick()
            number = (number + steps_now) % end

    run(m, bench)


@given(most=st.one_of(st.integers(1, SHIFTED + 3), st.integers(1, 40)), data=st.data())
def test_a_fill_level_says_what_it_is(most, data):
    wishes = data.draw(st.lists(st.sampled_from([-1, 0, 1, 1]), max_size=80))
    m, change, down = Module(), Signal(), Signal()
    told = Signal(3)
    level = FillLevel(m, "level", most, change=change, down=down)
    m.d.comb += told.eq(level.some | level.space << 1 | level.one << 2)

    async def bench(ctx):
        number = 0
        for wish in wishes:
            moves = wish if 0 <= number + wish <= most else 0
            ctx.set(change, moves != 0)
            # What stands there without a change must not matter.
            ctx.set(down, wish < 0)
            assert ctx.get(told) == (number > 0) | (number < most) << 1 | (number == 1) << 2
            await ctx.tick()
            number += moves

    run(m, bench)
