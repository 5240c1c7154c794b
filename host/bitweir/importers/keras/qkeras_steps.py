"""Quantisers of QKeras as operators, by the formulas of its source, for the comparison with a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..execution.operators import CannotRunError

__all__ = ["Steps", "qkeras_activation", "qkeras_kernel"]

Array = NDArray[Any]


class Steps(Protocol):
    """What appends operators, as `steps.Layer` does."""

    def step(self, op: str, *inputs: Any, shape: Sequence[int] | None = None, **attributes: Any) -> str:
        """Append an operator, and name its result."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a frame of a tensor."""


def _range(name: str, options: dict[str, Any]) -> tuple[float, float, float]:
    """The unit of a quantiser of even levels, and its least and its highest level as whole numbers of it."""
    bits, symmetric = options["bits"], bool(options.get("symmetric"))
    if name == "quantized_bits":
        m = 2.0 ** (bits - options["keep_negative"])
        return 2.0 ** options["integer"] / m, options["keep_negative"] * (-m + symmetric), m - 1
    m = 2.0 ** (bits - (name == "quantized_tanh"))
    return 1 / m, (-m if name == "quantized_tanh" else 0.0) + symmetric, m - 1


def qkeras_activation(layer: Steps, x: str, name: str, options: dict[str, Any]) -> str:
    """An activation behind a quantiser."""
    alpha = options.get("alpha")
    factor = 1.0 if alpha is None else float(np.float32(alpha))
    if name == "binary" or (name == "quantized_bits" and options["bits"] == options["keep_negative"]):
        sign = layer.step("BipolarQuant", x, 1.0)
        return layer.step("Mul", layer.step("Relu", sign) if options.get("use_01") else sign, factor)
    if name == "ternary":
        t = float(np.float32(0.33 if options["threshold"] is None else options["threshold"]))
        size = layer.step("GreaterOrEqual", layer.step("Abs", x), t)
        return layer.step("Mul", layer.step("Where", size, layer.step("Sign", x), 0.0, shape=layer.shape(x)), factor)
    if name == "quantized_relu":
        return _relu(layer, x, options)
    unit, low, high = _range(name, options)
    if name == "quantized_tanh":
        x = layer.step("Tanh", x) if options["use_real_tanh"] else layer.step("Clip", x, -1.0, 1.0)
    if name == "quantized_sigmoid":
        real = options["use_real_sigmoid"]
        x = layer.step("Sigmoid", x) if real else layer.step("HardSigmoid", x, alpha=0.5, beta=0.5)
    whole = layer.step("Clip", layer.step("Round", layer.step("Div", x, unit)), low, high)
    return layer.step("Mul", whole, unit * factor)


def _relu(layer: Steps, x: str, options: dict[str, Any]) -> str:
    slope, most = float(options["negative_slope"]), options["relu_upper_bound"]
    m = 2.0 ** (options["bits"] - (slope != 0))
    unit = 2.0 ** options["integer"] / m
    p = layer.step("Div", x, unit)
    y = layer.step("Clip", layer.step("Round", p), 0.0, m - 1)
    if slope:
        below = layer.step("Round", layer.step("Mul", p, slope))
        y = layer.step("Add", y, layer.step("Clip", below, -slope * m, 0.0))
    y = layer.step("Mul", y, unit)
    return y if most is None or options["is_quantized_clip"] else layer.step("Min", y, float(np.float32(most)))


def qkeras_kernel(kernel: Array, name: str, options: dict[str, Any]) -> Array:
    """A kernel or a bias behind a quantiser."""
    alpha = options.get("alpha")
    factor = np.float32(1 if alpha is None else alpha)
    x = kernel.astype(np.float64)
    if name == "binary" or (name == "quantized_bits" and options["bits"] == options["keep_negative"]):
        sign = np.where(x >= 0, 1.0, 0.0 if options.get("use_01") else -1.0)
        return np.asarray(sign.astype(np.float32) * factor)
    if name == "ternary":
        t = np.float32(0.33 if options["threshold"] is None else options["threshold"])
        return np.asarray((np.sign(x) * (np.abs(x) >= t)).astype(np.float32) * factor)
    if name != "quantized_bits":
        raise CannotRunError(f"quantiser {name} of kernels is not known")
    unit, low, high = _range(name, options)
    return np.asarray((np.clip(np.rint(x / unit), low, high) * unit).astype(np.float32) * factor)
