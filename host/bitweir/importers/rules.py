"""What each operator does to a signal or to codes: a table from the operator to a small function.

A rule is ``f(walk, node, x, *others) -> value``. A new operator is a new rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from .errors import ModelError
from .fold import Step, exact, scale, shift, sigmoid, tanh
from .graph import Node
from .linear import dense
from .maps import MAP_RULES
from .operands import Rule, Value, parameter, whole
from .quantisers import QUANTISER_RULES
from .scalars import SCALAR_RULES
from .shapes import SHAPE_RULES
from .symbols import Codes, Moving, Signal, left_out
from .walk import Walk

__all__ = ["NOT_YET", "RULES"]

#: Operators that later releases may fold; each with its name for people.
NOT_YET = {"ConvTranspose": "transposed convolution"}


def _matmul(walk: Walk, node: Node, x: Any, w: Any) -> Value:
    if isinstance(x, np.ndarray) or not isinstance(w, np.ndarray):
        raise ModelError("it must multiply a signal with constant weights, in this order")
    return dense(walk, x, w, node.label)


def _gemm(walk: Walk, node: Node, x: Any, w: Any, bias: Any = None) -> Value:
    if node.attributes.get("transA", 0):
        raise ModelError("its transA must be 0")
    if isinstance(x, np.ndarray) or not isinstance(w, np.ndarray):
        raise ModelError("it must multiply a signal with constant weights, in this order")
    y = dense(walk, x, w.T if node.attributes.get("transB", 0) else w, node.label)
    alpha, beta = (exact(np.float32(node.attributes.get(name, 1.0))) for name in ("alpha", "beta"))
    if alpha != 1:
        y = y.then(scale(whole(y, alpha.item())))
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


#: Functions at the end that a quantiser may follow as well.
_CURVES: dict[str, Callable[[], Step]] = {"Sigmoid": sigmoid, "Tanh": tanh}


def _softmax(walk: Walk, node: Node, x: Moving) -> Value:
    curve = _CURVES[node.op]() if node.op in _CURVES else None
    y = x if curve else _class_axis(node, x)
    if isinstance(y, Codes) and curve:
        return y.then(curve)
    if isinstance(y, Codes):
        raise ModelError("it must follow scores, not codes")
    walk.notes.append(left_out(node.label))
    return replace(y, ended=node.label, resumes=curve)


RULES: dict[str, Rule] = {
    **MAP_RULES,
    **QUANTISER_RULES,
    **SCALAR_RULES,
    **SHAPE_RULES,
    "ArgMax": _choice,
    "Gemm": _gemm,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Sigmoid": _softmax,
    "Softmax": _softmax,
    "Tanh": _softmax,
    "TopK": _choice,
}
