"""The sliding window: where elements come from, every value, every cycle, and its memories on a chip."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.back import rtlil
from bitweir_hw.arithmetic import divisors
from bitweir_hw.blocks import WindowSpec
from bitweir_hw.blocks.window.gateware import Window
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_blocks import small_block_rams
from support.strategies import stalls
from support.streambench import drive


def window(**changes):
    """Three by three over a small map."""
    usual = {
        "name": "window",
        "layer": "conv",
        "shape": (5, 6, 4),
        "kernel": (3, 3),
        "stride": (1, 1),
        "pads": (0, 0, 0, 0),
        "groups": 1,
        "lanes": 2,
        "taps": 1,
        "lane_bits": 1,
    }
    return WindowSpec(**(usual | changes))


@st.composite
def windows(draw):
    sides = []
    for _ in range(2):
        kernel = draw(st.integers(1, 4))
        before, after = (draw(st.integers(0, kernel - 1)) for _ in range(2))
        size = draw(st.integers(max(1, kernel - before - after), 7))
        sides.append((size, kernel, draw(st.integers(1, kernel + 1)), before, after))
    (rows, columns), kernel, stride, before, after = zip(*sides, strict=True)
    groups = draw(st.integers(1, 3))
    share = draw(st.integers(1, 4))
    lanes = draw(st.sampled_from(divisors(share)))
    across = draw(st.sampled_from(divisors(kernel[1])))
    taps = across if across < kernel[1] else across * draw(st.sampled_from(divisors(kernel[0])))
    lanes, taps = draw(st.sampled_from([(lanes, 1), (share, taps)]))
    lane_bits = draw(st.integers(1, 3))
    count = draw(st.sampled_from([1, groups * share // lanes]))
    pad_words = draw(st.lists(st.integers(0, (1 << lanes * lane_bits) - 1), min_size=count, max_size=count))
    return window(
        shape=(rows, columns, groups * share),
        kernel=kernel,
        stride=stride,
        pads=(*before, *after),
        groups=groups,
        lanes=lanes,
        taps=taps,
        lane_bits=lane_bits,
        pad_words=tuple(pad_words),
    )


def im2col(spec, frame):
    """The vectors of a frame, by copying it into a larger one and cutting that: (rows, columns, groups, beats...)."""
    rows, columns, channels = spec.shape
    top, left, bottom, right = spec.pads
    padded = np.empty((rows + top + bottom, columns + left + right, channels), np.int64)
    padded[:] = spec.pad_elements()
    padded[top : top + rows, left : left + columns] = frame
    vectors = []
    for y in range(0, len(padded) - spec.kernel[0] + 1, spec.stride[0]):
        for x in range(0, padded.shape[1] - spec.kernel[1] + 1, spec.stride[1]):
            cut = padded[y : y + spec.kernel[0], x : x + spec.kernel[1]]
            for part in np.split(cut, spec.groups, axis=2):
                vectors.append(part.ravel())
    return np.array(vectors)


def pack(elements, bits):
    """Each row of elements as one number, the first in the lowest bits."""
    return [sum(int(value) << (n * bits) for n, value in enumerate(row)) for row in elements]


def check(spec, seed, i_stalls, o_stalls, frames=3):
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 1 << spec.lane_bits, (frames, *spec.shape))
    vectors = np.concatenate([im2col(spec, frame) for frame in maps])
    assert vectors.shape == (frames * spec.vectors, spec.length)
    beats = pack(maps.reshape(-1, spec.lanes), spec.lane_bits)
    expected = pack(vectors.reshape(-1, spec.taps * spec.lanes), spec.lane_bits)
    assert (len(beats), len(expected)) == (frames * spec.i_beats, frames * spec.o_beats)
    return drive(Window(spec), spec, beats, [expected], i_stalls, o_stalls)


@given(spec=windows(), seed=st.integers(0, 2**32))
def test_elements_come_from_where_im2col_finds_them(spec, seed):
    frame = np.random.default_rng(seed).integers(0, 1 << spec.lane_bits, spec.shape)
    places = spec.gather()
    flat = np.concatenate([frame.ravel(), spec.pad_elements()[::-1]])
    # Negative indices count from the end: -1 is the padding of channel 0.
    assert (flat[places] == im2col(spec, frame)).all()


@given(spec=windows(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_every_value(spec, seed, i_stalls, o_stalls):
    check(spec, seed, i_stalls, o_stalls)


@settings(max_examples=20)
@given(spec=windows(), levels=st.integers(0, 2), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_with_a_buffer_of_many_banks(spec, levels, seed, i_stalls, o_stalls):
    with small_block_rams():
        spec = replace(spec, stage_levels=levels)
        assert spec.latency == 1 + spec.buffer.layout.registers
        check(spec, seed, i_stalls, o_stalls)


@given(spec=windows(), seed=st.integers(0, 2**32), o_stalls=stalls())
def test_the_smallest_buffer_waits_but_never_for_ever(spec, seed, o_stalls):
    least = int((spec.needed - spec.spent).max())
    small = replace(spec)
    # A cached property: what is set here is what all others see.
    small.__dict__["depth"] = max(2, least)
    check(small, seed, (), o_stalls, frames=2)


#: Maps, kernels and foldings as networks have them: more beats out than in, as many, and fewer.
USUAL = {
    "valid": window(),
    "same": window(pads=(1, 1, 1, 1), pad_words=(1, 2)),
    "all taps": window(shape=(6, 6, 2), taps=9, pads=(1, 1, 1, 1)),
    "a row of taps": window(shape=(6, 6, 2), taps=3, pads=(1, 1, 1, 1)),
    "stride 2": window(shape=(8, 7, 2), stride=(2, 2), lanes=1),
    "pool": window(shape=(6, 8, 2), kernel=(2, 2), stride=(2, 2), taps=4),
    "pool, rest of the map": window(shape=(7, 7, 2), kernel=(2, 2), stride=(2, 2), taps=2),
    "groups": window(groups=2, pads=(1, 1, 1, 1)),
    "whole map": window(kernel=(5, 6)),
    "one pixel": window(kernel=(1, 1)),
    "one pixel in four": window(kernel=(1, 1), stride=(2, 2)),
    "tall": window(kernel=(4, 1), pads=(2, 0, 1, 0)),
    "wide": window(kernel=(1, 4), pads=(0, 2, 0, 1), taps=2, lanes=4),
}


@pytest.mark.parametrize("name", USUAL)
def test_frames_follow_each_other_without_a_gap(name):
    spec = USUAL[name]
    cycles = [check(spec, 1, (), (), frames) for frames in (3, 4)]
    assert cycles[1] - cycles[0] == spec.cycles == max(spec.i_beats, spec.o_beats)


@pytest.mark.parametrize("name", USUAL)
@pytest.mark.parametrize(("offered", "taken"), [(0.3, 1), (1, 0.3), (0.7, 0.7)])
def test_long_runs(name, offered, taken):
    rng = np.random.default_rng(3)
    check(USUAL[name], 2, rng.random(1000) >= offered, rng.random(1000) >= taken)


def test_nothing_is_built_for_pads_that_are_not_there():
    assert "outside" not in rtlil.convert(Window(window()), name="top")
    # The middle of a window is always inside.
    names = rtlil.convert(Window(USUAL["all taps"]), name="top")
    assert [f"outside_{tap} " in names for tap in range(9)] == [True] * 4 + [False] + [True] * 4


@pytest.mark.parametrize("name", ["same", "all taps", "groups"])
def test_a_register_behind_the_memory(name):
    spec = replace(USUAL[name])
    spec.__dict__["latency"] = 2
    rng = np.random.default_rng(4)
    check(spec, 3, rng.random(300) < 0.3, rng.random(300) < 0.3)
