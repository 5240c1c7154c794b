"""The class of each pixel: every bit against NumPy, every cycle against the timing model."""

import numpy as np
from bitweir_hw.blocks import ChoiceSpec
from bitweir_hw.blocks.scores.choice import Choice
from hypothesis import given, settings
from hypothesis import strategies as st
from support.elementbench import drive, pack
from support.strategies import stalls


@st.composite
def choices(draw):
    return ChoiceSpec(
        name="choice",
        layer="choice",
        classes=draw(st.integers(2, 9)),
        lanes=draw(st.integers(1, 10)),
        lane_bits=draw(st.integers(1, 9)),
        signed=draw(st.booleans()),
        pixels=draw(st.integers(1, 4)),
        parallel_frames=draw(st.integers(1, 3)),
        stage_levels=draw(st.integers(0, 3)),
    )


@settings(max_examples=40)
@given(spec=choices(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_the_class_of_every_pixel(spec, seed, i_stalls, o_stalls):
    rng = np.random.default_rng(seed)
    low = -(1 << (spec.lane_bits - 1)) if spec.signed else 0
    shape = (3 * spec.pixels, spec.classes, spec.parallel_frames)
    scores = rng.integers(low, low + (1 << spec.lane_bits), shape)
    # Ties, with the lowest score of all and others.
    scores = np.where(
        rng.random(shape) < 0.5, np.where(rng.random((len(scores), 1, 1)) < 0.5, low, scores[:, :1]), scores
    )
    beats = pack(scores, spec.lane_bits, spec.lanes, rng)
    expected = pack(scores.argmax(axis=1)[:, None], spec.index_bits)
    drive(Choice, spec, [beats], expected, [(1 << spec.o_bits) - 1] * len(scores), [i_stalls], o_stalls)
