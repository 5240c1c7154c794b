"""The affine map: every value against NumPy, every cycle against the timing model."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.back import rtlil
from bitweir_hw.arithmetic import signed_bits
from bitweir_hw.blocks import AffineSpec
from bitweir_hw.blocks.channel import AFFINE
from bitweir_hw.blocks.channel.affine import Affine as AffineBlock
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR
from bitweir_hw.network.layers import Affine
from bitweir_hw.plan import plan_from_foldings
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.elementbench import drive, formats, pack, value_range
from support.samples import dense_network
from support.strategies import stalls


def constants(channels):
    """One for all, as many layers have it, or one for each."""
    each = st.one_of(st.integers(-3, 3), st.integers(-(1 << 20), 1 << 20))
    return st.one_of(
        each.map(lambda value: np.full(channels, value, np.int64)),
        hnp.arrays(np.int64, channels, elements=each),
        hnp.arrays(np.int64, channels, elements=st.sampled_from([1, 2, 4, 64])),
    )


def affine(*, scale, offset, form=None, bits=8, spare=0, **sizes):
    """A specification with the output bits that its constants need."""
    values = value_range(form, bits)
    ends = [a * v + b for a, b in zip(scale.tolist(), offset.tolist(), strict=True) for v in values.tolist()]
    return AffineSpec(
        name="scores",
        layer="scores",
        i_lane_bits=bits,
        o_lane_bits=signed_bits(min(ends), max(ends)) + spare,
        format=form,
        scale=scale,
        offset=offset,
        **sizes,
    )


@st.composite
def affines(draw):
    channels = draw(st.integers(1, 9))
    form = draw(st.one_of(st.none(), formats()))
    return affine(
        scale=draw(constants(channels)),
        offset=draw(constants(channels)),
        form=form,
        bits=form.bits if form else draw(st.integers(1, 8)),
        spare=draw(st.integers(0, 2)),
        lanes=draw(st.integers(1, 6)),
        pixels=draw(st.integers(1, 4)),
        parallel_frames=draw(st.integers(1, 3)),
        stage_levels=draw(st.integers(0, 3)),
        multiplier_bits=draw(st.sampled_from([2, 5, 17])),
        serial=draw(st.booleans()),
    )


@given(spec=affines(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_every_value(spec, seed, i_stalls, o_stalls):
    check(spec, seed, i_stalls, o_stalls)


def check(spec, seed, i_stalls, o_stalls, frames=3):
    rng = np.random.default_rng(seed)
    values = value_range(spec.format, spec.i_lane_bits)
    shape = (frames * spec.pixels, spec.channels, spec.parallel_frames)
    codes = rng.choice([0, len(values) - 1, *range(len(values))], shape)
    beats = pack(codes if spec.format else values[codes], spec.i_lane_bits, spec.lanes, rng)
    assert len(beats) == frames * spec.i_beats
    expected = spec.scale[:, None] * values[codes] + spec.offset[:, None]
    o_beats, masks = (pack(part, spec.o_lane_bits, spec.lanes) for part in (expected, np.full(shape, -1)))
    drive(AFFINE.component, spec, [beats], o_beats, masks, [i_stalls], o_stalls)


@pytest.mark.parametrize("serial", [False, True])
def test_constants_in_block_memory(serial):
    rng = np.random.default_rng(5)
    scale, offset = rng.integers(-5000, 5000, (2, 99))
    none = np.zeros(0, bool)
    spec = affine(scale=scale, offset=offset, lanes=2, pixels=1 if serial else 2, parallel_frames=2, serial=serial)
    check(spec, 1, none, none, frames=2)


@pytest.mark.parametrize("serial", [False, True])
def test_numbers_of_sixty_bits(serial):
    scale, offset = np.array([(1 << 53) - 1, -(1 << 53)]), np.array([-(1 << 59), 1 << 59])
    none = np.zeros(0, bool)
    check(affine(scale=scale, offset=offset, lanes=2, serial=serial), 1, none, none, frames=9)


@pytest.mark.parametrize("form", [None, BIPOLAR])
def test_constants_that_are_one_for_all_cost_no_memory_and_no_multiplier(form):
    same = affine(scale=np.full(7, 4), offset=np.full(7, -3), form=form, bits=form.bits if form else 8, lanes=2)
    text = rtlil.convert(AffineBlock(same), name="top")
    assert "rom_style" not in text and "$mul" not in text
    mixed = affine(scale=np.arange(7), offset=np.full(7, -3), form=form, bits=form.bits if form else 8, lanes=2)
    text = rtlil.convert(AffineBlock(mixed), name="top")
    assert "rom_style" in text and "$mul" in text


@pytest.mark.parametrize(("folding", "serial"), [("8x1,8x1", True), ("64x10,10x10", False)])
def test_scales_come_in_series_where_a_frame_has_time(folding, serial):
    rng = np.random.default_rng(2)
    network = dense_network(64, 80, 10)
    scores = Affine(name="scores", scale=rng.integers(1, 1 << 9, 10), offset=rng.integers(-99, 99, 10))
    network = replace(network, layers=(*network.layers, scores))
    (block,) = (
        block for block in lower(network, plan_from_foldings(network, folding)).blocks if block.name == "scores"
    )
    assert block.serial == serial
