"""Dilated convolutions as larger kernels with weights of 0 between, against ONNX Runtime."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from bitweir.importers import load_model
from bitweir_hw.plan import plan_for_fps
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.keras_runs import Model, agree
from support.onnxgraphs import Graph, runtime

C = 2


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_drawn_dilations(data):
    """Of one or two dimensions; any stride, pads and groups."""
    draw = data.draw
    axes = draw(st.integers(1, 2))
    sizes = [draw(st.integers(9, 12)) for _ in range(axes)]
    g = Graph(draw(st.integers(0, 2**32 - 1)))
    x, channels, shape = g.op("Sub", "x", 7.5), C, ("N", C, *sizes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for place in range(2):
            kernel = [draw(st.integers(1, 3)) for _ in range(axes)]
            gaps = [draw(st.integers(1, 3)) for _ in range(axes)]
            spans = [(taps - 1) * gap + 1 for taps, gap in zip(kernel, gaps, strict=True)]
            pads = [draw(st.integers(0, span - 1)) for span in spans * 2]
            # What is at least as large as the kernel, so that it fits.
            missing = [max(0, 9 - size) for size in sizes] if place else [0] * axes
            pads[:axes] = [min(span - 1, pad + lack) for span, pad, lack in zip(spans, pads, missing, strict=False)]
            strides = [draw(st.integers(1, 2)) for _ in range(axes)]
            totals = [size + pads[axis] + pads[axes + axis] for axis, size in enumerate(sizes)]
            if any(total < span for total, span in zip(totals, spans, strict=True)):
                break
            groups = channels if draw(st.booleans()) else 1
            weights = g.signs(4, channels // groups, *kernel)
            x = g.op("Conv", x, weights, dilations=gaps, pads=pads, strides=strides, group=groups)
            x, channels = g.sign(g.norm(x, 4, 8)), 4
            sizes = [(n - span) // step + 1 for n, span, step in zip(totals, spans, strides, strict=True)]
        path = g.save(folder / "net.onnx", g.scores(x, 4 * int(np.prod(sizes))), shape)
        net = load_model(path, input_scale="1")
        frames = g.rng.integers(0, 16, (20, *shape[1:]), np.uint8)
        wanted = runtime(path, frames.astype(np.float32))[0]
        assert (run(net, encode(net.input, frames)).scores == wanted).all()


def test_what_a_dilated_kernel_costs_is_told(tmp_path):
    g = Graph(3)
    x = g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(3, C, 3, 2), dilations=[2, 3])
    x = g.sign(g.norm(x, 3))
    net = load_model(g.save(tmp_path / "net.onnx", g.scores(x, 3 * 3 * 3), ("N", C, 7, 6)), input_scale="1")
    assert net.layers[0].kernel == (5, 4) and set(np.unique(net.layers[0].weights)) == {-1, 0, 1}
    assert (
        "conv0: its dilated kernel of 3 x 2 is one of 5 x 4 with weights of 0 between: 20 weights of 2 bits or more in "
        "place of 6, for each filter and channel."
    ) in net.notes
    frames = g.rng.integers(0, 16, (4, C, 7, 6), np.uint8)
    never = np.zeros(0, bool)
    check_every_beat(net, plan_for_fps(net, 1e5, 2e7), encode(net.input, frames), never, never)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_drawn_dilations_of_keras(tmp_path, data):
    """The executor of the package dilates by itself."""
    draw = data.draw
    model = Model((9, 10, C), draw(st.integers(0, 999)))
    rate, padding = [draw(st.integers(1, 3)) for _ in range(2)], draw(st.sampled_from(["same", "valid"]))
    model.conv(C, 3, 2, 3, dilation_rate=rate, padding=padding)
    model.norm(3, 10)
    rows, columns = (9, 10) if padding == "same" else (9 - rate[0], 10 - 2 * rate[1])
    weights = {"depthwise_kernel": model.latent(2, 2, 3, 1)}
    config = {"input_quantizer": "ste_sign", "depthwise_quantizer": "ste_sign", "use_bias": False}
    model("QuantDepthwiseConv2D", weights=weights, dilation_rate=[2, 2], padding="valid", **config)
    model.norm(3)
    model.head((rows - 2) * (columns - 2) * 3)
    agree(model, tmp_path / "m.keras", varied=False)


@pytest.mark.parametrize("padding", ["causal", "valid"])
def test_dilations_of_one_dimension_in_keras(tmp_path, padding):
    model = Model((16, C), seed=5)
    config = {"kernel_quantizer": "ste_sign", "use_bias": False, "padding": padding}
    length = 16
    for rate in (1, 2, 4):
        channels = 4 if rate > 1 else C
        weights = {"kernel": model.latent(3, channels, 4)}
        if rate > 1:
            config["input_quantizer"] = "ste_sign"
        model("QuantConv1D", weights=weights, dilation_rate=[rate], **config)
        model.norm(4)
        length -= 0 if padding == "causal" else 2 * rate
    model.head(length * 4)
    agree(model, tmp_path / "m.keras", varied=False)
