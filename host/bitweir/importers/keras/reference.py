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
from .files import KerasFile, read_keras
from .graph import INPUT_CODES, graph_of, tensor_name
from .steps import ACTIVATION_QUANTISERS, Build, Layer, activated, quantised, quantised_kernel

__all__ = ["keras_executor"]

Array = NDArray[Any]
Pair = tuple[int, int]
#: Of the operators in `execution`.
_OPSET = 18


def keras_executor(path: Path, tensors: Sequence[str], model: KerasFile | None = None) -> Executor:
    """An executor of an ``.h5`` or ``.keras`` file.

    Parameters
    ----------
    path : Path
        A file that the importer accepts.
    tensors : sequence of str
        Names as `graph.Call` has them.
    model : KerasFile or None
        Stands in for what the file holds.

    Raises
    ------
    CannotRunError
        The model has a layer that is not here, or one that breaks a rule.
    """
    try:
        file = read_keras(path) if model is None else model
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
        y = layer.step("Add", y, quantised_kernel(arrays["bias"], layer.option("bias_quantizer")))
    activated(layer, y, layer.option("activation"))


def _arrays(layer: Layer, *names: tuple[str, ...] | str) -> dict[str, Array]:
    return layer.weights(*names, *(["bias"] if layer.option("use_bias", True) else []))


def _dense(layer: Layer) -> None:
    arrays, x = _arrays(layer, "kernel"), _input(layer)
    kernel = quantised_kernel(arrays["kernel"], layer.option("kernel_quantizer"))
    y = layer.step("MatMul", x, kernel, shape=(*layer.shape(x)[:-1], kernel.shape[1]))
    _finished(layer, y, arrays)


def _pads(layer: Layer, sizes: Sequence[int], spans: Sequence[int], strides: Sequence[int]) -> list[Pair]:
    """Pads of each axis: TensorFlow makes ceil(size / stride) windows of ``same``, with the odd pad at the end."""
    how = str(layer.option("padding", "valid")).lower()
    if how == "causal":
        return [(span - 1, 0) for span in spans]
    if how != "same":
        return [(0, 0)] * len(spans)
    pads = []
    for size, span, stride in zip(sizes, spans, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def _framed(layer: Layer, x: str, pads: Sequence[Pair], value: float = 0.0) -> str:
    """A map (..., C) with a border."""
    if not any(map(any, pads)):
        return x
    *sizes, channels = layer.shape(x)
    shape = (*(size + sum(pad) for size, pad in zip(sizes, pads, strict=True)), channels)
    before, after = ([0, *(pad[end] for pad in pads), 0] for end in (0, 1))
    return layer.step("Pad", x, np.array([*before, *after]), value, shape=shape)


def _windowed(layer: Layer, x: str, op: str, counts: Sequence[int], *arrays: Array, **attributes: Any) -> str:
    """An operator of ONNX over a map (..., C), which it takes with the channels first; `counts` of windows."""
    axes = len(counts)
    y = layer.step("Transpose", x, perm=[0, axes + 1, *range(1, axes + 1)])
    y = layer.step(op, y, *arrays, **attributes)
    channels = len(arrays[0]) if arrays else layer.shape(x)[-1]
    return layer.step("Transpose", y, perm=[0, *range(2, axes + 2), 1], shape=(*counts, channels))


def _convolved(layer: Layer, x: str, weights: Array, groups: int) -> str:
    """A map (..., C) and weights (M, C / groups, ...) to the map of the sums."""
    kernel = weights.shape[2:]
    strides, gaps = (layer.numbers(name, 1, len(kernel)) for name in ("strides", "dilation_rate"))
    spans = [(size - 1) * gap + 1 for size, gap in zip(kernel, gaps, strict=True)]
    pads = _pads(layer, layer.shape(x)[:-1], spans, strides)
    framed = _framed(layer, x, pads, float(layer.option("pad_values", 0.0)))
    sizes = layer.shape(framed)[:-1]
    counts = [(size - span) // stride + 1 for size, span, stride in zip(sizes, spans, strides, strict=True)]
    return _windowed(layer, framed, "Conv", counts, weights, group=groups, strides=strides, dilations=gaps)


def _conv(layer: Layer) -> None:
    arrays, x = _arrays(layer, "kernel"), _input(layer)
    kernel = quantised_kernel(arrays["kernel"], layer.option("kernel_quantizer"))
    weights = np.moveaxis(kernel, (-1, -2), (0, 1))
    _finished(layer, _convolved(layer, x, weights, int(layer.option("groups", 1))), arrays)


def _transposed(layer: Layer) -> None:
    """As the gradient of a convolution: what `same` cuts off is what lies outside of ``size * stride``."""
    arrays, x = _arrays(layer, "kernel"), _input(layer)
    kernel = quantised_kernel(arrays["kernel"], layer.option("kernel_quantizer"))  # (kh, kw, M, C)
    spans, steps = kernel.shape[:2], layer.numbers("strides", 1, 2)
    cut = str(layer.option("padding", "valid")).lower() == "same"
    total = [max(span - step, 0) if cut else 0 for span, step in zip(spans, steps, strict=True)]
    more = [max(step - span, 0) for span, step in zip(spans, steps, strict=True)]
    pads = [n // 2 for n in total] + [n - n // 2 for n in total]
    *sizes, _ = layer.shape(x)
    counts = [(n - 1) * s + k - t + m for n, s, k, t, m in zip(sizes, steps, spans, total, more, strict=True)]
    y = layer.step("Transpose", x, perm=[0, 3, 1, 2])
    y = layer.step("ConvTranspose", y, kernel.transpose(3, 2, 0, 1), strides=steps, pads=pads, output_padding=more)
    y = layer.step("Transpose", y, perm=[0, 2, 3, 1], shape=(*counts, kernel.shape[2]))
    _finished(layer, y, arrays)


def _by_depth(layer: Layer, x: str, kernel: Array) -> str:
    """Each channel by filters of its own."""
    kernel = quantised_kernel(kernel, layer.option("depthwise_quantizer"))
    *sizes, channels, each = kernel.shape
    filters = np.moveaxis(kernel, (-2, -1), (0, 1)).reshape(channels * each, 1, *sizes)
    return _convolved(layer, x, filters, channels)


def _depthwise(layer: Layer) -> None:
    arrays = _arrays(layer, ("depthwise_kernel", "kernel"))
    _finished(layer, _by_depth(layer, _input(layer), arrays["depthwise_kernel"]), arrays)


def _separable(layer: Layer) -> None:
    arrays = _arrays(layer, "depthwise_kernel", "pointwise_kernel")
    y = _by_depth(layer, _input(layer), arrays["depthwise_kernel"])
    point = quantised_kernel(arrays["pointwise_kernel"], layer.option("pointwise_quantizer"))
    point = point[(0,) * (point.ndim - 2)]
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


def _prelu(layer: Layer) -> None:
    layer.end(layer.step("PRelu", layer.x, layer.weights("alpha")["alpha"]))


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
        *sizes, _ = layer.shape(layer.x)
        kernel = layer.numbers("pool_size", 2, len(sizes))
        strides = layer.numbers("strides", kernel, len(sizes))
        pads = _pads(layer, sizes, kernel, strides)
        counts = [(n + sum(pad) - k) // s + 1 for n, pad, k, s in zip(sizes, pads, kernel, strides, strict=True)]
        flat = [pad[end] for end in (0, 1) for pad in pads]
        layer.end(_windowed(layer, layer.x, op, counts, kernel_shape=kernel, strides=strides, pads=flat))

    return rule


def _global(op: str) -> Callable[[Layer], None]:
    def rule(layer: Layer) -> None:
        keep, (*sizes, channels) = bool(layer.option("keepdims", False)), layer.shape(layer.x)
        shape = (*(1 for _ in sizes), channels) if keep else (channels,)
        over = np.arange(1, len(sizes) + 1)
        layer.end(layer.step(op, layer.x, over, keepdims=int(keep), shape=shape))

    return rule


def _zero_padding(layer: Layer) -> None:
    value, axes = layer.option("padding", 1), len(layer.shape(layer.x)) - 1
    sides = [value] * axes if isinstance(value, int) else [value] if axes == 1 else value
    layer.end(_framed(layer, layer.x, [(n, n) if isinstance(n, int) else (n[0], n[1]) for n in sides]))


def _cropping(layer: Layer) -> None:
    *sizes, channels = layer.shape(layer.x)
    value = layer.option("cropping", 1)
    sides = [value] * len(sizes) if isinstance(value, int) else [value] if len(sizes) == 1 else value
    ends = [(side, side) if isinstance(side, int) else side for side in sides]
    starts, stops = [end[0] for end in ends], [size - end[1] for size, end in zip(sizes, ends, strict=True)]
    over = np.arange(1, len(sizes) + 1)
    shape = (*(stop - start for start, stop in zip(starts, stops, strict=True)), channels)
    layer.end(layer.step("Slice", layer.x, np.array(starts), np.array(stops), over, shape=shape))


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


def _concatenate(layer: Layer) -> None:
    first, *_ = shapes = [layer.shape(x) for x in layer.inputs]
    shape = (*first[:-1], sum(one[-1] for one in shapes))
    layer.end(layer.step("Concat", *layer.inputs, axis=-1, shape=shape))


def _upsampling(layer: Layer) -> None:
    *sizes, channels = layer.shape(layer.x)
    factors = layer.numbers("size", 2, len(sizes))
    shape = (*(size * factor for size, factor in zip(sizes, factors, strict=True)), channels)
    layer.end(layer.step("Upsample", layer.x, np.array([1, *factors, 1], np.float32), shape=shape))


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
    **dict.fromkeys(("Activation", "QActivation"), _activation),
    "Add": _add,
    **dict.fromkeys(("AveragePooling1D", "AveragePooling2D"), _pool("AveragePool")),
    "Concatenate": _concatenate,
    **dict.fromkeys(("Conv2DTranspose", "QuantConv2DTranspose"), _transposed),
    **dict.fromkeys(("Conv1D", "Conv2D", "QConv1D", "QConv2D"), _conv),
    **dict.fromkeys(("Cropping1D", "Cropping2D"), _cropping),
    **dict.fromkeys(("Dense", "QDense"), _dense),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D", "QDepthwiseConv2D"), _depthwise),
    "Flatten": _flatten,
    **dict.fromkeys(("GlobalAveragePooling1D", "GlobalAveragePooling2D"), _global("ReduceMean")),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D"), _global("ReduceMax")),
    "LeakyReLU": _leaky_relu,
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D"), _pool("MaxPool")),
    "PReLU": _prelu,
    "QuantActivation": _quant_activation,
    **dict.fromkeys(("QuantConv1D", "QuantConv2D"), _conv),
    "QuantDense": _dense,
    "QuantDepthwiseConv2D": _depthwise,
    **dict.fromkeys(("QuantSeparableConv1D", "QuantSeparableConv2D"), _separable),
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    "Softmax": _softmax,
    **dict.fromkeys(("UpSampling1D", "UpSampling2D"), _upsampling),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), _zero_padding),
}  # fmt: skip
