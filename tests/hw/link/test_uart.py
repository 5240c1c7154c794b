# amaranth: UnusedElaboratable=no
"""UARTs against wires that are drawn bit by bit."""

import math
from fractions import Fraction

import numpy as np
import pytest
from amaranth.sim import Simulator
from bitweir_hw.errors import LinkError
from bitweir_hw.link.uart import UartReceiver, UartTransmitter, phase_step
from hypothesis import given, settings
from hypothesis import strategies as st
from support.linkbench import samples

CLOCK = 1_000_000
RATIOS = [4, 4.3, 5, 7.9, 8, 8.68, 10.4, 16, 33.3]


def baud_of(ratio):
    return math.floor(CLOCK / ratio)


@given(st.integers(1, 300_000_000), st.floats(4, 30_000))
def test_rate(clock, ratio):
    baud = math.floor(clock / ratio)
    if baud == 0:
        return
    step, width = phase_step(clock, baud)
    wrong = Fraction(step * clock, baud << width) - 1
    assert abs(wrong) <= Fraction(1, 2000)
    # No narrower one would do.
    narrower = Fraction(round(Fraction(baud << width - 1, clock)) * clock, baud << width - 1) - 1
    assert abs(narrower) > Fraction(1, 2000) or baud << (width - 1) < clock // 2
    # A receiver begins at half a bit and two cycles, which a phase and its carry must hold.
    assert 2 * step <= 1 << (width - 1)


@pytest.mark.parametrize(
    ("clock", "baud", "most"),
    [(12_000_000, 3_000_001, 3_000_000), (100, 26, 25), (3, 1, 0), (100, 0, 25), (100, -5, 25)],
)
def test_too_fast(clock, baud, most):
    with pytest.raises(LinkError) as failure:
        UartReceiver(clock=clock, baud=baud)
    assert str(failure.value) == (f"The baud rate must be between 1 and {most}, a quarter of the clock, not {baud}.")


def receive(levels, *, ratio, takes=lambda cycle: True):
    """Bytes, in which cycles they were first there, and how many errors were told."""
    dut = UartReceiver(clock=CLOCK, baud=baud_of(ratio))
    got, cycles, errors = [], [], []

    async def bench(ctx):
        was_valid = False
        for cycle, level in enumerate(levels):
            ctx.set(dut.rx, int(level))
            ctx.set(dut.o.ready, takes(cycle))
            if ctx.get(dut.error):
                errors.append(cycle)
            valid = ctx.get(dut.o.valid)
            if valid and not was_valid:
                cycles.append(cycle)
            if valid and takes(cycle):
                got.append(ctx.get(dut.o.payload))
            was_valid = valid and not takes(cycle)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return bytes(got), cycles, errors


@settings(max_examples=40)
@given(
    data=st.lists(st.tuples(st.integers(0, 255), st.sampled_from([0, 0, 0.01, 0.4, 1.7, 12])), max_size=12),
    ratio=st.sampled_from(RATIOS),
    off=st.sampled_from([0, -0.02, 0.02, 0.013]),
    shift=st.floats(0, 1),
)
def test_receiver_takes_what_is_2_percent_off(data, ratio, off, shift):
    # Every time of the wire is a real number; so are the pauses between bytes, in bits.
    levels = samples(data, ratio=CLOCK / baud_of(ratio) * (1 + off), shift=shift)
    got, _, errors = receive(levels, ratio=ratio)
    assert got == bytes(value for value, _ in data)
    assert not errors


@settings(max_examples=30)
@given(data=st.binary(max_size=14), ratio=st.sampled_from(RATIOS), pauses=st.lists(st.integers(0, 300), max_size=14))
def test_transmitter(data, ratio, pauses):
    dut = UartTransmitter(clock=CLOCK, baud=baud_of(ratio))
    bit = Fraction(CLOCK, baud_of(ratio))
    starts, levels = [], []

    async def bench(ctx):
        sent, wait = 0, pauses[0] if pauses else 0
        for _ in range(int(10 * bit * len(data)) + sum(pauses) + 50):
            ctx.set(dut.i.valid, sent < len(data) and wait == 0)
            ctx.set(dut.i.payload, data[sent] if sent < len(data) else 0)
            levels.append(ctx.get(dut.tx))
            if sent < len(data) and wait == 0 and ctx.get(dut.i.ready):
                starts.append(len(levels))
                sent += 1
                wait = pauses[sent] if sent < len(pauses) else 0
            elif wait:
                wait -= 1
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(starts) == len(data)
    wanted = np.ones(len(levels), int)
    origin = None
    for before, start, value in zip([None, *starts], starts, data, strict=False):
        # What follows without a pause keeps the time of the first one, so that no error adds up.
        ends = origin is not None and start - before <= math.ceil(10 * bit)
        origin = origin + 10 * bit if ends else Fraction(start)
        for place, level in enumerate([0, *(value >> n & 1 for n in range(8)), 1]):
            begin, end = origin + place * bit, origin + (place + 1) * bit
            wanted[math.ceil(begin) : math.ceil(end)] = level
    # The step of the accumulator may be 0.05 % off, which over these bytes is less than a cycle.
    differs = np.flatnonzero(wanted != levels)
    edges = np.flatnonzero(np.diff(wanted)) + 1
    assert all(min(abs(edges - place)) <= 1 for place in differs)


@pytest.mark.parametrize("ratio", RATIOS)
def test_transmitter_leaves_no_gap(ratio):
    dut = UartTransmitter(clock=CLOCK, baud=baud_of(ratio))
    starts = []

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, 0x55)
        assert ctx.get(dut.tx) == 1
        for cycle in range(2000):
            if ctx.get(dut.i.ready):
                starts.append(cycle)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    whole = 10 * CLOCK / baud_of(ratio)
    # The step of the accumulator may be 0.05 % off.
    assert all(math.floor(whole * 0.9995) <= cycles <= math.ceil(whole * 1.0005) for cycles in np.diff(starts))
    assert (starts[-1] - starts[0]) / (len(starts) - 1) == pytest.approx(
        whole, abs=1 / (len(starts) - 1) + whole / 2000
    )


def test_a_start_bit_that_ends_too_early_is_none():
    levels = np.ones(1200, bool)
    levels[100:107] = False  # less than half a bit of 16 cycles
    levels[300:320] = samples([(0xA5, 0)], ratio=16)[:20]
    late = samples([(0xA5, 0), (0x3C, 2)], ratio=16)
    got, _, errors = receive(np.concatenate([levels[:300], late]), ratio=16)
    assert (got, errors) == (b"\xa5\x3c", [])


@pytest.mark.parametrize("breaks", [9.7, 10, 25, 300])
def test_a_byte_without_a_stop_bit_is_dropped(breaks):
    # The wire is low for so many bits, as if it had been cut.
    whole = samples([(0x5A, 3)], ratio=16)
    levels = np.concatenate([whole, np.zeros(int(breaks * 16), bool), np.ones(3, bool), whole])
    got, _, errors = receive(levels, ratio=16)
    assert got == b"\x5a\x5a"
    assert len(errors) == 1


def test_a_byte_waits_and_the_next_one_is_lost():
    levels = samples([(1, 0), (2, 0), (3, 0)], ratio=8)
    got, _, errors = receive(levels, ratio=8, takes=lambda cycle: cycle > 200)
    assert got[:1] == b"\x01"
    assert got == b"\x01\x03"
    assert len(errors) == 1


def test_latency():
    _, cycles, _ = receive(samples([(0, 0)], ratio=16, before=20), ratio=16)
    # The stop bit's middle, in cycles from the first.
    assert cycles == [20 + math.ceil(9.5 * 16) + 3]
