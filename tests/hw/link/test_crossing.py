"""Beats between clocks of drawn ratio and phase: all of them arrive, once, in order, whoever holds back."""

import pytest
from amaranth.hdl import Fragment, ResetInserter, Signal
from amaranth.sim import Simulator
from bitweir_hw.link.crossing import Crossing
from hypothesis import given, settings
from hypothesis import strategies as st
from support.linkpins import Metastable

ratios = st.one_of(st.sampled_from([1, 2, 8, 1 / 8, 3 / 2]), st.floats(1 / 8, 8))
stalls = st.lists(st.booleans(), max_size=12)
BITS = 5


def cross(beats, *, ratio, phase, i_stalls=(), o_stalls=(), stages=2):
    """Send beats.

    Returns
    -------
    came : list of int
    times : list of int
        When each beat moved at `i`, in cycles of its clock.
    """
    dut = Crossing(BITS, i_domain="one", o_domain="two", stages=stages)
    came, times, period = [], [], 1e-6

    async def source(ctx):
        cycle, offered = 0, False
        while len(times) < len(beats):
            offered = offered or not (i_stalls and i_stalls[cycle % len(i_stalls)])
            ctx.set(dut.i.valid, offered)
            # Nothing but a beat that is offered stays.
            ctx.set(dut.i.payload, beats[len(times)] if offered else cycle)
            *_, ready = await ctx.tick("one").sample(dut.i.ready)
            cycle += 1
            if offered and ready:
                times.append(cycle)
                offered = False
        ctx.set(dut.i.valid, 0)

    async def sink(ctx):
        cycle, quiet, held = 0, 0, None
        # A beat that is sent twice would come in fewer cycles.
        while quiet < 8 + 4 * ratio:
            takes = not (o_stalls and o_stalls[cycle % len(o_stalls)])
            ctx.set(dut.o.ready, takes)
            *_, valid, payload = await ctx.tick("two").sample(dut.o.valid, dut.o.payload)
            assert held in (None, (valid, payload)), "o changed before it moved"
            held = (valid, payload) if valid and not takes else None
            if valid and takes:
                came.append(payload)
            cycle += 1
            quiet = 0 if valid or len(times) < len(beats) else quiet + 1
            assert cycle < 200 * len(beats) * max(1, ratio), "nothing moves any more"

    simulator = Simulator(Fragment.get(dut, Metastable()))
    simulator.add_clock(period, domain="one")
    simulator.add_clock(period / ratio, phase=phase * period / ratio, domain="two")
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    return came, times


@settings(max_examples=30)
@given(
    count=st.integers(1, 12),
    ratio=ratios,
    phase=st.floats(0, 1),
    i_stalls=stalls.filter(lambda some: not some or not all(some)),
    o_stalls=stalls.filter(lambda some: not some or not all(some)),
    stages=st.integers(2, 4),
)
def test_every_beat_arrives_once_and_in_order(count, ratio, phase, i_stalls, o_stalls, stages):
    beats = [(7 * place + 3) % (1 << BITS) for place in range(count)]
    came, times = cross(beats, ratio=ratio, phase=phase, i_stalls=i_stalls, o_stalls=o_stalls, stages=stages)
    assert came == beats
    assert len(times) == count


@settings(max_examples=10)
@given(ratio=ratios, phase=st.floats(0, 1), stages=st.integers(2, 4))
def test_how_long_a_beat_takes(ratio, phase, stages):
    _, times = cross(list(range(20)), ratio=ratio, phase=phase, stages=stages)
    assert max(after - before for before, after in zip(times, times[1:], strict=False)) <= 3 + stages + 5 / ratio


@pytest.mark.parametrize("first", ["one", "two"])
@settings(max_examples=10)
@given(ratio=ratios, phase=st.floats(0, 1), at=st.integers(0, 30), skew=st.integers(0, 12))
def test_nothing_is_left_after_a_reset(first, ratio, phase, at, skew):
    """Whichever side is reset first: of the beats behind it all come, and none of those before."""
    dut = Crossing(BITS, i_domain="one", o_domain="two")
    came, sent, slow = [], [], max(1, 1 / ratio)
    fragment = Fragment.get(dut, Metastable())
    resets = {"one": Signal(), "two": Signal()}
    other = {"one": "two", "two": "one"}[first]
    state = "before"

    async def control(ctx):
        nonlocal state
        await ctx.delay(at * 1e-6)
        ctx.set(resets[first], 1)
        await ctx.delay(skew * 1e-6)
        ctx.set(resets[other], 1)
        state = "reset"
        await ctx.delay(5 * slow * 1e-6)
        ctx.set(resets[first], 0)
        state = "after"
        await ctx.delay(skew * 1e-6)
        ctx.set(resets[other], 0)

    async def source(ctx):
        before = 1
        while len(sent) < 6:
            # Nothing is valid in reset.
            after = state == "after" and not ctx.get(resets["one"])
            ctx.set(dut.i.valid, after or state == "before")
            ctx.set(dut.i.payload, 16 + len(sent) if after else before)
            *_, ready = await ctx.tick("one").sample(dut.i.ready)
            if ready and after and not ctx.get(resets["one"]):
                sent.append(16 + len(sent))
        ctx.set(dut.i.valid, 0)

    async def sink(ctx):
        ctx.set(dut.o.ready, 1)
        while True:
            *_, valid, payload, reset = await ctx.tick("two").sample(dut.o.valid, dut.o.payload, resets["two"])
            if valid and not reset and state == "after":
                came.append(payload)

    simulator = Simulator(ResetInserter(resets)(fragment))
    simulator.add_clock(1e-6, domain="one")
    simulator.add_clock(1e-6 / ratio, phase=phase * 1e-6 / ratio, domain="two")
    simulator.add_testbench(control)
    simulator.add_testbench(source)
    simulator.add_testbench(sink, background=True)
    simulator.run_until((at + 2 * skew + 90 * slow) * 1e-6)
    assert sent == came == list(range(16, 22))
