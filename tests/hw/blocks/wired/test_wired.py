"""Wired layers: every beat against NumPy and every cycle against the machine, under stalls on both sides."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from bitweir_hw.arithmetic import signed_bits
from bitweir_hw.blocks import WiredSpec, block_of
from bitweir_hw.blocks.wired.gateware import Wired
from bitweir_hw.popcount import Popcount
from bitweir_hw.wired import schedule
from hypothesis import given
from hypothesis import strategies as st
from support.elementbench import drive, pack
from support.strategies import stalls


@st.composite
def specs(draw):
    """Small layers of any weights: of one or two parts, on one or several pixels of which some have other offsets."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts, run = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (2, 2), (3, 1)]))
    rows, columns = parts * draw(st.integers(1, 5)), run * draw(st.integers(1, 7))
    most = draw(st.sampled_from([1, 1, 3, 7, 100]))
    weights = rng.integers(-most, most + 1, (rows, columns))
    if draw(st.booleans()):
        weights = np.where(weights > 0, 1, -1)
    lane_bits = draw(st.sampled_from([1, 1, 2, 5]))
    steps = draw(
        st.sampled_from([1, *(n for n in range(2, lane_bits + 1) if -(-lane_bits // -(-lane_bits // n)) == n)])
    )
    row_classes, column_classes = draw(
        st.sampled_from([((0,), (0,)), ((0, 0), (0, 0, 0)), ((0, 1, 1), (0, 1)), ((0, 1), (0, 1, 1, 2))])
    )
    classes = (max(row_classes) + 1) * (max(column_classes) + 1)
    high = most * columns << lane_bits
    # Some thresholds are out of reach, as trained networks have them.
    offsets = rng.integers(-high - 2, high + 3, (classes, rows)) // draw(st.sampled_from([1, 1, 4]))
    count = draw(st.sampled_from([0, 0, 1, 1, 3, 5]))
    limits = rng.integers(-high // 2, high // 2 + 1, (rows, count)) // draw(st.sampled_from([1, 8]))
    thresholds = np.zeros((rows, 1), int) if classes > 1 else np.sort(limits, axis=1)
    low, shift = (0, 0) if count else draw(st.sampled_from([(0, 0), (1, 1), (2, 2)]))
    return WiredSpec(
        name="unit", layer="unit", weights=weights, offsets=offsets, lane_bits=lane_bits, flip=draw(st.booleans()),
        thresholds=thresholds if count else None, code_bits=1 if classes > 1 else max(1, count.bit_length()),
        sum_bits=signed_bits(-3 * high - 2, 3 * high + 2), shift=shift, low=low,
        positions=(len(row_classes), len(column_classes)), row_classes=row_classes, column_classes=column_classes,
        popcount=Popcount(
            style=draw(st.sampled_from(["fused", "tree", "xc7"])), levels_per_stage=draw(st.integers(0, 3))
        ),
        parallel_frames=draw(st.sampled_from([1, 1, 2])), parts=parts, run=run, steps=steps,
    )  # fmt: skip


def expected(spec: WiredSpec, codes: np.ndarray) -> np.ndarray:
    """Output elements, (vectors, M, V), of elements (vectors, K of all parts, V), from the definition."""
    if spec.flip:
        codes = codes ^ (1 << (spec.lane_bits - 1))
    pixels = list(itertools.product(spec.row_classes, spec.column_classes))
    found = np.zeros((len(codes), spec.rows, codes.shape[2]), np.int64)
    each = spec.rows // spec.parts
    for n, vector in enumerate(codes):
        row, column = pixels[n % len(pixels)]
        for m in range(spec.rows):
            part = m // each
            seen = [
                vector[(first * spec.parts + part) * spec.run + at]
                for first in range(spec.columns // spec.run)
                for at in range(spec.run)
            ]
            found[n, m] = spec.offsets[row * (max(spec.column_classes) + 1) + column, m]
            found[n, m] += sum(int(w) * x for w, x in zip(spec.weights[m], seen, strict=True))
    if spec.thresholds is None:
        return (found << spec.shift) + spec.low
    return sum((found >= limit[:, None]).astype(np.int64) for limit in spec.thresholds.T)


@given(st.data())
def test_every_beat_in_its_cycle(data):
    spec = data.draw(specs())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    vectors = 2 * spec.vectors + 1
    codes = rng.integers(0, 1 << spec.lane_bits, (vectors, spec.parts * spec.columns, spec.parallel_frames))
    # Both ends are rare by chance.
    codes[: vectors // 3] = rng.choice([0, (1 << spec.lane_bits) - 1], (vectors // 3, 1, 1))
    beats = pack(codes, spec.lane_bits)
    results = pack(expected(spec, codes), spec.o_lane_bits)
    masks = [(1 << spec.o_bits) - 1] * len(results)
    assert all(beat < 1 << spec.i_bits for beat in beats)
    with pytest.MonkeyPatch.context() as patch:
        # Small layers are cut into parts as large ones are.
        patch.setattr(schedule, "PART", data.draw(st.sampled_from([schedule.PART, 40, 10])))
        drive(Wired, spec, [beats], results, masks, [data.draw(stalls())], data.draw(stalls()))


@pytest.mark.parametrize("lane_bits", [1, 2, 5])
def test_codes_whose_highest_bit_is_turned(lane_bits):
    spec = layer(rows=3, columns=4, lane_bits=lane_bits, flip=True, thresholds=None, sum_bits=12)
    codes = np.random.default_rng(1).integers(0, 1 << lane_bits, (9, 4, 1))
    results = pack(expected(spec, codes), spec.o_lane_bits)
    none = np.zeros(0, bool)
    drive(Wired, spec, [pack(codes, lane_bits)], results, [(1 << spec.o_bits) - 1] * len(results), [none], none)


def test_parts_begin_one_after_the_other(monkeypatch):
    usual = layer(rows=16, columns=40)
    assert usual.schedule.parts == 1
    monkeypatch.setattr(schedule, "PART", usual.circuit.sites // 3)
    cut = layer(rows=16, columns=40)
    assert cut.schedule.parts > 2
    # Inputs are in a register before they go to the parts.
    assert cut.latency == usual.latency + cut.schedule.parts
    assert cut.fifo_depth == cut.latency + 2
    # Inputs and results that wait are registers that are counted.
    costs = [block_of(spec).cost(spec, "ecp5") for spec in (usual, cut)]
    more = cut.schedule.registers(cut.circuit) - usual.schedule.registers(usual.circuit) + 40
    assert more > 0
    assert abs(costs[1].ff - costs[0].ff - more) < 2 * cut.fifo_depth


def layer(rows=6, columns=20, **changes) -> WiredSpec:
    rng = np.random.default_rng(3)
    usual = {
        "name": "unit", "layer": "unit", "weights": np.where(rng.random((rows, columns)) < 0.5, 1, -1),
        "offsets": rng.integers(-3, 4, (1, rows)), "lane_bits": 1, "thresholds": np.zeros((rows, 1), int),
        "sum_bits": 8, "popcount": Popcount(style="fused", levels_per_stage=2),
    }  # fmt: skip
    return WiredSpec(**(usual | changes))


def test_registers_stand_behind_so_many_levels():
    spec = layer()
    depth = spec.circuit.depth
    assert depth >= 3
    for levels in (1, 2, 3, depth):
        found = layer(popcount=Popcount(style="fused", levels_per_stage=levels)).latency
        assert found == -(-depth // levels)
    assert layer(popcount=Popcount(style="fused", levels_per_stage=0)).latency == 0


def test_frames_side_by_side_have_a_copy_each():
    one, two = layer(), layer(parallel_frames=2)
    assert (two.i_bits, two.o_bits) == (2 * one.i_bits, 2 * one.o_bits)
    assert two.latency == one.latency
    costs = [block_of(spec).cost(spec, "ecp5") for spec in (one, two)]
    assert costs[1].luts["position"] == 2 * costs[0].luts["position"]


@pytest.mark.parametrize("thresholds", [None, np.zeros((16, 1), int)])
def test_neurons_share(thresholds):
    spec = layer(rows=16, columns=40, thresholds=thresholds)
    assert spec.graph.operations < 0.9 * spec.alone.operations
    assert spec.graph.reads < spec.alone.reads
    codes = np.random.default_rng(1).integers(0, 2, (50, 40))
    assert (spec.graph.evaluate(codes) == spec.alone.evaluate(codes)).all()
