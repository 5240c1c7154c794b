"""Running maxima: every result against NumPy, every cycle against the timing model."""

import numpy as np
import pytest
from amaranth.back import rtlil
from bitweir_hw.blocks import RunningMaxSpec
from bitweir_hw.blocks.running.gateware import RunningMax
from bitweir_hw.network import BIPOLAR
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.elementbench import drive, formats, pack
from support.strategies import stalls


@st.composite
def running_maxima(draw):
    stride = draw(st.integers(1, 4))
    kernel = draw(st.integers(1, stride + 1))
    most = min(kernel, stride) - 1
    pads = draw(st.integers(0, most)), draw(st.integers(0, most))
    places = draw(st.integers(max(1, kernel - sum(pads)), 12))
    pixel = draw(st.integers(1, 3))
    lanes = draw(st.integers(1, 3))
    form = draw(st.one_of(st.none(), formats(steps=(1, 2))))
    return RunningMaxSpec(
        name="pool",
        layer="pool",
        lines=draw(st.integers(1, 2)),
        places=places,
        words=pixel * draw(st.integers(1, 3)),
        kernel=kernel,
        stride=stride,
        pads=pads,
        lanes=lanes,
        lane_bits=form.bits if form else draw(st.integers(1, 6)),
        format=form,
        least=draw(st.one_of(st.none(), hnp.arrays(bool, (pixel, lanes)))),
        parallel_frames=draw(st.integers(1, 2)),
        stage_levels=draw(st.integers(0, 2)),
    )


def reduced(spec, elements):
    """The results, of elements (lines of all frames, places, words, lanes, V)."""
    lines, _, words, lanes, streams = elements.shape
    results = np.zeros((lines, spec.positions, words, lanes, streams), np.int64)
    least = np.zeros((1, lanes), bool) if spec.least is None else spec.least
    least = np.tile(least, (words // len(least), 1))[..., None]
    for window in range(spec.positions):
        start = window * spec.stride - spec.pads[0]
        inside = elements[:, max(start, 0) : start + spec.kernel]
        results[:, window] = np.where(least, inside.min(axis=1), inside.max(axis=1))
    return results


def check(spec, seed, i_stalls, o_stalls, frames=3):
    rng = np.random.default_rng(seed)
    low, high = (0, 1 << spec.lane_bits) if spec.format else (-(1 << spec.lane_bits - 1), 1 << spec.lane_bits - 1)
    shape = (frames * spec.lines, spec.places, spec.words, spec.lanes, spec.parallel_frames)
    # Mostly low, so that one bit does not win always; or mostly high.
    elements = np.where(rng.random(shape) < 0.5, rng.integers(low, high, shape), low)
    if rng.random() < 0.5:
        elements = high + low - 1 - elements
    beats = pack(elements.reshape(-1, spec.lanes, spec.parallel_frames), spec.lane_bits)
    assert len(beats) == frames * spec.i_beats
    expected = reduced(spec, elements).reshape(-1, spec.lanes, spec.parallel_frames)
    assert len(expected) == frames * spec.o_beats
    o_beats, masks = (pack(part, spec.lane_bits) for part in (expected, np.full_like(expected, -1)))
    drive(RunningMax, spec, [beats], o_beats, masks, [i_stalls], o_stalls)


@given(spec=running_maxima(), seed=st.integers(0, 2**32), i_stalls=stalls(), o_stalls=stalls())
def test_every_cycle_and_every_result(spec, seed, i_stalls, o_stalls):
    assume(spec.positions > 0)
    assert spec.serves(spec.kernel, spec.stride, spec.pads)
    check(spec, seed, i_stalls, o_stalls)


@pytest.mark.parametrize("stage_levels", [0, 1])
def test_partial_results_in_block_memory(stage_levels):
    spec = RunningMaxSpec(
        name="pool", layer="pool", lines=1, places=6, words=128, kernel=3, stride=2, pads=(1, 1), lanes=20, lane_bits=1,
        format=BIPOLAR, least=np.random.default_rng(3).random((8, 20)) < 0.5, stage_levels=stage_levels,
    )  # fmt: skip
    none = np.zeros(0, bool)
    assert spec.memories()[0].block
    assert 'attribute \\ram_style "block"' in rtlil.convert(RunningMax(spec), name="top")
    check(spec, 1, none, np.random.default_rng(2).random(3000) < 0.8, frames=2)


@pytest.mark.parametrize(
    ("kernel", "stride", "pads", "serves"),
    [
        (3, 2, (1, 1), True), (2, 1, (0, 0), True), (2, 2, (1, 0), True), (1, 3, (0, 0), True),
        (3, 1, (0, 0), False), (4, 2, (0, 0), False), (2, 1, (1, 0), False), (3, 2, (0, 2), False),
    ],
)  # fmt: skip
def test_windows_that_share_more_than_a_place_are_not_for_it(kernel, stride, pads, serves):
    assert RunningMaxSpec.serves(kernel, stride, pads) is serves
