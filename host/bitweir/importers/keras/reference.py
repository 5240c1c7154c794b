"""An independent executor of Keras and Larq files, to compare imported networks with.

Each layer becomes the operators of its formula, as TensorFlow and Larq define it, with floats throughout; `Program`
runs them in float64. It shares the reading of files with the importer, and none of its rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.errors import BitweirError
from numpy.typing import NDArray

from ..errors import shown
from ..execution.executor import NUMPY, Executor
from ..execution.operators import CannotRunError
from ..execution.program import Program, ordered
from .files import read_keras
from .graph import INPUT_CODES, graph_of, tensor_name
from .steps import ACTIVATION_QUANTISERS, Build, Layer, activated, quantised, quantised_kernel

__all__ = ["keras_executor"]

Array = NDArray[Any]
Pair = tuple[int, int]
#: Of the operators in `execution`.
_OPSET = 18
_FIRST, _LAST = [0, 3, 1, 2], [0, 2, 3, 1]


def keras_executor(path: Path, tensors: Sequence[str]) -> Executor:
    """An executor of an ``.h5`` or ``.keras`` file.

    Parameters
    ----------
    path : Path
        A file that the importer accepts.
    tensors : sequence of str
        Names as `graph.Call` has them.

    Raises
    ------
    CannotRunError
        The model has a layer that is not here, or one that breaks a rule.
    """
    try:
        file = read_keras(path)
        graph = graph_of(file.config)
        build = Build(file, graph)
        for call in graph.calls:
            if call.kind not in LAYERS:
                raise CannotRunError(f"layer {call.label} is not known")
            LAYERS[call.kind](Layer(build, call))
        entry = tensor_name(graph.input)
        makers = {name: node for node in build.nodes for name in node.output}
        nodes = ordered(makers, list(tensors), {*build.constants, entry})
        program = Program(nodes, build.constants, entry, tensors, _OPSET)
    except CannotRunError:
        raise
    except BitweirError as error:
        raise CannotRunError(str(error)[:1].lower() + str(error)[1:].rstrip(".")) from error
    except Exception as error:  # a malformed layer, of which the importer need not have read everything
        raise CannotRunError(f"{type(error).__name__} {shown(str(error))}") from error
    return Executor(NUMPY, tensors, program.run, program=program)


# ---- layers with kernels


def _input(layer: Layer) -> str:
    """The input behind the quantiser that the layer has for it."""
    codes = quantised(layer, layer.x, layer.option("input_quantizer"))
    return layer.step("Identity", codes, name=layer.call.inner(INPUT_CODES))


def _finished(layer: Layer, y: str, arrays: dict[str, Array]) -> None:
    if "bias" in arrays:
        y = layer.step("Add", y, arrays["bias"])
    activated(layer, y, layer.option("activation"))


def _arrays(layer: Layer, *names: tuple[str, ...] | str) -> dict[str, Array]:
    return layer.weights(*names, *(["bias"] if layer.option("use_bias", True) else []))


def _dense(layer: Layer) -> None:
    arrays, x = _arrays(layer, "kernel"), _input(layer)
    kernel = quantised_kernel(arrays["kernel"], layer.option("kernel_quantizer"))
    y = layer.step("MatMul", x, kernel, shape=(*layer.shape(x)[:-1], kernel.shape[1]))
    _finished(layer, y, arrays)


def _same(layer: Layer, sizes: Sequence[int], spans: Pair, strides: Pair) -> list[Pair]:
    """Pads of rows and columns: TensorFlow makes ceil(size / stride) windows, with the odd pad at the end."""
    if str(layer.option("padding", "valid")).lower() != "same":
        return [(0, 0), (0, 0)]
    pads = []
    for size, span, stride in zip(sizes, spans, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def _framed(layer: Layer, x: str, pads: Sequence[Pair], value: float = 0.0) -> str:
    """A map (H, W, C) with a border."""
    if not any(map(any, pads)):
        return x
    (above, below), (left, right) = pads
    rows, columns, channels = layer.shape(x)
    shape = (rows + above + below, columns + left + right, channels)
    return layer.step("Pad", x, np.array([0, above, left, 0, 0, below, right, 0]), value, shape=shape)


def _convolved(layer: Layer, x: str, weights: Array, groups: int) -> str:
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


def _conv(layer: Layer) -> None:
    arrays, x = _arrays(layer, "kernel"), _input(layer)
    kernel = quantised_kernel(arrays["kernel"], layer.option("kernel_quantizer"))
    _finished(layer, _convolved(layer, x, kernel.transpose(3, 2, 0, 1), int(layer.option("groups", 1))), arrays)


def _by_depth(layer: Layer, x: str, kernel: Array) -> str:
    """Each channel by filters of its own."""
    kernel = quantised_kernel(kernel, layer.option("depthwise_quantizer"))
    rows, columns, channels, each = kernel.shape
    return _convolved(layer, x, kernel.transpose(2, 3, 0, 1).reshape(channels * each, 1, rows, columns), channels)


def _depthwise(layer: Layer) -> None:
    arrays = _arrays(layer, ("depthwise_kernel", "kernel"))
    _finished(layer, _by_depth(layer, _input(layer), arrays["depthwise_kernel"]), arrays)


def _separable(layer: Layer) -> None:
    arrays = _arrays(layer, "depthwise_kernel", "pointwise_kernel")
    y = _by_depth(layer, _input(layer), arrays["depthwise_kernel"])
    point = quantised_kernel(arrays["pointwise_kernel"], layer.option("pointwise_quantizer"))[0, 0]
    _finished(layer, layer.step("MatMul", y, point, shape=(*layer.shape(y)[:-1], point.shape[1])), arrays)


# ---- scalar operations


def _norm(layer: Layer) -> None:
    flags = (("gamma", "scale"), ("beta", "center"))
    names = [name for name, flag in flags if layer.option(flag, True)]
    arrays = {key: one.astype(np.float64) for key, one in layer.weights(*names, *_STATISTICS).items()}
    root = np.sqrt(arrays["moving_variance"] + float(np.float32(layer.option("epsilon", 1e-3))))
    y = layer.step("Div", layer.step("Sub", layer.x, arrays["moving_mean"]), root)
    y = layer.step("Mul", y, arrays["gamma"]) if "gamma" in arrays else y
    layer.end(layer.step("Add", y, arrays["beta"]) if "beta" in arrays else y)


_STATISTICS = ("moving_mean", "moving_variance")


def _rescaling(layer: Layer) -> None:
    y = layer.step("Mul", layer.x, float(np.float32(layer.option("scale"))))
    layer.end(layer.step("Add", y, float(np.float32(layer.option("offset", 0.0)))))


def _relu(layer: Layer) -> None:
    slope, most = float(layer.option("negative_slope", 0.0)), layer.option("max_value")
    if layer.option("threshold", 0.0):
        raise CannotRunError(f"layer {layer.call.label} has a threshold")
    y = layer.step("LeakyRelu", layer.x, alpha=slope) if slope else layer.step("Relu", layer.x)
    layer.end(y if most is None else layer.step("Min", y, float(np.float32(most))))


def _leaky_relu(layer: Layer) -> None:
    slope = layer.option("alpha", layer.option("negative_slope", 0.3))
    layer.end(layer.step("LeakyRelu", layer.x, alpha=float(slope)))


def _activation(layer: Layer) -> None:
    activated(layer, layer.x, layer.option("activation"))


def _softmax(layer: Layer) -> None:
    activated(layer, layer.x, "softmax")


def _quantiser(layer: Layer) -> None:
    layer.end(quantised(layer, layer.x, {"class_name": layer.call.kind, "config": dict(layer.call.config)}))


def _quant_activation(layer: Layer) -> None:
    specs = [layer.option(name) for name in ("quantizer", "input_quantizer", "activation")]
    layer.end(quantised(layer, layer.x, next((spec for spec in specs if spec is not None), None)))


# ---- maps


def _pool(op: str) -> Callable[[Layer], None]:
    def rule(layer: Layer) -> None:
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


def _global(op: str) -> Callable[[Layer], None]:
    def rule(layer: Layer) -> None:
        keep, channels = bool(layer.option("keepdims", False)), layer.shape(layer.x)[-1]
        shape = (1, 1, channels) if keep else (channels,)
        layer.end(layer.step(op, layer.x, np.array([1, 2]), keepdims=int(keep), shape=shape))

    return rule


def _zero_padding(layer: Layer) -> None:
    value = layer.option("padding", 1)
    sides = [value, value] if isinstance(value, int) else value
    layer.end(_framed(layer, layer.x, [(n, n) if isinstance(n, int) else (n[0], n[1]) for n in sides]))


# ---- shapes and branches


def _flatten(layer: Layer) -> None:
    size = prod(layer.shape(layer.x))
    layer.end(layer.step("Reshape", layer.x, np.array([-1, size]), shape=(size,)))


def _reshape(layer: Layer) -> None:
    target, size = list(layer.option("target_shape")), prod(layer.shape(layer.x))
    known = prod(n for n in target if n != -1)
    target = [size // known if n == -1 else n for n in target]
    layer.end(layer.step("Reshape", layer.x, np.array([-1, *target]), shape=target))


def _add(layer: Layer) -> None:
    first, *others = layer.inputs
    for other in others:
        first = layer.step("Add", first, other)
    layer.end(first)


LAYERS: dict[str, Callable[[Layer], None]] = {
    **dict.fromkeys(
        (
            "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity",
            "RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
            "SpatialDropout1D", "SpatialDropout2D",
        ),
        lambda layer: layer.end(layer.x),
    ),
    **dict.fromkeys(("BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2"), _norm),
    **dict.fromkeys((name for name in ACTIVATION_QUANTISERS if name[0].isupper()), _quantiser),
    "Activation": _activation,
    "Add": _add,
    "AveragePooling2D": _pool("AveragePool"),
    "Conv2D": _conv,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global("ReduceMean"),
    "GlobalMaxPooling2D": _global("ReduceMax"),
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _pool("MaxPool"),
    "QuantActivation": _quant_activation,
    "QuantConv2D": _conv,
    "QuantDense": _dense,
    "QuantDepthwiseConv2D": _depthwise,
    "QuantSeparableConv2D": _separable,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv2D": _separable,
    "Softmax": _softmax,
    "ZeroPadding2D": _zero_padding,
}  # fmt: skip
