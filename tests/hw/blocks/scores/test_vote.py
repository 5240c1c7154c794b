"""Votes: every bit against NumPy, every cycle against the timing model."""

import numpy as np
from bitweir_hw.blocks import VoteSpec
from bitweir_hw.blocks.scores.vote import Vote
from hypothesis import given
from hypothesis import strategies as st
from support.elementbench import drive, pack
from support.strategies import stalls


@st.composite
def votes(draw):
    return VoteSpec(
        name="vote",
        layer="vote",
        classes=draw(st.integers(1, 11)),
        lanes=draw(st.integers(1, 12)),
        lane_bits=draw(st.integers(1, 9)),
        signed=draw(st.booleans()),
        parallel_frames=draw(st.integers(1, 3)),
        stage_levels=draw(st.integers(0, 3)),
    )


@given(spec=votes(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_every_vote(spec, seed, i_stalls, o_stalls):
    frames = 5
    rng = np.random.default_rng(seed)
    low = -(1 << (spec.lane_bits - 1)) if spec.signed else 0
    shape = (frames, spec.classes, spec.parallel_frames)
    scores = rng.integers(low, low + (1 << spec.lane_bits), shape)
    # Ties, with the lowest score of all and others.
    scores = np.where(rng.random(shape) < 0.5, np.where(rng.random((frames, 1, 1)) < 0.5, low, scores[:, :1]), scores)
    beats = pack(scores, spec.lane_bits, spec.lanes, rng)
    expected = pack(np.arange(spec.classes)[:, None] == scores.argmax(axis=1)[:, None], 1)
    drive(Vote, spec, [beats], expected, [(1 << spec.o_bits) - 1] * frames, [i_stalls], o_stalls)
