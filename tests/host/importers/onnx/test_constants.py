"""Neurons, channels and layers that are constant: trained networks have them, and they import as what they are."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir_hw.network import BIPOLAR
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from hypothesis import given, settings
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.onnxgraphs import C, Graph, H, W, agree, names, runtime

BETWEEN = (
    "^Node MatMul 'n9' must follow a quantiser: the padding of conv1 with 0 lies between two integers of its input, "
    "which is exact only where thresholds follow"
)
FRAMES = np.random.default_rng(5).integers(0, 16, (60, C, H, W)).astype(np.uint8)


def same(path):
    """The network of a file, which has the scores of ONNX Runtime, whatever they are."""
    net = load_model(path, input_scale="1")
    found, expected = run(net, encode(net.input, FRAMES)), runtime(path, FRAMES.astype(np.float32))[0]
    assert abs(found.scores - expected.reshape(len(FRAMES), -1)).max() < 1e-3
    return net


@pytest.mark.parametrize("where", ["first", "hidden", "last"])
def test_a_layer_whose_weights_are_all_zero(tmp_path, where):
    g = Graph(1)
    x = g.op("Conv", g.op("Sub", "x", 7.5), g.signs(4, C, 3, 3) * (where != "first"))
    x = g.sign(g.norm(x, 4))
    x = g.sign(g.norm(g.op("Conv", x, g.signs(6, 4, 3, 3) * (where != "hidden"), pads=[1] * 4), 6, 0.5))
    y = g.op("MatMul", g.op("Flatten", x), g.signs(6 * 5 * 4, 5) * (where != "last"))
    net = same(g.save(tmp_path / "net.onnx", y))
    assert names(net) == "conv0 conv1 dense0"
    zero = {"first": 0, "hidden": 1, "last": 2}[where]
    assert not net.layers[zero].weights.any() and net.layers[zero].weights.dtype == np.int64


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_hardware_of_layers_whose_weights_are_all_zero(tmp_path_factory, data):
    g = Graph(data.draw(st.integers(0, 1000)))
    x = g.sign(g.norm(g.op("MatMul", "x", g.signs(5, 4) * data.draw(st.integers(0, 1))), 4))
    y = g.op("MatMul", x, g.signs(4, 3) * data.draw(st.integers(0, 1)))
    path = g.save(tmp_path_factory.mktemp("zero") / "net.onnx", y, ("N", 5))
    net = load_model(path, input_scale="1")
    codes = encode(net.input, g.rng.integers(0, 256, (3, 5)).astype(np.uint8))
    folding = [Folding(simd=data.draw(st.integers(1, 3)), pe=data.draw(st.integers(1, 3))) for _ in range(2)]
    check_every_beat(net, Plan(foldings=tuple(folding)), codes, None, None)


@pytest.mark.parametrize("scale", [0.0, 1.0])
@pytest.mark.parametrize("levels", [2, 4])
def test_channels_that_are_constant_behind_two_quantisers(tmp_path, levels, scale):
    """A gamma of 0 between two quantisers leaves its beta: a constant, beside channels that are not."""
    g = Graph(2)
    x = g.norm(g.start(5, 3, 3), 5, 4)
    x = g.sign(x)
    gamma, beta = np.array([1, 0, -1 if levels == 2 else 1, 0, 0]) * scale, np.array([0.2, 0.7, -0.1, -3, 1.2])
    x = g.op("BatchNormalization", x, gamma, beta, np.zeros(5), np.ones(5))
    if levels == 2:
        x = g.sign(x)
    else:
        x = g.op("Round", g.op("Clip", x, 0.0, 3.0))
    x = g.op("Conv", x, g.signs(4, 5, 3, 3), pads=[1] * 4 if levels == 4 or scale else [0] * 4)
    y = g.op("MatMul", g.op("Flatten", g.sign(g.norm(x, 4))), g.signs(4 * 5 * 4 if levels == 4 or scale else 24, 3))
    net = same(g.save(tmp_path / "net.onnx", y))
    # Levels of constants are levels of the others, so that zeros around the map mean the same in all channels.
    assert net.layers[1].pad_value in (0, -1)


def test_constants_that_are_no_level_of_the_others(tmp_path):
    """They are shifted, which a convolution without a border takes up."""
    g = Graph(3)
    x = g.op("Mul", g.sign(g.norm(g.start(3, 3, 3), 3, 4)), np.array([1.0, 0, 1]).reshape(1, 3, 1, 1))
    x = g.op("Add", x, np.array([0, 0.25, 0]).reshape(1, 3, 1, 1))
    x = g.sign(g.norm(g.op("Conv", x, g.signs(4, 3, 2, 2)), 4))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 4 * 4 * 3)))
    assert net.layers[0].output == BIPOLAR
    assert (net.layers[0].thresholds[1] <= -(3 * 3 * C * 8)).all() or (net.layers[0].thresholds[1] > 0).all()


def test_an_activation_that_is_the_same_everywhere(tmp_path):
    """As ReLU and a rounding behind sums that are too small: 0 in all channels."""
    g = Graph(4)
    x = g.op("Round", g.op("Clip", g.op("Mul", g.start(3, 3, 3), 1e-6), 0.0, 1.0))
    x = g.sign(g.norm(g.op("Conv", x, g.signs(4, 3, 3, 3), pads=[1] * 4), 4, 0.1))
    net = same(g.save(tmp_path / "net.onnx", g.scores(x, 4 * 5 * 4)))
    assert net.layers[1].pad_value == -1


def test_pixels_of_which_one_is_constant(tmp_path):
    g = Graph(5)
    x = g.op("BatchNormalization", g.sign(g.op("Sub", "x", 7.5)), [1.0, 0], [0.1, -2], [0.0, 0], [1.0, 1])
    x = g.sign(g.norm(g.op("Conv", g.sign(x), g.signs(4, C, 3, 3)), 4))
    agree(g.save(tmp_path / "net.onnx", g.scores(x, 4 * 5 * 4)))


def test_a_shifted_constant_with_zeros_around_it(tmp_path):
    """Zeros lie between the integers that mean its values: thresholds take that up, scores cannot."""
    g = Graph(6)
    x = g.op("Mul", g.sign(g.norm(g.start(3, 3, 3), 3, 4)), np.array([1.0, 0, 1]).reshape(1, 3, 1, 1))
    x = g.op("Conv", g.op("Add", x, np.array([0, 0.25, 0]).reshape(1, 3, 1, 1)), g.signs(4, 3, 3, 3), pads=[1] * 4)
    with pytest.raises(ModelError, match=BETWEEN):
        load_model(g.save(tmp_path / "no.onnx", g.scores(x, 4 * 5 * 4)), input_scale="1")
    same(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.norm(x, 4)), 4 * 5 * 4)))
