"""Levels of no common distance, and results of curves: sums of layers, one for each step, equal to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir_hw.network import Parallel
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from support.formulas import CHANNELS, FRAMES, K, checked, dense
from support.onnxgraphs import Graph, agree, names, runtime


def labels(g: Graph, y: str, path):
    """The network that tells which values are greater than 0, which ONNX Runtime tells of every sum as well."""
    file = g.save(path / "net.onnx", g.op("Sigmoid", y), ("N", K))
    network = load_model(file, input_scale="1", input_range="0:1", result="labels")
    expected = runtime(file, FRAMES.astype(np.float32))[0] > 0.5
    assert np.array_equal(run(network, encode(network.input, FRAMES)).scores, expected)
    return network


def test_labels_of_curves(tmp_path):
    """Some labels rise with the sums, some fall, some rise and fall, and some never change."""
    g = Graph(0)
    sizes = g.op("Abs", g.op("Add", dense(g), [0.0, 1.0, 2.0, 3.0]))
    assert names(labels(g, g.op("Sub", sizes, 4.0), tmp_path)).endswith("sum0 threshold2")
    g = Graph(0)
    assert names(labels(g, g.op("Add", g.op("Abs", dense(g)), [1.0, -20.0, 1.0, -20.0]), tmp_path)) == "dense0"
    g = Graph(0)
    x = dense(g)
    labels(g, g.op("Add", x, g.op("Mul", g.sign(x), [3.0, -20.0, -4.0, 0.5])), tmp_path)


@pytest.mark.parametrize("levels", [(0.0, 0.5, 1.25, 3.0), (-1.0, 0.0, 0.3, 2.0), (0.3, -0.3, -2.0, 0.7)])
@pytest.mark.parametrize("pads", [0, 1])
def test_levels_of_any_distance_before_convolutions(tmp_path, levels, pads):
    """Levels that ascend or not, with zeros outside the map that are a level or none."""
    g = Graph(11)
    x = g.norm(g.start(4, 4, 3), 4)
    y = np.full(1, levels[0])
    for cut, level in zip((-0.5, 0.0, 0.75), levels[1:], strict=True):
        y = g.op("Where", g.op("Greater", x, cut), level, y)
    x = g.op("Conv", y, g.signs(6, 4, 3, 3), pads=[pads] * 4)
    x = g.sign(g.norm(x, 6))
    size = 6 * (4 * 4 if pads else 2 * 2)
    file = g.save(tmp_path / "net.onnx", g.scores(x, size))
    if pads and 0.0 not in levels:
        with pytest.raises(ModelError, match="the padding of conv1 with 0 lies between two integers of its input"):
            load_model(file, input_scale="1")
        return
    agree(file)


def test_levels_of_no_common_distance_take_a_layer_a_step(tmp_path):
    """One code of the sums, from which each layer takes a comparison; steps of one size are one code together."""
    g = Graph(0)
    x, y = dense(g), np.full(1, -1.9)
    for cut, level in ((-4.0, -0.9), (1.0, 0.9), (3.0, 1.9)):
        y = g.op("Where", g.op("Greater", x, cut), level, y)
    network = load_model(
        g.save(tmp_path / "net.onnx", g.op("MatMul", y, g.signs(CHANNELS, 5)), ("N", K)), input_scale="1",
        input_range="0:1",
    )  # fmt: skip
    assert network.layers[0].output.bits == 2 and isinstance(network.layers[1], Parallel)
    assert [branch[0].output.bits for branch in network.layers[1].branches] == [2, 1]


def test_codes_of_one_sum_are_added_as_one(tmp_path):
    """Residual binarisation: the signs of what signs of the same sums leave over (ReBNet, HORQ)."""
    g = Graph(0)
    x = dense(g)
    one = g.op("Mul", g.sign(x), 3.5)
    y = g.op("Add", one, g.op("Mul", g.sign(g.op("Sub", x, one)), 1.25))
    network = checked(g, y, tmp_path)
    assert network.layers[0].output.bits == 2 and not network.bounds
    # What a layer takes besides is the sum itself.
    g = Graph(0)
    x = dense(g)
    rest = g.op("Sub", x, g.op("Mul", g.sign(x), 3.5))
    assert "sum0" in names(checked(g, g.op("Add", rest, g.op("Mul", g.sign(rest), 2.0)), tmp_path))
