"""Thresholds: every code against NumPy, every cycle against the timing model."""

import numpy as np
from bitweir_hw.blocks import ThresholdSpec
from bitweir_hw.blocks.channel.threshold import Threshold
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.elementbench import drive, pack
from support.strategies import stalls

ENDS = np.iinfo(np.int64)


@st.composite
def thresholds(draw):
    channels, count = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    bits, signed = draw(st.integers(1, 8)), draw(st.booleans())
    # Around what the elements reach; and as far off as an array can say.
    reach = st.integers(-(1 << bits) - 2, (1 << bits) + 2)
    each = st.one_of(reach, st.sampled_from([ENDS.min, ENDS.max]))
    rows = hnp.arrays(np.int64, (channels, count), elements=each)
    same = hnp.arrays(np.int64, count, elements=each).map(lambda row: np.tile(row, (channels, 1)))
    return ThresholdSpec(
        name="codes",
        layer="codes",
        thresholds=np.sort(draw(st.one_of(rows, same)), axis=1),
        lanes=draw(st.integers(1, 5)),
        i_lane_bits=bits,
        signed=signed,
        o_lane_bits=count.bit_length() + draw(st.integers(0, 1)),
        pixels=draw(st.integers(1, 4)),
        parallel_frames=draw(st.integers(1, 3)),
        stage_levels=draw(st.integers(0, 3)),
    )


@given(spec=thresholds(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_every_code(spec, seed, i_stalls, o_stalls):
    check(spec, seed, i_stalls, o_stalls)


def check(spec, seed, i_stalls, o_stalls, frames=3):
    rng = np.random.default_rng(seed)
    low = -(1 << (spec.i_lane_bits - 1)) if spec.signed else 0
    high = low + (1 << spec.i_lane_bits) - 1
    shape = (frames * spec.pixels, spec.channels, spec.parallel_frames)
    # Just below, at and above thresholds it matters.
    near = np.clip(spec.thresholds, low, high)[:, rng.integers(0, spec.thresholds.shape[1], shape[::2])]
    near = np.moveaxis(near, 1, 0) + rng.integers(-1, 2, shape)
    elements = np.where(rng.random(shape) < 0.5, np.clip(near, low, high), rng.integers(low, high + 1, shape))
    beats = pack(elements, spec.i_lane_bits, spec.lanes, rng)
    assert len(beats) == frames * spec.i_beats
    expected = np.sum(elements[..., None] >= spec.thresholds[:, None], axis=-1)
    o_beats, masks = (pack(part, spec.o_lane_bits, spec.lanes) for part in (expected, np.full(shape, -1)))
    drive(Threshold, spec, [beats], o_beats, masks, [i_stalls], o_stalls)


def test_many_thresholds_in_block_memory():
    rng = np.random.default_rng(5)
    spec = ThresholdSpec(
        name="codes",
        layer="codes",
        thresholds=np.sort(rng.integers(-20000, 20000, (70, 31)), axis=1),
        lanes=2,
        i_lane_bits=16,
        signed=True,
        o_lane_bits=5,
        pixels=2,
        parallel_frames=2,
    )
    none = np.zeros(0, bool)
    check(spec, 1, none, none, frames=1)
