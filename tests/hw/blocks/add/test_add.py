"""Weighted sums of streams: every value against NumPy, every cycle against the timing model."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from bitweir_hw.arithmetic import signed_bits
from bitweir_hw.blocks import AddSpec
from bitweir_hw.blocks.add.gateware import Add
from bitweir_hw.gateware.values import number
from hypothesis import given
from hypothesis import strategies as st
from support.elementbench import drive, formats, pack, value_range
from support.strategies import stalls


@st.composite
def joins(draw):
    count = draw(st.integers(2, 4))
    forms = tuple(draw(st.one_of(st.none(), formats())) for _ in range(count))
    factors = tuple(draw(st.sampled_from([1, 1, -1, 2, 3, -4, -5, 0, 100])) for _ in range(count))
    bits = tuple(form.bits if form else draw(st.integers(1, 6)) for form in forms)
    ends = [0, 0]
    for form, factor, width in zip(forms, factors, bits, strict=True):
        values = value_range(form, width)
        ends[0] += min(factor * int(value) for value in values)
        ends[1] += max(factor * int(value) for value in values)
    return AddSpec(
        name="sum",
        layer="sum",
        lanes=draw(st.integers(1, 3)),
        i_lane_bits=bits,
        formats=forms,
        factors=factors,
        o_lane_bits=signed_bits(*ends) + draw(st.integers(0, 2)),
        beats=draw(st.integers(1, 5)),
        parallel_frames=draw(st.integers(1, 2)),
        stage_levels=draw(st.integers(0, 3)),
        multiplier_bits=draw(st.sampled_from([2, 5, 17])),
    )


@given(st.data())
def test_every_cycle_and_every_sum(data):
    spec = data.draw(joins())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    shape = (3 * spec.beats, spec.lanes, spec.parallel_frames)
    inputs, total = [], np.zeros(shape, np.int64)
    for form, factor, bits in zip(spec.formats, spec.factors, spec.i_lane_bits, strict=True):
        values = value_range(form, bits)
        codes = rng.choice([0, len(values) - 1, *range(len(values))], shape)
        total += factor * values[codes]
        inputs.append(pack(codes if form else values[codes], bits))
    pauses = [data.draw(stalls()) for _ in inputs]
    masks = pack(np.full(shape, -1), spec.o_lane_bits)
    drive(Add, spec, inputs, pack(total, spec.o_lane_bits), masks, pauses, data.draw(stalls()))


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_numbers_of_all_codes(bits):
    code = Signal(bits)

    async def bench(ctx):
        for offset in range(-9, 10):
            for step in (-6, -4, -3, -2, -1, 1, 2, 3, 4, 6):
                meaning = number(code, offset, step)
                values = [offset + step * c for c in range(1 << bits)]
                assert len(meaning) == signed_bits(min(values), max(values))
                for c, value in enumerate(values):
                    ctx.set(code, c)
                    assert ctx.get(meaning) == value

    simulator = Simulator(Module())
    simulator.add_testbench(bench)
    simulator.run()
