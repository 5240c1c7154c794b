"""Channels of several maps in one: every beat against NumPy, every cycle against the timing model."""

import numpy as np
from bitweir_hw.blocks import ConcatSpec
from bitweir_hw.blocks.concat.gateware import Concat
from hypothesis import given
from hypothesis import strategies as st
from support.elementbench import drive, pack
from support.strategies import stalls


@st.composite
def concats(draw):
    count = draw(st.integers(2, 4))
    lanes = draw(st.integers(1, 3))
    channels = tuple(lanes * draw(st.integers(1, 4)) for _ in range(count))
    bits = tuple(draw(st.integers(1, 5)) for _ in range(count))
    return ConcatSpec(
        name="concat",
        layer="concat",
        channels=channels,
        lanes=draw(st.sampled_from([lanes, sum(channels)])),
        i_lane_bits=bits,
        o_lane_bits=max(bits) + draw(st.integers(0, 2)),
        signed=draw(st.booleans()),
        pixels=draw(st.integers(1, 4)),
        parallel_frames=draw(st.integers(1, 2)),
    )


@given(st.data())
def test_every_cycle_and_every_beat(data):
    spec = data.draw(concats())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    frames = 3
    inputs, maps = [], []
    for channels, lanes, bits in zip(spec.channels, spec.i_lanes, spec.i_lane_bits, strict=True):
        low = -(1 << (bits - 1)) if spec.signed else 0
        numbers = rng.integers(low, low + (1 << bits), (frames * spec.pixels, channels, spec.parallel_frames))
        maps.append(numbers)
        inputs.append(pack(numbers, bits, lanes))
    whole = np.concatenate(maps, axis=1)
    expected = pack(whole, spec.o_lane_bits, spec.lanes)
    assert len(expected) == frames * spec.o_beats
    assert max(map(len, inputs)) == frames * spec.i_beats
    pauses = [data.draw(stalls()) for _ in inputs]
    masks = pack(np.full_like(whole, -1), spec.o_lane_bits, spec.lanes)
    drive(Concat, spec, inputs, expected, masks, pauses, data.draw(stalls()))
