"""Import of Keras and Larq files: real ones, and ones made here against a small reimplementation in float64."""

from __future__ import annotations

import io
import json
import re
import zipfile
from copy import deepcopy
from pathlib import Path

import h5py
import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.compare.agreement import Member
from bitweir.importers.compare.comparison import compare_drawn
from bitweir.importers.folding.provenance import Taps
from bitweir.importers.keras import files as keras_files
from bitweir.importers.keras import reader as keras_reader
from bitweir.results import numbers
from bitweir_hw.errors import BitweirError
from bitweir_hw.network import BIPOLAR, Affine, Network, Parallel, Stored
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from bitweir_sim.values.golden import trace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.kerasmodels import KerasModel
from support.shared_data import DATA, mnist, needs_shared

H, W, C = 7, 6, 2
DRAWN = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


# ---- real files


@needs_shared
@pytest.mark.parametrize("form", ["h5", "quantized_scope.h5", "keras"])
@pytest.mark.parametrize("name", ["l1_larq_mlp", "l2_larq_cnn_same_pad0"])
def test_larq_networks_for_digits(name, form):
    net = load_model(DATA / "digits" / f"{name}.{form}", input_scale="int8")
    with np.load(DATA / "digits" / f"{name}.npz") as data:
        codes = encode(net.input, data["x_f32"])
        result, outputs = run(net, codes), trace(net, codes)
        assert len(codes) == 360 and (result.classes == data["ref_argmax"]).all()
        assert (outputs[net.layers[-2].name].reshape(360, 10) == data["ref_acc_int"]).all()
    assert isinstance(net.layers[-1], Affine)
    (note,) = (note for note in net.notes if "left out" in note)
    assert re.fullmatch(r"Activation 'activation(_1)?' at the end is left out: it does not change the class\.", note)


@needs_shared
def test_larq_network_for_mnist():
    """Zeros around maps of -1 and +1, and pools before the signs."""
    net = load_model(DATA / "models" / "larq_tiny_conv_mnist.h5", input_scale="1")
    images, labels = mnist()
    codes = encode(net.input, (images > 127).astype(np.float32).reshape(-1, 28, 28, 1))
    result, last = run(net, codes), net.layers[-1]
    with np.load(DATA / "golden" / "larq_tiny_conv_mnist.npz") as golden:
        assert (result.classes == golden["pred"]).all()
        assert (result.scores == last.scale * golden["acc"].astype(np.int64) + last.offset).all()
    assert (last.scale > 0).all() and len(codes) == 10_000
    assert (result.classes == labels).mean() == pytest.approx(0.8284)
    assert [layer.name for layer in net.layers] == ["conv0", "pool0", "conv1", "pool1", "dense0", "scores"]


# ---- files made here


class Model(KerasModel):
    """A model that can also be computed."""

    def __init__(self, shape=(H, W, C), seed: int = 0) -> None:
        super().__init__(shape, seed)

    # -- what it computes, in float64

    def reference(self, x: np.ndarray, *, calibrate: bool = False) -> np.ndarray:
        values = {self.layers[0][1]: x.astype(np.float64)}
        for kind, name, config, weights, inputs in self.layers[1:]:
            taken = [values[source] for source in inputs]
            if calibrate and kind == "BatchNormalization":
                flat = taken[0].reshape(-1, taken[0].shape[-1])
                centre = flat.mean(axis=0) + flat.std(axis=0) * self.rng.normal(scale=0.5, size=flat.shape[1])
                weights["moving_mean"] = centre.astype(np.float32)
                weights["moving_variance"] = (flat.var(axis=0) + 1e-3).astype(np.float32)
            weights = {key: array.astype(np.float64) for key, array in weights.items()}
            values[name] = LAYERS[kind](config, weights, *taken)
        return values[self.layers[-1][1]]


def named(spec) -> tuple[str, dict]:
    if isinstance(spec, dict):
        return spec["class_name"], spec["config"]
    return spec, {}


def quantiser(x: np.ndarray, spec, *, kernel: bool) -> np.ndarray:
    if spec is None:
        return x
    name, config = named(spec)
    sign = np.where(x >= 0, 1.0, -1.0)
    if name in ("ste_sign", "SteSign", "approx_sign", "ApproxSign", "swish_sign", "SwishSign"):
        return sign
    if name in ("ste_heaviside", "SteHeaviside"):
        return (x > 0) * 1.0
    if name in ("magnitude_aware_sign", "MagnitudeAwareSign"):
        assert kernel
        return sign * np.abs(x).mean(axis=tuple(range(x.ndim - 1)), keepdims=True)
    if name in ("ste_tern", "SteTern"):
        t = config.get("threshold_value", 0.05)
        t = 0.7 * np.abs(x).mean() if config.get("ternary_weight_networks") else float(np.float32(t))
        return np.sign(np.sign(x + t) + np.sign(x - t))
    n = 2 ** config.get("k_bit", 2) - 1
    if config.get("mode") == "weights":
        limited = np.tanh(x)
        return 2 * np.round((limited / (2 * np.abs(limited).max()) + 0.5) * n) / n - 1
    return np.round(np.clip(x, 0, 1) * n) / n


def activation(x: np.ndarray, spec) -> np.ndarray:
    name = spec["config"] if isinstance(spec, dict) else spec
    return np.clip(x, *{"relu": (0, None), "hard_tanh": (-1, 1)}.get(name, (-np.inf, np.inf)))


def spread(config: dict, x: np.ndarray, kernel, value: float, strides) -> np.ndarray:
    """With TensorFlow's border, as windows: (N, rows, columns, kh, kw, C)."""
    if config.get("padding", "valid") == "same":
        pads = [(0, 0)]
        for size, k, s in zip(x.shape[1:3], kernel, strides, strict=True):
            out = (size + s - 1) // s
            total = max((out - 1) * s + k - size, 0)
            pads.append((total // 2, total - total // 2))
        x = np.pad(x, [*pads, (0, 0)], constant_values=value)
    found = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    return found[:, :: strides[0], :: strides[1]].transpose(0, 1, 2, 4, 5, 3)


def correlate(config: dict, x: np.ndarray, kernel: np.ndarray, depthwise: bool) -> np.ndarray:
    strides = config.get("strides", [1, 1])
    seen = spread(config, x, kernel.shape[:2], config.get("pad_values", 0.0), strides)
    if depthwise:
        y = np.einsum("nrcklj,kljm->nrcjm", seen, kernel)
        return y.reshape(*y.shape[:3], -1)
    groups = config.get("groups", 1)
    parts = zip(np.split(seen, groups, axis=-1), np.split(kernel, groups, axis=-1), strict=True)
    return np.concatenate([np.einsum("nrcklj,kljm->nrcm", part, own) for part, own in parts], axis=-1)


def linear(kind: str):
    def layer(config, weights, x):
        x = quantiser(x, config.get("input_quantizer"), kernel=False)
        if kind == "dense":
            y = x @ quantiser(weights["kernel"], config.get("kernel_quantizer"), kernel=True)
        elif kind == "conv":
            y = correlate(config, x, quantiser(weights["kernel"], config.get("kernel_quantizer"), kernel=True), False)
        else:
            own = quantiser(weights["depthwise_kernel"], config.get("depthwise_quantizer"), kernel=True)
            y = correlate(config, x, own, True)
        if kind == "separable":
            y = y @ quantiser(weights["pointwise_kernel"], config.get("pointwise_quantizer"), kernel=True)[0, 0]
        return activation(y + weights.get("bias", 0), config.get("activation"))

    return layer


def pool(reduce):
    def layer(config, weights, x):
        size = config["pool_size"]
        strides = config.get("strides") or size
        if config.get("padding") == "same":
            assert reduce is np.max
        return reduce(spread(config, x, size, -np.inf, strides), axis=(3, 4))

    return layer


def norm(config, weights, x):
    root = np.sqrt(weights["moving_variance"] + float(np.float32(config["epsilon"])))
    return weights.get("gamma", 1) * (x - weights["moving_mean"]) / root + weights.get("beta", 0)


def zeros(config, weights, x):
    return np.pad(x, [(0, 0), *config["padding"], (0, 0)])


def own_quantiser(name):
    return lambda config, weights, x: quantiser(x, {"class_name": name, "config": config}, kernel=False)


def same(config, weights, x):
    return x


LAYERS = {
    "Activation": lambda config, weights, x: (
        activation(x, config["activation"])
        if config["activation"] in ("linear", "relu", "softmax", "hard_tanh")
        else quantiser(x, config["activation"], kernel=False)
    ),
    "Add": lambda config, weights, *values: sum(values),
    "AveragePooling2D": pool(np.mean),
    "BatchNormalization": norm,
    "Conv2D": linear("conv"),
    "Dense": linear("dense"),
    "DepthwiseConv2D": linear("depthwise"),
    "Dropout": same,
    "Flatten": lambda config, weights, x: x.reshape(len(x), -1),
    "GlobalAveragePooling2D": lambda config, weights, x: x.mean(axis=(1, 2), keepdims=config.get("keepdims", False)),
    "GlobalMaxPooling2D": lambda config, weights, x: x.max(axis=(1, 2), keepdims=config.get("keepdims", False)),
    "LeakyReLU": lambda config, weights, x: np.where(x > 0, x, float(np.float32(config["alpha"])) * x),
    "MaxPooling2D": pool(np.max),
    "QuantActivation": lambda config, weights, x: quantiser(x, config["quantizer"], kernel=False),
    "QuantConv2D": linear("conv"),
    "QuantDense": linear("dense"),
    "QuantDepthwiseConv2D": linear("depthwise"),
    "QuantSeparableConv2D": linear("separable"),
    "ReLU": lambda config, weights, x: np.clip(x, 0, config.get("max_value")),
    "Rescaling": lambda config, weights, x: x * float(np.float32(config["scale"])) + config.get("offset", 0),
    "Reshape": lambda config, weights, x: x.reshape(len(x), *config["target_shape"]),
    "Softmax": same,
    "SteSign": own_quantiser("SteSign"),
    "ZeroPadding2D": zeros,
}


@pytest.fixture
def in_process(monkeypatch):
    """Without a process for each file, which takes longer than the import of a small network."""

    def read(path: Path, size: int, weights: bytes | None = None):
        out = io.BytesIO()
        keras_reader.dump(str(path) if weights is None else io.BytesIO(weights), 1 << 24, out)
        return keras_files._contents(out.getvalue())

    monkeypatch.setattr(keras_files, "_hdf5", read)


def pixels(shape, frames: int = 30, top: int = 16) -> np.ndarray:
    rng = np.random.default_rng(1)
    bright = rng.integers(0, top, (frames, *(1 for _ in shape)))
    return np.clip(bright + rng.integers(-top // 2, top // 2, (frames, *shape)), 0, top).astype(np.uint8)


def agree(model: Model, path: Path, style="sequential", *, exactly=True, scale="1", varied=True, top=16) -> Network:
    """Import a model and compare: scores that are the same integers, or at least in the same order.

    The independent executor of the package must find the same as well.
    """
    taps = Taps()
    net = load_model(model.save(path, style), input_scale=scale, taps=taps)
    found = compare_drawn(net, [Member(path=path, network=net, taps=taps, last=net.layers[-1].name)])
    assert found is not None and found.agreements[0].ran and found.agreements[0].layers
    x = pixels(model.shape, top=top)
    scores, expected = run(net, encode(net.input, x)).scores, model.reference(x)
    if exactly:
        assert abs(scores - expected).max() < 1e-6
    else:
        gaps = expected[:, :, None] - expected[:, None]
        assert (scores[:, :, None] > scores[:, None])[gaps > 1e-9 * (1 + abs(expected).max())].all()
    assert not varied or len(np.unique(scores, axis=0)) > 2
    return net


def kinds(net: Network) -> str:
    return " ".join(layer.name for layer, _, _ in net.placed())


FORMS = [
    ("m.h5", "sequential"),
    ("m.keras", "sequential"),
    ("m.h5", "keras2"),
    ("m.keras", "keras3"),
    ("m.hdf5", "keras3"),
]


@pytest.mark.parametrize(("file", "style"), FORMS)
def test_forms_of_files(tmp_path, file, style):
    model = Model()
    model.conv(C, 4, 3, 3, padding="same")
    model.norm(4, 20)
    model("MaxPooling2D", pool_size=[2, 2], strides=None)
    model.conv(4, 6, 3, 2, input_quantizer="ste_sign", use_bias=True)
    model.norm(6, scale=False)
    model("Dropout", rate=0.5)
    model.head(6 * 1 * 2)
    net = agree(model, tmp_path / file, style)
    assert kinds(net) == "conv0 pool0 conv1 dense0" and net.name == "m"
    assert net.input.map_shape == (H, W, C) and net.layers[0].output == BIPOLAR


def larq(name: str, **config) -> dict:
    return {"module": "larq.quantizers", "class_name": name, "config": config, "registered_name": name}


INPUTS = {
    "ste_sign": BIPOLAR.bits,
    "approx_sign": 1,
    "swish_sign": 1,
    "ste_heaviside": 1,
    "ste_tern": 2,
    "dorefa_quantizer": 2,
}
INPUT_SPECS = [
    *INPUTS,
    larq("SteSign", clip_value=1.0),
    larq("ApproxSign"),
    larq("SwishSign", beta=5.0),
    larq("SteHeaviside"),
    larq("SteTern", threshold_value=0.7, ternary_weight_networks=False),
    larq("SteTern", threshold_value=0.0),
    larq("DoReFa", k_bit=1, mode="activations"),
    larq("DoReFa", k_bit=3, mode="activations"),
]
KERNEL_SPECS = [
    "ste_sign",
    "approx_sign",
    "swish_sign",
    "magnitude_aware_sign",
    "ste_tern",
    "dorefa_quantizer",
    "ste_heaviside",
    larq("MagnitudeAwareSign"),
    larq("SteTern", threshold_value=0.3),
    larq("SteTern", ternary_weight_networks=True),
    larq("DoReFa", k_bit=3, mode="activations"),
    larq("DoReFa", k_bit=1, mode="weights"),
    larq("DoReFa", k_bit=4, mode="weights"),
]


def title(spec) -> str:
    return spec if isinstance(spec, str) else "-".join(map(str, (spec["class_name"], *spec["config"].values())))


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("spec", INPUT_SPECS, ids=title)
def test_quantisers_of_inputs(tmp_path, spec):
    """Zeros around the map are zeros whatever the quantiser; integers of batch norms meet ties exactly."""
    model = Model(seed=1)
    model.conv(C, 4, 3, 3)
    whole = np.float32([8, 24, -8, 2])
    norm_weights = {
        "beta": np.float32([0, 1, 0, 0.5]),
        "moving_mean": whole,
        "moving_variance": np.full(4, 16, np.float32),
    }
    model("BatchNormalization", weights=norm_weights, axis=3, epsilon=0.0, scale=False, center=True)
    model.conv(4, 6, 3, 3, padding="same", input_quantizer=spec)
    model.norm(6)
    model.head(5 * 4 * 6)
    net = agree(model, tmp_path / "m.h5")
    if isinstance(spec, str):
        assert net.layers[0].output.bits == INPUTS[spec]


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("spec", KERNEL_SPECS, ids=title)
def test_quantisers_of_kernels(tmp_path, spec):
    model = Model(seed=2)
    model.conv(C, 4, 3, 3, kernel_quantizer=spec, use_bias=True)
    model.norm(4, 10)
    model.conv(4, 6, 3, 3, padding="same", strides=[2, 2], input_quantizer="ste_sign", kernel_quantizer=spec)
    model.norm(6)
    model.head(3 * 2 * 6, kernel_quantizer=spec)
    model.reference(pixels(model.shape), calibrate=True)
    agree(model, tmp_path / "m.keras", exactly=False)


def test_kernels_saved_in_the_quantized_scope(tmp_path):
    def made(scope: bool) -> Model:
        model = Model(seed=3)
        model.conv(C, 4, 3, 3, kernel_quantizer="magnitude_aware_sign")
        model.norm(4, 20)
        model.head(5 * 4 * 4)
        if scope:
            for _, _, config, weights, _ in model.layers:
                if "kernel" in weights:
                    own = quantiser(weights["kernel"], config["kernel_quantizer"], kernel=True)
                    weights["kernel"] = own.astype(np.float32)
        return model

    nets = [agree(made(scope), tmp_path / f"{scope}.h5") for scope in (False, True)]
    for one, other in zip(nets[0].layers, nets[1].layers, strict=True):
        assert (one.weights == other.weights).all()
    assert (nets[0].layers[0].thresholds == nets[1].layers[0].thresholds).all()


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("kind", ["QuantDepthwiseConv2D", "QuantSeparableConv2D"])
def test_depthwise_and_separable(tmp_path, kind, value):
    """Sums of the depthwise part go into the pointwise part unquantised; filters of a channel stay together."""
    model = Model(seed=4)
    model.conv(C, 3, 2, 2)
    model.norm(3, 20)
    weights = {"depthwise_kernel": model.latent(3, 3, 3, 2)}
    quantisers = {"input_quantizer": "ste_sign", "depthwise_quantizer": "ste_sign", "pointwise_quantizer": "ste_sign"}
    outputs = 6
    if kind == "QuantSeparableConv2D":
        weights["pointwise_kernel"], outputs = model.latent(1, 1, 6, 5), 5
    weights["bias"] = model.latent(outputs)
    options = {"padding": "same", "strides": [2, 2], "pad_values": value, "depth_multiplier": 2, "use_bias": True}
    model(kind, weights=weights, **quantisers, **options)
    model.norm(outputs)
    model.head(3 * 3 * outputs)
    net = agree(model, tmp_path / "m.keras")
    assert net.layers[1].groups == 3 and net.layers[1].pad_value == value
    assert kinds(net).split()[1:-1] == (["conv1"] if kind == "QuantDepthwiseConv2D" else ["conv1", "conv2"])


def test_plain_layers_whose_weights_are_whole(tmp_path):
    model = Model(seed=5)
    levels = (model.rng.integers(-3, 4, (3, 3, C // 2, 4)) * 0.125).astype(np.float32)
    model("Conv2D", weights={"kernel": levels}, use_bias=False, groups=2, strides=[1, 1], padding="valid")
    model.norm(4, 4)
    model("SteSign", clip_value=1.0)
    signs = np.where(model.latent(3, 3, 4, 1) > 0, 0.5, -0.5).astype(np.float32)
    model("DepthwiseConv2D", weights={"depthwise_kernel": signs, "bias": model.latent(4)}, use_bias=True)
    model("QuantActivation", quantizer="ste_sign")
    model("Flatten")
    signs = np.where(model.latent(3 * 2 * 4, 5) > 0, 1, -1).astype(np.float32)
    model("Dense", weights={"kernel": signs}, use_bias=False, activation="softmax")
    net = agree(model, tmp_path / "m.h5")
    assert net.layers[0].groups == 2 and net.layers[0].weights.dtype == np.int64


def test_a_border_before_an_input_quantiser_is_quantised(tmp_path):
    """ZeroPadding2D stands before the quantiser of the next layer, so that its zeros become +1."""
    model = Model(seed=6)
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model("ZeroPadding2D", padding=[[1, 0], [0, 1]])
    model.conv(4, 5, 3, 3, input_quantizer="ste_sign")
    model.norm(5)
    model("ZeroPadding2D", padding=[[1, 1], [1, 1]])
    model.conv(5, 6, 3, 3, input_quantizer="ste_heaviside", strides=[2, 2])
    model.norm(6)
    model.head(2 * 2 * 6)
    net = agree(model, tmp_path / "m.h5")
    assert [layer.pad_value for layer in net.layers[:3]] == [0, 1, -1]  # 0 is the lower of the codes {0, 1}
    assert net.layers[1].pads == (1, 0, 0, 1)


def test_pools(tmp_path):
    model = Model((9, 8, 2), seed=7)
    model.conv(C, 6, 2, 2)
    model("MaxPooling2D", pool_size=[2, 3], strides=[2, 1], padding="same")
    model.norm(6, 20)  # falling where gamma is negative
    model.conv(6, 8, 2, 2, input_quantizer="ste_sign")
    model("AveragePooling2D", pool_size=[2, 2], strides=[1, 2])
    model.norm(8)
    model.conv(8, 8, 1, 1, input_quantizer="ste_sign")
    model("GlobalMaxPooling2D", keepdims=True)
    model.norm(8)
    model.conv(8, 9, 1, 1, input_quantizer="ste_sign")
    model("GlobalAveragePooling2D")
    model.norm(9)
    model.head(9)
    model.reference(pixels(model.shape), calibrate=True)
    assert kinds(agree(model, tmp_path / "m.h5")).count("pool") == 4


def test_activations_and_rescaling(tmp_path):
    """Clips before quantisers fold; a model that scales pixels by itself needs no input scale."""
    model = Model(seed=8)
    model("Rescaling", scale=1 / 255, offset=0.0)
    model.conv(C, 4, 3, 3, activation="relu")
    model.norm(4, 0.1)
    model("ReLU", max_value=6.0, negative_slope=0.0, threshold=0.0)
    model.conv(
        4,
        5,
        2,
        2,
        input_quantizer=larq("DoReFa", k_bit=2),
        activation={"class_name": "function", "config": "hard_tanh"},
    )
    model("LeakyReLU", alpha=0.3)
    model.norm(5, 0.2)
    model("Activation", activation="ste_sign")
    model.conv(5, 4, 2, 2)
    model("Activation", activation="linear")
    model.norm(4)
    model.head(3 * 2 * 4)
    model("Softmax", axis=-1)
    model.reference(pixels(model.shape, top=255), calibrate=True)
    net = agree(model, tmp_path / "m.h5", scale=None, top=255)
    assert net.input.stored == Stored()


def test_reshape_of_a_flat_input(tmp_path):
    model = Model((H * W * C,), seed=9)
    model("Reshape", target_shape=[H, W, C])
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model.head(5 * 4 * 4)
    assert agree(model, tmp_path / "m.h5").input.shape == (H * W * C,)
    model.layers[1][2]["target_shape"] = [H, -1, C]
    assert load_model(model.save(tmp_path / "n.h5"), input_scale="1").input.map_shape == (H, W, C)


@pytest.mark.parametrize("style", ["keras2", "keras3"])
def test_shortcuts(tmp_path, style):
    """Sums of maps become parallel branches; dense ones too. A layer that nobody reads is left out."""
    model = Model(seed=10)
    model.conv(C, 4, 3, 3, padding="same")
    x = model("SteSign")
    model.conv(4, 4, 3, 3, padding="same", input_quantizer="ste_sign")
    y = model.norm(4)
    model("Add", y, x)
    model("AveragePooling2D", pool_size=[7, 6])
    model.norm(4, 0.3)
    model("Flatten")
    a = model("SteSign")
    b = model("QuantDense", a, weights={"kernel": model.latent(4, 4)}, kernel_quantizer="ste_sign", use_bias=False)
    model("Add", a, b, a)
    x = model.head(4)
    unused = Model()
    unused.layers = [layer for layer in model.layers if layer[1] != x]
    unused.conv(C, 1, 1, 1, before="inputlayer_0", name="unused")
    unused.layers.append(model.layers[-1])
    for path, one in (("m.keras", model), ("n.h5", unused)):
        net = agree(one, tmp_path / path, style, varied=False)
        assert sum(isinstance(layer, Parallel) for layer in net.layers) == 2


def test_a_layer_that_is_called_twice(tmp_path):
    model = Model(seed=11)
    model.conv(C, 3, 3, 3)
    model("SteSign")
    twice = model.conv(3, 3, 3, 3, padding="same", input_quantizer="ste_sign")
    model.head(5 * 4 * 3)
    config = model.config("keras2")
    nodes = {entry["name"]: entry["inbound_nodes"] for entry in config["config"]["layers"]}
    nodes[twice].append([[twice, 0, 0, {}]])
    nodes[model.layers[-2][1]][0][0][1] = 1
    net = load_model(model.save(tmp_path / "m.h5", config=config), input_scale="1")
    model.layers.insert(4, (*model.layers[3][:1], "copy", *model.layers[3][2:4], [twice]))
    model.layers[5][4][0] = "copy"
    x = pixels(model.shape)
    assert (run(net, encode(net.input, x)).scores == model.reference(x)).all()


@settings(DRAWN, max_examples=100)
@given(data=st.data())
def test_drawn_convolutions(tmp_path, in_process, data):
    """Any window, padding and quantiser of two convolutions."""
    draw = data.draw
    model = Model((draw(st.integers(4, 9)), draw(st.integers(4, 9)), draw(st.integers(1, 3))), draw(st.integers(0, 99)))
    rows, columns, channels = model.shape
    for place in range(2):
        kernel = [draw(st.integers(1, min(3, size))) for size in (rows, columns)]
        strides, padding = [draw(st.integers(1, 2)) for _ in range(2)], draw(st.sampled_from(["same", "valid"]))
        filters, depthwise = draw(st.integers(1, 4)), place == 1 and draw(st.booleans())
        options = {"strides": strides, "padding": padding, "pad_values": float(draw(st.integers(-1, 1)))}
        if place:
            options["input_quantizer"] = draw(st.sampled_from(INPUT_SPECS[:-2]))
            if named(options["input_quantizer"])[0] == "dorefa_quantizer":
                options["pad_values"] = 0.0
        kernel_quantizer = draw(st.sampled_from(KERNEL_SPECS[:3] + KERNEL_SPECS[4:5]))
        if depthwise:
            weights = {"depthwise_kernel": model.latent(*kernel, channels, filters)}
            options |= {"depthwise_quantizer": kernel_quantizer, "use_bias": False}
            model("QuantDepthwiseConv2D", weights=weights, **options)
            filters *= channels
        else:
            model.conv(channels, filters, *kernel, kernel_quantizer=kernel_quantizer, **options)
        sizes = zip((rows, columns), kernel, strides, strict=True)
        rows, columns = (-(-n // s) if padding == "same" else (n - k) // s + 1 for n, k, s in sizes)
        channels = filters
        model.norm(channels, 10, scale=draw(st.booleans()), center=draw(st.booleans()))
    model.head(rows * columns * channels)
    model.reference(pixels(model.shape), calibrate=True)
    agree(model, tmp_path / draw(st.sampled_from(["m.h5", "m.keras"])), varied=False)


# ---- what is refused


def first(model: Model, **config) -> None:
    model.conv(C, 4, 3, 3, name="first", **config)
    model.norm(4)


def after_first(kind: str, **config):
    def build(model: Model) -> None:
        first(model)
        model(kind, name="it", **config)
        model.head(5 * 4 * 4)

    return build


def a_convolution(**config):
    def build(model: Model) -> None:
        first(model)
        model.conv(4, 2, 3, 3, name="it", **{"input_quantizer": "ste_sign", **config})
        model.head(3 * 2 * 2)

    return build


def a_dense_layer(kernel, **config):
    def build(model: Model) -> None:
        first(model)
        model.head(5 * 4 * 4)
        weights = {"kernel": np.asarray(kernel, np.float32)}
        model("Dense", name="it", weights=weights, **{"use_bias": False, "input_quantizer": "ste_sign", **config})

    return build


def two_borders(model: Model) -> None:
    first(model)
    model("SteSign")
    model("ZeroPadding2D", padding=[[1, 1], [1, 1]])
    model.conv(4, 2, 3, 3, padding="same", pad_values=1.0, name="it")
    model.head(7 * 6 * 2)


REFUSED = {
    "Layer QuantConv2D 'first' must have the data_format 'channels_last', not 'channels_first': build the model with "
    "channels last and load its weights there.": lambda model: first(model, data_format="channels_first"),
    "Layer QuantConv2D 'first' must compute in float32, not 'mixed_float16': save the model as float32.": (
        lambda model: first(model, dtype={"class_name": "Policy", "config": {"name": "mixed_float16"}})
    ),
    "Layer Lambda 'it' holds Python code, which is never run: replace it by layers.": after_first("Lambda"),
    "Layer Concatenate 'it' joins branches, which is not supported: give each branch a convolution of its own and use "
    "Add, "
    "since conv(concat(a, b)) = conv_a(a) + conv_b(b).": after_first("Concatenate"),
    "Layer Conv2DTranspose 'it' is a transposed convolution, which is not supported: use convolutions that keep the "
    "size of "
    "the map.": after_first(
        "Conv2DTranspose"
    ),
    "Layer Sequential 'it' must not be a model itself: call its layers in the outer model.": after_first("Sequential"),
    "Layer Activation 'it' cannot be folded: its activation 'swish' is not supported: use relu, hard_tanh or a "
    "quantiser of Larq, or softmax at the end.": after_first("Activation", activation="swish"),
    "Layer LeakyReLU 'it' cannot be folded: its slope must be 0 or more, not -0.5: only functions that rise fold into "
    "thresholds.": after_first("LeakyReLU", alpha=-0.5),
    "Layer ReLU 'it' cannot be folded: its threshold must be 0.": after_first("ReLU", threshold=1.0),
    "Layer Reshape 'it' cannot be folded: its target_shape [7, -1] must have as many elements as the frame of shape "
    "(5, 4, 4).": after_first("Reshape", target_shape=[7, -1]),
    "Layer AveragePooling2D 'it' must average without padding, because windows at the edge would hold fewer values, "
    "and its pads are [0, 0, 1, 0]: use windows that lie inside the map.": after_first(
        "AveragePooling2D", pool_size=[2, 2], padding="same"
    ),
    "Layer MaxPooling2D 'it' cannot be folded: its window [9, 9] must fit into the map of [5, 4].": after_first(
        "MaxPooling2D", pool_size=[9, 9]
    ),
    "Layer MaxPooling2D 'it' cannot be folded: its pool_size must be two whole numbers of 1 or more, not '[0, 2]'.": (
        after_first("MaxPooling2D", pool_size=[0, 2])
    ),
    "Layer BatchNormalization 'it' cannot be folded: its axis must be that of the channels, the last, not '1'.": (
        after_first("BatchNormalization", axis=[1])
    ),
    "Layer BatchNormalization 'it' needs a weight 'gamma', which the file does not hold: its configuration and its "
    "weights are of different models.": after_first("BatchNormalization"),
    "Layer Add 'it' cannot be folded: it must add two values or more, not 1.": after_first("Add"),
    "Layer Rescaling 'it' cannot be folded: its scale must be a finite number, not 'None'.": after_first("Rescaling"),
    "Layer Softmax 'it' cannot be folded: its softmax must take one vector of scores, not frames of shape (5, 4, 4).": (
        after_first("Softmax")
    ),
    "Layer QuantConv2D 'it' must take quantised activations, but the sums of conv0 arrive unquantised: put a "
    "quantiser of 1 to 8 bits between the two layers, such as a sign.": a_convolution(input_quantizer=None),
    "Layer QuantConv2D 'it' cannot be folded: its input_quantizer magnitude_aware_sign takes a scale from all values "
    "of a batch, which hardware never has: use it for kernels only, and ste_sign for inputs.": a_convolution(
        input_quantizer="magnitude_aware_sign"
    ),
    "Layer QuantConv2D 'it' cannot be folded: its quantiser 'mine' is none of Larq's: use ste_sign, ste_tern or "
    "dorefa_quantizer.": a_convolution(kernel_quantizer="mine"),
    "Layer QuantConv2D 'it' cannot be folded: its quantiser 'DoReFa' must have a k_bit of 1 to 8 for activations or "
    "weights, not '9' for 'activations'.": a_convolution(input_quantizer=larq("DoReFa", k_bit=9)),
    "Layer QuantConv2D 'it' cannot be folded: its dilation_rate must be 1: dilated windows are not supported.": (
        a_convolution(dilation_rate=[2, 2])
    ),
    "Layer QuantConv2D 'it' cannot be folded: its padding must be 'same' or 'valid', not 'causal'.": a_convolution(
        padding="causal"
    ),
    "Layer QuantConv2D 'it' must divide 4 channels into 3 groups": a_convolution(groups=3),
    "Layer QuantConv2D 'it' cannot be folded: it must not pad with 1 a map that has a border of 0.": two_borders,
    "Layer Dense 'it' must have quantised weights, but it holds floating point numbers of 2 sizes and has no "
    "kernel_quantizer: use the layer of Larq with one, or make the weights whole multiples of one scale.": (
        a_dense_layer([[1], [2**0.5], [1], [1], [1]])
    ),
    "Layer Dense 'it' must have finite numbers as weights": a_dense_layer([[np.nan]] * 5),
    "Layer Dense 'it' cannot be folded: its weights must be finite": a_dense_layer(
        [[np.inf]] * 5, kernel_quantizer="ste_sign"
    ),
    "Layer Dense 'it' must multiply frames of shape (3,), not (5,)": a_dense_layer([[1.0]] * 3),
    "After the last layer only an affine map may follow, not a ReLU or clip: it makes ties; "
    "export the model": a_dense_layer(
        [[1.0, 1]] * 5, activation="relu"
    ),
    "Layer QuantDense 'it' must not follow Softmax 'end', because each result of a softmax depends on all of its "
    "inputs: "
    "leave the softmax out and work on the scores themselves, or save the model up to it.": lambda model: (
        first(model), model.head(80), model("Softmax", name="end"), model("QuantDense", name="it")
    ),
    "The output of the model must come from a last layer, not be the input": lambda model: model("SteSign"),
}  # fmt: skip


def says(text: str):
    return pytest.raises(ModelError, match=f"^{re.escape(text)}")


@pytest.mark.parametrize("text", REFUSED)
def test_models_that_are_refused(tmp_path, in_process, text):
    model = Model()
    REFUSED[text](model)
    with says(text):
        load_model(model.save(tmp_path / "m.h5"), input_scale="1")


def test_all_of_it_is_told(tmp_path, in_process):
    """Classes first, each once; then what else is wrong, also behind layers that are refused."""
    model = Model()
    model.conv(C, 4, 3, 3, name="first", kernel_quantizer=None)
    for name in ("one", "two"):
        model("LayerNormalization", name=name)
    model("PReLU", name="curve")
    model.head(5 * 4 * 4, name="last", kernel_quantizer=None)
    with pytest.raises(ModelError) as caught:
        load_model(model.save(tmp_path / "m.h5"), input_scale="1")
    assert str(caught.value) == (
        "The model cannot be imported for 3 reasons. (1) Layer LayerNormalization 'one' divides by a statistic of "
        "each image, which no constant threshold can follow: use BatchNormalization, whose statistics are constant. "
        "The same holds for LayerNormalization 'two'. (2) Layer PReLU 'curve' is a curve of which no exact thresholds "
        "are known here: use ReLU, LeakyReLU, or hard_tanh, tanh or sigmoid before the quantiser. (3) Layer "
        "QuantConv2D 'first' must have quantised weights, but it holds floating point numbers of 72 sizes and has no "
        "kernel_quantizer: use the layer of Larq with one, or make the weights whole multiples of one scale. The same "
        "holds for QuantDense 'last'."
    )


@pytest.mark.parametrize("curve", ["tanh", "sigmoid"])
def test_curves_before_a_quantiser(tmp_path, in_process, curve):
    """They rise, so the sign of a tanh is that of its argument, and a sigmoid, which is positive, gives +1 alone."""
    networks = []
    for activation in (curve, "linear"):
        model = Model(seed=3)
        first(model)
        model("Activation", activation=activation)
        model.head(5 * 4 * 4)
        networks.append(load_model(model.save(tmp_path / f"{activation}.h5"), input_scale="1"))
    thresholds = [network.layers[0].thresholds for network in networks]
    if curve == "tanh":
        assert np.array_equal(*thresholds)
    else:
        assert (thresholds[0] <= -(2**10)).all() and not np.array_equal(*thresholds)
    assert not any("left out" in note for note in networks[0].notes)


def test_a_graph_that_unknown_layers_make_unreadable(tmp_path, in_process):
    model = Model()
    first(model)
    model("MultiHeadAttention", name="look")
    model.head(80)
    path = model.save(tmp_path / "m.h5")
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["config"]["name"] == "look":
                layer["inbound_nodes"] = [[["first", 0, 0, {"value": ["first", 0, 0]}]]]
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(
        ModelError, match="^Layer MultiHeadAttention 'look' multiplies values that all depend on the image"
    ):
        load_model(path, input_scale="1")


def test_a_first_layer_of_many_bits_asks_what_a_pixel_is(tmp_path):
    model = Model()
    first(model)
    with says("Layer QuantConv2D 'first' takes the input of the model as it is, without a quantiser: say what a pixel"):
        load_model(model.save(tmp_path / "m.h5"))


def small() -> Model:
    model = Model((3, 3, 1))
    model.conv(1, 2, 2, 2, name="conv")
    x = model("SteSign", name="sign")
    y = model.conv(2, 2, 1, 1, name="point")
    model("Add", x, y, name="sum")
    model.norm(2)
    model.head(8, 3)
    model("Softmax", name="end")
    return model


def changed(path: Path, change, style="keras2") -> Path:
    model = small()
    config = model.config(style)
    entries = {entry["name"]: entry for entry in config["config"]["layers"]}
    change(config, entries)
    return model.save(path, config=config)


def put(name: str, value):
    return lambda config, entries: entries[name].update(inbound_nodes=value)


def model_with(**options):
    return lambda config, entries: config["config"].update(options)


def layer_with(layer: str, **options):
    return lambda config, entries: entries[layer]["config"].update(options)


GRAPHS = {
    "The model must be Sequential or Functional, not 'Mine': build it from layers": lambda config, entries: (
        config.update(class_name="Mine")
    ),
    "The model must have no cycle, but layer SteSign 'sign' depends on itself.": put("sign", [[["sum", 0, 0, {}]]]),
    "Layer SteSign 'sign' needs 'gone', which nothing makes.": put("sign", [[["gone", 0, 0, {}]]]),
    "Layer SteSign 'sign' must take the results of other layers, and nothing else.": put("sign", [[["conv", 0, 1]]]),
    "Layer SteSign 'sign' must say which layers it follows: the file is damaged.": put("sign", None),
    "Layer SteSign 'sign' must take the result of one layer, not of 2: join them with Add before it.": put(
        "sign", [[["conv", 0, 0], ["conv", 0, 0]]]
    ),
    "The model must have one output, not 2: save the scores alone.": model_with(
        output_layers=[["end", 0, 0], ["sum", 0, 0]]
    ),
    "The model must have one input, not 2: join the inputs.": model_with(input_layers=[["a", 0, 0], ["b", 0, 0]]),
    "The output 'gone' of the model must be made by a layer": model_with(output_layers=[["gone", 0, 0]]),
    "The input 'conv' of the model must be an InputLayer": model_with(input_layers=[["conv", 0, 0]]),
    "The configuration of the model must name layers as its input_layers": model_with(input_layers=3),
    "Layer InputLayer 'inputlayer_0' must have a batch axis and fixed positive sizes after it, not the shape "
    "'[None, None, 3, 1]': build the model with a fixed input shape.": layer_with(
        "inputlayer_0", batch_input_shape=[None, None, 3, 1]
    ),
    "Layer InputLayer 'inputlayer_0' must have at most 1048576 elements": layer_with(
        "inputlayer_0", batch_input_shape=[None, 1 << 20, 1 << 20, 1]
    ),
    "Layer SteSign 'conv' must have a name of its own, but two layers have this one.": layer_with("sign", name="conv"),
    "The configuration of the model must list 1 to 4096 layers.": model_with(layers=[]),
    "Layer 1 of the configuration must have a class, a name and a configuration.": lambda config, entries: entries[
        "conv"
    ].pop("config"),
}


@pytest.mark.parametrize("text", GRAPHS)
def test_graphs_that_are_refused(tmp_path, in_process, text):
    with says(text):
        load_model(changed(tmp_path / "m.h5", GRAPHS[text]), input_scale="1")


def test_names_of_the_file_do_not_reach_messages_raw(tmp_path, in_process):
    model = Model()
    model("\x1b[31mFoo\n<b>", name="\x1b[31m" * 50)
    with pytest.raises(ModelError) as caught:
        load_model(model.save(tmp_path / "m.h5"))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 700


# ---- hostile files


@pytest.mark.parametrize("suffix", ["h5", "hdf5", "keras"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"\x89HDF\r\n\x1a\n" * 9, b"PK\5\6" + bytes(18)])
def test_garbage(tmp_path, suffix, content):
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"^Model file .*m\.(h5|hdf5|keras)' (is no|must hold) .*: save it .*\.$"):
        load_model(path)


def test_weights_alone(tmp_path):
    path = small().save(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]
    with pytest.raises(ModelError, match=r"must hold a whole model, .*: save it with model\.save, not with "):
        load_model(path)


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000, '{"class_name": ' + "9" * 5000 + "}"])
def test_damaged_configurations(tmp_path, text):
    path = small().save(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = text
    with pytest.raises(ModelError, match=r"has a damaged configuration: save it again\.$"):
        load_model(path)


KERNEL = "model_weights/conv/conv/kernel:0"


def soft_link(file, folder):
    file[KERNEL] = h5py.SoftLink("/model_weights/point/point/kernel:0")


def external_link(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.ones((2, 2, 1, 2), np.float32)
    file[KERNEL] = h5py.ExternalLink("other.h5", "/x")


def external_storage(file, folder):
    (folder / "secret").write_bytes(bytes(32))
    file.create_dataset(KERNEL, (2, 2, 1, 2), "f4", external=[(str(folder / "secret"), 0, 32)])


def virtual(file, folder):
    external_link(file, folder)
    del file[KERNEL]
    layout = h5py.VirtualLayout((2, 2, 1, 2), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (2, 2, 1, 2))
    file.create_virtual_dataset(KERNEL, layout)


def references(file, folder):
    file.create_dataset(KERNEL, data=[file.ref] * 8, dtype=h5py.ref_dtype)


def huge(file, folder):
    file.create_dataset(KERNEL, (1 << 20, 1 << 20, 1, 2), "f4", chunks=(64, 64, 1, 2))


def bomb(file, folder):
    file.create_dataset(KERNEL, data=np.zeros((1 << 11, 1 << 11), np.float32), compression="gzip")


def group(file, folder):
    file.create_group(KERNEL)


HOSTILE = {
    soft_link: "must have its weight '{}' in the file itself, not behind a link: save the model again.",
    external_link: "must have its weight '{}' in the file itself, not behind a link: save the model again.",
    external_storage: "must have its weight '{}' in the file itself, not in another: save the model again.",
    virtual: "must have its weight '{}' in the file itself, not in another: save the model again.",
    references: "must have plain numbers as weight '{}', not 'object'.",
    huge: "must leave the model at most 268435456 numbers in 8 axes; its weight '{}' has the shape "
    "(1048576, 1048576, 1, 2).",
    bomb: "has a weight '{}' of shape (2048, 2048), of which the file holds ",
    group: "needs the weight '{}', which the file does not hold: save the model again.",
}


@pytest.mark.parametrize("how", HOSTILE)
def test_data_sets_that_are_refused(tmp_path, how):
    path = small().save(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        how(file, tmp_path)
    with says("Layer QuantConv2D 'conv' " + HOSTILE[how].format(KERNEL)):
        load_model(path, input_scale="1")


def test_groups_inside_themselves(tmp_path):
    path = small().save(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        for name in "abc":
            file[f"model_weights/{name}"] = file["model_weights"]
    with pytest.raises(ModelError, match=r"is no Keras file, or it is damaged: save it again\.$"):
        load_model(path)


def test_a_library_that_hangs_is_ended(tmp_path, monkeypatch):
    """An object of size 0 in the global heap, where long texts lie: HDF5 may never pass it."""
    path = small().save(tmp_path / "m.h5")
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL") + 16
    content[heap + 8 : heap + 16] = b"\xf0" + b"\xff" * 7  # the size of the first object, as a step back
    path.write_bytes(bytes(content))
    monkeypatch.setattr(keras_files, "_PATIENCE", 3.0)
    with pytest.raises(
        ModelError,
        match=r"(readable within 3 s, but the HDF5 library .*|is no Keras file, or it is damaged): .*again\.$",
    ):
        load_model(path)


def with_members(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def test_archives_that_are_refused(tmp_path):
    path = tmp_path / "m.keras"
    with pytest.raises(ModelError, match=r"must hold config\.json and model\.weights\.h5: save it with model\.save\.$"):
        load_model(with_members(path, config__json=b"{}"))
    with says(
        "The member config.json of the file must have at most 16777216 bytes and grow at most 64 times when it is "
    ):
        load_model(with_members(path, config__json=bytes(1 << 25), model__weights__h5=b""))
    with says("The member model.weights.h5 of the file must have at most 1073741824 bytes and grow at most 64 times"):
        load_model(with_members(path, config__json=b"{}", model__weights__h5=bytes(1 << 24)))
    many = {f"f{number}": b"" for number in range(30_000)}
    with pytest.raises(ModelError, match=r"is no \.keras file, or it is damaged: save it again\.$"):
        load_model(with_members(path, config__json=b"{}", **many))


def test_nothing_is_written_beside_an_archive(tmp_path):
    path = small().save(tmp_path / "m.keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(ModelError, match="pixel"):
        load_model(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.keras"]


def test_more_weights_than_a_layer_has(tmp_path, in_process):
    model = small()
    model.layers[1][3]["other"] = np.ones(2, np.float32)
    with says("Layer QuantConv2D 'conv' has a weight 'other' that such a layer does not use."):
        load_model(model.save(tmp_path / "m.h5", "keras2"), input_scale="1")
    with says("Layer QuantConv2D 'conv' must have 1 weights in the file, but it holds more of them."):
        load_model(model.save(tmp_path / "m.keras", "keras3"), input_scale="1")


def expect_network_or_sentence(path: Path) -> None:
    try:
        load_model(path, input_scale="1")
    except BitweirError as error:
        text = str(error)
        assert text[0].isupper() and text.endswith(".") and text.isprintable() and len(text) < 700


@settings(DRAWN, max_examples=25)
@given(data=st.data())
def test_mutated_bytes_end_in_a_network_or_a_sentence(tmp_path, monkeypatch, data):
    monkeypatch.setattr(keras_files, "_PATIENCE", 3.0)
    path = small().save(tmp_path / "m.h5", "keras2")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] = data.draw(st.integers(0, 255))
        else:
            del content[at : at + data.draw(st.integers(1, 20))]
    path.write_bytes(bytes(content))
    expect_network_or_sentence(path)


JUNK = [
    None, True, -1, 0, 3, 1e30, float("nan"), 10**30, "x", [], {}, [1], [0, 0], "softmax", "same", 65536,
    larq("SteTern"),
]  # fmt: skip


def places(value, path=()):
    """Paths to everything inside a configuration."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


@settings(DRAWN, max_examples=100)
@given(data=st.data())
def test_mutated_configurations_end_in_a_network_or_a_sentence(tmp_path, in_process, data):
    model = small()
    config = model.config(data.draw(st.sampled_from(["sequential", "keras2", "keras3"])))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(config)) or [()]))
        if not path:
            break
        holder = config
        for key in path[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()):
            holder[path[-1]] = deepcopy(data.draw(st.sampled_from(JUNK)))
        else:
            del holder[path[-1]]
    expect_network_or_sentence(model.save(tmp_path / "m.h5", config=config or {"x": 1}))


@pytest.mark.parametrize("file", ["m.h5", "m.keras"])
def test_a_rule_for_each_channel(tmp_path, file):
    """Frames have their channels last; scales that differ become integer weights."""
    model = Model(shape=(5, 4, 3), seed=9)
    model.conv(3, 4, 2, 2)
    model.norm(4, 2)
    model.head(4 * 3 * 4)
    net = load_model(model.save(tmp_path / file), input_scale="(x-[10,20,35])/[30,60,90]")
    assert net.input.stored.axis == 2 and set(np.unique(abs(net.layers[0].weights))) == {2, 3, 6}
    q = np.random.default_rng(1).integers(0, 256, (30, 5, 4, 3))
    scores = run(net, encode(net.input, q)).scores
    expected = model.reference((q - np.array([10, 20, 35])) / np.array([30, 60, 90]))
    gaps = expected[:, :, None] - expected[:, None]
    assert (scores[:, :, None] > scores[:, None])[gaps > 1e-9 * (1 + abs(expected).max())].all()
    assert len(np.unique(scores, axis=0)) > 10


# ---- results


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("end", ["sigmoid", "", "ste_sign", "softmax"])
def test_results(tmp_path, in_process, end, outputs):
    """Labels behind a sigmoid, codes behind a quantiser, a score of one output, else a class."""
    model = Model(seed=outputs)
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model.head(4 * 5 * 4, outputs)
    model.norm(outputs, 9)
    x = pixels(model.shape)
    logits = model.reference(x)
    if end:
        model("Activation", activation=end)
    path, taps = model.save(tmp_path / "m.h5"), Taps()
    if end == "softmax" and outputs == 1:
        with pytest.raises(ModelError, match="at the end chooses among one output, so that it always says the same"):
            load_model(path, input_scale="1")
        return
    net = load_model(path, input_scale="1", taps=taps)
    found = run(net, encode(net.input, x))
    kind = {"sigmoid": "labels", "ste_sign": "codes", "softmax": "class"}.get(end, "class" if outputs > 1 else "scores")
    assert net.readout.kind == kind
    if kind == "labels":
        assert np.array_equal(found.labels, logits > 0)
    elif kind == "class":
        assert np.array_equal(found.classes, logits.argmax(axis=1))
    else:
        wanted = logits if kind == "scores" else np.where(logits >= 0, 1.0, -1.0)
        assert np.allclose(numbers(net, found.scores), wanted, atol=1e-6)
    compared = compare_drawn(net, [Member(path=path, network=net, taps=taps, last=net.layers[-1].name)])
    assert compared.agreements[0].ran and compared.agreements[0].agrees


def test_the_activation_of_a_layer_is_named_as_such(tmp_path, in_process):
    model = Model()
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model.head(4 * 5 * 4, 4, activation="softmax")
    net = load_model(model.save(tmp_path / "m.h5"), input_scale="1")
    (note,) = (note for note in net.notes if "left out" in note)
    assert re.fullmatch(r"The softmax of QuantDense '\w+' at the end is left out: it does not change the class\.", note)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("value", [0.5, -0.3, 2.0])
def test_borders_of_any_number_around_signs(tmp_path, value):
    """What lies outside the map need not be a code: the sums at the edges start with numbers of their own."""
    model = Model(seed=3)
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model.conv(4, 6, 3, 3, padding="same", input_quantizer="ste_sign", pad_values=value)
    model.norm(6)
    model.head(5 * 4 * 6)
    agree(model, tmp_path / "m.h5")
