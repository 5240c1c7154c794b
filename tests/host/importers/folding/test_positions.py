"""Scales and offsets of their own in each pixel (XNOR-Net++), behind thresholds, against ONNX Runtime."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir_hw.network import Conv
from bitweir_hw.plan import plan_for_fps
from bitweir_sim.values.encoding import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.onnxgraphs import C, Graph, H, W, agree, names

FILTERS = 4


def scales(g: Graph, *shape: int, falling: bool = True) -> np.ndarray:
    """Of each pixel; in one channel out of two they are negative."""
    signs = np.where(np.arange(shape[0]) % 2, -1, 1) if falling else np.ones(shape[0])
    return g.rng.uniform(0.25, 2, shape) * signs.reshape(-1, 1, 1)


def sizes(rows: int, columns: int, kernel: list[int], stride: int, pads: list[int]) -> tuple[int, int]:
    return tuple(
        (size + pads[axis] + pads[axis + 2] - kernel[axis]) // stride + 1 for axis, size in enumerate((rows, columns))
    )  # type: ignore[return-value]


@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_drawn_convolutions(tmp_path_factory, data):
    """Of any window, with a scale or an offset of each pixel or both, batch norms, and max pools before or behind."""
    draw = data.draw
    g = Graph(draw(st.integers(0, 1 << 16)))
    kernel, stride = [draw(st.integers(1, 3)), draw(st.integers(1, 3))], draw(st.integers(1, 2))
    pads = [draw(st.integers(0, size - 1)) for size in kernel * 2]
    x = g.op("Conv", g.op("Sub", "x", 7.5), g.signs(FILTERS, C, *kernel), strides=[stride] * 2, pads=pads)
    shape = (FILTERS, *sizes(H, W, kernel, stride, pads))
    how = draw(st.sampled_from(["scale", "offset", "both"]))
    if how != "offset":
        x = g.op("Mul", x, scales(g, *shape, falling=draw(st.booleans())))
    if how != "scale":
        x = g.op("Add", x, g.rng.normal(scale=4, size=shape))
    place = draw(st.sampled_from(["none", "before", "behind"]))
    pool = {"kernel_shape": [2, 2], "strides": [1, 1]}
    inner = shape
    if place != "none" and min(shape[1:]) > 1:
        inner = (shape[0], shape[1] - 1, shape[2] - 1)
    else:
        place = "none"
    x = g.op("MaxPool", x, **pool) if place == "before" else x
    x = g.sign(g.norm(x, FILTERS, 6))
    x = g.op("MaxPool", x, **pool) if place == "behind" else x
    network = agree(g.save(tmp_path_factory.mktemp("net") / "net.onnx", g.scores(x, int(np.prod(inner)))))
    layer = network.layers[0]
    assert isinstance(layer, Conv) and layer.stride == (stride, stride)
    if layer.by_pixel:
        assert layer.edges.shape == (*shape[1:], FILTERS)
    assert names(network).startswith("conv0 pool0" if place != "none" else "conv0 dense0")


def two_layers(g: Graph) -> str:
    x = g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(FILTERS, C, 3, 3), pads=[1, 1, 1, 1])
    x = g.sign(g.norm(g.op("Mul", x, scales(g, FILTERS, H, W)), FILTERS))
    x = g.op("Mul", g.op("Conv", x, g.signs(6, FILTERS, 3, 3)), scales(g, 6, H - 2, W - 2))
    return g.scores(g.sign(g.norm(g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 6, 8)), 6 * 2 * 2)


def test_every_beat(tmp_path):
    """Two such layers: every beat in its cycle, with thresholds of each pixel."""
    g = Graph(11)
    network = agree(g.save(tmp_path / "net.onnx", two_layers(g)))
    assert [layer.by_pixel for layer in network.layers if isinstance(layer, Conv)] == [True, True]
    frames = g.rng.integers(0, 16, (3, C, H, W), np.uint8)
    never = np.zeros(0, bool)
    for fps in (1e5, 4e5):
        check_every_beat(network, plan_for_fps(network, fps, 2e7), encode(network.input, frames), never, never)


def test_levels_that_move_alike(tmp_path):
    """Offsets of whole integers move all thresholds of two bits."""
    g = Graph(3)
    x = g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(FILTERS, C, 3, 3))
    x = g.op("Add", x, 2.0 * g.rng.integers(-3, 4, (FILTERS, 5, 4)))
    x = g.op("Round", g.op("Clip", g.op("Mul", x, 0.15), np.float32(0), np.float32(3)))
    assert agree(g.save(tmp_path / "net.onnx", g.scores(x, FILTERS * 20))).layers[0].by_pixel


def test_ranges_in_front_of_a_rounding(tmp_path):
    """The levels of a rounding reach as far as the largest scale of a pixel does."""
    g = Graph(4)
    x = g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(1, C, 1, 1))
    x = g.op("MaxPool", g.op("Mul", x, np.where(np.arange(W) % 2, 1.5, 0.25) * np.ones((1, H, 1))), kernel_shape=[1, 1])
    x = g.op("Round", g.op("Relu", g.op("Mul", x, 0.96)))  # 2 becomes 3 in one half of the pixels, 0 in the other
    agree(g.save(tmp_path / "net.onnx", g.scores(x, H * W)))


REFUSED = {
    "all pixels of a channel must be treated alike, but its parameters differ from pixel to pixel of the map that": (
        lambda g, x: g.sign(g.op("Mul", x, g.rng.choice([-1.5, 0.5], (FILTERS, 5, 4))))
    ),
    "must quantise to one bit: the sums of conv0 have a scale of their own in each pixel, where start values of the "
    "sums can move one threshold only, not several. Use a sign, or one scale a channel.": (
        lambda g, x: g.op(
            "Round", g.op("Clip", g.op("Mul", x, scales(g, FILTERS, 5, 4)), np.float32(-2), np.float32(3))
        )
    ),
    "what comes before it rises and falls, behind sums that have a scale or an offset of their own in each pixel: use "
    "one parameter a channel": lambda g, x: g.sign(
        g.op("Sub", g.op("Abs", g.op("Mul", x, scales(g, FILTERS, 5, 4, falling=False))), 3.0)
    ),
    "must follow a quantiser: the sums of conv0 have a scale or an offset of their own in each pixel, which is exact "
    "only where thresholds follow. Put a sign behind them, or use one parameter a channel.": lambda g, x: g.op(
        "GlobalAveragePool",
        g.op("MaxPool", g.op("Mul", x, scales(g, FILTERS, 5, 4)), kernel_shape=[2, 2]),
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(tmp_path, text):
    g = Graph(5)
    x = g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(FILTERS, C, 3, 3))
    y = REFUSED[text](g, x)
    count = FILTERS if "follow a quantiser" in text else FILTERS * 20
    with pytest.raises(ModelError, match=re.escape(text)):
        load_model(g.save(tmp_path / "net.onnx", g.scores(y, count)), input_scale="1")
