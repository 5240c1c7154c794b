"""Import of Keras and Larq files: real ones, and ones made here against a small reimplementation in float64."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir_hw.errors import BitweirError
from bitweir_hw.network import BIPOLAR, Affine, Network, Parallel
from bitweir_sim.encoding import encode
from bitweir_sim.fast import run
from bitweir_sim.golden import trace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared_data import SHARED, mnist, needs_shared

DATA = SHARED / "data"
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
    result = run(net, codes)
    with np.load(DATA / "golden" / "larq_tiny_conv_mnist.npz") as golden:
        assert (result.classes == golden["pred"]).all()
        for part in np.array_split(np.arange(len(codes)), 10):
            assert (trace(net, codes[part])["dense0"].reshape(-1, 10) == golden["acc"][part]).all()
    assert (result.classes == labels).mean() == pytest.approx(0.8284)
    assert [layer.name for layer in net.layers] == "conv0 pool0 conv1 pool1 dense0 scores".split()


# ---- files made here


class Model:
    """Layers one by one: class, configuration, weights, and what they follow."""

    def __init__(self, shape=(H, W, C), seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.layers: list[tuple[str, str, dict, dict, list[str]]] = []
        self.shape = shape
        self.counts: Counter[str] = Counter()
        self("InputLayer", batch_input_shape=[None, *shape], dtype="float32")

    def __call__(self, kind: str, *inputs: str, weights: dict | None = None, **config) -> str:
        name = config.pop("name", f"{kind.lower()}_{len(self.layers)}")
        before = [*inputs] or ([self.layers[-1][1]] if self.layers else [])
        self.layers.append((kind, name, {"name": name, **config}, dict(weights or {}), before))
        return name

    def latent(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(-1, 1, shape).astype(np.float32)

    def conv(self, channels: int, filters: int, *kernel: int, before: str | None = None, **config) -> str:
        weights = {"kernel": self.latent(*kernel, channels, filters)}
        config = {"kernel_quantizer": "ste_sign", "use_bias": False, "kernel_size": list(kernel), **config}
        if config["use_bias"]:
            weights["bias"] = self.rng.normal(scale=4, size=filters).astype(np.float32)
        return self("QuantConv2D", *filter(None, [before]), weights=weights, **config)

    def norm(self, channels: int, spread: float = 3, *, scale=True, center=True) -> str:
        def real(size):
            return self.rng.normal(scale=size, size=channels).astype(np.float32)

        weights = {"gamma": real(1)} if scale else {}
        weights |= {"beta": real(1)} if center else {}
        weights |= {"moving_mean": real(spread), "moving_variance": np.abs(real(2)) + np.float32(0.5)}
        return self("BatchNormalization", weights=weights, axis=[-1], epsilon=0.001, scale=scale, center=center)

    def head(self, inputs: int, classes: int = 5, **config) -> str:
        config = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "use_bias": False, **config}
        self("Flatten")
        return self("QuantDense", weights={"kernel": self.latent(inputs, classes)}, **config)

    # -- how Keras writes it

    def config(self, style: str = "sequential") -> dict:
        entries = []
        for kind, name, config, _, inputs in self.layers:
            entry = {"class_name": kind, "config": config, "name": name}
            if style == "keras2":
                entry["inbound_nodes"] = [[[x, 0, 0, {}] for x in inputs]] if inputs else []
            if style == "keras3":
                tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": [x, 0, 0]}} for x in inputs]
                args = tensors if len(tensors) == 1 else [tensors]
                entry["inbound_nodes"] = [{"args": args, "kwargs": {}}] if inputs else []
            entries.append(entry)
        if style == "sequential":
            return {"class_name": "Sequential", "config": {"name": "net", "layers": entries}}
        ends = [[self.layers[0][1], 0, 0], [self.layers[-1][1], 0, 0]]
        first, last = ends if style == "keras3" else [[end] for end in ends]
        inner = {"name": "net", "layers": entries, "input_layers": first, "output_layers": last}
        return {"class_name": "Functional", "config": inner}

    def save(self, path: Path, style: str = "sequential", config: dict | None = None) -> Path:
        text = json.dumps(config or self.config(style))
        if path.suffix == ".keras":
            memory = io.BytesIO()
            with h5py.File(memory, "w") as file:
                numbers: Counter[str] = Counter()
                for kind, _, _, weights, _ in self.layers:
                    base = re.sub("(?<=[a-z])(?=[A-Z])", "_", kind).lower()
                    place = f"{base}_{numbers[base]}" if numbers[base] else base
                    numbers[base] += 1
                    for index, array in enumerate(weights.values()):
                        file[f"layers/{place}/vars/{index}"] = array
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("metadata.json", "{}")
                archive.writestr("config.json", text)
                archive.writestr("model.weights.h5", memory.getvalue())
            return path
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = text
            for _, name, _, weights, _ in self.layers:
                group = file.create_group(f"model_weights/{name}")
                paths = {f"{name}/{weight}:0": array for weight, array in weights.items()}
                group.attrs["weight_names"] = [weight.encode() for weight in paths]
                for weight, array in paths.items():
                    group[weight] = array
        return path

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


def pixels(shape, frames: int = 30, top: int = 16) -> np.ndarray:
    rng = np.random.default_rng(1)
    bright = rng.integers(0, top, (frames, *(1 for _ in shape)))
    return np.clip(bright + rng.integers(-top // 2, top // 2, (frames, *shape)), 0, top).astype(np.uint8)


def agree(model: Model, path: Path, style="sequential", *, exactly=True, scale="1", varied=True, top=16) -> Network:
    """Import a model and compare: scores that are the same integers, or at least in the same order."""
    net = load_model(model.save(path, style), input_scale=scale)
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
    assert net.input.pixel_scale == "1"


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


@settings(DRAWN, max_examples=60)
@given(data=st.data())
def test_drawn_convolutions(tmp_path, data):
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
