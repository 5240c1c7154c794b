"""Layers of QKeras, and activation functions of Keras, for every sum that occurs; judged by their formulas in NumPy."""

from __future__ import annotations

import math
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
from support.formulas import FRAMES, K
from support.kerasmodels import KerasModel

CHANNELS = 3


def qkeras(name: str, **config) -> dict:
    return {"class_name": name, "config": {**config, "qnoise_factor": 1.0}, "registered_name": f"qkeras>{name}"}


# ---- the formulas of QKeras


def even(x, unit, low, high):
    """Whole numbers of a unit; NumPy rounds halves to even numbers, as TensorFlow does."""
    return np.clip(np.round(x / unit), low, high) * unit


def formula(x: np.ndarray, name: str, *, bits=8, integer=0, symmetric=0, keep_negative=True, alpha=None, use_01=False,
            threshold=None, negative_slope=0.0, relu_upper_bound=None, is_quantized_clip=True, use_real_tanh=False,
            use_real_sigmoid=False) -> np.ndarray:  # fmt: skip
    factor = 1.0 if alpha is None else float(np.float32(alpha))
    if name == "binary":
        return np.where(x >= 0, 1, 0 if use_01 else -1) * factor
    if name == "ternary":
        return np.where(np.abs(x) >= float(np.float32(threshold or 0.33)), np.sign(x), 0) * factor
    if name == "quantized_bits":
        m = 2.0 ** (bits - keep_negative)
        if m == 1:
            return np.where(x >= 0, factor, -factor)
        return even(x, 2.0**integer / m, keep_negative * (-m + symmetric), m - 1) * factor
    if name == "quantized_tanh":
        m = 2.0 ** (bits - 1)
        return even(np.tanh(x) if use_real_tanh else np.clip(x, -1, 1), 1 / m, -m + symmetric, m - 1)
    if name == "quantized_sigmoid":
        m = 2.0**bits
        return even(1 / (1 + np.exp(-x)) if use_real_sigmoid else np.clip(x / 2 + 0.5, 0, 1), 1 / m, symmetric, m - 1)
    m = 2.0 ** (bits - (negative_slope != 0))
    unit = 2.0**integer / m
    y = even(x, unit, 0, m - 1)
    if negative_slope:
        y = y + even(x * negative_slope, unit, -negative_slope * m, 0)
    return y if relu_upper_bound is None or is_quantized_clip else np.minimum(y, relu_upper_bound)


@st.composite
def activations(draw) -> tuple[str, dict]:
    """A quantiser of activations; its levels are even."""
    name = draw(st.sampled_from(["binary", "ternary", *["quantized_bits", "quantized_relu"] * 2, "quantized_tanh",
                                 "quantized_sigmoid"]))  # fmt: skip
    alpha = draw(st.sampled_from([None, 1, 0.5]))
    if name == "binary":
        return name, {"alpha": alpha, "use_01": draw(st.booleans())}
    if name == "ternary":
        return name, {"alpha": alpha, "threshold": draw(st.sampled_from([None, 0.5, 1.0]))}
    bits, integer = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    if name == "quantized_bits":
        kept = {"symmetric": draw(st.integers(0, 1)), "keep_negative": draw(st.booleans())}
        return name, {"bits": max(bits, 2) if kept["symmetric"] else bits, "integer": integer, "alpha": alpha, **kept}
    if name == "quantized_relu":
        slope = draw(st.sampled_from([0.0, 0.0, 0.25, 0.5]))
        return name, {"bits": bits + 3 * (slope > 0), "integer": integer, "negative_slope": slope}
    real = "use_real_tanh" if name == "quantized_tanh" else "use_real_sigmoid"
    return name, {"bits": max(bits, 2), "symmetric": draw(st.integers(0, 1)), real: draw(st.booleans())}


def sums(slopes: list[float]) -> tuple[KerasModel, np.ndarray]:
    """A model up to sums of K signs, of which each occurs, times a slope for each channel; and these sums."""
    model = KerasModel((K,))
    kernel = np.ones((K, CHANNELS), np.float32) * [1, -1, 1]
    model("QuantDense", weights={"kernel": kernel.astype(np.float32)}, kernel_quantizer="ste_sign", use_bias=False)
    weights = {"gamma": np.array(slopes, np.float32), "moving_mean": np.zeros(CHANNELS, np.float32)}
    weights["moving_variance"] = np.ones(CHANNELS, np.float32)
    model("BatchNormalization", weights=weights, axis=[-1], epsilon=0.0, center=False)
    return model, (FRAMES * 2.0 - 1) @ kernel * np.array(slopes)


def told(model: KerasModel, path):
    """What the network tells of the value of each channel; it equals the file in the executor as well."""
    model("QDense", weights={"kernel": np.eye(CHANNELS, dtype=np.float32)}, use_bias=False,
          kernel_quantizer=qkeras("quantized_bits", bits=2, integer=1, alpha=1))  # fmt: skip
    taps = Taps()
    network = load_model(model.save(path), input_scale="2*x-1", input_range="0:1", result="scores", taps=taps)
    found = compare_drawn(network, [Member(path=path, network=network, taps=taps, last=network.layers[-1].name)])
    assert found is not None and found.agreements[0].ran and not found.agreements[0].results_differ
    scores = run(network, encode(network.input, FRAMES)).scores
    scales, offsets = (np.array(list(map(float, x))) for x in (network.readout.scales, network.readout.offsets))
    return scores * scales + offsets


@settings(deadline=None, max_examples=8)
@given(made=activations(), data=st.data())
def test_activations(tmp_path_factory, made, data):
    name, config = made
    slopes = data.draw(st.lists(st.sampled_from([0.25, -0.5, 1.0, 0.125]), min_size=CHANNELS, max_size=CHANNELS))
    model, x = sums(slopes)
    model("QActivation", activation=qkeras(name, **config))
    style = data.draw(st.sampled_from([".h5", ".keras"]))
    found = told(model, tmp_path_factory.mktemp("net") / f"net{style}")
    assert np.abs(found - formula(x, name, **config)).max() < 1e-9


@pytest.mark.parametrize(
    ("text", "name", "config"),
    [
        ("quantized_relu(3,1)", "quantized_relu", {"bits": 3, "integer": 1}),
        ("quantized_bits(4, 2, 1, alpha=1.0)", "quantized_bits", {"bits": 4, "integer": 2, "symmetric": 1}),
        ("binary()", "binary", {}),
        ("ternary", "ternary", {}),
        ("quantized_tanh(bits=3)", "quantized_tanh", {"bits": 3}),
    ],
)
def test_activations_as_texts(tmp_path, text, name, config):
    model, x = sums([0.25, -0.5, 1.0])
    model("QActivation", activation=text)
    assert np.abs(told(model, tmp_path / "net.h5") - formula(x, name, **config)).max() < 1e-9


KERNELS = [
    ("quantized_bits", {"bits": 4, "integer": 0, "alpha": 1, "symmetric": 1}),
    ("quantized_bits", {"bits": 3, "integer": 1, "alpha": 0.75}),
    ("quantized_bits", {"bits": 1, "alpha": 1}),
    ("binary", {"alpha": 0.5}),
    ("ternary", {"alpha": 1, "threshold": 0.25}),
]


@pytest.mark.parametrize(("name", "config"), KERNELS)
def test_a_network(tmp_path, name, config):
    """QConv2D, QDepthwiseConv2D and QDense, with quantised kernels and biases and an activation of their own."""
    model = KerasModel((6, 5, 2), seed=3)
    kernel, bias = qkeras(name, **config), qkeras("quantized_bits", bits=5, integer=2, alpha=None)
    own = {"kernel_quantizer": kernel, "depthwise_quantizer": kernel, "bias_quantizer": bias}

    def weights(what: str, *shape: int, filters: int) -> dict:
        kernel = model.latent(*shape)
        kernel.reshape(-1)[:4] = 0.5, -0.25, 0.0, 0.125  # on thresholds, too
        return {what: kernel, "bias": model.rng.normal(scale=2, size=filters).astype(np.float32)}

    relu = qkeras("quantized_relu", bits=3, integer=3)
    model("QConv2D", weights=weights("kernel", 3, 3, 2, 4, filters=4), kernel_size=[3, 3], activation="relu", **own)
    model("QActivation", activation=relu)
    model("QDepthwiseConv2D", weights=weights("depthwise_kernel", 2, 2, 4, 1, filters=4), activation=relu, **own)
    model("Flatten")
    model("QDense", weights=weights("kernel", 3 * 2 * 4, 3, filters=3), activation="softmax", **own)
    path, taps = model.save(tmp_path / "net.h5"), Taps()
    network = load_model(path, input_scale="1", input_range="0:15", taps=taps)
    compared = compare_drawn(network, [Member(path=path, network=network, taps=taps, last=network.layers[-1].name)])
    assert compared is not None and compared.agreements[0].ran and not compared.agreements[0].results_differ

    def layer(x, number, what):
        arrays = model.layers[number][3]
        own_kernel = formula(arrays[what].astype(np.float64), name, **config)
        return own_kernel, formula(arrays["bias"].astype(np.float64), "quantized_bits", bits=5, integer=2)

    pixels = np.random.default_rng(5).integers(0, 16, (40, 6, 5, 2)).astype(np.uint8)
    seen = np.lib.stride_tricks.sliding_window_view(pixels.astype(float), (3, 3), axis=(1, 2))
    w, b = layer(pixels, 1, "kernel")
    x = formula(np.maximum(np.einsum("nrcdkl,kldm->nrcm", seen, w) + b, 0), "quantized_relu", bits=3, integer=3)
    w, b = layer(x, 3, "depthwise_kernel")
    seen = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(1, 2))
    x = formula(np.einsum("nrcdkl,kldj->nrcdj", seen, w)[..., 0] + b, "quantized_relu", bits=3, integer=3)
    w, b = layer(x, 5, "kernel")
    expected = x.reshape(len(x), -1) @ w + b
    scores = run(network, encode(network.input, pixels)).scores
    gaps = expected[:, :, None] - expected[:, None]
    assert (scores[:, :, None] > scores[:, None])[gaps > 1e-9].all()
    assert len(np.unique(expected, axis=0)) > 4


REFUSED = {
    "takes its scale from each batch: give it a number as alpha": qkeras("quantized_bits", bits=4, alpha="auto"),
    "must have at most 8 bits to feed a layer: use fewer bits": qkeras("quantized_relu", bits=9),
    "must have 1 to 16 bits, and a whole number of integer bits, not '0' and '0'": qkeras("quantized_relu", bits=0),
    "must have one positive number as alpha, not '[1.0, 2.0]'": qkeras("binary", alpha=[1.0, 2.0]),
    "must quantise wholly: set its qnoise_factor to 1, and save it again": {
        "class_name": "binary", "config": {"qnoise_factor": 0.5},
    },
    "must have use_sigmoid=0: others are not read": qkeras("quantized_relu", use_sigmoid=1),
    "as negative_slope, not '0.3'": qkeras("quantized_relu", negative_slope=0.3),
    "'quantized_bits(x)' must have numbers as arguments": "quantized_bits(x)",
    "its activation 'quantized_po2' is not supported": qkeras("quantized_po2", bits=4),
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_refused(tmp_path, text):
    model, _ = sums([1.0] * CHANNELS)
    model("QActivation", activation=REFUSED[text])
    with pytest.raises(ModelError, match=re.escape(text)):
        told(model, tmp_path / "net.h5")


def test_scales_that_come_from_the_weights_are_refused(tmp_path):
    """A kernel quantiser without an alpha has auto_po2 in QKeras."""
    model = KerasModel((K,))
    model("QDense", weights={"kernel": np.ones((K, 2), np.float32)}, kernel_quantizer=qkeras("binary"), use_bias=False)
    with pytest.raises(ModelError, match="its quantiser binary has a scale that is computed from the weights"):
        load_model(model.save(tmp_path / "net.h5"), input_scale="1")


# ---- activation functions of Keras


def erf(x):
    return np.frompyfunc(math.erf, 1, 1)(x).astype(float)


CURVES = {
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "leaky_relu": lambda x: np.where(x < 0, float(np.float32(0.2)) * x, x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("name", sorted(CURVES))
def test_curves(tmp_path, name):
    """Each before a quantiser; those that fall and rise again, too."""
    model, x = sums([0.375, -0.625, 0.25])
    model.version = "3.4.1"
    model("Activation", activation=name)
    model("QActivation", activation="quantized_bits(5, 2, alpha=1)")
    expected = formula(CURVES[name](x), "quantized_bits", bits=5, integer=2)
    assert np.abs(told(model, tmp_path / "net.h5") - expected).max() < 1e-9


@pytest.mark.parametrize("style", [".h5", ".keras"])
def test_the_hard_sigmoid_of_keras_2(tmp_path, style):
    model, x = sums([0.375, -0.625, 0.25])
    model.version = "2.15.0"
    model("Activation", activation="hard_sigmoid")
    model("QActivation", activation="quantized_bits(5, 0, alpha=1)")
    expected = formula(np.clip(float(np.float32(0.2)) * x + 0.5, 0, 1), "quantized_bits", bits=5)
    assert np.abs(told(model, tmp_path / f"net{style}") - expected).max() < 1e-9


@pytest.mark.parametrize("slopes", [[0.25, 0.5, 1.5], [-0.5, 0.25, -1.0]])
def test_prelu(tmp_path, slopes):
    """Slopes of each channel; negative ones fall and rise."""
    model, x = sums([0.5, -0.25, 1.0])
    model("PReLU", weights={"alpha": np.array(slopes, np.float32)}, shared_axes=None)
    model("QActivation", activation="quantized_bits(4, 2, alpha=1)")
    expected = formula(np.where(x < 0, np.array(slopes) * x, x), "quantized_bits", bits=4, integer=2)
    assert np.abs(told(model, tmp_path / "net.h5") - expected).max() < 1e-9


def test_slopes_of_a_map(tmp_path):
    """PReLU with shared_axes, and a leaky ReLU of negative slope, over maps."""
    model = KerasModel((4, 4, 1), seed=1)
    model.conv(1, 2, 2, 2)
    model("PReLU", weights={"alpha": np.array([[[-0.5, 0.25]]], np.float32)}, shared_axes=[1, 2])
    model("LeakyReLU", alpha=-0.5)
    model("QActivation", activation="quantized_bits(4, 3, alpha=1)")
    model.head(3 * 3 * 2, 3, input_quantizer=None)
    path, taps = model.save(tmp_path / "net.h5"), Taps()
    network = load_model(path, input_scale="x-8", input_range="0:15", taps=taps)
    found = compare_drawn(network, [Member(path=path, network=network, taps=taps, last=network.layers[-1].name)])
    assert found is not None and found.agreements[0].ran and not found.agreements[0].results_differ
    pixels = np.random.default_rng(5).integers(0, 16, (40, 4, 4, 1)).astype(np.uint8)
    signs = np.where(model.layers[1][3]["kernel"] >= 0, 1, -1)
    seen = np.lib.stride_tricks.sliding_window_view(pixels - 8.0, (2, 2), axis=(1, 2))
    y = np.einsum("nrcdkl,kldm->nrcm", seen, signs)
    y = np.where(y < 0, np.array([-0.5, 0.25]) * y, y)
    y = formula(np.where(y < 0, -0.5 * y, y), "quantized_bits", bits=4, integer=3)
    expected = y.reshape(40, -1) @ np.where(model.layers[-1][3]["kernel"] >= 0, 1, -1)
    scores = run(network, encode(network.input, pixels)).scores
    assert (scores.argsort(axis=1, kind="stable") == expected.argsort(axis=1, kind="stable")).all()
