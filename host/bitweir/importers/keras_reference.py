"""An independent executor of Keras and Larq files, to compare imported networks with.

Each layer becomes the operators of its formula, as TensorFlow and Larq define it, with floats throughout; `Program`
runs them in float64. It shares the reading of files with the importer, and none of its rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.errors import BitweirError
from numpy.typing import NDArray

from .errors import shown
from .keras_files import KerasFile, read_keras
from .keras_graph import BEFORE_ACTIVATION, INPUT_CODES, Call, KerasGraph, graph_of, tensor_name
from .reference import NUMPY, CannotRunError, Executor, Program, Step, ordered

__all__ = ["keras_executor"]

Array = NDArray[Any]
Pair = tuple[int, int]
#: Of the operators in `reference`.
_OPSET = 13
_FIRST, _LAST = [0, 3, 1, 2], [0, 2, 3, 1]


def keras_executor(path: Path, tensors: Sequence[str]) -> Executor:
    """An executor of an ``.h5`` or ``.keras`` file.

    Parameters
    ----------
    path : Path
        A file that the importer accepts.
    tensors : sequence of str
        Names as `keras_graph.Call` has them.

    Raises
    ------
    CannotRunError
        The model has a layer that is not here, or one that breaks a rule.
    """
    try:
        file = read_keras(path)
        graph = graph_of(file.config)
        build = _Build(file, graph)
        for call in graph.calls:
            if call.kind not in LAYERS:
                raise CannotRunError(f"layer {call.label} is not known")
            LAYERS[call.kind](_Layer(build, call))
        entry = tensor_name(graph.input)
        makers = {name: step for step in build.steps for name in step.output}
        steps = ordered(makers, list(tensors), {*build.constants, entry})
        program = Program(steps, build.constants, entry, tensors, _OPSET)
    except CannotRunError:
        raise
    except BitweirError as error:
        raise CannotRunError(str(error)[:1].lower() + str(error)[1:].rstrip(".")) from error
    except Exception as error:  # a malformed layer, of which the importer need not have read everything
        raise CannotRunError(f"{type(error).__name__} {shown(str(error))}") from error
    return Executor(NUMPY, tensors, program.run, program=program)


class _Build:
    """Steps so far, their constants, and the shape of a frame of each tensor."""

    def __init__(self, file: KerasFile, graph: KerasGraph) -> None:
        self.file = file
        self.steps: list[Step] = []
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


class _Layer:
    """One call of a layer: its options, weights, and steps."""

    def __init__(self, build: _Build, call: Call) -> None:
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

    def pair(self, name: str, default: Any) -> Pair:
        """An entry for rows and columns."""
        value = self.option(name, default)
        rows, columns = (value, value) if isinstance(value, int) else value
        return int(rows), int(columns)

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
        self.build.steps.append(Step(op, names, [result], attributes))
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
_ACTIVATION_QUANTISERS = _SIGNS | _HEAVISIDE | _TERNARY | _DOREFA | _NONE


def _quantised(layer: _Layer, x: str, spec: Any) -> str:
    """An activation behind a quantiser of Larq."""
    name, options = _named(spec)
    if spec is None or name in _NONE:
        return x
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


def _kernel(kernel: Array, spec: Any) -> Array:
    """A kernel as its layer uses it; float32, in which a latent weight has the sign that TensorFlow gives it."""
    name, options = _named(spec)
    if spec is None or name in _NONE:
        return kernel
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

_FUNCTIONS: dict[str, Callable[[_Layer, str], str]] = {
    "elu": lambda layer, x: layer.step(
        "Where", layer.step("Greater", x, 0.0), x, layer.step("Sub", layer.step("Exp", x), 1.0), shape=layer.shape(x)
    ),
    "hard_sigmoid": lambda layer, x: layer.step("Clip", layer.step("Add", layer.step("Mul", x, 0.2), 0.5), 0.0, 1.0),
    "hard_tanh": lambda layer, x: layer.step("Clip", x, -1.0, 1.0),
    "linear": lambda layer, x: x,
    "log_softmax": lambda layer, x: layer.step("LogSoftmax", x, axis=-1),
    "relu": lambda layer, x: layer.step("Relu", x),
    "relu6": lambda layer, x: layer.step("Clip", x, 0.0, 6.0),
    "sigmoid": lambda layer, x: layer.step("Sigmoid", x),
    "softmax": lambda layer, x: layer.step("Softmax", x, axis=-1),
    "tanh": lambda layer, x: layer.step("Tanh", x),
}


def _activated(layer: _Layer, x: str, spec: Any) -> None:
    """The result of a layer: a value behind an activation function, which may be a quantiser."""
    layer.step("Identity", x, name=layer.call.inner(BEFORE_ACTIVATION))
    name, _ = _named("linear" if spec is None else spec)
    if name in _ACTIVATION_QUANTISERS:
        return layer.end(_quantised(layer, x, spec))
    if name not in _FUNCTIONS:
        raise CannotRunError(f"activation {shown(name)} is not known")
    return layer.end(_FUNCTIONS[name](layer, x))


# ---- layers with kernels


def _input(layer: _Layer) -> str:
    """The input behind the quantiser that the layer has for it."""
    codes = _quantised(layer, layer.x, layer.option("input_quantizer"))
    return layer.step("Identity", codes, name=layer.call.inner(INPUT_CODES))


def _finished(layer: _Layer, y: str, arrays: dict[str, Array]) -> None:
    if "bias" in arrays:
        y = layer.step("Add", y, arrays["bias"])
    _activated(layer, y, layer.option("activation"))


def _arrays(layer: _Layer, *names: tuple[str, ...] | str) -> dict[str, Array]:
    return layer.weights(*names, *(["bias"] if layer.option("use_bias", True) else []))


def _dense(layer: _Layer) -> None:
    arrays, x = _arrays(layer, "kernel"), _input(layer)
    kernel = _kernel(arrays["kernel"], layer.option("kernel_quantizer"))
    y = layer.step("MatMul", x, kernel, shape=(*layer.shape(x)[:-1], kernel.shape[1]))
    _finished(layer, y, arrays)


def _same(layer: _Layer, sizes: Sequence[int], spans: Pair, strides: Pair) -> list[Pair]:
    """Pads of rows and columns: TensorFlow makes ceil(size / stride) windows, with the odd pad at the end."""
    if str(layer.option("padding", "valid")).lower() != "same":
        return [(0, 0), (0, 0)]
    pads = []
    for size, span, stride in zip(sizes, spans, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def _framed(layer: _Layer, x: str, pads: Sequence[Pair], value: float = 0.0) -> str:
    """A map (H, W, C) with a border."""
    if not any(map(any, pads)):
        return x
    (above, below), (left, right) = pads
    rows, columns, channels = layer.shape(x)
    shape = (rows + above + below, columns + left + right, channels)
    return layer.step("Pad", x, np.array([0, above, left, 0, 0, below, right, 0]), value, shape=shape)


def _convolved(layer: _Layer, x: str, weights: Array, groups: int) -> str:
    """A map (H, W, C) and weights (M, C / groups, kh, kw) to the map of the sums."""
    strides, gaps = layer.pair("strides", 1), layer.pair("dilation_rate", 1)
    kernel = weights.shape[2:]
    spans = ((kernel[0] - 1) * gaps[0] + 1, (kernel[1] - 1) * gaps[1] + 1)
    pads = _same(layer, layer.shape(x)[:2], spans, strides)
    framed = _framed(layer, x, pads, float(layer.option("pad_values", 0.0)))
    rows, columns, _ = layer.shape(framed)
    counts = (rows - spans[0]) // strides[0] + 1, (columns - spans[1]) // strides[1] + 1
    y = layer.step("Transpose", framed, perm=_FIRST)
    y = layer.step("Conv", y, weights, group=groups, strides=strides, dilations=gaps)
    return layer.step("Transpose", y, perm=_LAST, shape=(*counts, len(weights)))


def _conv(layer: _Layer) -> None:
    arrays, x = _arrays(layer, "kernel"), _input(layer)
    kernel = _kernel(arrays["kernel"], layer.option("kernel_quantizer"))
    _finished(layer, _convolved(layer, x, kernel.transpose(3, 2, 0, 1), int(layer.option("groups", 1))), arrays)


def _by_depth(layer: _Layer, x: str, kernel: Array) -> str:
    """Each channel by filters of its own."""
    kernel = _kernel(kernel, layer.option("depthwise_quantizer"))
    rows, columns, channels, each = kernel.shape
    return _convolved(layer, x, kernel.transpose(2, 3, 0, 1).reshape(channels * each, 1, rows, columns), channels)


def _depthwise(layer: _Layer) -> None:
    arrays = _arrays(layer, ("depthwise_kernel", "kernel"))
    _finished(layer, _by_depth(layer, _input(layer), arrays["depthwise_kernel"]), arrays)


def _separable(layer: _Layer) -> None:
    arrays = _arrays(layer, "depthwise_kernel", "pointwise_kernel")
    y = _by_depth(layer, _input(layer), arrays["depthwise_kernel"])
    point = _kernel(arrays["pointwise_kernel"], layer.option("pointwise_quantizer"))[0, 0]
    _finished(layer, layer.step("MatMul", y, point, shape=(*layer.shape(y)[:-1], point.shape[1])), arrays)


def _transposed(layer: _Layer) -> None:
    """Each pixel adds its kernel to the map: a convolution of the map with zeros between its pixels."""
    arrays, x = _arrays(layer, "kernel"), _input(layer)
    kernel = _kernel(arrays["kernel"], layer.option("kernel_quantizer"))  # (kh, kw, M, C)
    strides = layer.pair("strides", 1)
    if layer.pair("dilation_rate", 1) != (1, 1) or layer.option("output_padding") is not None:
        raise CannotRunError(f"layer {layer.call.label} has a dilation or an output padding")
    rows, columns, channels = layer.shape(x)
    size, spread = kernel.shape[:2], (rows * strides[0], columns * strides[1])
    # Zeros behind each pixel, so that the last pixel has some as well.
    y = layer.step("Reshape", x, np.array([-1, rows, 1, columns, 1, channels]), shape=(rows, 1, columns, 1, channels))
    zeros = np.array([0, 0, 0, 0, 0, 0, 0, 0, strides[0] - 1, 0, strides[1] - 1, 0])
    y = layer.step("Pad", y, zeros, 0.0, shape=(rows, strides[0], columns, strides[1], channels))
    y = layer.step("Reshape", y, np.array([-1, *spread, channels]), shape=(*spread, channels))
    same = str(layer.option("padding", "valid")).lower() == "same"
    edges = []
    for k, stride, wide, pixels in zip(size, strides, spread, (rows, columns), strict=True):
        whole = (pixels - 1) * stride + k  # what all kernels cover
        length = pixels * stride if same else max(whole, pixels * stride)
        cut = max(k - stride, 0) // 2 if same else 0
        before = k - 1 - cut
        edges.append((before, length + k - 1 - wide - before))
    if min(map(min, edges)) < 0:
        raise CannotRunError(f"layer {layer.call.label} has strides larger than its kernel")
    framed = _framed(layer, y, edges)
    height, width, _ = layer.shape(framed)
    y = layer.step("Transpose", framed, perm=_FIRST)
    y = layer.step("Conv", y, kernel[::-1, ::-1].transpose(2, 3, 0, 1))
    shape = (height - size[0] + 1, width - size[1] + 1, kernel.shape[2])
    _finished(layer, layer.step("Transpose", y, perm=_LAST, shape=shape), arrays)


# ---- scalar operations


def _norm(layer: _Layer) -> None:
    flags = (("gamma", "scale"), ("beta", "center"))
    names = [name for name, flag in flags if layer.option(flag, True)]
    arrays = {key: one.astype(np.float64) for key, one in layer.weights(*names, *_STATISTICS).items()}
    root = np.sqrt(arrays["moving_variance"] + float(np.float32(layer.option("epsilon", 1e-3))))
    y = layer.step("Div", layer.step("Sub", layer.x, arrays["moving_mean"]), root)
    y = layer.step("Mul", y, arrays["gamma"]) if "gamma" in arrays else y
    layer.end(layer.step("Add", y, arrays["beta"]) if "beta" in arrays else y)


_STATISTICS = ("moving_mean", "moving_variance")


def _rescaling(layer: _Layer) -> None:
    y = layer.step("Mul", layer.x, float(np.float32(layer.option("scale"))))
    layer.end(layer.step("Add", y, float(np.float32(layer.option("offset", 0.0)))))


def _relu(layer: _Layer) -> None:
    slope, most = float(layer.option("negative_slope", 0.0)), layer.option("max_value")
    if layer.option("threshold", 0.0):
        raise CannotRunError(f"layer {layer.call.label} has a threshold")
    y = layer.step("LeakyRelu", layer.x, alpha=slope) if slope else layer.step("Relu", layer.x)
    layer.end(y if most is None else layer.step("Min", y, float(np.float32(most))))


def _leaky_relu(layer: _Layer) -> None:
    slope = layer.option("alpha", layer.option("negative_slope", 0.3))
    layer.end(layer.step("LeakyRelu", layer.x, alpha=float(slope)))


def _activation(layer: _Layer) -> None:
    _activated(layer, layer.x, layer.option("activation"))


def _softmax(layer: _Layer) -> None:
    _activated(layer, layer.x, "softmax")


def _quantiser(layer: _Layer) -> None:
    layer.end(_quantised(layer, layer.x, {"class_name": layer.call.kind, "config": dict(layer.call.config)}))


def _quant_activation(layer: _Layer) -> None:
    specs = [layer.option(name) for name in ("quantizer", "input_quantizer", "activation")]
    layer.end(_quantised(layer, layer.x, next((spec for spec in specs if spec is not None), None)))


# ---- maps


def _pool(op: str) -> Callable[[_Layer], None]:
    def rule(layer: _Layer) -> None:
        size = layer.pair("pool_size", 2)
        strides = layer.pair("strides", size)
        rows, columns, channels = layer.shape(layer.x)
        pads = _same(layer, (rows, columns), size, strides)
        counts = [
            (n + sum(pad) - k) // s + 1 for n, pad, k, s in zip((rows, columns), pads, size, strides, strict=True)
        ]
        y = layer.step("Transpose", layer.x, perm=_FIRST)
        flat = [pad[end] for end in (0, 1) for pad in pads]
        y = layer.step(op, y, kernel_shape=size, strides=strides, pads=flat)
        layer.end(layer.step("Transpose", y, perm=_LAST, shape=(*counts, channels)))

    return rule


def _global(op: str) -> Callable[[_Layer], None]:
    def rule(layer: _Layer) -> None:
        keep, channels = bool(layer.option("keepdims", False)), layer.shape(layer.x)[-1]
        shape = (1, 1, channels) if keep else (channels,)
        layer.end(layer.step(op, layer.x, np.array([1, 2]), keepdims=int(keep), shape=shape))

    return rule


def _zero_padding(layer: _Layer) -> None:
    value = layer.option("padding", 1)
    sides = [value, value] if isinstance(value, int) else value
    layer.end(_framed(layer, layer.x, [(n, n) if isinstance(n, int) else (n[0], n[1]) for n in sides]))


def _upsampling(layer: _Layer) -> None:
    if layer.option("interpolation", "nearest") != "nearest":
        raise CannotRunError(f"layer {layer.call.label} interpolates")
    y = layer.x
    for axis, times in enumerate(layer.pair("size", 2)):
        sizes = list(layer.shape(y))
        places = np.repeat(np.arange(sizes[axis]), times)
        sizes[axis] *= times
        y = layer.step("Gather", y, places, axis=axis + 1, shape=sizes)
    layer.end(y)


def _cropping(layer: _Layer) -> None:
    value = layer.option("cropping", 0)
    sides = [(n, n) if isinstance(n, int) else n for n in ([value, value] if isinstance(value, int) else value)]
    rows, columns, channels = layer.shape(layer.x)
    ends = rows - sides[0][1], columns - sides[1][1]
    starts = sides[0][0], sides[1][0]
    shape = (ends[0] - starts[0], ends[1] - starts[1], channels)
    layer.end(layer.step("Slice", layer.x, np.array(starts), np.array(ends), np.array([1, 2]), shape=shape))


# ---- shapes and branches


def _flatten(layer: _Layer) -> None:
    size = prod(layer.shape(layer.x))
    layer.end(layer.step("Reshape", layer.x, np.array([-1, size]), shape=(size,)))


def _reshape(layer: _Layer) -> None:
    target, size = list(layer.option("target_shape")), prod(layer.shape(layer.x))
    known = prod(n for n in target if n != -1)
    target = [size // known if n == -1 else n for n in target]
    layer.end(layer.step("Reshape", layer.x, np.array([-1, *target]), shape=target))


def _permute(layer: _Layer) -> None:
    dims = list(layer.option("dims"))
    shape = [layer.shape(layer.x)[axis - 1] for axis in dims]
    layer.end(layer.step("Transpose", layer.x, perm=[0, *dims], shape=shape))


def _chain(op: str) -> Callable[[_Layer], None]:
    def rule(layer: _Layer) -> None:
        first, *others = layer.inputs
        for other in others:
            shape = np.broadcast_shapes(layer.shape(first), layer.shape(other))
            first = layer.step(op, first, other, shape=shape)
        layer.end(first)

    return rule


def _average(layer: _Layer) -> None:
    first, *others = layer.inputs
    for other in others:
        first = layer.step("Add", first, other)
    layer.end(layer.step("Div", first, float(len(layer.inputs))))


def _concatenate(layer: _Layer) -> None:
    axis = int(layer.option("axis", -1))
    shapes = [layer.shape(name) for name in layer.inputs]
    place = axis % (len(shapes[0]) + 1) - 1
    shape = list(shapes[0])
    shape[place] = sum(one[place] for one in shapes)
    layer.end(layer.step("Concat", *layer.inputs, axis=place + 1, shape=shape))


LAYERS: dict[str, Callable[[_Layer], None]] = {
    **dict.fromkeys(
        (
            "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity",
            "RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
            "SpatialDropout1D", "SpatialDropout2D",
        ),
        lambda layer: layer.end(layer.x),
    ),
    **dict.fromkeys(("BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2"), _norm),
    **dict.fromkeys((name for name in _ACTIVATION_QUANTISERS if name[0].isupper()), _quantiser),
    "Activation": _activation,
    "Add": _chain("Add"),
    "Average": _average,
    "AveragePooling2D": _pool("AveragePool"),
    "Concatenate": _concatenate,
    "Conv2D": _conv,
    "Conv2DTranspose": _transposed,
    "Cropping2D": _cropping,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global("ReduceMean"),
    "GlobalMaxPooling2D": _global("ReduceMax"),
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _pool("MaxPool"),
    "Maximum": _chain("Max"),
    "Minimum": _chain("Min"),
    "Multiply": _chain("Mul"),
    "Permute": _permute,
    "QuantActivation": _quant_activation,
    "QuantConv2D": _conv,
    "QuantConv2DTranspose": _transposed,
    "QuantDense": _dense,
    "QuantDepthwiseConv2D": _depthwise,
    "QuantSeparableConv2D": _separable,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv2D": _separable,
    "Softmax": _softmax,
    "Subtract": _chain("Sub"),
    "UpSampling2D": _upsampling,
    "ZeroPadding2D": _zero_padding,
}  # fmt: skip
