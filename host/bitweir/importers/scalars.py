"""Rules of scalar operations: each appends a step to the chain of a signal, or maps the values of codes."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from operator import mul
from typing import Any

import numpy as np
from onnx import TensorProto

from .constants import Array
from .errors import ModelError
from .fold import Step, clip, exact, leaky, norm, scale, shift
from .graph import Node
from .operands import Rule, Value, parameter, per_channel, sides, whole
from .shortcuts import add
from .surd import Exact, sign
from .symbols import Moving, Signal
from .walk import Walk

__all__ = ["SCALAR_RULES"]

_MAX_NORMS = 3


def _add(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
        return add(walk, a, b, node.label)
    x, c, _ = sides(a, b)
    return x.then(shift(parameter(x, c, node)))


def _sub(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
        return add(walk, a, b.then(scale(whole(b, -1))), node.label)
    x, c, first = sides(a, b)
    c = parameter(x, c, node)
    return x.then(shift(-c)) if first else x.then(scale(whole(x, -1))).then(shift(c))


def _mul(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    x, c, _ = sides(a, b)
    return x.then(scale(parameter(x, c, node)))


def _div(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    x, c, first = sides(a, b)
    if not first:
        raise ModelError("a constant divided by a signal does not fold: multiply instead")
    return x.then(scale(Fraction(1) / parameter(x, c, node)))


def _pow(walk: Walk, node: Node, a: Any, b: Any) -> Value:
    x, c, first = sides(a, b)
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
    # The attribute is a float32, whatever its decimals say.
    a = whole(x, Fraction(float(node.attributes.get("alpha", 0.01)))) if slope is None else parameter(x, slope, node)
    step = leaky(a)
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


SCALAR_RULES: dict[str, Rule] = {
    "Abs": _abs,
    "Add": _add,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Div": _div,
    "LeakyRelu": _leaky,
    "Max": _limit,
    "Min": _limit,
    "Mul": _mul,
    "Neg": lambda walk, node, x: x.then(scale(whole(x, -1))),
    "PRelu": _leaky,
    "Pow": _pow,
    "Relu": lambda walk, node, x: x.then(clip(whole(x, 0), None)),
    "Sub": _sub,
}
