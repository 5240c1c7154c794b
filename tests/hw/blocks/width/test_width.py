"""Width converters: every beat and every cycle, in all ratios."""

from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.blocks import WidthSpec
from bitweir_hw.blocks.width.gateware import WidthConverter
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import stalls
from support.streambench import drive


def converter(i_length, i_lanes, o_lanes, *, parts=1, lane_bits=1, vectors=1, stage_levels=0):
    return WidthSpec(
        name="width",
        layer="dense",
        i_length=i_length,
        o_length=parts * i_length,
        i_lanes=i_lanes,
        o_lanes=o_lanes,
        lane_bits=lane_bits,
        vectors=vectors,
        stage_levels=stage_levels,
    )


@st.composite
def converters(draw):
    small, large = draw(st.integers(1, 6)), draw(st.integers(1, 20))
    # Often one width divides the other.
    pair = draw(st.sampled_from([(small, large), (large, small), (small, small * (1 + large % 5)), (large, large)]))
    if draw(st.booleans()):
        pair = pair[::-1]
    return converter(
        draw(st.one_of(st.integers(1, 40), st.integers(1, 6).map(lambda n: n * pair[0]))),
        *pair,
        parts=draw(st.sampled_from([1, 1, 2, 3, 6])),
        lane_bits=draw(st.integers(1, 3)),
        vectors=draw(st.integers(1, 2)),
        stage_levels=draw(st.integers(0, 3)),
    )


def number(elements, bits):
    return sum(int(value) << (n * bits) for n, value in enumerate(elements))


def check(spec, seed, i_stalls=(), o_stalls=(), count=5):
    rng = np.random.default_rng(seed)
    highest = 1 << spec.lane_bits
    beats, expected = [], []
    for _ in range(count * spec.vectors):
        vector = rng.integers(0, highest, spec.o_length)
        for part in np.split(vector, spec.parts):
            for at in range(0, spec.i_length, spec.i_lanes):
                # Whatever pads a beat must not get through.
                beat = rng.integers(0, highest, spec.i_lanes)
                chunk = part[at : at + spec.i_lanes]
                beat[: len(chunk)] = chunk
                beats.append(number(beat, spec.lane_bits))
        expected += [
            number(vector[at : at + spec.o_lanes], spec.lane_bits) for at in range(0, spec.o_length, spec.o_lanes)
        ]
    assert (len(beats), len(expected)) == (count * spec.i_beats, count * spec.o_beats)
    return drive(WidthConverter(spec), spec, beats, [expected], i_stalls, o_stalls)


@given(spec=converters(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_every_value(spec, seed, i_stalls, o_stalls):
    check(spec, seed, i_stalls, o_stalls)


@pytest.mark.parametrize(
    "spec",
    [
        converter(104, 13, 26),
        converter(100, 13, 26),
        converter(256, 32, 64),
        converter(256, 64, 32),
        converter(144, 16, 9),
        converter(144, 9, 16),
        # The last beat of a vector starts an output beat and completes it.
        converter(5, 2, 4),
        # Each input vector ends amid a beat.
        converter(6, 4, 4, parts=5),
        converter(6, 4, 16, parts=5),
        converter(6, 4, 3, parts=2),
        # One beat makes many, many make one, one makes one.
        converter(31, 40, 4),
        converter(31, 2, 40),
        converter(3, 7, 5),
    ],
    ids=lambda spec: f"{spec.parts}x{spec.i_length} {spec.i_lanes} to {spec.o_lanes}",
)
@pytest.mark.parametrize(("offered", "taken"), [(1, 1), (1, 0.5), (0.5, 1), (0.7, 0.7)])
@pytest.mark.parametrize("stage_levels", [0, 1])
def test_long_runs(spec, offered, taken, stage_levels):
    rng = np.random.default_rng(3)
    spec = replace(spec, stage_levels=stage_levels)
    check(spec, 1, rng.random(400) >= offered, rng.random(400) >= taken, count=12)


@pytest.mark.parametrize("lanes", [(9, 8), (8, 9), (16, 9), (5, 4)])
def test_a_sink_that_stands_still_loses_nothing(lanes):
    # Until all places are lent: most input beats complete one output beat, so the queue is at its longest.
    check(converter(8 * 9 * 5, *lanes, stage_levels=1), 1, o_stalls=np.ones(60, bool))


@pytest.mark.parametrize("stage_levels", [0, 1])
@pytest.mark.parametrize("lanes", [(13, 26), (64, 32), (16, 9), (9, 16)])
def test_frames_follow_each_other_without_a_gap(lanes, stage_levels):
    spec = converter(16 * 9 * 26, *lanes, stage_levels=stage_levels)
    cycles = [check(spec, 1, count=count) for count in (2, 3)]
    assert cycles[1] - cycles[0] == spec.cycles == max(spec.i_beats, spec.o_beats)
