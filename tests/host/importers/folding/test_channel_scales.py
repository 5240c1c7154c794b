"""Quantisers with a scale for each channel: whole numbers in the weights of what follows, or a scale an output."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.importers import load_model
from bitweir_hw.network import Conv, Parallel
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from hypothesis import given, settings
from hypothesis import strategies as st
from support.onnxgraphs import C, Graph, H, W, agree, runtime

CHANNELS = 4
REAL = [0.3137, 1.0, 0.7213, 2.9]


def relu(g, x, scales, levels=4):
    """As a ReLU quantised with a scale for each channel exports it."""
    size = np.float32(scales).reshape(1, -1, 1, 1)
    return g.op("Mul", g.op("Round", g.op("Clip", g.op("Div", x, size), 0.0, levels - 1.0)), size)


def quantised(g, scales, levels=4):
    return relu(g, g.op("Mul", g.start(CHANNELS, 3, 3), 0.0625), scales, levels)


def same(path):
    """The network of a file, which has the scores of ONNX Runtime, be they few different ones."""
    net = load_model(path, input_scale="1")
    frames = np.random.default_rng(5).integers(0, 16, (60, C, H, W)).astype(np.uint8)
    assert abs(run(net, encode(net.input, frames)).scores - runtime(path, frames.astype(np.float32))[0]).max() < 1e-3
    return net


def whole_scales():
    """Small multiples of a power of two."""
    return st.lists(st.integers(1, 12), min_size=CHANNELS, max_size=CHANNELS).map(lambda row: [x / 8 for x in row])


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_commensurable_scales_become_whole_weights(tmp_path_factory, data):
    g = Graph(data.draw(st.integers(0, 1000)))
    scales, levels = data.draw(whole_scales()), data.draw(st.sampled_from([2, 3, 4, 8]))
    pads = data.draw(st.sampled_from([0, 1]))
    x = g.op("Conv", quantised(g, scales, levels), g.signs(6, CHANNELS, 3, 3), pads=[pads] * 4)
    x = g.sign(g.norm(x, 6))
    size = 6 * (3 + 2 * pads) * (2 + 2 * pads)
    net = same(g.save(tmp_path_factory.mktemp("scales") / "net.onnx", g.scores(x, size)))
    assert not net.bounds


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_scales_before_depthwise_filters(tmp_path_factory, data):
    """Each output sees one channel, so that its scale is one of the output."""
    g = Graph(data.draw(st.integers(0, 1000)))
    scales = data.draw(st.lists(st.floats(0.25, 3, width=32), min_size=CHANNELS, max_size=CHANNELS))
    pads = data.draw(st.sampled_from([0, 1]))
    x = quantised(g, scales, data.draw(st.sampled_from([2, 4])))
    x = g.op("Conv", x, g.signs(CHANNELS, 1, 3, 3), group=CHANNELS, pads=[pads] * 4)
    x = g.sign(g.norm(x, CHANNELS))
    size = CHANNELS * (3 + 2 * pads) * (2 + 2 * pads)
    net = same(g.save(tmp_path_factory.mktemp("scales") / "net.onnx", g.scores(x, size)))
    filters = next(layer for layer, _, _ in net.placed() if isinstance(layer, Conv) and layer.groups > 1)
    assert not net.bounds and (filters.weights.dtype == bool or abs(filters.weights).max() == 1)


def test_a_dense_layer_and_a_pool(tmp_path):
    g = Graph(1)
    x = g.op("Flatten", quantised(g, [0.5, 1, 0.25, 2]))
    agree(
        g.save(
            tmp_path / "dense.onnx", g.op("MatMul", g.sign(g.norm(g.op("MatMul", x, g.signs(80, 6)), 6)), g.signs(6, 5))
        )
    )


@pytest.mark.parametrize("pads", [0, 1])
def test_an_input_with_a_scale_for_each_channel(tmp_path, pads):
    g = Graph(4)
    x = g.op("Conv", relu(g, "x", [2.0, 3.0], 5), g.signs(4, C, 3, 3), pads=[pads] * 4)
    x = g.sign(g.norm(x, 4))
    same(g.save(tmp_path / "net.onnx", g.scores(x, 4 * (5 + 2 * pads) * (4 + 2 * pads))))


def test_a_constant_channel_and_a_border_of_another_number(tmp_path):
    g = Graph(5)
    x = g.op("Mul", quantised(g, [0.5, 1, 0.25, 2]), np.float32([1, 0, 1, -1]).reshape(1, -1, 1, 1))
    x = g.op("Pad", x, g.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), 0.75)
    x = g.sign(g.norm(g.op("Conv", x, g.signs(6, CHANNELS, 3, 3)), 6))
    same(g.save(tmp_path / "net.onnx", g.scores(x, 6 * 5 * 4)))


def test_real_scales_before_an_addition(tmp_path):
    g = Graph(2)
    x = quantised(g, REAL)
    y = g.op("Add", x, g.op("Conv", g.sign(g.op("Sub", x, 0.125)), g.signs(CHANNELS, CHANNELS, 1, 1)))
    agree(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.norm(y, CHANNELS)), 80)))


def test_scales_without_a_common_unit(tmp_path):
    """A sum of planes in fixed point, one a level."""
    g = Graph(3)
    x = g.op("Conv", quantised(g, REAL), g.signs(6, CHANNELS, 3, 3))
    net = same(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.norm(x, 6)), 36)))
    assert any(isinstance(layer, Parallel) for layer in net.layers)
