"""Layers of Keras over maps of one dimension, (L, C)."""

from __future__ import annotations

import pytest
from bitweir.importers import load_model
from bitweir_hw.network import Conv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.keras_runs import Model, agree, pixels, says

L, C = 13, 2


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_drawn_networks_of_one_dimension(tmp_path, in_process, data):
    """Any window, padding and pool."""
    draw = data.draw
    model = Model((L, C), draw(st.integers(0, 999)))
    length, channels = L, C
    for place in range(draw(st.integers(1, 3))):
        kernel, stride = draw(st.integers(1, min(4, length))), draw(st.integers(1, 2))
        bordered = draw(st.integers(0, 3)) == 0
        if bordered:
            ends = [draw(st.integers(0, kernel - 1)) for _ in range(2)]
            model("ZeroPadding1D", padding=ends)
            length += sum(ends)
        padding = "valid" if bordered else draw(st.sampled_from(["same", "valid", "causal"]))
        kind = draw(st.sampled_from(["QuantConv1D", "DepthwiseConv1D", "QuantSeparableConv1D"])) if place else ""
        options = {"strides": [stride], "padding": padding, "use_bias": True}
        if place:
            options["input_quantizer"] = draw(st.sampled_from(["ste_sign", "ste_tern"]))
        if padding == "same" and kind != "DepthwiseConv1D":
            options["pad_values"] = float(draw(st.integers(-1, 1)))
        channels = layer(model, kind or "QuantConv1D", channels, kernel, options)
        length = -(-length // stride) if padding != "valid" else (length - kernel) // stride + 1
        pool = draw(st.sampled_from(["", "MaxPooling1D", "AveragePooling1D"]))
        if pool and length > 1:
            how = draw(st.sampled_from(["same", "valid"])) if pool == "MaxPooling1D" else "valid"
            model(pool, pool_size=[2], strides=draw(st.sampled_from([None, [1]])), padding=how)
            step = 1 if model.layers[-1][2]["strides"] else 2
            length = -(-length // step) if how == "same" else (length - 2) // step + 1
        model.norm(channels, 10)
    end = draw(st.sampled_from(["", "GlobalAveragePooling1D", "GlobalMaxPooling1D"]))
    if end:
        model(end, keepdims=draw(st.booleans()))
        model.norm(channels)
        length = 1
    model.head(length * channels)
    model.reference(pixels(model.shape), calibrate=True)
    net = agree(model, tmp_path / draw(st.sampled_from(["m.h5", "m.keras"])), varied=False)
    assert net.input.shape == (L, C)
    assert all(one.kernel[0] == 1 for one in net.layers if isinstance(one, Conv))


def layer(model: Model, kind: str, channels: int, kernel: int, options: dict) -> int:
    """Add a convolution; how many channels it hands on."""
    signs = "ste_sign"
    if kind == "QuantConv1D":
        model(
            kind, weights={"kernel": model.latent(kernel, channels, 4), "bias": model.latent(4)},
            kernel_quantizer=signs, **options,
        )  # fmt: skip
        return 4
    depthwise = model.latent(kernel, channels, 1)
    if kind == "DepthwiseConv1D":
        # A layer of Keras has no quantiser of its own: its weights are signs, and its input comes from another layer.
        model("QuantActivation", quantizer=options.pop("input_quantizer"))
        whole = (depthwise > 0) * 2.0 - 1
        weights = {"depthwise_kernel": whole.astype("float32"), "bias": model.latent(channels)}
        model(kind, weights=weights, **options)
        return channels
    weights = {
        "depthwise_kernel": depthwise,
        "pointwise_kernel": model.latent(1, channels, 3),
        "bias": model.latent(3),
    }
    model(kind, weights=weights, depthwise_quantizer=signs, pointwise_quantizer=signs, **options)
    return 3


def test_shortcuts_of_one_dimension(tmp_path):
    model = Model((L, C), seed=2)
    layer(model, "QuantConv1D", C, 3, {"padding": "causal"})
    start = model.norm(4)
    layer(model, "QuantConv1D", 4, 3, {"padding": "causal", "input_quantizer": "ste_sign"})
    model("Add", start, model.layers[-1][1])
    model.norm(4)
    model.head(L * 4)
    agree(model, tmp_path / "m.keras", "keras3", exactly=False)


def test_a_cut_signal(tmp_path):
    model = Model((L, C), seed=8)
    model("Cropping1D", cropping=[2, 1])
    layer(model, "QuantConv1D", C, 3, {"padding": "valid"})
    model.norm(4, 10)
    model.head((L - 5) * 4)
    net = agree(model, tmp_path / "m.h5")
    assert net.input.size == (L - 3) * C


def test_elements_that_are_repeated(tmp_path):
    model = Model((L, C), seed=6)
    layer(model, "QuantConv1D", C, 3, {"padding": "same"})
    model.norm(4, 10)
    model("SteSign")
    model("UpSampling1D", size=3)
    layer(model, "QuantConv1D", 4, 3, {"padding": "valid"})
    model.norm(4)
    model.head((3 * L - 2) * 4)
    net = agree(model, tmp_path / "m.h5", varied=False)
    assert net.layers[1].factors == (1, 3)


def first(model: Model) -> None:
    layer(model, "QuantConv1D", C, 3, {"padding": "valid"})
    model.norm(4)


def second(**options):
    def build(model: Model) -> None:
        first(model)
        weights = {"kernel": model.latent(3, 4, 2)}
        config = {"kernel_quantizer": "ste_sign", "input_quantizer": "ste_sign", "use_bias": False, **options}
        model("QuantConv1D", name="it", weights=weights, **config)
        model.head(2)

    return build


def after_first(kind: str, **options):
    def build(model: Model) -> None:
        first(model)
        model(kind, name="it", **options)

    return build


REFUSED = {
    "Layer QuantConv1D 'it' cannot be folded: its strides must be one whole number of 1 or more, not '[1, 2]'.": (
        second(strides=[1, 2])
    ),
    "Layer QuantConv1D 'it' cannot be folded: its pad_values must be 0 with the padding 'causal'.": second(
        padding="causal", pad_values=1.0
    ),
    "Layer QuantConv1D 'it' cannot be folded: its kernel must have three axes, not the shape (1, 3, 4, 2).": (
        lambda model: (
            first(model),
            model("QuantConv1D", name="it", use_bias=False, weights={"kernel": model.latent(1, 3, 4, 2)}),
        )
    ),
    "Layer MaxPooling1D 'it' cannot be folded: its window [1, 30] must fit into the map of [1, 11].": after_first(
        "MaxPooling1D", pool_size=[30]
    ),
    "Layer MaxPooling1D 'it' cannot be folded: its padding must be 'same' or 'valid', not 'causal'.": after_first(
        "MaxPooling1D", pool_size=[2], padding="causal"
    ),
    "Layer ZeroPadding1D 'it' cannot be folded: its padding must be whole numbers of 0 or more for the two ends, not "
    "'[1, 2, 3]'.": after_first("ZeroPadding1D", padding=[1, 2, 3]),
    "Layer MaxPooling2D 'it' cannot be folded: it must take maps of rows, columns and channels, not frames of shape "
    "(11, 4).": after_first("MaxPooling2D", pool_size=[2, 2]),
    "Layer UpSampling1D 'it' cannot be folded: its size must be one whole number of 1 or more, not '[2, 2]'.": (
        after_first("UpSampling1D", size=[2, 2])
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_models_of_one_dimension_that_are_refused(tmp_path, in_process, text):
    model = Model((L, C))
    REFUSED[text](model)
    with says(text):
        load_model(model.save(tmp_path / "m.h5"), input_scale="1")


def test_what_works_over_a_row_wants_one(tmp_path, in_process):
    model = Model((6, 6, 2))
    layer(model, "QuantConv1D", C, 3, {"padding": "valid"})
    with says(
        "Layer QuantConv1D 'quantconv1d_1' cannot be folded: it must take maps of a length and of channels, not frames "
        "of shape (6, 6, 2)."
    ):
        load_model(model.save(tmp_path / "m.h5"), input_scale="1")
