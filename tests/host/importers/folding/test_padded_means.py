"""Average pools that do not count their padding: another divisor at the edges, behind which thresholds follow."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.compare.comparison import compare_drawn
from bitweir.importers.folding.provenance import Taps
from bitweir_hw.plan import plan_for_fps
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.compared import members
from support.every_beat import check_every_beat
from support.keras_runs import Model, agree
from support.onnxgraphs import Graph, runtime

C, H, W = 2, 7, 6


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_drawn_means(data):
    """Of pixels, of signs and of scaled sums; with pads, or windows that round up; a max pool may follow."""
    draw = data.draw
    g = Graph(draw(st.integers(0, 2**32 - 1)))
    x = draw(st.sampled_from(["x", "signs", "sums"]))
    if x == "signs":
        x = g.sign(g.norm(g.op("Conv", "x", g.signs(C, C, 1, 1)), C, 20))
    elif x == "sums":
        x = g.op("Mul", g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(C, C, 3, 3), pads=[1] * 4), 0.25)
    kernel = [draw(st.integers(1, 4)) for _ in range(2)]
    window = {"kernel_shape": kernel, "strides": [draw(st.integers(1, 3)) for _ in range(2)]}
    how = draw(st.sampled_from(["pads", "ceil", "both"]))
    if how != "ceil":
        window["pads"] = [draw(st.integers(0, size - 1)) for size in kernel * 2]
    if how != "pads":
        window["ceil_mode"] = 1
        # ONNX Runtime infers a last window that would begin behind the map, and then makes none.
        assume(all(begins_inside(*axis) for axis in zip((H, W), kernel, window["strides"], pads(window), strict=True)))
    x = g.op("AveragePool", x, **window)
    if draw(st.booleans()):
        x = g.op("MaxPool", x, kernel_shape=[2, 1])
    # A falling slope, or a rising one; irrational thresholds, which no sum meets.
    x = g.sign(g.norm(x, C, draw(st.sampled_from([0.5, 5]))))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = g.rng.integers(0, 16, (20, C, H, W), np.uint8)
        shape = runtime(g.save(folder / "part.onnx", x), frames.astype(np.float32))[0].shape
        path, taps = g.save(folder / "net.onnx", g.scores(x, int(np.prod(shape[1:])))), Taps()
        net = load_model(path, input_scale="1", taps=taps)
        wanted = runtime(path, frames.astype(np.float32))[0]
        assert (run(net, encode(net.input, frames)).scores == wanted).all()
        assert compare_drawn(net, members(path, net, taps)).difference is None


def pads(window: dict) -> list[tuple[int, int]]:
    numbers = window.get("pads", [0] * 4)
    return list(zip(numbers[:2], numbers[2:], strict=True))


def begins_inside(size: int, kernel: int, stride: int, ends: tuple[int, int]) -> bool:
    return -(-(size + sum(ends) - kernel) // stride) * stride < size + ends[0]


def mean(g: Graph) -> str:
    """Signs, and their means over windows of which some lie outside."""
    x = g.sign(g.op("Sub", "x", 7.5))
    return g.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])


def test_every_beat(tmp_path):
    g = Graph(2)
    x = g.sign(g.op("Sub", mean(g), [[[0.1]], [[-0.3]]]))
    net = load_model(g.save(tmp_path / "net.onnx", g.scores(x, C * 4 * 3)), input_scale="1")
    assert net.layers[0].groups == C and len(np.unique(net.layers[0].edges)) > 1
    frames = g.rng.integers(0, 16, (4, C, H, W), np.uint8)
    never = np.zeros(0, bool)
    check_every_beat(net, plan_for_fps(net, 1e5, 2e7), encode(net.input, frames), never, never)


def test_several_thresholds_are_refused(tmp_path):
    g = Graph(3)
    x = g.op("Div", g.op("Round", g.op("Mul", g.op("Clip", mean(g), 0.0, 1.0), 7.0)), 7.0)
    with pytest.raises(ModelError) as caught:
        load_model(g.save(tmp_path / "net.onnx", g.scores(x, C * 4 * 3)), input_scale="1")
    assert str(caught.value) == (
        "Node MatMul 'n9' must quantise to one bit: the means of conv0 have other divisors at the edges of the map, "
        "where start values of the sums can move one threshold only, not several. Use a sign, count the padding with "
        "count_include_pad=1, or pool without padding."
    )


def test_curves_that_rise_and_fall_are_refused(tmp_path):
    g = Graph(5)
    x = g.sign(g.op("Sub", g.op("Abs", mean(g)), 0.3))
    with pytest.raises(ModelError) as caught:
        load_model(g.save(tmp_path / "net.onnx", g.scores(x, C * 4 * 3)), input_scale="1")
    assert str(caught.value) == (
        "Node GreaterOrEqual 'n6' cannot be folded: what comes before it rises and falls, behind means that have other "
        "divisors at the edges of the map: count the padding with count_include_pad=1, or pool without padding."
    )


@pytest.mark.parametrize("shift", [False, True])
def test_sums_in_fixed_point(tmp_path, shift):
    """Their thresholds differ by position where they are not 0."""
    g = Graph(4)
    a, b = (g.norm(g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(C, C, 1, 1)), C) for _ in range(2))
    x = g.op("AveragePool", g.op("Add", a, b), kernel_shape=[3, 3], pads=[1] * 4)
    x = g.sign(g.norm(x, C, 0.5) if shift else x)
    path = g.save(tmp_path / "net.onnx", g.scores(x, C * H * W))
    net = load_model(path, input_scale="1")
    assert [bound.layer for bound in net.bounds] == ["conv2"]
    frames = g.rng.integers(0, 16, (500, C, H, W), np.uint8)
    assert (run(net, encode(net.input, frames)).scores == runtime(path, frames.astype(np.float32))[0]).all()


@pytest.mark.parametrize("size", [[2, 2], [3, 3]])
def test_means_of_keras(tmp_path, size):
    model = Model((7, 6, 2), seed=3)
    model.conv(2, 4, 2, 2)
    model.norm(4, 20)
    model("SteSign")
    model("AveragePooling2D", pool_size=size, strides=[2, 2], padding="same")
    model.norm(4, 0.3)
    model.head(3 * 3 * 4)
    agree(model, tmp_path / "m.h5", varied=False)
