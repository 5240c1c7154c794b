"""Transposed convolutions, DepthToSpace and SpaceToDepth before dense layers, against ONNX Runtime and plain loops."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.compare.agreement import Member
from bitweir.importers.compare.comparison import compare_drawn
from bitweir.importers.folding.provenance import Taps
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kerasmodels import KerasModel
from support.onnxgraphs import C, Graph, H, W, agree, names, runtime


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_drawn_transposed_convolutions(tmp_path_factory, data):
    """Kernels that are smaller and larger than their stride, cut off and padded, with a bias and a batch norm."""
    draw = data.draw
    g = Graph(draw(st.integers(0, 1 << 16)))
    x = g.sign(g.norm(g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(3, C, 4, 3)), 3, 4))
    shape, steps, kernel, pads, more = (H - 3, W - 2), [], [], [[], []], []
    for _ in range(2):
        step = draw(st.integers(1, 3))
        size = draw(st.integers(1, 4))
        # What is cut off, less what is added, brings the size to a multiple of the stride.
        cut = draw(st.integers(max(size - step, 0) % step, max(size - step, 0) % step + step * (size > step)))
        if cut >= size:
            cut = max(size - step, 0) % step
        above = draw(st.integers(0, cut))
        added = (step - (size - step - cut) % step) % step
        steps.append(step)
        kernel.append(size)
        pads[0].append(above)
        pads[1].append(cut - above)
        more.append(added)
    weights = g.signs(3, 2, *kernel) if draw(st.booleans()) else g.rng.integers(-2, 3, (3, 2, *kernel))
    sizes = [(shape[a] - 1) * steps[a] + kernel[a] - pads[0][a] - pads[1][a] + more[a] for a in (0, 1)]
    y = g.op("ConvTranspose", x, weights, [0.5, -1.0], strides=steps, pads=pads[0] + pads[1], output_padding=more)
    path = g.save(tmp_path_factory.mktemp("net") / "net.onnx", g.scores(g.sign(g.norm(y, 2)), 2 * sizes[0] * sizes[1]))
    try:
        network = load_model(path, input_scale="1")
    except ModelError as error:
        assert "its result must not be larger than what its kernel reaches" in str(error)
        return
    pixels = g.rng.integers(0, 16, (20, C, H, W)).astype(np.uint8)
    scores = run(network, encode(network.input, pixels)).scores
    assert np.array_equal(scores, runtime(path, pixels.astype(np.float32))[0])


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("place", ["sums", "codes"])
def test_channels_that_become_pixels(tmp_path, mode, place):
    g = Graph(5)
    x = g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(8, C, 3, 3))
    x = g.op("DepthToSpace", x, blocksize=2, mode=mode) if place == "sums" else x
    x = g.sign(g.norm(x, 2 if place == "sums" else 8, 3))
    x = g.op("DepthToSpace", x, blocksize=2, mode=mode) if place == "codes" else x
    assert names(agree(g.save(tmp_path / "net.onnx", g.scores(x, 160)))) == "conv0 dense0"


def test_pixels_that_become_channels(tmp_path):
    """Of the input, in front of a convolution; and of codes, in front of a dense layer."""
    g = Graph(6)
    x = g.op("SpaceToDepth", g.sign(g.op("Sub", "x", 7.5)), blocksize=2)
    x = g.sign(g.op("Conv", x, g.signs(4, 8, 2, 2)))
    path = g.save(tmp_path / "net.onnx", g.scores(x, 4 * 3 * 2), ("N", 2, 8, 6))
    assert names(agree(path)) == "conv0 dense0"
    g = Graph(7)
    x = g.sign(g.norm(g.op("Conv", "x", g.signs(3, C, 2, 1)), 3, 30))
    assert names(agree(g.save(tmp_path / "net.onnx", g.scores(g.op("SpaceToDepth", x, blocksize=3), 108)))) == (
        "conv0 dense0"
    )


@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_convolutions_behind(tmp_path_factory, data):
    """Of any kernel, stride and groups, over a map that has phases; once more a convolution, and a mean of all."""
    draw = data.draw
    g = Graph(draw(st.integers(0, 1 << 16)))
    block = draw(st.integers(2, 3))
    x = g.sign(g.norm(g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(4, C, 4, 3)), 4, 4))
    if draw(st.booleans()):
        x = g.op("ConvTranspose", x, g.signs(4, 4, block, block), strides=[block] * 2)
    else:
        x = g.op("DepthToSpace", g.op("Conv", x, g.signs(4 * block**2, 4, 1, 1)), blocksize=block, mode="CRD")
    x = g.sign(g.norm(x, 4))
    sizes = [(H - 3) * block, (W - 2) * block]
    kernel, step = [draw(st.integers(1, 4)) for _ in range(2)], draw(st.sampled_from([1, block]))
    groups = draw(st.sampled_from([1, 2, 4]))
    pads = [draw(st.integers(0, size - 1)) for size in kernel * 2]
    made = max(1, block // step)
    for axis in (0, 1):  # as many windows as the phases of the result ask for
        while ((sizes[axis] + pads[axis] + pads[axis + 2] - kernel[axis]) // step + 1) % made:
            pads[axis + 2] += 1
        sizes[axis] = (sizes[axis] + pads[axis] + pads[axis + 2] - kernel[axis]) // step + 1
        if pads[axis + 2] >= kernel[axis]:
            return
    x = g.op("Conv", x, g.signs(4, 4 // groups, *kernel), strides=[step] * 2, pads=pads, group=groups)
    x, count = g.sign(g.norm(x, 4, 3)), 4 * sizes[0] * sizes[1]
    end = draw(st.sampled_from(["dense", "conv", "mean"]))
    if end == "conv":
        x = g.sign(g.op("Conv", x, g.signs(4, 4, 3, 3), pads=[1] * 4))
    if end == "mean":
        x, count = g.sign(g.op("GlobalAveragePool", x)), 4
    path = g.save(tmp_path_factory.mktemp("net") / "net.onnx", g.scores(x, count))
    network = load_model(path, input_scale="1")
    pixels = g.rng.integers(0, 16, (20, C, H, W)).astype(np.uint8)
    assert np.array_equal(
        run(network, encode(network.input, pixels)).scores, runtime(path, pixels.astype(np.float32))[0]
    )


def test_every_code_behind(tmp_path):
    """What is compared by layer with the file, whose maps have another order."""
    g = Graph(3)
    x = g.sign(g.norm(g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(4, C, 3, 3)), 4, 3))
    x = g.sign(g.norm(g.op("ConvTranspose", x, g.signs(4, 4, 2, 2), strides=[2, 2]), 4))
    x = g.sign(g.norm(g.op("Conv", x, g.signs(6, 4, 3, 3), pads=[1] * 4), 6))
    path, taps = g.save(tmp_path / "net.onnx", g.scores(x, 6 * 80)), Taps()
    network = load_model(path, input_scale="1", taps=taps)
    found = compare_drawn(network, [Member(path=path, network=network, taps=taps, last=network.layers[-1].name)])
    assert found is not None and found.agreements[0].ran and len(found.agreements[0].layers) == 4


# ---- Keras


def transposed(x: np.ndarray, kernel: np.ndarray, stride: int, padding: str) -> np.ndarray:
    """Each pixel adds its copy of the kernel (kh, kw, M, C); TensorFlow's `same` cuts to ``size * stride``."""
    frames, rows, columns, _ = x.shape
    span, across = kernel.shape[:2]
    full = np.zeros((frames, rows * stride + span, columns * stride + across, kernel.shape[2]))
    for i in range(rows):
        for j in range(columns):
            full[:, i * stride : i * stride + span, j * stride : j * stride + across] += np.einsum(
                "nc,klmc->nklm", x[:, i, j], kernel
            )
    starts = [max(size - stride, 0) // 2 if padding == "same" else 0 for size in (span, across)]
    sizes = [
        size * stride + (0 if padding == "same" else max(taps - stride, 0))
        for size, taps in ((rows, span), (columns, across))
    ]
    return full[:, starts[0] : starts[0] + sizes[0], starts[1] : starts[1] + sizes[1]]


@pytest.mark.parametrize(
    ("kind", "size", "stride", "padding"),
    [
        ("QuantConv2DTranspose", 2, 2, "valid"),
        ("QuantConv2DTranspose", 3, 2, "same"),
        ("Conv2DTranspose", 1, 2, "same"),
        ("Conv2DTranspose", 4, 2, "valid"),
    ],
)
def test_keras(tmp_path, kind, size, stride, padding):
    model = KerasModel((5, 4, 2), seed=size)
    model.conv(2, 3, 2, 2)
    model.norm(3, 6)
    kernel = model.latent(size, size, 2, 3)
    own = {"kernel_quantizer": "ste_sign"}
    if kind == "Conv2DTranspose":
        kernel, own = np.sign(kernel) * np.float32([[0.5], [2.0]]), {}  # a scale of each output
    bias = np.float32([1.0, -2.0])
    model(kind, weights={"kernel": kernel, "bias": bias}, strides=[stride] * 2, padding=padding,
          input_quantizer="ste_sign", kernel_size=[size] * 2, **own)  # fmt: skip
    rows, columns = (n * stride + (0 if padding == "same" else max(size - stride, 0)) for n in (4, 3))
    model.head(rows * columns * 2, 4)
    path, taps = model.save(tmp_path / "net.h5"), Taps()
    network = load_model(path, input_scale="x-8", input_range="0:15", taps=taps)
    found = compare_drawn(network, [Member(path=path, network=network, taps=taps, last=network.layers[-1].name)])
    assert found is not None and found.agreements[0].ran and not found.agreements[0].results_differ
    pixels = model.rng.integers(0, 16, (30, 5, 4, 2)).astype(np.uint8)

    def sign(x):
        return np.where(x >= 0, 1.0, -1.0)

    seen = np.lib.stride_tricks.sliding_window_view(pixels - 8.0, (2, 2), axis=(1, 2))
    x = np.einsum("nrcdkl,kldm->nrcm", seen, sign(model.layers[1][3]["kernel"]))
    norm = {key: array.astype(float) for key, array in model.layers[2][3].items()}
    x = norm["gamma"] * (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + float(np.float32(1e-3)))
    x = sign(x + norm["beta"])
    y = transposed(x, sign(kernel) if own else kernel.astype(float), stride, padding) + bias
    expected = sign(y).reshape(30, -1) @ sign(model.layers[-1][3]["kernel"])
    assert np.array_equal(run(network, encode(network.input, pixels)).scores, expected)


# ---- refused

REFUSED = {
    "it must make a map of whole times as many rows and columns as its strides [2, 2] say, not of [11, 9]: choose": (
        lambda g, x: g.op("ConvTranspose", x, g.signs(4, 2, 3, 3), strides=[2, 2])
    ),
    "it must have one group and no dilation": lambda g, x: g.op("ConvTranspose", x, g.signs(4, 2, 2, 2), group=2),
    "its pads must be numbers: export it with pads and output_padding": lambda g, x: g.op(
        "ConvTranspose", x, g.signs(4, 2, 2, 2), strides=[2, 2], auto_pad="SAME_UPPER"
    ),
    "as a transposed convolution or DepthToSpace does, may come before a convolution, a mean or a dense layer; "
    "elsewhere use nearest upsampling, and a convolution behind it.": lambda g, x: g.op(
        "MaxPool", g.op("ConvTranspose", x, g.signs(4, 2, 2, 2), strides=[2, 2]), kernel_shape=[2, 2]
    ),
    "its stride 3 must divide the 2 phases of a map that came from channels, or be a multiple": lambda g, x: g.op(
        "Conv",
        g.sign(g.op("ConvTranspose", x, g.signs(4, 2, 2, 2), strides=[2, 2])),
        g.signs(3, 2, 2, 2),
        strides=[3, 3],
    ),
    "it must make a map of whole times 2 rows and columns behind a map that came from channels, not of 9": (
        lambda g, x: g.op(
            "Conv",
            g.sign(g.op("ConvTranspose", x, g.signs(4, 2, 2, 2), strides=[2, 2])),
            g.signs(3, 2, 2, 2),
        )
    ),
    "must count its padding behind what makes pixels of channels: use count_include_pad=1": lambda g, x: g.op(
        "AveragePool",
        g.sign(g.op("ConvTranspose", x, g.signs(4, 2, 2, 2), strides=[2, 2])),
        kernel_shape=[2, 2],
        pads=[1, 1, 1, 1],
    ),
    "it must cut maps of the shape (N, C, H, W) into whole blocks: the file is damaged": lambda g, x: g.op(
        "DepthToSpace", x, blocksize=3
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(tmp_path, text):
    g = Graph(5)
    x = g.sign(g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(4, C, 3, 3)))
    path = g.save(tmp_path / "net.onnx", g.op("Flatten", REFUSED[text](g, x)))
    with pytest.raises(ModelError, match=re.escape(text)):
        load_model(path, input_scale="1")
