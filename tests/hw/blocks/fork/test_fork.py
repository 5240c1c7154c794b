"""The fork: every beat at every output, every cycle, whoever stalls."""

import numpy as np
from bitweir_hw.blocks import ForkSpec
from bitweir_hw.blocks.fork.gateware import Fork
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import stalls
from support.streambench import drive


def fork(outputs, bits, beats):
    return ForkSpec(name="fork", layer="block", outputs=outputs, bits=bits, beats=beats)


@given(
    outputs=st.integers(1, 4),
    bits=st.integers(1, 9),
    seed=st.integers(0, 2**32),
    i_stalls=stalls(),
    o_stalls=stalls(),
)
def test_every_cycle_and_every_value(outputs, bits, seed, i_stalls, o_stalls):
    beats = np.random.default_rng(seed).integers(0, 1 << bits, 40).tolist()
    spec = fork(outputs, bits, len(beats))
    drive(Fork(spec), spec, beats, [beats] * outputs, i_stalls, o_stalls)


def test_a_beat_every_cycle():
    beats = list(range(50))
    spec = fork(3, 6, len(beats))
    assert drive(Fork(spec), spec, beats, [beats] * 3) == len(beats)
