"""What each operator does to a signal or to codes: a table from the operator to a small function.

A rule is ``f(walk, node, x, *others) -> value``. A new operator is a new rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import prod
from operator import mul
from typing import Any

import numpy as np
from onnx import TensorProto

from .constants import Array, axes, quant_range, reshape_target, sizes
from .errors import ModelError
from .fold import Exacts, Quantiser, Step, clip, exact, leaky, norm, scale, shift
from .graph import Node
from .surd import Exact, sign
from .symbols import Codes, Signal, quantise
from .walk import Walk

__all__ = ["NOT_YET", "RULES", "Value"]

Moving = Signal | Codes
Value = Moving | Array
Rule = Callable[..., Value]

#: Operators that later releases fold; each with its name for people.
NOT_YET = {
    "AveragePool": "average pooling",
    "Conv": "convolution",
    "ConvTranspose": "transposed convolution",
    "GlobalAveragePool": "average pooling",
    "MaxPool": "max pooling",
    "Pad": "padding",
}

_ONE, _HALF = Fraction(1), Fraction(1, 2)
_MAX_LEVELS = 256
_MAX_NORMS = 3


def parameter(x: Moving, array: Any, node: Node) -> Exacts:
    """A constant operand as exact numbers that broadcast against the frame."""
    if not isinstance(array, np.ndarray):
        raise ModelError(
            f"Node {node.label} must have a constant as one operand; both depend on the input: "
            "shortcuts and gates between layers are not yet supported."
        )
    rank = len(x.shape)
    if array.size and (array == array.flat[0]).all():
        array = array.reshape(-1)[:1]
    elif array.ndim == rank + 1 and array.shape[0] == 1:
        array = array[0]
    if array.ndim > rank or np.broadcast_shapes(array.shape, x.shape) != x.shape:
        raise ModelError(f"its constant of shape {array.shape} must fit a frame of shape {x.shape}")
    return exact(array.reshape((1,) * (rank - array.ndim) + array.shape))


def per_channel(x: Moving, array: Array) -> Exacts:
    """A parameter per channel (axis 1 with the batch) as exact numbers that broadcast against the frame."""
    if array.size not in (1, x.shape[0]):
        raise ModelError(f"it must have one parameter for each of its {x.shape[0]} channels, not {array.size}")
    return exact(array.reshape(-1, *(1,) * (len(x.shape) - 1)))


# ---- scalar operations


def _sides(x: Any, y: Any) -> tuple[Moving, Any, bool]:
    """The moving operand, the other one, and whether they stood in this order."""
    return (y, x, False) if isinstance(x, np.ndarray) else (x, y, True)


def _add(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    x, c, _ = _sides(a, b)
    return x.then(shift(parameter(x, c, node)))


def _sub(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    x, c, first = _sides(a, b)
    c = parameter(x, c, node)
    return x.then(shift(-c)) if first else x.then(scale(_whole(x, -1))).then(shift(c))


def _mul(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    x, c, _ = _sides(a, b)
    return x.then(scale(parameter(x, c, node)))


def _div(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    x, c, first = _sides(a, b)
    if not first:
        raise ModelError("a constant divided by a signal does not fold: multiply instead")
    return x.then(scale(_ONE / parameter(x, c, node)))


def _pow(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    x, c, first = _sides(a, b)
    power = parameter(x, c, node).flat[0]
    if not first or power.denominator != 1 or not 1 <= power <= 8:
        raise ModelError("a power of a signal must be a whole number from 1 to 8")

    def apply(y: Exact) -> Exact:
        return reduce(mul, [y] * int(power))

    return x.then(Step(f"the power {power}", (), apply, None))


def _abs(walk: Walk, node: Node, x: Moving) -> Value:
    return x.then(Step("the absolute value", (), lambda y: y * sign(y), None))


def _clip(walk: Walk, node: Node, x: Moving, low: Any = None, high: Any = None) -> Value:
    low = node.attributes.get("min") if low is None else low
    high = node.attributes.get("max") if high is None else high
    limits = [
        None if end is None or np.isinf(end).all() else parameter(x, np.asarray(end), node) for end in (low, high)
    ]
    return x.then(clip(*limits))


def _limit(walk: Walk, node: Node, *operands: Any) -> Value:
    """Max or Min with constants."""
    x: Moving = next(value for value in operands if not isinstance(value, np.ndarray))
    for c in operands:
        if c is not x:
            limit = parameter(x, c, node)
            x = x.then(clip(limit, None) if node.op == "Max" else clip(None, limit))
    return x


def _leaky(walk: Walk, node: Node, x: Moving, slope: Any = None) -> Value:
    a = exact(node.attributes.get("alpha", 0.01)) if slope is None else per_channel(x, slope)
    step = leaky(_whole(x, a.item()) if a.ndim == 0 else a)
    if any(number < 0 for number in a.flat):
        step = Step("a PRelu of negative slope", step.params, step.apply, None)
    return x.then(step)


def _batch_norm(walk: Walk, node: Node, x: Moving, *params: Array) -> Value:
    extra = [name for name in node.outputs[1:] if name]
    if node.attributes.get("training_mode", 0) or extra:
        raise ModelError(
            f"Node {node.label} must use the statistics of training, but it is in training mode: "
            "call model.eval() before the export."
        )
    gamma, beta, mean, variance = (per_channel(x, array) for array in params)
    # The attribute is a float32, whatever its decimals say.
    variance = variance + exact(np.float32(node.attributes.get("epsilon", 1e-5)))
    if any(number <= 0 for number in variance.flat):
        raise ModelError("its variance plus epsilon must be positive")
    if isinstance(x, Signal) and sum(step.name == "norm" for step in x.steps) >= _MAX_NORMS:
        raise ModelError(f"more than {_MAX_NORMS} batch norms in a row do not fold: merge them")
    return x.then(norm(gamma, beta, mean, variance))


def _cast(walk: Walk, node: Node, x: Moving) -> Value:
    to = node.attributes["to"]
    if to in (TensorProto.FLOAT, TensorProto.DOUBLE):
        return x
    if isinstance(x, Signal):
        raise ModelError("a cast before a quantiser must be to float32, because other types round")
    # Small whole numbers survive in every type; 0 and 1 in bool.
    low, high = (0, 1) if to == TensorProto.BOOL else (-127, 127)
    if any(v.denominator != 1 or not low <= v <= high for value in x.values for v in value.flat):
        raise ModelError("a cast must not change a value")
    return x


def _whole(x: Moving, number: int | Fraction) -> Exacts:
    return exact(np.array([Fraction(number)], object).reshape((1,) * len(x.shape)))


# ---- quantisers


def _quantised(x: Moving, cuts: list[tuple[Exacts, bool]], values: list[Exacts], sign_node: str = "") -> Codes:
    quantiser = Quantiser(tuple(cuts), tuple(values))
    return x.quantised(quantiser) if isinstance(x, Codes) else quantise(x, quantiser, sign_node=sign_node)


def _sign(walk: Walk, node: Node, x: Moving) -> Value:
    zero = _whole(x, 0)
    return _quantised(x, [(zero, False), (zero, True)], [_whole(x, v) for v in (-1, 0, 1)], node.label)


def _compare(strict: bool, rising: bool) -> Rule:
    """``x > c`` is a strict cut at c; ``c > x`` is the opposite of ``x >= c``."""

    def rule(walk: Walk, node: Node, a: Any, b: Any) -> Value:
        x, c, first = _sides(a, b)
        up = rising == first
        values = [_whole(x, 0), _whole(x, 1)]
        return _quantised(x, [(parameter(x, c, node), strict == first)], values if up else values[::-1])

    return rule


def _not(walk: Walk, node: Node, x: Moving) -> Value:
    return x.then(scale(_whole(x, -1))).then(shift(_whole(x, 1)))


def _where(walk: Walk, node: Node, condition: Any, yes: Any, no: Any) -> Value:
    if not isinstance(condition, Codes) or not isinstance(yes, np.ndarray) or not isinstance(no, np.ndarray):
        raise ModelError("it must choose between two constants by a comparison")
    values = [parameter(condition, no, node), parameter(condition, yes, node)]
    return condition.quantised(Quantiser(((_whole(condition, _HALF), False),), tuple(values)))


def _bipolar(walk: Walk, node: Node, x: Moving, step: Array) -> Value:
    size = parameter(x, step, node)
    return _quantised(x, [(_whole(x, 0), False)], [-size, size])


def _quant(walk: Walk, node: Node, x: Moving, step: Array, zero: Array, bits: Array) -> Value:
    size, origin = parameter(x, step, node), parameter(x, zero, node)
    low, high = quant_range(node, bits)
    if (low, high) == (-1, 0):
        return _bipolar(walk, node, x, step)  # the qonnx executor's rule for one signed bit
    if high - low >= _MAX_LEVELS:
        raise ModelError(f"it must have at most 8 bits to feed a layer, not {high - low + 1} levels")
    if any(number <= 0 for number in size.flat):
        raise ModelError("its scale must be positive")
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    cuts = []
    for level in range(low + 1, high + 1):
        at, strict = _ROUNDING[mode](level)
        cuts.append(((at - origin) * size, strict))
    return _quantised(x, cuts, [(level - origin) * size for level in range(low, high + 1)])


#: For each rounding mode: from where a level is reached, and whether strictly.
_ROUNDING: dict[str, Callable[[int], tuple[Fraction, bool]]] = {
    "ROUND": lambda q: (q - _HALF, q % 2 == 1),
    "HALF_EVEN": lambda q: (q - _HALF, q % 2 == 1),
    "CEIL": lambda q: (q - _ONE, True),
    "FLOOR": lambda q: (q * _ONE, False),
    "UP": lambda q: (q - _ONE, True) if q > 0 else (q * _ONE, False),
    "DOWN": lambda q: (q * _ONE, False) if q > 0 else (q - _ONE, True),
    "HALF_UP": lambda q: (q - _HALF, q <= 0),
    "HALF_DOWN": lambda q: (q - _HALF, q > 0),
}


def _multi_threshold(walk: Walk, node: Node, x: Moving, table: Array) -> Value:
    if node.attributes.get("data_layout", "NCHW") not in ("NCHW", "NC") and len(x.shape) > 1:
        raise ModelError("its data_layout must be NCHW or NC")
    if table.ndim != 2 or not 1 <= table.shape[1] < _MAX_LEVELS:
        raise ModelError(
            f"it must have 1 to {_MAX_LEVELS - 1} thresholds a channel, not a table of shape {table.shape}"
        )
    step = Fraction(float(node.attributes.get("out_scale", 1)))
    base = Fraction(float(node.attributes.get("out_bias", 0)))
    cuts = [(per_channel(x, column), False) for column in np.sort(table, axis=1).T]
    return _quantised(x, cuts, [_whole(x, base + step * k) for k in range(len(cuts) + 1)])


# ---- shapes


def _moved(x: Moving, after: tuple[int, ...], move: Callable[[Array], Array]) -> Value:
    """`after` and `move` have the batch axis, of size 1."""
    if after[:1] != (1,) or len(after) < 2:
        raise ModelError("the batch axis must stay first: a frame may not be cut or merged with others")
    return x.moved(after[1:], lambda frame: move(frame[None])[0])


def _full(x: Moving) -> tuple[int, ...]:
    return (x.batch, *x.shape)


def _reshaped(x: Moving, after: tuple[int, ...]) -> Value:
    if after[:1] != (x.batch,):
        raise ModelError(f"the batch axis of size {x.batch} must stay first, but the shape becomes {after}")
    return _moved(x, (1, *after[1:]), lambda array: array.reshape(1, *after[1:]))


def _reshape(walk: Walk, node: Node, x: Moving, target: Array) -> Value:
    return _reshaped(x, reshape_target(node, _full(x), target))


def _flatten(walk: Walk, node: Node, x: Moving) -> Value:
    axis = node.attributes.get("axis", 1)
    if axis not in (1, -len(x.shape)):
        raise ModelError(f"its axis must be 1, not {axis}")
    return _reshaped(x, (x.batch, prod(x.shape)))


def _squeeze(walk: Walk, node: Node, x: Moving, over: Array | None = None) -> Value:
    full = _full(x)
    chosen = axes(node, over)
    drop = {axis % len(full) for axis in chosen} if chosen else {a for a, size in enumerate(full) if size == 1 and a}
    if any(full[axis] != 1 for axis in drop):
        raise ModelError("it may drop axes of size 1 only")
    return _reshaped(x, tuple(size for axis, size in enumerate(full) if axis not in drop))


def _unsqueeze(walk: Walk, node: Node, x: Moving, over: Array | None = None) -> Value:
    chosen = axes(node, over) or ()
    full = np.expand_dims(np.empty(0).reshape(0, *_full(x)), tuple(a + 1 if a >= 0 else a for a in chosen)).shape[1:]
    return _reshaped(x, full)


def _transpose(walk: Walk, node: Node, x: Moving) -> Value:
    perm = node.attributes.get("perm", list(range(len(x.shape) + 1))[::-1])
    if not perm or perm[0] != 0:
        raise ModelError(f"it must leave the batch axis first; its perm is {perm}")
    shape = (1, *x.shape)
    return _moved(x, tuple(shape[axis] for axis in perm), lambda array: array.transpose(perm))


def _shape(walk: Walk, node: Node, x: Moving) -> Value:
    return sizes(node, _full(x))


def _concat(walk: Walk, node: Node, *parts: Any) -> Value:
    """Several codes of one frame side by side, as a thermometer code is made."""
    if not all(isinstance(part, Codes) and part.origin is parts[0].origin for part in parts):
        raise ModelError("it must join quantised forms of one tensor")
    axis = node.attributes["axis"]
    axis = axis - 1 if axis > 0 else axis + len(parts[0].shape) if axis < 0 else -1
    counts = {len(part.thresholds) for part in parts}
    if axis < 0 or len(counts) != 1:
        raise ModelError("it must join codes of as many levels each, and not along the batch")

    def join(arrays: list[Array]) -> Array:
        full = [np.broadcast_to(array, part.shape) for array, part in zip(arrays, parts, strict=True)]
        if all(array.size == 1 and array.flat[0] == arrays[0].flat[0] for array in arrays):
            return arrays[0]
        return np.concatenate(full, axis)

    index = np.concatenate([part.index.reshape(part.shape) for part in parts], axis)
    levels = counts.pop()
    rows = np.broadcast_arrays(*(join([part.thresholds[k] for part in parts]) for k in range(levels)))
    values = tuple(join([part.values[k] for part in parts]) for k in range(levels + 1))
    inverted = join([part.inverted for part in parts])
    ternary = next((part.ternary for part in parts if part.ternary), None)
    distance = min(part.distance for part in parts)
    return Codes(
        parts[0].origin, index.shape, index.reshape(-1), np.stack(rows), values, inverted,
        parts[0].batch, ternary, distance,
    )  # fmt: skip


# ---- layers and the end


def _matmul(walk: Walk, node: Node, x: Any, w: Any) -> Value:
    if isinstance(x, np.ndarray) or not isinstance(w, np.ndarray):
        raise ModelError("it must multiply a signal with constant weights, in this order")
    return walk.dense(x, w, node)


def _gemm(walk: Walk, node: Node, x: Any, w: Any, bias: Any = None) -> Value:
    if node.attributes.get("transA", 0):
        raise ModelError("its transA must be 0")
    if isinstance(x, np.ndarray) or not isinstance(w, np.ndarray):
        raise ModelError("it must multiply a signal with constant weights, in this order")
    y = walk.dense(x, w.T if node.attributes.get("transB", 0) else w, node)
    alpha, beta = (exact(np.float32(node.attributes.get(name, 1.0))) for name in ("alpha", "beta"))
    if alpha != 1:
        y = y.then(scale(_whole(y, alpha.item())))
    return y if bias is None else y.then(shift(parameter(y, bias, node) * beta.item()))


def _class_axis(node: Node, x: Moving) -> Signal:
    if isinstance(x, Codes):
        raise ModelError("it must choose among scores, not among codes")
    axis = node.attributes.get("axis", 0 if node.op == "ArgMax" else -1)
    if axis not in (len(x.shape), -1) or prod(x.shape) != x.shape[-1]:
        raise ModelError("its axis must be that of the classes")
    return x


def _choice(walk: Walk, node: Node, x: Moving, count: Any = None) -> Value:
    y = _class_axis(node, x)
    k = node.attributes.get("k", 1) if count is None else int(np.asarray(count).item())
    if k != 1 or not node.attributes.get("largest", 1) or node.attributes.get("select_last_index", 0):
        raise ModelError("it must choose the one highest score, and the first of equal ones")
    return replace(y, ended=node.label)


def _softmax(walk: Walk, node: Node, x: Moving) -> Value:
    y = x if node.op == "Sigmoid" else _class_axis(node, x)
    if isinstance(y, Codes):
        raise ModelError("it must follow scores, not codes")
    walk.notes.append(f"{node.label} at the end is left out: it does not change the class.")
    return replace(y, ended=node.label)


RULES: dict[str, Rule] = {
    "Abs": _abs,
    "Add": _add,
    "ArgMax": _choice,
    "BatchNormalization": _batch_norm,
    "BipolarQuant": _bipolar,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Div": _div,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "Greater": _compare(strict=True, rising=True),
    "GreaterOrEqual": _compare(strict=False, rising=True),
    "IntQuant": _quant,
    "LeakyRelu": _leaky,
    "Less": _compare(strict=False, rising=False),
    "LessOrEqual": _compare(strict=True, rising=False),
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Max": _limit,
    "Min": _limit,
    "Mul": _mul,
    "MultiThreshold": _multi_threshold,
    "Neg": lambda walk, node, x: x.then(scale(_whole(x, -1))),
    "Not": _not,
    "PRelu": _leaky,
    "Pow": _pow,
    "Quant": _quant,
    "Relu": lambda walk, node, x: x.then(clip(_whole(x, 0), None)),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _softmax,
    "Sign": _sign,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Sub": _sub,
    "TopK": _choice,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
