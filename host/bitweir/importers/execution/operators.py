"""The operators of ONNX, and those of QONNX, as they are defined, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import prod
from typing import Any

import numpy as np
import onnx
from bitweir_hw.errors import BitweirError
from numpy.typing import NDArray

__all__ = ["MAX_ELEMENTS", "OPS", "Call", "CannotRunError"]

Array = NDArray[Any]
#: Elements that a tensor of one batch may have.
MAX_ELEMENTS = 1 << 27


class CannotRunError(BitweirError):
    """An executor does not run a file; the text is the end of a sentence."""

    exit_code = 3


class Call:
    """What an operator gets beside its inputs: attributes, opset, and how many outputs the node has."""

    def __init__(self, attributes: Mapping[str, Any], opset: int, outputs: int) -> None:
        self._attributes = attributes
        self.opset = opset
        self.outputs = outputs

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self._attributes.get(name, default)


# ---- operators: f(call, *inputs) -> array, or tuple of arrays


def _same_type(function: Callable[..., Any]) -> Callable[..., Array]:
    """An elementwise operator whose result has the type of its inputs."""

    def run(call: Call, *arrays: Array) -> Array:
        if any(array.dtype == np.bool_ for array in arrays):
            raise CannotRunError("arithmetic takes numbers, not what a comparison says")  # NumPy would take it
        return np.asarray(function(*arrays), np.result_type(*arrays))

    return run


def _logical(function: Callable[..., Any]) -> Callable[..., Array]:
    return lambda call, *arrays: np.asarray(function(*arrays))


def _div(call: Call, a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu":  # towards zero
        return np.asarray(np.fix(a / b), a.dtype)
    return np.asarray(a / b, np.result_type(a, b))


def _clip(call: Call, x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    low = call.get("min") if low is None else low
    high = call.get("max") if high is None else high
    if low is not None:
        x = np.maximum(x, np.asarray(low, x.dtype))
    return x if high is None else np.minimum(x, np.asarray(high, x.dtype))


def _batch_norm(call: Call, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array) -> Array:
    if call.get("training_mode", 0):
        raise CannotRunError("a batch norm is in training mode")
    shape = (1, -1, *(1,) * (x.ndim - 2))
    gamma, beta, mean, variance = (a.astype(np.float64).reshape(shape) for a in (gamma, beta, mean, variance))
    epsilon = float(np.float32(call.get("epsilon", 1e-5)))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def _leaky(call: Call, x: Array) -> Array:
    return np.where(x < 0, x * float(np.float32(call.get("alpha", 0.01))), x)


def _hard_sigmoid(call: Call, x: Array) -> Array:
    alpha, beta = (float(np.float32(call.get(name, default))) for name, default in (("alpha", 0.2), ("beta", 0.5)))
    return np.asarray(np.clip(alpha * x + beta, 0, 1), x.dtype)


def _prelu(call: Call, x: Array, slope: Array) -> Array:
    return np.where(x < 0, x * slope, x)


def _cast(call: Call, x: Array) -> Array:
    return x.astype(onnx.helper.tensor_dtype_to_np_dtype(call.get("to")))


def _softmax(call: Call, x: Array) -> Array:
    axis = call.get("axis", -1 if call.opset >= 13 else 1)
    over = (axis,) if call.opset >= 13 else tuple(range(axis % x.ndim, x.ndim))
    powers = np.exp(x - x.max(axis=over, keepdims=True))
    return np.asarray(powers / powers.sum(axis=over, keepdims=True))


def _matmul(call: Call, a: Array, b: Array) -> Array:
    return np.asarray(a @ b)


def _gemm(call: Call, a: Array, b: Array, c: Array | None = None) -> Array:
    a = a.T if call.get("transA", 0) else a
    b = b.T if call.get("transB", 0) else b
    alpha, beta = (float(np.float32(call.get(name, 1.0))) for name in ("alpha", "beta"))
    y = a @ b * alpha
    return np.asarray(y if c is None else y + c * beta, y.dtype)


# -- windows


def _pads(call: Call, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Pads before and after each axis of a map."""
    how = call.get("auto_pad", "NOTSET") or "NOTSET"
    if how == "NOTSET":
        flat = call.get("pads", [0] * (2 * len(sizes)))
        return list(zip(flat[: len(sizes)], flat[len(sizes) :], strict=True))
    if how == "VALID":
        return [(0, 0)] * len(sizes)
    result = []
    for size, width, stride in zip(sizes, kernel, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + width - size, 0)
        small, large = total // 2, total - total // 2
        result.append((small, large) if how == "SAME_UPPER" else (large, small))
    return result


def _windows(x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Array:
    """Windows of padded maps (N, C, *sizes): (N, C, *counts, *kernel)."""
    axes = tuple(range(2, x.ndim))
    spans = [(width - 1) * gap + 1 for width, gap in zip(kernel, dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axes)
    steps = [slice(None, None, stride) for stride in strides]
    gaps = [slice(None, None, gap) for gap in dilations]
    seen = view[(slice(None), slice(None), *steps, *gaps)]
    # A view takes no memory, but what is made of it does.
    if seen.size > MAX_ELEMENTS:
        raise CannotRunError("the windows of a map are too large")
    return seen


def _conv(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    rank = x.ndim - 2
    kernel, groups = weights.shape[2:], call.get("group", 1)
    strides, dilations = (call.get(name, [1] * rank) for name in ("strides", "dilations"))
    spans = [(width - 1) * gap + 1 for width, gap in zip(kernel, dilations, strict=True)]
    pads = _pads(call, x.shape[2:], spans, strides)
    view = _windows(np.pad(x, [(0, 0), (0, 0), *pads]), kernel, strides, dilations)
    counts = view.shape[2 : 2 + rank]
    seen, made = x.shape[1] // groups, len(weights) // groups
    parts = []
    for group in range(groups):
        taps = np.moveaxis(view[:, group * seen : (group + 1) * seen], 1, 1 + rank)
        rows = taps.reshape(len(x), prod(counts), seen * prod(kernel))
        filters = weights[group * made : (group + 1) * made].reshape(made, -1)
        parts.append(np.moveaxis(rows @ filters.T, 2, 1).reshape(len(x), made, *counts))
    y = np.concatenate(parts, axis=1)
    return y if bias is None else y + bias.reshape(1, -1, *(1,) * rank)


def _pool(call: Call, x: Array, outside: float) -> tuple[Array, Array]:
    """Windows (N, C, *counts, taps) of a map, and which taps lie inside it."""
    rank = x.ndim - 2
    kernel = call.get("kernel_shape")
    strides, dilations = (call.get(name) or [1] * rank for name in ("strides", "dilations"))
    spans = [(width - 1) * gap + 1 for width, gap in zip(kernel, dilations, strict=True)]
    pads = _pads(call, x.shape[2:], spans, strides)
    if call.get("ceil_mode", 0):
        for axis, (before, after) in enumerate(pads):
            size = x.shape[2 + axis]
            count = -(-(size + before + after - spans[axis]) // strides[axis]) + 1
            if (count - 1) * strides[axis] >= size + before:
                count -= 1  # a window may not begin behind the map
            pads[axis] = (before, max(after, (count - 1) * strides[axis] + spans[axis] - size - before))
    edges = [(0, 0), (0, 0), *pads]
    taps = _windows(np.pad(x, edges, constant_values=outside), kernel, strides, dilations)
    inside = _windows(np.pad(np.ones((1, 1, *x.shape[2:]), bool), edges), kernel, strides, dilations)
    return tuple(array.reshape(*array.shape[: 2 + rank], -1) for array in (taps, inside))  # type: ignore[return-value]


def _max_pool(call: Call, x: Array) -> Array:
    if call.outputs > 1:
        raise CannotRunError("a max pool tells where its values lie")
    taps, _ = _pool(call, x, -np.inf if x.dtype.kind == "f" else 0)
    return np.asarray(taps.max(axis=-1))


def _average_pool(call: Call, x: Array) -> Array:
    taps, inside = _pool(call, x, 0.0)
    # With ceil_mode the windows count what the attribute pads has, not more; rare, so it is left out.
    if call.get("count_include_pad", 0):
        if call.get("ceil_mode", 0):
            raise CannotRunError("an average pool counts pads of ceil_mode")
        return np.asarray(taps.mean(axis=-1))
    return np.asarray(taps.sum(axis=-1) / inside.sum(axis=-1))


def _global(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda call, x: function(x, axis=tuple(range(2, x.ndim)), keepdims=True)


def _pad(call: Call, x: Array, pads: Array | None = None, value: Array | None = None, over: Array | None = None) -> Any:
    if call.get("mode", "constant") != "constant":
        raise CannotRunError("a Pad is not constant")
    numbers = list(call.get("pads")) if pads is None else pads.reshape(-1).tolist()
    constant = call.get("value", 0.0) if value is None else value.reshape(-1)[0]
    axes = range(x.ndim) if over is None else over.reshape(-1).tolist()
    edges = [(0, 0)] * x.ndim
    for place, axis in enumerate(axes):
        edges[axis] = (numbers[place], numbers[place + len(axes)])
    if min(min(edge) for edge in edges) < 0:
        raise CannotRunError("a Pad cuts")
    return np.pad(x, edges, constant_values=constant)


# -- shapes


def _axes(call: Call, over: Array | None) -> tuple[int, ...] | None:
    found = call.get("axes") if over is None else over.reshape(-1).tolist()
    return None if found is None else tuple(int(axis) for axis in found)


def _reduce(function: Callable[..., Any]) -> Callable[..., Array]:
    def run(call: Call, x: Array, over: Array | None = None) -> Array:
        axes = _axes(call, over)
        if not axes and call.get("noop_with_empty_axes", 0):
            return x
        return np.asarray(function(x, axis=axes or None, keepdims=bool(call.get("keepdims", 1))), x.dtype)

    return run


def _arg_max(call: Call, x: Array) -> Array:
    if call.get("select_last_index", 0):
        raise CannotRunError("an ArgMax takes the last index")
    axis = call.get("axis", 0)
    found = np.argmax(x, axis=axis)
    return np.expand_dims(found, axis) if call.get("keepdims", 1) else np.asarray(found)


def _top_k(call: Call, x: Array, count: Array | None = None) -> tuple[Array, Array]:
    k = int(call.get("k") if count is None else count.reshape(-1)[0])
    axis = call.get("axis", -1)
    order = np.argsort(-x if call.get("largest", 1) else x, axis=axis, kind="stable")
    chosen = np.take(order, range(k), axis=axis)
    return np.take_along_axis(x, chosen, axis), chosen


def _reshape(call: Call, x: Array, target: Array | None = None) -> Array:
    sizes = [int(size) for size in (call.get("shape") if target is None else target.reshape(-1))]
    if not call.get("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


def _flatten(call: Call, x: Array) -> Array:
    axis = call.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


def _squeeze(call: Call, x: Array, over: Array | None = None) -> Array:
    return np.squeeze(x, _axes(call, over))


def _unsqueeze(call: Call, x: Array, over: Array | None = None) -> Array:
    return np.expand_dims(x, _axes(call, over) or ())


def _slice(call: Call, x: Array, *parts: Array | None) -> Array:
    names = ("starts", "ends", "axes", "steps")
    given: list[Any] = [None if part is None else part.reshape(-1).tolist() for part in parts]
    given += [call.get(name) for name in names[len(given) :]]
    starts, ends, axes, steps = given
    for place, start in enumerate(starts):
        axis = axes[place] if axes else place
        step = steps[place] if steps else 1
        end: int | None = ends[place]
        if step < 0 and end is not None and end < -x.shape[axis]:
            end = None  # down to the very first
        x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end, step),)]
    return x


def _shape(call: Call, x: Array) -> Array:
    return np.array(x.shape, np.int64)[call.get("start", 0) : call.get("end")]


def _constant(call: Call) -> Array:
    for name, kind in (
        ("value", None), ("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64),
        ("value_ints", np.int64),
    ):  # fmt: skip
        if call.get(name) is not None:
            return np.asarray(call.get(name), kind)
    raise CannotRunError("a Constant has no value")


def _constant_of_shape(call: Call, shape: Array) -> Array:
    sizes = [int(size) for size in shape.reshape(-1)]
    if prod(sizes) > MAX_ELEMENTS:
        raise CannotRunError("a tensor is too large")
    value = call.get("value")
    return np.full(sizes, np.float32(0) if value is None else value.reshape(-1)[0])


def _expand(call: Call, x: Array, shape: Array) -> Array:
    sizes = np.broadcast_shapes(x.shape, tuple(int(size) for size in shape.reshape(-1)))
    if prod(sizes) > MAX_ELEMENTS:
        raise CannotRunError("a tensor is too large")
    return np.broadcast_to(x, sizes)


# -- quantisers


def _away_from_zero(x: Array) -> Array:
    return np.copysign(np.ceil(np.abs(x)), x)


def _half_away(x: Array) -> Array:
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


def _half_to_zero(x: Array) -> Array:
    return np.copysign(np.ceil(np.abs(x) - 0.5), x)


_ROUND: dict[str, Callable[[Array], Any]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": _away_from_zero,
    "DOWN": np.trunc,
    "HALF_UP": _half_away,
    "HALF_DOWN": _half_to_zero,
}


def _bipolar(call: Call, x: Array, scale: Array) -> Array:
    return np.asarray(np.where(x >= 0, 1, -1) * scale, np.result_type(x, scale))


def _quant(call: Call, x: Array, scale: Array, zero: Array, bits: Array) -> Array:
    width, signed, narrow = float(np.max(bits)), bool(call.get("signed")), bool(call.get("narrow"))
    codes = x / scale + zero
    if width == 1 and signed:
        codes = np.where(codes >= 0, 1, -1)
    else:
        low = -(2.0 ** (width - 1)) + narrow if signed else 0.0
        high = 2.0 ** (width - 1) - 1 if signed else 2.0**width - 1 - narrow
        codes = _ROUND[str(call.get("rounding_mode", "ROUND")).upper()](np.minimum(np.maximum(codes, low), high))
    return np.asarray((codes - zero) * scale, np.result_type(x, scale, zero))


def _multi_threshold(call: Call, x: Array, table: Array) -> Array:
    last = call.get("data_layout", "NCHW") in ("NHWC", "NC") and x.ndim > 1
    axis = x.ndim - 1 if last else 1
    shape = [1] * x.ndim
    shape[axis] = len(table)
    count = np.zeros(x.shape)
    for column in table.T:
        count += x >= column.reshape(shape)
    scale, bias = (float(np.float32(call.get(name, default))) for name, default in (("out_scale", 1), ("out_bias", 0)))
    return count * scale + bias


#: Each operator; those of QONNX do not share a name with one of ONNX.
OPS: dict[str, Callable[..., Any]] = {
    "Abs": _same_type(np.abs),
    "Add": _same_type(np.add),
    "And": _logical(np.logical_and),
    "ArgMax": _arg_max,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "BipolarQuant": _bipolar,
    "Cast": _cast,
    "Ceil": _same_type(np.ceil),
    "Clip": _clip,
    "Concat": lambda call, *arrays: np.concatenate(arrays, call.get("axis")),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "Div": _div,
    "Dropout": lambda call, x, *rest: x,
    "Equal": _logical(np.equal),
    "Exp": _same_type(np.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _same_type(np.floor),
    "Gather": lambda call, x, index: np.take(x, index, call.get("axis", 0)),
    "Gemm": _gemm,
    "GlobalAveragePool": _global(np.mean),
    "GlobalMaxPool": _global(np.max),
    "Greater": _logical(np.greater),
    "GreaterOrEqual": _logical(np.greater_equal),
    "HardSigmoid": _hard_sigmoid,
    "Identity": lambda call, x: x,
    "IntQuant": _quant,
    "LeakyRelu": _leaky,
    "Less": _logical(np.less),
    "LessOrEqual": _logical(np.less_equal),
    "Log": _same_type(np.log),
    "LogSoftmax": lambda call, x: np.log(_softmax(call, x)),
    "MatMul": _matmul,
    "Max": _same_type(lambda *arrays: np.maximum.reduce(np.broadcast_arrays(*arrays))),
    "MaxPool": _max_pool,
    "Mean": _same_type(lambda *arrays: reduce(np.add, arrays) / len(arrays)),
    "Min": _same_type(lambda *arrays: np.minimum.reduce(np.broadcast_arrays(*arrays))),
    "Mul": _same_type(np.multiply),
    "MultiThreshold": _multi_threshold,
    "Neg": _same_type(np.negative),
    "Not": _logical(np.logical_not),
    "Or": _logical(np.logical_or),
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": lambda call, x, y: np.asarray(np.power(x, y), x.dtype),
    "Quant": _quant,
    "Reciprocal": _same_type(lambda x: 1 / x),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceMin": _reduce(np.min),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "Relu": _same_type(lambda x: np.maximum(x, 0)),
    "Reshape": _reshape,
    "Round": _same_type(np.round),
    "Shape": _shape,
    "Sigmoid": _same_type(lambda x: 1 / (1 + np.exp(-x))),
    "Sign": _same_type(np.sign),
    "Slice": _slice,
    "Softmax": _softmax,
    "Sqrt": _same_type(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _same_type(np.subtract),
    "Sum": _same_type(lambda *arrays: reduce(np.add, arrays)),
    "Tanh": _same_type(np.tanh),
    "TopK": _top_k,
    "Transpose": lambda call, x: np.transpose(x, call.get("perm")),
    "Unsqueeze": _unsqueeze,
    "Where": lambda call, condition, a, b: np.where(condition, a, b),
}
