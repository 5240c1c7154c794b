"""Frames from bytes to beats."""

import numpy as np
import pytest
from bitweir_hw.link.reader import Unpacker
from hypothesis import given
from hypothesis import strategies as st
from support.linkbench import exchange
from support.strategies import stalls

LAST = 1 << 8


def frame_bytes(bits):
    return -(-bits // 8)


def check(beat_bits, beats, seed, i_stalls=(), o_stalls=(), count=3):
    bits = beat_bits * beats
    data = np.random.default_rng(seed).bytes(frame_bytes(bits) * count)
    inputs, expected = [], []
    for at in range(0, len(data), frame_bytes(bits)):
        frame = data[at : at + frame_bytes(bits)]
        inputs += [*frame[:-1], frame[-1] | LAST]
        number = int.from_bytes(frame, "little")
        expected += [number >> (n * beat_bits) & ((1 << beat_bits) - 1) for n in range(beats)]
    dut = Unpacker(beat_bits=beat_bits, frame_bits=bits)
    out, leaves, _ = exchange(dut, inputs, i_stalls=i_stalls, o_stalls=o_stalls)
    assert out == expected
    return leaves


@given(
    beat_bits=st.one_of(st.integers(1, 20), st.sampled_from([24, 64, 100])),
    beats=st.integers(1, 9),
    seed=st.integers(0, 2**32),
    i_stalls=stalls(),
    o_stalls=stalls(),
)
def test_every_beat(beat_bits, beats, seed, i_stalls, o_stalls):
    check(beat_bits, beats, seed, i_stalls, o_stalls)


@pytest.mark.parametrize(("beat_bits", "step"), [(64, 8), (8, 8), (12, 4), (13, 1), (2, 2)])
def test_cycles(beat_bits, step):
    leaves = check(beat_bits, 8, 1)
    assert set(np.diff(leaves)) == {beat_bits // step + 1}
    assert leaves[0] == beat_bits // step
