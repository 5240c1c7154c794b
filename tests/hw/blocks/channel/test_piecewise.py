"""Straight pieces: every value against NumPy, every cycle against the timing model."""

import numpy as np
import pytest
from amaranth.back import rtlil
from bitweir_hw.arithmetic import signed_bits
from bitweir_hw.blocks import PiecewiseSpec
from bitweir_hw.blocks.channel.piecewise import Piecewise
from bitweir_hw.network import BIPOLAR
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.elementbench import drive, formats, pack, value_range
from support.strategies import stalls

NONE = np.zeros(0, bool)


def expected(spec, codes, values):
    """By the definition; thresholds compare what arrives: codes where there is a format."""
    arrives = codes if spec.format else values
    piece = (arrives[..., None] >= spec.thresholds[:, None]).sum(axis=-1)
    channel = np.arange(spec.channels)[:, None]
    return (spec.scale[channel, piece] * values + spec.offset[channel, piece]) >> spec.shift


def pieces(*, scale, offset, thresholds, form=None, bits=8, shift=0, **sizes):
    """A specification with output bits for all pieces everywhere."""
    values = value_range(form, bits)
    ends = [
        (a * int(v) + b) >> shift
        for a, b in zip(scale.ravel().tolist(), offset.ravel().tolist(), strict=True)
        for v in (values.min(), values.max())
    ]
    return PiecewiseSpec(
        name="pieces",
        layer="pieces",
        i_lane_bits=bits,
        o_lane_bits=signed_bits(min(ends), max(ends)),
        format=form,
        thresholds=np.asarray(thresholds, np.int64),
        scale=scale,
        offset=offset,
        shift=shift,
        **sizes,
    )


@st.composite
def specifications(draw):
    channels, count = draw(st.integers(1, 7)), draw(st.integers(1, 3))
    form = draw(st.one_of(st.none(), formats(steps=(1, 2, 3))))
    shape = (channels, count + 1)
    each = draw(st.sampled_from([st.sampled_from([0, 4]), st.sampled_from([0, 37]), st.integers(-(1 << 18), 1 << 18)]))
    near = st.one_of(st.integers(-9, 9), st.integers(-300, 300), st.sampled_from([-(2**61), 2**61]))
    return pieces(
        scale=draw(hnp.arrays(np.int64, shape, elements=each)),
        offset=draw(hnp.arrays(np.int64, shape, elements=st.integers(-(1 << 20), 1 << 20))),
        thresholds=np.sort(draw(hnp.arrays(np.int64, (channels, count), elements=near)), axis=1),
        form=form,
        bits=form.bits if form else draw(st.integers(1, 8)),
        shift=draw(st.sampled_from([0, 0, 1, 9])),
        lanes=draw(st.integers(1, 5)),
        pixels=draw(st.integers(1, 3)),
        parallel_frames=draw(st.integers(1, 2)),
        stage_levels=draw(st.integers(0, 3)),
        multiplier_bits=draw(st.sampled_from([2, 5, 17])),
    )


@given(spec=specifications(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_every_value(spec, seed, i_stalls, o_stalls):
    check(spec, seed, i_stalls, o_stalls)


def check(spec, seed, i_stalls, o_stalls, frames=3):
    rng = np.random.default_rng(seed)
    values = value_range(spec.format, spec.i_lane_bits)
    shape = (frames * spec.pixels, spec.channels, spec.parallel_frames)
    codes = rng.choice([0, len(values) - 1, *range(len(values))], shape)
    beats = pack(codes if spec.format else values[codes], spec.i_lane_bits, spec.lanes, rng)
    outcome = expected(spec, codes, values[codes])
    o_beats, masks = (pack(part, spec.o_lane_bits, spec.lanes) for part in (outcome, np.full(shape, -1)))
    drive(Piecewise, spec, [beats], o_beats, masks, [i_stalls], o_stalls)


def test_constants_in_block_memory():
    rng = np.random.default_rng(5)
    scale, offset = rng.integers(-5000, 5000, (2, 60, 2))
    check(pieces(scale=scale, offset=offset, thresholds=rng.integers(-50, 50, (60, 1)), lanes=2), 1, NONE, NONE, 2)


def test_a_shift_rounds_down():
    ramp = pieces(
        scale=np.array([[1, 1]]), offset=np.array([[0, 0]]), thresholds=[[0]], bits=3, shift=1, lanes=1, pixels=8
    )
    numbers = np.arange(-4, 4).reshape(8, 1, 1)
    assert expected(ramp, numbers, numbers).ravel().tolist() == [-2, -2, -1, -1, 0, 0, 1, 1]
    beats = pack(numbers, 3, 1)
    drive(Piecewise, ramp, [beats], pack(numbers >> 1, ramp.o_lane_bits, 1), [(1 << ramp.o_lane_bits) - 1] * 8, [NONE],
          NONE)  # fmt: skip


@pytest.mark.parametrize("form", [None, BIPOLAR])
def test_a_clip_costs_no_multiplier(form):
    sizes = {"form": form, "bits": form.bits if form else 8, "lanes": 2, "thresholds": np.tile([-3, 5], (7, 1))}
    offset = np.tile([-3, 0, 5], (7, 1))
    clip = pieces(scale=np.tile([0, 1, 0], (7, 1)), offset=offset, **sizes)
    assert "$mul" not in rtlil.convert(Piecewise(clip), name="top")
    leaky = pieces(scale=np.tile([5, 64, 5], (7, 1)), offset=offset, **sizes)
    assert "$mul" in rtlil.convert(Piecewise(leaky), name="top")
