"""Weights of a few sizes without a common measure, such as +p and -n of one output: sums of layers of one size each."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.folding.weight_planes import planes
from bitweir.importers.folding.weights import normalised
from bitweir_hw.network import Dense, Parallel
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.onnxgraphs import C, Graph, H, W, agree, names, runtime

SIZES = st.floats(2.0**-10, 8, width=32)


def drawn_weights(data, shape):
    """Weights (M, ...) of one to four sizes in each row, or of small multiples of one number."""
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 16)))
    rows = []
    for _ in range(shape[0]):
        sizes = np.float32(data.draw(st.lists(SIZES, min_size=1, max_size=4)))
        levels = np.concatenate([sizes, -sizes, np.float32([0] * data.draw(st.integers(0, 1)))])
        rows.append(rng.choice(levels, shape[1:]))
    return np.stack(rows)


@given(st.data())
def test_planes_are_the_weights_and_have_one_size_each(data):
    weights = drawn_weights(data, (3, 24))
    parts = planes(weights)
    assert parts and (sum(parts) == weights).all()
    for part in parts[1:]:
        assert all(len(np.unique(np.abs(row[row != 0]))) <= 1 for row in part)
    for part in parts:
        whole, alpha, _ = normalised(part, "it")
        signed = np.where(whole, 1, -1) if whole.dtype == bool else whole
        np.testing.assert_allclose(signed * alpha.astype(float)[:, None], part, rtol=1e-5)


@given(st.data())
def test_two_sizes_without_zeros_are_two_signs(data):
    a, b = sorted(np.float32([data.draw(SIZES), data.draw(SIZES)]))
    assume(b > 1.01 * a and a > b / 64)
    signs = np.random.default_rng(data.draw(st.integers(0, 99))).choice([-1, 1], (2, 16))
    weights = (signs * np.resize([a, b], 16)).astype(np.float32)
    parts = planes(weights)
    assert 1 <= len(parts) <= 2
    if len(parts) == 2:
        assert all(normalised(part, "it")[0].dtype == bool for part in parts)


def test_real_numbers_have_no_planes():
    rng = np.random.default_rng(0)
    assert planes(rng.normal(size=(2, 9))) == []  # nine sizes
    assert planes(rng.normal(size=(5, 3))) == []  # three sizes of three weights


def ternary(g, p, n, *shape):
    """Weights as trained ternary quantisation has them."""
    return g.rng.choice([np.float32(-n), np.float32(0), np.float32(p)], shape)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_trained_ternary_networks(tmp_path_factory, data):
    """Each code and each class is that of ONNX Runtime, with padding, strides and groups."""
    g = Graph(data.draw(st.integers(0, 1000)))
    p, n = data.draw(SIZES), data.draw(SIZES)
    groups = data.draw(st.sampled_from([1, 2]))
    x = g.sign(g.norm(g.op("Conv", g.op("Sub", "x", 7.5), ternary(g, p, n, 4, C, 3, 3)), 4, 9))
    x = g.op("Conv", x, ternary(g, n, p, 6, 4 // groups, 3, 3), pads=[1] * 4, group=groups, strides=[1, 2])
    x = g.sign(g.norm(x, 6))
    y = g.op("MatMul", g.op("Flatten", x), ternary(g, p, n, 6 * 5 * 2, 5))
    path = g.save(tmp_path_factory.mktemp("ternary") / "net.onnx", y)
    net = load_model(path, input_scale="1")
    frames = np.random.default_rng(1).integers(0, 16, (60, C, H, W)).astype(np.uint8)
    scores = run(net, encode(net.input, frames)).scores
    expected = runtime(path, frames.astype(np.float32))[0]
    scale = np.array([float(x) for x in map(Fraction, net.readout.scale)])
    offset = np.array([float(x) for x in map(Fraction, net.readout.offset)])
    assert abs(scores * scale + offset - expected).max() < 1e-4 * max(p, n, 1) * 60


def test_a_sum_that_is_exact(tmp_path):
    """Sizes with a common measure that no weight of 16 bits can hold."""
    g = Graph(2)
    w = ternary(g, 40001.0, 3.0, 6 * 5 * 4, 5)
    x = g.sign(g.norm(g.start(6, 3, 3), 6))
    net = agree(g.save(tmp_path / "net.onnx", g.op("MatMul", g.op("Flatten", x), w)))
    assert not net.bounds
    assert isinstance(net.layers[-1], Parallel)


def test_sizes_with_a_common_measure_need_no_sum(tmp_path):
    g = Graph(2)
    x = g.sign(g.norm(g.start(6, 3, 3), 6))
    y = g.op("MatMul", g.op("Flatten", x), ternary(g, 0.75, 0.5, 6 * 5 * 4, 5))
    assert names(agree(g.save(tmp_path / "net.onnx", y), scores=False)) == "conv0 dense0"


def test_rows_of_one_size_beside_rows_of_two(tmp_path):
    g = Graph(3)
    w = np.concatenate([g.signs(60, 3) * 0.3, ternary(g, 0.7123456, 0.31, 60, 2), np.zeros((60, 1))], axis=1)
    x = g.sign(g.norm(g.op("MatMul", g.op("Flatten", g.sign(g.norm(g.start(3, 3, 3), 3))), w.astype(np.float32)), 6))
    net = agree(g.save(tmp_path / "net.onnx", g.op("MatMul", x, g.signs(6, 4))))
    assert [layer.name for layer in net.layers if isinstance(layer, Parallel)] == ["sum0"]
    assert [bound.exact for bound in net.bounds] in ([], [True])


def test_hardware_of_a_sum_of_two_sizes(tmp_path):
    """Every beat of the gateware."""
    g = Graph(4)
    x = g.sign(g.norm(g.op("MatMul", "x", ternary(g, 0.7123456, 0.31, 5, 4)), 4))
    y = g.op("MatMul", x, g.signs(4, 3))
    net = load_model(g.save(tmp_path / "net.onnx", y, ("N", 5)), input_scale="1")
    codes = encode(net.input, g.rng.integers(0, 256, (3, 5)).astype(np.uint8))
    sites = sum(isinstance(layer, Dense) for layer, _, _ in net.placed())
    check_every_beat(net, Plan(foldings=tuple(Folding(simd=1, pe=2) for _ in range(sites))), codes, None, None)


def test_what_is_refused_says_so_for_all_sizes(tmp_path):
    g = Graph(5)
    y = g.op("MatMul", g.op("Flatten", "x"), g.rng.normal(size=(C * H * W, 3)))
    with pytest.raises(ModelError, match="must have binary weights.*but output 0 holds sizes from"):
        load_model(g.save(tmp_path / "net.onnx", y), input_scale="1")
