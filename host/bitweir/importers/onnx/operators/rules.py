"""What each operator does to a signal or to codes: a table from the operator to a small function.

A rule is ``f(builder, node, x, *others) -> value``. A new operator is a new rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ...errors import ModelError
from ...exact.fold import Step, exact, scale, shift, sigmoid, tanh
from ...folding.linear import dense
from ...folding.network_builder import NetworkBuilder
from ...folding.symbols import Codes, Moving, Padded, Signal, along_channels, whole
from ...folding.weight_planes import check_weights
from ...troubles import UNKNOWN
from ..graph import Node
from .maps import MAP_RULES
from .operands import Rule, Value, both_move, parameter
from .quantisers import QUANTISER_RULES
from .scalars import SCALAR_RULES, check_inference
from .shapes import SHAPE_RULES

__all__ = ["PROBES", "RULES"]


def _check_weights(node: Node, x: Any, w: Any) -> None:
    if not isinstance(w, np.ndarray) and not isinstance(x, np.ndarray):
        raise both_move(node)
    if isinstance(x, np.ndarray):
        raise ModelError("its weights must be the second operand: transpose the product, as x @ W instead of W @ x")


def _matmul(builder: NetworkBuilder, node: Node, x: Any, w: Any) -> Value:
    _check_weights(node, x, w)
    return dense(builder, x, w, node.label)


def _gemm(builder: NetworkBuilder, node: Node, x: Any, w: Any, bias: Any = None) -> Value:
    if node.attributes.get("transA", 0):
        raise ModelError("its transA must be 0: export the layer as x @ W")
    _check_weights(node, x, w)
    y = dense(builder, x, w.T if node.attributes.get("transB", 0) else w, node.label)
    alpha, beta = (exact(np.float32(node.attributes.get(name, 1.0))) for name in ("alpha", "beta"))
    if alpha != 1:
        y = y.then(scale(whole(y, alpha.item())))
    return y if bias is None else y.then(shift(parameter(y, bias, node) * beta.item()))


def _class_axis(node: Node, x: Moving) -> Signal:
    if isinstance(x, Codes):
        raise ModelError("it must choose among scores, not among codes: remove the quantiser before it")
    axis = node.attributes.get("axis", 0 if node.op == "ArgMax" else -1)
    if axis in (len(x.shape), -1) and prod(x.shape) == x.shape[-1]:
        return x
    if not axis or not along_channels(x, axis - (axis > 0)):
        raise ModelError(
            "its axis must be that of the classes, the last one of a vector or that of the channels of a map: export "
            "the network up to its scores"
        )
    return x


def _choice(builder: NetworkBuilder, node: Node, x: Moving, count: Any = None) -> Value:
    y = _class_axis(node, x)
    k = node.attributes.get("k", 1) if count is None else int(np.asarray(count).item())
    if k != 1 or not node.attributes.get("largest", 1) or node.attributes.get("select_last_index", 0):
        raise ModelError(
            "it must choose the one highest score, and the first of equal ones: export the network up to its scores"
        )
    return replace(y, ended=node.label, end="choice")


#: Functions at the end that a quantiser may follow as well.
_CURVES: dict[str, Callable[[], Step]] = {"Sigmoid": sigmoid, "Tanh": tanh}


def _softmax(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    curve = _CURVES[node.op]() if node.op in _CURVES else None
    y = x if curve else _class_axis(node, x)
    if isinstance(y, Codes) and curve:
        return y.then(curve)
    if isinstance(y, Codes):
        raise ModelError("it must follow scores, not codes: remove it, or the quantiser before it")
    return replace(y, ended=node.label, end=node.op.lower() if curve else "softmax", resumes=curve)


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


def _probed(node: Node, x: Any, w: Any, *rest: Any) -> None:
    """What of a layer can be checked if nothing is known of what it takes: its weights."""
    _probed_product(node, x, w)
    if isinstance(w, np.ndarray) and w.ndim > 1:
        check_weights(
            w.T if node.op == "MatMul" or not node.attributes.get("transB", node.op == "Conv") else w, node.label
        )


def _probed_product(node: Node, x: Any, y: Any) -> None:
    if all(one is UNKNOWN or isinstance(one, (Signal, Codes, Padded)) for one in (x, y)):
        raise both_move(node)


#: ``f(node, *operands)``: what can be wrong with a node that takes a value of which nothing is known.
PROBES: dict[str, Callable[..., None]] = {
    "BatchNormalization": lambda node, *operands: check_inference(node),
    "Conv": _probed,
    "Div": _probed_product,
    "Gemm": _probed,
    "MatMul": _probed,
    "Mul": _probed_product,
}
