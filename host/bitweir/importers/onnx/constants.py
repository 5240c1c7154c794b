"""Nodes all of whose inputs are constant, in NumPy: weights behind subgraphs, and shapes.

A table of small functions ``f(node, opset, *arrays) -> array``, or a tuple of arrays where a node has several outputs.
Types stay as ONNX has them (float32 remains float32), so that a weight has the sign that the framework gives it.
Functions of their own make views where they can, and know what a large result would cost; operators that parameters
seldom go through are those of `execution.operators`, for arrays of moderate size.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from ..errors import ModelError
from ..execution.operators import Operator
from ..files import MAX_ELEMENTS
from .graph import Node

__all__ = [
    "CONSTANT_OPS",
    "LIBRARY_OPS",
    "Array",
    "axes",
    "fold_constant",
    "linear_range",
    "quant_range",
    "quantise_array",
    "reshape_target",
    "sizes",
    "slice_array",
    "split_array",
]

Array = NDArray[Any]


#: Elements that an operator of the library may take: it makes copies, and sorts.
_MAX_LIBRARY = 1 << 24


def fold_constant(node: Node, opset: int, arrays: list[Array | None]) -> list[Array]:
    """The outputs of a node whose inputs are all constant; of one whose further outputs nobody needs, the first."""
    with np.errstate(all="ignore"):
        made = CONSTANT_OPS[node.op](node, opset, *arrays)
    return [np.asarray(array) for array in (made if isinstance(made, tuple) else (made,))]


def _bounded(*shape: int) -> tuple[int, ...]:
    if any(size < 0 for size in shape) or len(shape) > 8 or prod(shape) > MAX_ELEMENTS:
        raise ModelError(f"its result must have at most {MAX_ELEMENTS} elements in 8 axes, not the shape {shape}")
    return shape


def axes(node: Node, array: Array | None, default: Any = None) -> tuple[int, ...] | None:
    """Axes of a node, which old opsets hold in an attribute and new ones in an input."""
    found = node.attributes.get("axes", default) if array is None else array.reshape(-1).tolist()
    return None if found is None else tuple(int(axis) for axis in found)


def sizes(node: Node, shape: tuple[int, ...]) -> Array:
    """What a Shape node makes of `shape`."""
    return np.array(shape, np.int64)[node.attributes.get("start", 0) : node.attributes.get("end")]


def reshape_target(node: Node, shape: tuple[int, ...], target: Array) -> tuple[int, ...]:
    """The shape that a Reshape makes of `shape`."""
    after = [int(size) for size in target.reshape(-1)]
    if not node.attributes.get("allowzero", 0):
        after = [shape[axis] if size == 0 else size for axis, size in enumerate(after)]
    if after.count(-1) == 1:
        known = prod(size for size in after if size != -1)
        after[after.index(-1)] = prod(shape) // known if known else 0
    if min(after, default=0) < 0 or prod(after) != prod(shape):
        raise ModelError(f"it cannot make the shape {tuple(after)} of {shape}")
    return tuple(after)


def _elementwise(function: Callable[..., Any]) -> Callable[..., Array]:
    def run(node: Node, opset: int, *arrays: Array) -> Array:
        _bounded(*np.broadcast_shapes(*(array.shape for array in arrays)))
        result = np.asarray(function(*arrays))
        # NumPy widens where ONNX keeps the type of its inputs.
        kinds = {array.dtype for array in arrays}
        floats = len(kinds) == 1 and result.dtype.kind == "f"
        return result.astype(kinds.pop()) if floats and next(iter(kinds)).kind == "f" else result

    return run


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu":
        quotient: Array = np.trunc(a.astype(np.float64) / b).astype(a.dtype)
        return quotient
    return np.asarray(a / b)


def _reduce(function: Callable[..., Any]) -> Callable[..., Array]:
    def run(node: Node, opset: int, x: Array, over: Array | None = None) -> Array:
        chosen = axes(node, over)
        if not chosen and node.attributes.get("noop_with_empty_axes", 0):
            return x
        result = np.asarray(function(x, axis=chosen or None, keepdims=bool(node.attributes.get("keepdims", 1))))
        return result.astype(x.dtype)

    return run


def _clip(node: Node, opset: int, x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    low = node.attributes.get("min") if low is None else low
    high = node.attributes.get("max") if high is None else high
    if low is not None:
        x = np.maximum(x, np.asarray(low, x.dtype))
    return x if high is None else np.minimum(x, np.asarray(high, x.dtype))


def _constant(node: Node, opset: int) -> Array:
    names = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    if "value" in node.attributes:
        return np.asarray(node.attributes["value"])
    name = next(name for name in names if name in node.attributes)
    return np.asarray(node.attributes[name], names[name])


def _constant_of_shape(node: Node, opset: int, shape: Array) -> Array:
    value = node.attributes.get("value", np.zeros(1, np.float32))
    return np.broadcast_to(value.reshape(-1)[0], _bounded(*shape.tolist()))


def _cast(node: Node, opset: int, x: Array) -> Array:
    return x.astype(onnx.helper.tensor_dtype_to_np_dtype(node.attributes["to"]))


def slice_array(node: Node, opset: int, x: Array, *parts: Array | None) -> Array:
    """What a Slice node leaves of an array."""
    names = ("starts", "ends", "axes", "steps")
    given: list[Any] = [part.tolist() if part is not None else None for part in parts]
    starts, ends, over, steps = given + [node.attributes.get(name) for name in names[len(given) :]]
    picks = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, over or range(x.ndim), steps or [1] * len(starts), strict=False):
        # A slice backwards to the very start has an end below it.
        picks[axis] = slice(start, None if step < 0 and end < -x.shape[axis] else end, step)
    return x[tuple(picks)]


def _unsqueeze(node: Node, opset: int, x: Array, over: Array | None = None) -> Array:
    chosen = axes(node, over)
    assert chosen is not None
    _bounded(*x.shape, *[1] * len(chosen))
    return np.expand_dims(x, chosen)


def _expand(node: Node, opset: int, x: Array, shape: Array) -> Array:
    return np.broadcast_to(x, _bounded(*np.broadcast_shapes(x.shape, _bounded(*shape.tolist()))))


def _concat(node: Node, opset: int, *arrays: Array) -> Array:
    _bounded(sum(array.size for array in arrays))
    return np.concatenate(arrays, node.attributes["axis"])


def _gather(node: Node, opset: int, x: Array, index: Array) -> Array:
    axis = node.attributes.get("axis", 0)
    _bounded(index.size * (x.size // max(1, x.shape[axis])))
    return np.take(x, index, axis)


def _flatten(node: Node, opset: int, x: Array) -> Array:
    axis = node.attributes.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(prod(x.shape[:axis]), -1)


def _matmul(node: Node, opset: int, a: Array, b: Array) -> Array:
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] * a.shape[1] * b.shape[1] > 1 << 34:
        raise ModelError(f"it must be a matrix product of moderate size, not of {a.shape} and {b.shape}")
    _bounded(a.shape[0], b.shape[1])
    return a @ b


def _gemm(node: Node, opset: int, a: Array, b: Array, c: Array | None = None) -> Array:
    turned = [x.T if node.attributes.get(name, 0) else x for x, name in ((a, "transA"), (b, "transB"))]
    product: Array = _matmul(node, opset, *turned) * a.dtype.type(node.attributes.get("alpha", 1.0))
    if c is None:
        return product
    return np.asarray(product + np.broadcast_to(c, product.shape) * a.dtype.type(node.attributes.get("beta", 1.0)))


def split_array(node: Node, opset: int, x: Array, parts: Array | None = None) -> tuple[Array, ...]:
    """What a Split node makes of an array."""
    axis, count = node.attributes.get("axis", 0), len(node.outputs)
    stated = node.attributes.get("split") if parts is None else parts.reshape(-1).tolist()
    size = x.shape[axis]
    if stated is None:
        each = -(-size // count)
        stated = [*[each] * (count - 1), size - each * (count - 1)]
    if len(stated) != count or min(stated) < 0 or sum(stated) != size:
        raise ModelError(f"it must cut {size} elements into {count} parts, not of the sizes {stated[:8]}")
    return tuple(np.split(x, np.cumsum(stated)[:-1], axis))


def _range(node: Node, opset: int, start: Array, limit: Array, step: Array) -> Array:
    first, end, each = (array.item() for array in (start, limit, step))
    _bounded(max(0, ceil((end - first) / each)))
    return np.arange(first, end, each).astype(start.dtype)


def _library(node: Node, opset: int, *arrays: Array | None) -> tuple[Array, ...]:
    """What `execution.operators` makes, in the type of the first floating point operand."""
    given = [array for array in arrays if array is not None]
    if sum(array.size for array in given) > _MAX_LIBRARY:
        raise ModelError(f"its constants must have at most {_MAX_LIBRARY} elements")
    attributes = {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
    }
    # Outputs that are left out would move those behind them.
    names = [name or f"unread {place}" for place, name in enumerate(node.outputs)]
    operator = Operator(onnx.helper.make_node(node.op, node.inputs, names, **attributes), opset)
    kind = next((array.dtype for array in given if array.dtype.kind == "f"), None)
    return tuple(
        array.astype(kind) if kind is not None and array.dtype.kind == "f" else array for array in operator.run(arrays)
    )


def _bipolar(node: Node, opset: int, x: Array, scale: Array) -> Array:
    return np.where(x >= 0, 1, -1).astype(x.dtype) * scale


def quant_range(node: Node, bits: Array) -> tuple[int, int]:
    """Lowest and highest integer of a Quant node; -1 and 0 stand for -1 and +1, which one signed bit means."""
    if bits.size != 1 or not 1 <= float(bits.reshape(-1)[0]) <= 32 or float(bits.reshape(-1)[0]) % 1:
        raise ModelError("its bit width must be one whole number from 1 to 32")
    width, signed = int(bits.reshape(-1)[0]), bool(node.attributes["signed"])
    narrow = int(bool(node.attributes["narrow"]))
    if width == 1 and signed:
        return -1, 0  # the qonnx executor's rule, whatever narrow says
    return (-(1 << width - 1) + narrow, (1 << width - 1) - 1) if signed else (0, (1 << width) - 1 - narrow)


_ROUND: dict[str, Callable[[Array], Any]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def quantise_array(node: Node, opset: int, x: Array, scale: Array, zero: Array, bits: Array) -> Array:
    """What a Quant node makes of a constant."""
    low, high = quant_range(node, bits)
    if (low, high) == (-1, 0):
        return np.asarray((np.where(x / scale + zero >= 0, 1, -1).astype(x.dtype) - zero) * scale)
    rounding = _ROUND[str(node.attributes.get("rounding_mode", "ROUND")).upper()]
    return np.asarray((np.clip(rounding(x / scale + zero), low, high) - zero) * scale)


def linear_range(node: Node, zero: Array | None) -> tuple[int, int]:
    """Lowest and highest integer that a QuantizeLinear makes; at most 8 bits."""
    stated = int(node.attributes.get("output_dtype", 0))
    kind = np.dtype(np.uint8) if zero is None else zero.dtype
    if zero is None and stated:
        kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(stated))
    if kind not in (np.int8, np.uint8):
        raise ModelError(f"it must make integers of 8 bits, int8 or uint8, not {kind}: quantise to 8 bits or fewer")
    limits = np.iinfo(kind)
    return int(limits.min), int(limits.max)


def _placed(node: Node, x: Array, array: Array) -> Array:
    """A parameter of a linear quantiser as it broadcasts against a tensor."""
    if array.size == 1:
        return array.reshape(())
    axis = int(node.attributes.get("axis", 1)) % x.ndim
    if array.shape != (x.shape[axis],):
        raise ModelError(f"its parameters of shape {array.shape} must be one number, or one for each place of an axis")
    return array.reshape([-1 if place == axis else 1 for place in range(x.ndim)])


def _quantize_linear(node: Node, opset: int, x: Array, step: Array, zero: Array | None = None) -> Array:
    low, high = linear_range(node, zero)
    origin = 0 if zero is None else _placed(node, x, zero).astype(np.int64)
    codes = np.rint(x / _placed(node, x, step)).astype(np.float64) + origin
    return np.clip(codes, low, high).astype(np.int8 if low < 0 else np.uint8)


def _dequantize_linear(node: Node, opset: int, x: Array, step: Array, zero: Array | None = None) -> Array:
    origin = 0 if zero is None else _placed(node, x, zero).astype(np.int64)
    return np.asarray((x.astype(np.int64) - origin).astype(step.dtype) * _placed(node, x, step))


#: Operators that `execution.operators` computes.
LIBRARY_OPS = {
    "ArgMax", "ArgMin", "BatchNormalization", "CumSum", "HardSigmoid", "LeakyRelu", "LogSoftmax", "Mean", "PRelu",
    "Pad", "Softmax", "Sum", "Tile", "TopK",
}  # fmt: skip
CONSTANT_OPS: dict[str, Callable[..., Array | tuple[Array, ...]]] = {
    **dict.fromkeys(LIBRARY_OPS, _library),
    "Abs": _elementwise(np.abs),
    "Add": _elementwise(np.add),
    "And": _elementwise(np.logical_and),
    "BipolarQuant": _bipolar,
    "Cast": _cast,
    "Ceil": _elementwise(np.ceil),
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DequantizeLinear": _dequantize_linear,
    "Div": _elementwise(_divide),
    "Dropout": lambda node, opset, x, *rest: x,
    "Equal": _elementwise(np.equal),
    "Exp": _elementwise(np.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _elementwise(np.floor),
    "Gather": _gather,
    "Gemm": _gemm,
    "Greater": _elementwise(np.greater),
    "GreaterOrEqual": _elementwise(np.greater_equal),
    "Identity": lambda node, opset, x: x,
    "IntQuant": quantise_array,
    "Less": _elementwise(np.less),
    "LessOrEqual": _elementwise(np.less_equal),
    "Log": _elementwise(np.log),
    "MatMul": _matmul,
    "Max": _elementwise(lambda *a: np.maximum.reduce(np.broadcast_arrays(*a))),
    "Min": _elementwise(lambda *a: np.minimum.reduce(np.broadcast_arrays(*a))),
    "Mul": _elementwise(np.multiply),
    "Neg": _elementwise(np.negative),
    "Not": _elementwise(np.logical_not),
    "Or": _elementwise(np.logical_or),
    "Pow": _elementwise(np.power),
    "Quant": quantise_array,
    "QuantizeLinear": _quantize_linear,
    "Range": _range,
    "Reciprocal": _elementwise(np.reciprocal),
    "ReduceL1": _reduce(lambda x, **over: np.sum(np.abs(x), **over)),
    "ReduceL2": _reduce(lambda x, **over: np.sqrt(np.sum(np.square(x), **over))),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceMin": _reduce(np.min),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceSumSquare": _reduce(lambda x, **over: np.sum(np.square(x), **over)),
    "Relu": _elementwise(lambda x: np.maximum(x, 0)),
    "Reshape": lambda node, opset, x, target: x.reshape(reshape_target(node, x.shape, target)),
    "Round": _elementwise(np.rint),
    "Shape": lambda node, opset, x: sizes(node, x.shape),
    "Sigmoid": _elementwise(lambda x: 1 / (1 + np.exp(-x))),
    "Sign": _elementwise(np.sign),
    "Slice": slice_array,
    "Split": split_array,
    "Sqrt": _elementwise(np.sqrt),
    "Squeeze": lambda node, opset, x, over=None: np.squeeze(x, axes(node, over)),
    "Sub": _elementwise(np.subtract),
    "Tanh": _elementwise(np.tanh),
    "Transpose": lambda node, opset, x: np.transpose(x, node.attributes.get("perm")),
    "Unsqueeze": _unsqueeze,
    "Where": lambda node, opset, c, a, b: _elementwise(lambda a, b, c: np.where(c, a, b))(node, opset, a, b, c),
}
