"""Rules of scalar operations: each appends a step to the chain of a signal, or maps the values of codes."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from onnx import TensorProto

from ...errors import ModelError
from ...exact.fold import absolute, clip, erf, exact, leaky, norm, power, scale, shift
from ...exact.surd import root
from ...folding.curves import combined, one_integer
from ...folding.network_builder import NetworkBuilder
from ...folding.shortcuts import added
from ...folding.symbols import Moving, Padded, Signal, whole
from ..constants import Array
from ..graph import Node
from .operands import Rule, Value, both_move, parameter, per_channel, sides

__all__ = ["SCALAR_RULES", "check_inference"]

_MAX_NORMS = 3


def _add(builder: NetworkBuilder, node: Node, a: Any, b: Any) -> Value:
    if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
        return added(builder, a, b, node.label)
    x, c, _ = sides(a, b)
    return x.then(shift(parameter(x, c, node)))


def _sub(builder: NetworkBuilder, node: Node, a: Any, b: Any) -> Value:
    if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
        return added(builder, a, b.then(scale(whole(b, -1))), node.label)
    x, c, first = sides(a, b)
    c = parameter(x, c, node)
    return x.then(shift(-c)) if first else x.then(scale(whole(x, -1))).then(shift(c))


def _mul(builder: NetworkBuilder, node: Node, a: Any, b: Any) -> Value:
    if one_integer(a, b) and not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
        return combined("product", "product", (a, b))
    x, c, _ = sides(a, b)
    return x.then(scale(parameter(x, c, node)))


def _div(builder: NetworkBuilder, node: Node, a: Any, b: Any) -> Value:
    x, c, first = sides(a, b)
    divisor = parameter(x, c, node)
    if not first:
        raise ModelError("it divides a constant by a value that depends on the image: use a constant factor instead")
    if any(number == 0 for number in divisor.flat):
        raise ModelError("it divides by 0: check what it divides by in the model")
    return x.then(scale(Fraction(1) / divisor))


def _pow(builder: NetworkBuilder, node: Node, a: Any, b: Any) -> Value:
    x, c, first = sides(a, b)
    exponent = parameter(x, c, node).flat[0]
    if not first or exponent.denominator != 1 or not 1 <= exponent <= 8:
        raise ModelError("the power of a value must be a whole number from 1 to 8: use ReLU, Clip or a product instead")

    return x.then(power(int(exponent)))


def _clip(builder: NetworkBuilder, node: Node, x: Moving, low: Any = None, high: Any = None) -> Value:
    low = node.attributes.get("min") if low is None else low
    high = node.attributes.get("max") if high is None else high
    limits = [
        None if end is None or np.isinf(end).all() else parameter(x, np.asarray(end), node) for end in (low, high)
    ]
    return x.then(clip(*limits))


def _limit(builder: NetworkBuilder, node: Node, *operands: Any) -> Value:
    """Max or Min, with constants and of functions of one integer."""
    moving = [value for value in operands if not isinstance(value, np.ndarray)]
    if not one_integer(*moving):
        raise both_move(node)
    x: Moving = reduce(lambda a, b: combined(node.op.lower(), f"{node.op.lower()}imum", (a, b)), moving)
    for c in operands:
        if isinstance(c, np.ndarray):
            limit = parameter(x, c, node)
            x = x.then(clip(limit, None) if node.op == "Max" else clip(None, limit))
    return x


def _leaky(builder: NetworkBuilder, node: Node, x: Moving, slope: Any = None) -> Value:
    # The attribute is a float32, whatever its decimals say.
    a = whole(x, Fraction(float(node.attributes.get("alpha", 0.01)))) if slope is None else parameter(x, slope, node)
    return x.then(leaky(a))


def check_inference(node: Node) -> None:
    """Refuse a batch norm that computes statistics of its own."""
    extra = [name for name in node.outputs[1:] if name]
    if node.attributes.get("training_mode", 0) or extra:
        raise ModelError(
            f"Node {node.label} must use the statistics of training, but it is in training mode: "
            "call model.eval() before the export."
        )


def _batch_norm(builder: NetworkBuilder, node: Node, x: Moving, *params: Array) -> Value:
    check_inference(node)
    gamma, beta, mean, variance = (per_channel(x, array) for array in params)
    # The attribute is a float32, whatever its decimals say.
    variance = variance + exact(np.float32(node.attributes.get("epsilon", 1e-5)))
    if any(number <= 0 for number in variance.flat):
        raise ModelError("its variance plus epsilon must be positive: the file is damaged, or training diverged")
    if isinstance(x, Signal) and sum(step.name == "norm" for step in x.steps) >= _MAX_NORMS:
        raise ModelError(f"more than {_MAX_NORMS} batch norms in a row do not fold: merge them")
    return x.then(norm(gamma, beta, mean, variance))


def _cast(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    to = node.attributes["to"]
    if to in (TensorProto.FLOAT, TensorProto.DOUBLE):
        return x
    if isinstance(x, Signal):
        raise ModelError("a cast before a quantiser must be to float32, because other types round: remove it")
    # Small whole numbers survive in every type; 0 and 1 in bool.
    low, high = (0, 1) if to == TensorProto.BOOL else (-127, 127)
    if any(v.denominator != 1 or not low <= v <= high for value in x.values for v in value.flat):
        raise ModelError("a cast must not change a value, and this one does: remove it")
    return x


def _sum(builder: NetworkBuilder, node: Node, *operands: Any) -> Value:
    """Sum or Mean of any number of operands."""
    if all(isinstance(x, np.ndarray) for x in operands):
        raise ModelError("it must add values: the file is damaged")
    moving, constant = ([x for x in operands if isinstance(x, np.ndarray) == c] for c in (False, True))
    total: Value = reduce(lambda a, b: _add(builder, node, a, b), [*moving, *constant])
    if node.op == "Mean" and not isinstance(total, (np.ndarray, Padded)):
        total = total.then(scale(whole(total, Fraction(1, len(operands)))))
    return total


def _hard_sigmoid(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    """``min(max(alpha * x + beta, 0), 1)``."""
    alpha, beta = (Fraction(float(np.float32(node.attributes.get(k, d)))) for k, d in (("alpha", 0.2), ("beta", 0.5)))
    return x.then(scale(whole(x, alpha))).then(shift(whole(x, beta))).then(clip(whole(x, 0), whole(x, 1)))


def _times(x: Moving, y: Moving) -> Moving:
    """The product of two functions of the same integers."""
    return combined("product", "product", (x, y))


def _gelu(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    """``x * (1 + erf(x / sqrt(2))) / 2``."""
    how = str(node.attributes.get("approximate", "none"))
    if how != "none":
        raise ModelError(f"its approximate must be none, not {how}: export it with the error function, or its formula")
    half = np.asarray(root(Fraction(1, 2)), object).reshape((1,) * len(x.shape))
    return _times(x.then(scale(whole(x, Fraction(1, 2)))), x.then(scale(half)).then(erf()).then(shift(whole(x, 1))))


def _hard_swish(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    """``x * min(max(x / 6 + 1 / 2, 0), 1)``."""
    gate = x.then(scale(whole(x, Fraction(1, 6)))).then(shift(whole(x, Fraction(1, 2))))
    return _times(x, gate.then(clip(whole(x, 0), whole(x, 1))))


SCALAR_RULES: dict[str, Rule] = {
    "Abs": lambda builder, node, x: x.then(absolute()),
    "Add": _add,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Div": _div,
    "Erf": lambda builder, node, x: x.then(erf()),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "LeakyRelu": _leaky,
    "Max": _limit,
    "Mean": _sum,
    "Min": _limit,
    "Mul": _mul,
    "Neg": lambda builder, node, x: x.then(scale(whole(x, -1))),
    "PRelu": _leaky,
    "Pow": _pow,
    "Relu": lambda builder, node, x: x.then(clip(whole(x, 0), None)),
    "Sub": _sub,
    "Sum": _sum,
}
