"""FIFOs, shallow and deep: every beat, every cycle, and where they sit on a chip."""

import numpy as np
import pytest
from bitweir_hw.blocks import FifoSpec
from bitweir_hw.blocks.fifo.gateware import Buffer
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import stalls
from support.streambench import drive

#: The least width of which so few words are worth a block RAM.
BLOCK = {33: 32, 34: 31, 64: 17, 100: 11}


def fifo(depth, bits, beats):
    return FifoSpec(name="fifo", layer="dense", depth=depth, bits=bits, beats=beats)


def check(depth, bits, count, seed, i_stalls, o_stalls):
    spec = fifo(depth, bits, count)
    beats = [int(value) for value in np.random.default_rng(seed).integers(0, 1 << bits, count)]
    return drive(Buffer(spec), spec, beats, [beats], i_stalls, o_stalls)


@given(
    depth=st.integers(2, 35), bits=st.integers(1, 9), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls()
)
def test_every_cycle_and_every_value(depth, bits, seed, i_stalls, o_stalls):
    check(depth, bits, 60, seed, i_stalls, o_stalls)


@given(
    depth=st.sampled_from(list(BLOCK)),
    seed=st.integers(0, 2**32),
    i_stalls=stalls(),
    o_stalls=stalls(),
    late=st.integers(0, 40),
)
def test_block_memory_keeps_the_contract(depth, seed, i_stalls, o_stalls, late):
    # The output waits first, so that the memory has something to do.
    o_stalls = [True] * late + list(o_stalls)
    assert fifo(depth, BLOCK[depth], 1).memories()[0].block
    check(depth, BLOCK[depth], 150, seed, i_stalls, o_stalls)


@pytest.mark.parametrize("depth", [2, 3, 33, 100])
@pytest.mark.parametrize("offered", [0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("taken", [0.2, 0.5, 0.8, 1.0])
def test_all_fill_levels(depth, offered, taken):
    rng = np.random.default_rng(depth)
    check(depth, BLOCK.get(depth, 5), 400, 1, rng.random(1500) >= offered, rng.random(1500) >= taken)


def test_a_beat_every_cycle_through_a_full_memory():
    # Full at first; then a beat comes and one goes in every cycle.
    assert check(100, BLOCK[100], 300, 2, [], [True] * 100) == 100 + 300 - 1
