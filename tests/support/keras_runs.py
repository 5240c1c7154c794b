"""What a Keras model computes, layer by layer in NumPy, and whether its import agrees."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.compare.agreement import Member
from bitweir.importers.compare.comparison import compare_drawn
from bitweir.importers.folding.provenance import Taps
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from support.kerasmodels import KerasModel

__all__ = [
    "C",
    "H",
    "LAYERS",
    "Model",
    "W",
    "activation",
    "agree",
    "correlate",
    "first",
    "larq",
    "linear",
    "named",
    "norm",
    "of_one_row",
    "overall",
    "own_quantiser",
    "pixels",
    "pool",
    "quantiser",
    "same",
    "says",
    "small",
    "spread",
    "zeros",
]

H = 7


W = 6


C = 2


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
    gaps = config.get("dilation_rate", [1, 1])
    kernel = [(taps - 1) * gap + 1 for taps, gap in zip(kernel, gaps, strict=True)]
    if config.get("padding", "valid") == "same":
        pads = [(0, 0)]
        for size, k, s in zip(x.shape[1:3], kernel, strides, strict=True):
            out = (size + s - 1) // s
            total = max((out - 1) * s + k - size, 0)
            pads.append((total // 2, total - total // 2))
        x = np.pad(x, [*pads, (0, 0)], constant_values=value)
    found = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))[:, :: strides[0], :: strides[1]]
    return found.transpose(0, 1, 2, 4, 5, 3)[:, :, :, :: gaps[0], :: gaps[1]]


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
        # A mean counts what lies inside the map alone.
        border, over = (np.nan, np.nanmean) if reduce is np.mean else (-np.inf, reduce)
        return over(spread(config, x.astype(float), size, border, strides), axis=(3, 4))

    return layer


def norm(config, weights, x):
    root = np.sqrt(weights["moving_variance"] + float(np.float32(config["epsilon"])))
    return weights.get("gamma", 1) * (x - weights["moving_mean"]) / root + weights.get("beta", 0)


def zeros(config, weights, x):
    return np.pad(x, [(0, 0), *config["padding"], (0, 0)])


def cut(x, sides):
    for axis, (before, after) in enumerate(sides, 1):
        x = x.take(range(before, x.shape[axis] - after), axis)
    return x


def own_quantiser(name):
    return lambda config, weights, x: quantiser(x, {"class_name": name, "config": config}, kernel=False)


def same(config, weights, x):
    return x


def of_one_row(layer):
    """A layer over maps of one dimension, (N, L, C), as one over maps of one row."""
    spans = {"strides", "pool_size", "dilation_rate"}

    def lifted(config, weights, x):
        config = {key: [1, *value] if key in spans and value else value for key, value in config.items()}
        weights = {key: array[None] if key.endswith("kernel") else array for key, array in weights.items()}
        if config.get("padding") == "causal":
            # What the quantiser of the input makes, then zeros before the first element.
            x = quantiser(x, config.pop("input_quantizer", None), kernel=False)
            (taps,) = (array.shape[1] for key, array in weights.items() if key in ("kernel", "depthwise_kernel"))
            x = np.pad(x, [(0, 0), ((taps - 1) * config.get("dilation_rate", [1, 1])[1], 0), (0, 0)])
        y = layer(config, weights, x[:, None])
        return y[:, 0] if y.ndim == 4 else y

    return lifted


def overall(reduce):
    return lambda config, weights, x: reduce(x, axis=(1, 2), keepdims=config.get("keepdims", False))


LAYERS = {
    "Activation": lambda config, weights, x: (
        activation(x, config["activation"])
        if config["activation"] in ("linear", "relu", "softmax", "hard_tanh")
        else quantiser(x, config["activation"], kernel=False)
    ),
    "Add": lambda config, weights, *values: sum(values),
    "AveragePooling1D": of_one_row(pool(np.mean)),
    "AveragePooling2D": pool(np.mean),
    "BatchNormalization": norm,
    "Concatenate": lambda config, weights, *values: np.concatenate(values, axis=config.get("axis", -1)),
    "Conv1D": of_one_row(linear("conv")),
    "Conv2D": linear("conv"),
    "Cropping1D": lambda config, weights, x: cut(x, [config["cropping"]]),
    "Cropping2D": lambda config, weights, x: cut(x, config["cropping"]),
    "Dense": linear("dense"),
    "DepthwiseConv1D": of_one_row(linear("depthwise")),
    "DepthwiseConv2D": linear("depthwise"),
    "Dropout": same,
    "Flatten": lambda config, weights, x: x.reshape(len(x), -1),
    "GlobalAveragePooling1D": of_one_row(overall(np.mean)),
    "GlobalAveragePooling2D": overall(np.mean),
    "GlobalMaxPooling1D": of_one_row(overall(np.max)),
    "GlobalMaxPooling2D": overall(np.max),
    "LeakyReLU": lambda config, weights, x: np.where(x > 0, x, float(np.float32(config["alpha"])) * x),
    "MaxPooling1D": of_one_row(pool(np.max)),
    "MaxPooling2D": pool(np.max),
    "QuantActivation": lambda config, weights, x: quantiser(x, config["quantizer"], kernel=False),
    "QuantConv1D": of_one_row(linear("conv")),
    "QuantConv2D": linear("conv"),
    "QuantDense": linear("dense"),
    "QuantDepthwiseConv2D": linear("depthwise"),
    "QuantSeparableConv1D": of_one_row(linear("separable")),
    "QuantSeparableConv2D": linear("separable"),
    "ReLU": lambda config, weights, x: np.clip(x, 0, config.get("max_value")),
    "Rescaling": lambda config, weights, x: x * float(np.float32(config["scale"])) + config.get("offset", 0),
    "Reshape": lambda config, weights, x: x.reshape(len(x), *config["target_shape"]),
    "Softmax": same,
    "SteSign": own_quantiser("SteSign"),
    "UpSampling1D": lambda config, weights, x: x.repeat(config["size"], axis=1),
    "UpSampling2D": lambda config, weights, x: x.repeat(config["size"][0], axis=1).repeat(config["size"][1], axis=2),
    "ZeroPadding1D": lambda config, weights, x: np.pad(x, [(0, 0), config["padding"], (0, 0)]),
    "ZeroPadding2D": zeros,
}


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


def larq(name: str, **config) -> dict:
    return {"module": "larq.quantizers", "class_name": name, "config": config, "registered_name": name}


# ---- what is refused


def first(model: Model, **config) -> None:
    model.conv(C, 4, 3, 3, name="first", **config)
    model.norm(4)


def says(text: str):
    return pytest.raises(ModelError, match=f"^{re.escape(text)}")


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
