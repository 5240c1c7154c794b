"""Pools: every result against NumPy, every cycle against the timing model."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.back import rtlil
from bitweir_hw.arithmetic import signed_bits
from bitweir_hw.blocks import PoolSpec
from bitweir_hw.blocks.pool.gateware import Pool
from bitweir_hw.network import BIPOLAR
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.elementbench import drive, formats, pack, value_range
from support.strategies import stalls

#: Input beats of a frame, at most.
BEATS = 150


@st.composite
def pools(draw):
    sides = []
    for _ in range(2):
        kernel = draw(st.integers(1, 3))
        stride = kernel + draw(st.integers(0, 1))
        size = (draw(st.integers(1, 3)) - 1) * stride + kernel
        sides.append((size + draw(st.integers(0, stride - 1)), kernel, stride))
    sizes, kernel, stride = zip(*sides, strict=True)
    words = draw(st.integers(1, min(3, max(1, BEATS // (sizes[0] * sizes[1])))))
    beats = draw(st.integers(1, min(3, max(1, BEATS // (sizes[0] * sizes[1] * words)))))
    kind = draw(st.sampled_from(["max", "sum"]))
    form = draw(st.one_of(st.none(), formats(steps=(1, 2, 3)) if kind == "max" else formats()))
    bits = form.bits if form else draw(st.integers(1, 5))
    lanes, taps = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    least = None
    if kind == "max" and draw(st.booleans()):
        least = draw(hnp.arrays(bool, (words, lanes)))
    o_bits = bits
    if kind == "sum":
        values = value_range(form, bits)
        count = kernel[0] * kernel[1] * beats * taps
        o_bits = signed_bits(count * int(values.min()), count * int(values.max())) + draw(st.integers(0, 2))
    return PoolSpec(
        name="pool",
        layer="pool",
        kind=kind,
        shape=(*sizes, words, beats),
        kernel=kernel,
        stride=stride,
        taps=taps,
        lanes=lanes,
        i_lane_bits=bits,
        o_lane_bits=o_bits,
        format=form,
        least=least,
        parallel_frames=draw(st.integers(1, 2)),
        stage_levels=draw(st.integers(0, 3)),
    )


def pooled(spec, elements):
    """The results, of elements (frames, rows, columns, words, beats, taps, lanes, V)."""
    frames, *_, lanes, streams = elements.shape
    results = np.zeros((frames, *spec.positions, spec.shape[2], lanes, streams), np.int64)
    for row, column in np.ndindex(spec.positions):
        top, left = row * spec.stride[0], column * spec.stride[1]
        window = elements[:, top : top + spec.kernel[0], left : left + spec.kernel[1]]
        if spec.kind == "sum":
            values = spec.format.values(window) if spec.format else window
            results[:, row, column] = values.sum(axis=(1, 2, 4, 5))
            continue
        results[:, row, column] = window.max(axis=(1, 2, 4, 5))
        if spec.least is not None:
            least = window.min(axis=(1, 2, 4, 5))
            results[:, row, column] = np.where(spec.least[..., None], least, results[:, row, column])
    return results


def check(spec, seed, i_stalls, o_stalls, frames=3):
    rng = np.random.default_rng(seed)
    low, high = (0, 1 << spec.i_lane_bits) if spec.format else (-(1 << spec.i_lane_bits - 1), 1 << spec.i_lane_bits - 1)
    shape = (frames, *spec.shape, spec.taps, spec.lanes, spec.parallel_frames)
    # Mostly low, so that one bit does not win always.
    elements = np.where(rng.random(shape) < 0.5, rng.integers(low, high, shape), low)
    if rng.random() < 0.5:
        elements = high + low - 1 - elements
    beats = pack(elements.reshape(-1, spec.taps * spec.lanes, spec.parallel_frames), spec.i_lane_bits)
    assert len(beats) == frames * spec.i_beats
    expected = pooled(spec, elements).reshape(-1, spec.lanes, spec.parallel_frames)
    assert len(expected) == frames * spec.o_beats == frames * spec.completes().sum()
    o_beats, masks = (pack(part, spec.o_lane_bits) for part in (expected, np.full_like(expected, -1)))
    drive(Pool, spec, [beats], o_beats, masks, [i_stalls], o_stalls)


@given(spec=pools(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_every_result(spec, seed, i_stalls, o_stalls):
    check(spec, seed, i_stalls, o_stalls)


def pool(**changes):
    """Two by two bipolar maxima of a map with 64 words in a row of windows."""
    usual = {
        "name": "pool",
        "layer": "pool",
        "kind": "max",
        "shape": (5, 16, 8, 1),
        "kernel": (2, 2),
        "stride": (2, 2),
        "lanes": 20,
        "i_lane_bits": 1,
        "o_lane_bits": 1,
        "format": BIPOLAR,
    }
    return PoolSpec(**(usual | changes))


@pytest.mark.parametrize("stage_levels", [0, 1])
def test_partial_results_in_block_memory(stage_levels):
    spec = pool(stage_levels=stage_levels, least=np.random.default_rng(3).random((8, 20)) < 0.5)
    none = np.zeros(0, bool)
    assert spec.memories()[0].block
    assert 'attribute \\ram_style "block"' in rtlil.convert(Pool(spec), name="top")
    check(spec, 1, none, np.random.default_rng(2).random(3000) < 0.8, frames=2)


@pytest.mark.parametrize("sides", [(5, 5), (5, 4), (3, 7)])
def test_windows_of_one_pixel_with_gaps(sides):
    # The last window ends the map or not, so the gap behind it has another length than the others.
    check(pool(shape=(*sides, 1, 1), kernel=(1, 1), stride=(2, 2)), 1, np.zeros(0, bool), np.zeros(0, bool))


@pytest.mark.parametrize("stage_levels", [0, 1])
@pytest.mark.parametrize("words", [1, 2, 4, 16])
def test_neighbours_in_one_window_of_a_wide_map(words, stage_levels):
    # The word that was just written is needed next with one word, and is not with more.
    spec = pool(kind="sum", shape=(3, 64 // words + 1, words, 1), kernel=(3, 3), stride=(3, 3), lanes=2, o_lane_bits=5)
    spec = replace(spec, stage_levels=stage_levels)
    none = np.zeros(0, bool)
    check(spec, 1, none, none)
    check(spec, 2, np.random.default_rng(2).random(500) < 0.5, none)


def test_a_window_in_one_beat_keeps_nothing():
    spec = pool(shape=(4, 4, 2, 1), kernel=(1, 1), stride=(2, 2), taps=3)
    text = rtlil.convert(Pool(spec), name="top")
    none = np.zeros(0, bool)
    assert "partial" not in text
    check(spec, 1, none, none)
