"""Pixels several times: every beat against NumPy, every cycle against the timing model."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.back import rtlil
from bitweir_hw.blocks import UpsampleSpec
from bitweir_hw.blocks.upsample.gateware import Upsample
from bitweir_sim.time.machines import stepped
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.elementbench import drive
from support.small_blocks import small_block_rams
from support.strategies import stalls

NONE = np.zeros(0, bool)


def upsample(shape, factors, word_bits=6):
    return UpsampleSpec(name="up", layer="up", shape=shape, factors=factors, word_bits=word_bits)


def check(spec, seed, i_stalls, o_stalls, frames=3):
    words = np.random.default_rng(seed).integers(0, 1 << spec.word_bits, (frames, *spec.shape))
    expected = words.repeat(spec.factors[0], axis=1).repeat(spec.factors[1], axis=2).ravel().tolist()
    assert (words.size, len(expected)) == (frames * spec.i_beats, frames * spec.o_beats)
    masks = [(1 << spec.o_bits) - 1] * len(expected)
    drive(Upsample, spec, [words.ravel().tolist()], expected, masks, [i_stalls], o_stalls)


@given(
    spec=st.builds(
        upsample,
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3)),
        st.tuples(st.integers(1, 3), st.integers(1, 3)),
        st.integers(1, 9),
    ),
    seed=st.integers(0, 2**32),
    i_stalls=stalls(),
    o_stalls=stalls(),
)
@example(spec=upsample((1, 1, 1), (1, 1)), seed=0, i_stalls=NONE, o_stalls=NONE)
def test_every_cycle_and_every_beat(spec, seed, i_stalls, o_stalls):
    check(spec, seed, i_stalls, o_stalls)


@settings(max_examples=20)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(3, 9), st.integers(1, 3)),
    factors=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    levels=st.integers(0, 2),
    seed=st.integers(0, 2**32),
    i_stalls=stalls(),
    o_stalls=stalls(),
)
def test_every_cycle_with_a_buffer_of_many_banks(shape, factors, levels, seed, i_stalls, o_stalls):
    with small_block_rams():
        spec = replace(upsample(shape, factors), stage_levels=levels)
        assert spec.latency == 1 + spec.buffer.layout.registers
        check(spec, seed, i_stalls, o_stalls)


def test_a_row_in_block_memory():
    spec = upsample((3, 20, 2), (2, 2), word_bits=40)
    assert spec.memories()[0].block and spec.latency == 2
    assert 'attribute \\ram_style "block"' in rtlil.convert(Upsample(spec), name="top")
    check(spec, 1, NONE, NONE)
    check(spec, 2, np.random.default_rng(2).random(900) < 0.6, np.random.default_rng(3).random(900) < 0.3)


@pytest.mark.parametrize("factors", [(2, 2), (1, 3), (3, 1), (4, 2), (2, 1), (5, 5)])
@pytest.mark.parametrize("shape", [(4, 8, 2), (3, 1, 1), (2, 5, 3)])
def test_words_that_come_evenly_leave_without_a_gap(shape, factors):
    # A word for as many cycles as it makes beats: the source never waits, and from the second frame on there is no gap.
    spec = upsample(shape, factors)
    model, moved, arrived = stepped(spec), [], 0
    every = spec.o_beats // spec.i_beats
    for cycle in range(4 * spec.cycles):
        offered = arrived * every <= cycle
        take, give = offered and model.ready(), model.valid(0)
        assert not offered or take, "the source waits"
        arrived += take
        model.step(take, [give])
        moved += [cycle] if give else []
    assert np.diff(moved[spec.o_beats :]).max() == 1
