"""The class beside the scores: every value against NumPy, every cycle against the timing model."""

import numpy as np
from bitweir_hw.blocks import ArgmaxSpec
from bitweir_hw.blocks.scores.argmax import Argmax, result_layout
from hypothesis import given
from hypothesis import strategies as st
from support.elementbench import drive, pack
from support.strategies import stalls


@st.composite
def argmaxes(draw):
    return ArgmaxSpec(
        name="argmax",
        layer="argmax",
        classes=draw(st.integers(1, 11)),
        lanes=draw(st.integers(1, 12)),
        lane_bits=draw(st.integers(1, 9)),
        parallel_frames=draw(st.integers(1, 3)),
        stage_levels=draw(st.integers(0, 3)),
    )


@given(spec=argmaxes(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_every_class(spec, seed, i_stalls, o_stalls):
    frames = 4
    rng = np.random.default_rng(seed)
    half = 1 << (spec.lane_bits - 1)
    shape = (frames, spec.classes, spec.parallel_frames)
    scores = rng.integers(-half, half, shape)
    # Ties, with the lowest score of all and others.
    scores = np.where(rng.random(shape) < 0.5, np.where(rng.random((frames, 1, 1)) < 0.5, -half, scores[:, :1]), scores)
    beats = pack(scores, spec.lane_bits, spec.lanes, rng)

    shown = pack(scores, spec.lane_bits, spec.lanes)
    expected = []
    for beat, payload in enumerate(shown):
        frame, place = divmod(beat, spec.cycles)
        best = scores[frame, : (place + 1) * spec.lanes].argmax(axis=0).tolist()
        last = place == spec.cycles - 1
        tail = sum(index << (v * spec.index_bits) for v, index in enumerate(best))
        expected.append(payload | (tail | last << (spec.parallel_frames * spec.index_bits)) << spec.i_bits)
    masks = [(1 << spec.o_bits) - 1] * len(beats)
    assert result_layout(spec).size == spec.o_bits
    drive(Argmax, spec, [beats], expected, masks, [i_stalls], o_stalls)
