"""Layers of Keras as operators: what all layers need, quantisers of Larq, and activation functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from ..errors import shown
from ..execution.operators import CannotRunError
from .files import KerasFile
from .graph import BEFORE_ACTIVATION, Call, KerasGraph, tensor_name
from .qkeras import qkeras_spec
from .qkeras_steps import qkeras_activation, qkeras_kernel

__all__ = ["ACTIVATION_QUANTISERS", "Build", "Layer", "activated", "quantised", "quantised_kernel"]

Array = NDArray[Any]


class Build:
    """Nodes so far, their constants, and the shape of a frame of each tensor."""

    def __init__(self, file: KerasFile, graph: KerasGraph) -> None:
        self.file = file
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {tensor_name(graph.input): graph.shape}
        self._count = 0

    def new(self) -> str:
        """A name that no layer has: those of layers hold no NUL, and JSON would tell it."""
        self._count += 1
        return f"\0{self._count}"

    def constant(self, value: Any) -> str:
        """A tensor that holds numbers; floats as float64."""
        name, array = self.new(), np.asarray(value)
        self.constants[name] = array.astype(np.float64) if array.dtype.kind == "f" else array
        return name


class Layer:
    """One call of a layer: its options, weights, and steps."""

    def __init__(self, build: Build, call: Call) -> None:
        self.build, self.call = build, call
        self.inputs = [tensor_name(key) for key in call.inputs]

    @property
    def x(self) -> str:
        """The only input."""
        (name,) = self.inputs
        return name

    def option(self, name: str, default: Any = None) -> Any:
        """An entry of the configuration; the default also where it is null."""
        value = self.call.config.get(name)
        return default if value is None else value

    def numbers(self, name: str, default: Any, count: int) -> list[int]:
        """An entry with a number for each axis, or one for all."""
        value = self.option(name, default)
        numbers = [value] * count if isinstance(value, int) else list(value)
        if len(numbers) != count:
            raise CannotRunError(f"layer {self.call.label} has another {name} than its map has axes")
        return [int(number) for number in numbers]

    def weights(self, *names: tuple[str, ...] | str) -> dict[str, Array]:
        """Arrays of the layer, as float32."""
        choices = [(name,) if isinstance(name, str) else name for name in names]
        return self.build.file.arrays(self.call.label, self.call.name, self.call.place, choices)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a frame of a tensor."""
        return self.build.shapes[name]

    def step(
        self, op: str, *inputs: Any, shape: Sequence[int] | None = None, name: str | None = None, **attributes: Any
    ) -> str:
        """Append an operator; inputs are names, or numbers. The shape is that of the first input if not given."""
        names = [one if isinstance(one, str) else self.build.constant(one) for one in inputs]
        result = self.build.new() if name is None else name
        self.build.nodes.append(helper.make_node(op, names, [result], **attributes))
        self.build.shapes[result] = tuple(self.shape(names[0]) if shape is None else shape)
        return result

    def end(self, x: str) -> None:
        """The result of the layer."""
        self.step("Identity", x, name=self.call.tensor)


# ---- quantisers


def _named(spec: Any) -> tuple[str, Mapping[str, Any]]:
    """Name and options of a quantiser or of an activation function."""
    if not isinstance(spec, dict):
        return str(spec).rpartition(">")[2], {}
    name, config = spec.get("class_name"), spec.get("config")
    if name == "function":
        return str(config).rpartition(">")[2], {}
    return str(name).rpartition(">")[2], config if isinstance(config, dict) else {}


_SIGNS = {"ApproxSign", "SteSign", "SwishSign", "approx_sign", "ste_sign", "swish_sign"}
_HEAVISIDE = {"SteHeaviside", "ste_heaviside"}
_TERNARY = {"SteTern", "ste_tern"}
_DOREFA = {"DoReFa", "DoReFaQuantizer", "dorefa_quantizer"}
_MAGNITUDE = {"MagnitudeAwareSign", "magnitude_aware_sign"}
_NONE = {"NoOp", "NoOpQuantizer"}
ACTIVATION_QUANTISERS = _SIGNS | _HEAVISIDE | _TERNARY | _DOREFA | _NONE


def quantised(layer: Layer, x: str, spec: Any) -> str:
    """An activation behind a quantiser of Larq."""
    name, options = _named(spec)
    if spec is None or name in _NONE:
        return x
    own = qkeras_spec(spec)
    if own is not None:
        return qkeras_activation(layer, x, *own)
    if name in _SIGNS:
        return layer.step("BipolarQuant", x, 1.0)
    if name in _HEAVISIDE:
        return layer.step("Where", layer.step("Greater", x, 0.0), 1.0, 0.0, shape=layer.shape(x))
    if name in _TERNARY:
        t = float(np.float32(options.get("threshold_value", 0.05)))
        signs = [layer.step("Sign", layer.step("Add", x, at)) for at in (t, -t)]
        return layer.step("Sign", layer.step("Add", *signs))
    if name in _DOREFA and options.get("mode", "activations") == "activations":
        n = float(2 ** options.get("k_bit", 2) - 1)
        return layer.step("Div", layer.step("Round", layer.step("Mul", layer.step("Clip", x, 0.0, 1.0), n)), n)
    raise CannotRunError(f"quantiser {shown(name)} of activations is not known")


def quantised_kernel(kernel: Array, spec: Any) -> Array:
    """A kernel as its layer uses it; float32, in which a latent weight has the sign that TensorFlow gives it."""
    name, options = _named(spec)
    if spec is None or name in _NONE:
        return kernel
    own = qkeras_spec(spec)
    if own is not None:
        return qkeras_kernel(kernel, *own)
    signs = np.where(kernel >= 0, np.float32(1), np.float32(-1))
    if name in _SIGNS:
        return signs
    if name in _HEAVISIDE:
        return (kernel > 0).astype(np.float32)
    if name in _MAGNITUDE:
        means = np.abs(kernel.astype(np.float64)).mean(axis=tuple(range(kernel.ndim - 1)))
        return np.asarray(signs * means.astype(np.float32))
    if name in _TERNARY:
        t = np.float32(options.get("threshold_value", 0.05))
        if options.get("ternary_weight_networks", False):
            t = np.float32(0.7 * np.abs(kernel.astype(np.float64)).mean())
        return np.asarray(np.sign(np.sign(kernel + t) + np.sign(kernel - t)))
    if name in _DOREFA:
        n = 2 ** options.get("k_bit", 2) - 1
        if options.get("mode", "activations") == "activations":
            return np.asarray(np.rint(np.clip(kernel, 0, 1) * np.float32(n)) / n)
        limited = np.tanh(kernel.astype(np.float64))
        return np.asarray(2 * np.rint((limited / (2 * np.abs(limited).max()) + 0.5) * n) / n - 1)
    raise CannotRunError(f"quantiser {shown(name)} of kernels is not known")


# ---- activation functions

_FUNCTIONS: dict[str, Callable[[Layer, str], str]] = {
    "hard_tanh": lambda layer, x: layer.step("Clip", x, -1.0, 1.0),
    "gelu": lambda layer, x: layer.step("Gelu", x),
    **dict.fromkeys(("hard_silu", "hard_swish"), lambda layer, x: layer.step("HardSwish", x)),
    "hard_sigmoid": lambda layer, x: layer.step(
        "HardSigmoid", x, alpha=1 / 6 if layer.build.file.version > 2 else 0.2, beta=0.5
    ),
    "leaky_relu": lambda layer, x: layer.step("LeakyRelu", x, alpha=0.2),
    "linear": lambda layer, x: x,
    "log_softmax": lambda layer, x: layer.step("LogSoftmax", x, axis=-1),
    "relu": lambda layer, x: layer.step("Relu", x),
    "relu6": lambda layer, x: layer.step("Clip", x, 0.0, 6.0),
    "sigmoid": lambda layer, x: layer.step("Sigmoid", x),
    **dict.fromkeys(("silu", "swish"), lambda layer, x: layer.step("Mul", x, layer.step("Sigmoid", x))),
    "softmax": lambda layer, x: layer.step("Softmax", x, axis=-1),
    "tanh": lambda layer, x: layer.step("Tanh", x),
}


def activated(layer: Layer, x: str, spec: Any) -> None:
    """The result of a layer: a value behind an activation function, which may be a quantiser."""
    layer.step("Identity", x, name=layer.call.inner(BEFORE_ACTIVATION))
    name, _ = _named("linear" if spec is None else spec)
    if name in ACTIVATION_QUANTISERS or qkeras_spec(spec):
        return layer.end(quantised(layer, x, spec))
    if name not in _FUNCTIONS:
        raise CannotRunError(f"activation {shown(name)} is not known")
    return layer.end(_FUNCTIONS[name](layer, x))
