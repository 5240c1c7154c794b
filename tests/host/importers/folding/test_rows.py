"""Networks over maps of one dimension, (N, C, L), as networks over maps of one row, against ONNX Runtime."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.compare.comparison import compare_drawn
from bitweir.importers.folding.provenance import Taps
from bitweir_hw.network import Conv
from bitweir_hw.plan import plan_for_fps
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from hypothesis import given, settings
from hypothesis import strategies as st
from support.compared import members
from support.every_beat import check_every_beat
from support.onnxgraphs import Graph, agree, runtime

#: Of the input.
CHANNELS, LENGTH = 2, 19


def shaped(g: Graph, folder: Path, x: str, shape: tuple) -> tuple[int, ...]:
    """The shape that ONNX Runtime gives a tensor."""
    frame = np.zeros((1, *shape[1:]), np.float32)
    return runtime(g.save(folder / "part.onnx", x, shape), frame)[0].shape


@st.composite
def windows(draw, length: int) -> dict:
    """Attributes of a window that fits into a map of a length."""
    kernel = draw(st.integers(1, min(5, length)))
    given = {"kernel_shape": [kernel], "strides": [draw(st.integers(1, 3))]}
    how = draw(st.sampled_from(["pads", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    # Of longer steps than kernels, ONNX Runtime makes no such pads.
    if how.startswith("SAME") and given["strides"][0] > kernel:
        how = "VALID"
    if how == "pads":
        given["pads"] = [draw(st.integers(0, kernel - 1)) for _ in range(2)]
    else:
        given["auto_pad"] = how
    return given


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_drawn_networks_of_one_dimension(data):
    draw = data.draw
    form = draw(st.sampled_from(["channels first", "channels last", "one channel"]))
    g = Graph(draw(st.integers(0, 2**32 - 1)))
    channels, shape = CHANNELS, ("N", CHANNELS, LENGTH)
    x = "x"
    if form == "channels last":
        shape, x = ("N", LENGTH, CHANNELS), g.op("Transpose", "x", perm=[0, 2, 1])
    elif form == "one channel":
        channels, shape = 1, ("N", LENGTH)
        x = g.op("Unsqueeze", "x", g.const([1], np.int64))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        x = g.sign(g.op("Sub", x, 7.5)) if draw(st.booleans()) else x
        for place in range(draw(st.integers(1, 3))):
            length = shaped(g, folder, x, shape)[2]
            window = draw(windows(length))
            groups = channels if place and draw(st.booleans()) else 1
            weights = g.signs(4, channels // groups, window["kernel_shape"][0])
            bias = [g.rng.normal(size=4)] if draw(st.booleans()) else []
            x, channels = g.norm(g.op("Conv", x, weights, *bias, group=groups, **window), 4, 8), 4
            x = pooled(draw, g, x, shaped(g, folder, x, shape)[2])
            x = g.sign(g.op("Sub", x, 0.3))
        if draw(st.booleans()):
            x = g.sign(g.norm(g.op("Add", x, g.op("Conv", x, g.signs(4, 4, 3), pads=[1, 1])), 4))
        x = ended(draw, g, x)
        size = int(np.prod(shaped(g, folder, x, shape)))
        path = g.save(folder / "net.onnx", g.scores(x, size), shape)
        taps = Taps()
        net = load_model(path, input_scale="1", taps=taps)
        assert all(layer.kernel[0] == 1 for layer in net.layers if isinstance(layer, Conv))
        assert net.input.shape == shape[1:]
        frames = np.random.default_rng(0).integers(0, 16, (20, *shape[1:]), np.uint8)
        wanted = runtime(path, frames.astype(np.float32))[0]
        assert (run(net, encode(net.input, frames)).scores == wanted).all()
        # Every code, by the executor of the import.
        assert compare_drawn(net, members(path, net, taps)).difference is None


def pooled(draw, g: Graph, x: str, length: int) -> str:
    kernel = draw(st.integers(1, min(3, length)))
    window = {"kernel_shape": [kernel], "strides": [draw(st.integers(1, 2))]}
    kind = draw(st.sampled_from(["", "MaxPool", "AveragePool"]))
    if kind == "MaxPool":
        window["pads"] = [draw(st.integers(0, kernel - 1)) for _ in range(2)]
    return g.op(kind, x, **window) if kind else x


def ended(draw, g: Graph, x: str) -> str:
    """Perhaps behind a pool over the whole length."""
    how = draw(st.sampled_from(["", "GlobalMaxPool", "GlobalAveragePool", "ReduceMean", "ReduceSum", "ReduceMax"]))
    if not how:
        return x
    if how.startswith("Global"):
        x = g.op(how, x)
    elif draw(st.booleans()):
        x = g.op(how, g.op("Transpose", x, perm=[0, 2, 1]), g.const([1], np.int64), keepdims=0)
    else:
        x = g.op(how, x, g.const([2], np.int64), keepdims=draw(st.integers(0, 1)))
    return g.sign(g.op("Sub", x, 0.3))


def keyword_spotter(g: Graph) -> str:
    """Two convolutions, the second in two groups, a pool between them and one over all at the end."""
    x = g.norm(g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(4, CHANNELS, 5), pads=[2, 2], strides=[2]), 4)
    x = g.sign(g.op("MaxPool", x, kernel_shape=[2], strides=[2]))
    x = g.norm(g.op("Conv", x, g.signs(6, 2, 3), group=2), 6)
    return g.scores(g.sign(g.op("GlobalAveragePool", x)), 6)


def test_every_beat_of_a_network_of_one_dimension(tmp_path):
    g = Graph(3)
    net = load_model(g.save(tmp_path / "net.onnx", keyword_spotter(g), ("N", CHANNELS, LENGTH)), input_scale="1")
    frames = g.rng.integers(0, 16, (6, CHANNELS, LENGTH), np.uint8)
    never = np.zeros(0, bool)
    check_every_beat(net, plan_for_fps(net, 1e6, 2e7), encode(net.input, frames), never, never)
    assert [layer.name for layer in net.layers] == ["conv0", "pool0", "conv1", "pool1", "threshold0", "dense0"]


REFUSED = {
    "Node Conv 'n1' cannot be folded: it must convolve maps of one or two dimensions, of the shape (N, C, L) or "
    "(N, C, H, W), with weights of as many axes, not maps of 1 with weights of the shape (4, 2, 3, 3): use Conv1d or "
    "Conv2d.": lambda g: g.op("Conv", g.op("Sub", "x", 7.5), g.signs(4, 2, 3, 3)),
    "Node Conv 'n1' cannot be folded: its kernel_shape must be one whole number of 1 or more, not [0].": lambda g: g.op(
        "Conv", g.op("Sub", "x", 7.5), g.signs(4, 2, 3)[:, :, :0], kernel_shape=[0]
    ),
    "Node Conv 'n1' cannot be folded: its pads must be two whole numbers of 0 or more, not [1].": lambda g: g.op(
        "Conv", g.op("Sub", "x", 7.5), g.signs(4, 2, 3), pads=[1]
    ),
    "Node Conv 'n1' cannot be folded: it must pad less than its kernel [3] on each side, not [3, 0].": lambda g: g.op(
        "Conv", g.op("Sub", "x", 7.5), g.signs(4, 2, 3), pads=[3, 0]
    ),
    "Node MaxPool 'n1' cannot be folded: its kernel [20] must fit into the padded map of [19].": lambda g: g.op(
        "MaxPool", g.op("Sub", "x", 7.5), kernel_shape=[20]
    ),
    "Node MaxPool 'n1' cannot be folded: it must pool maps of one or two dimensions, of the shape (N, C, L) or "
    "(N, C, H, W).": lambda g: g.op("MaxPool", g.op("Flatten", "x"), kernel_shape=[2]),
    "Node Conv 'n4' must take the map that conv0 hands on, of 1 rows, 17 columns and 4 channels, with its pixels in "
    "their order, not reshaped to (17, 1, 4): what moves pixels, as": lambda g: g.op(
        "Conv", g.op("Transpose", g.sign(g.op("Conv", "x", g.signs(4, 2, 3))), perm=[0, 2, 1]), g.signs(2, 17, 1)
    ),
    "Node ReduceMean 'n1' cannot be folded: it must reduce the rows and columns of a map": lambda g: g.op(
        "ReduceMean", g.op("Sub", "x", 7.5), g.const([1, 2], np.int64)
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_graphs_of_one_dimension_that_are_refused(tmp_path, text):
    g = Graph(4)
    x = REFUSED[text](g)
    with pytest.raises(ModelError) as caught:
        load_model(g.save(tmp_path / "net.onnx", g.scores(g.sign(x), 4), ("N", CHANNELS, LENGTH)), input_scale="1")
    assert str(caught.value).startswith(text) and str(caught.value).endswith(".")


@pytest.mark.parametrize("sizes", [False, True])
def test_a_row_that_becomes_longer(tmp_path, sizes):
    """Resize of a map (N, C, L), by scales or sizes; alone, and in front of a convolution."""
    g = Graph(5)
    y = g.sign(g.norm(g.op("Conv", "x", g.signs(4, CHANNELS, 3)), 4, 20))
    how = ("", "", g.const([51], np.int64)) if sizes else ("", [3])
    y = g.op("Resize", y, *how, axes=[2], coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    y = g.sign(g.norm(g.op("Conv", y, g.signs(3, 4, 2), strides=[2]), 3))
    agree(g.save(tmp_path / "net.onnx", g.scores(y, 3 * 25), ("N", CHANNELS, LENGTH)))
