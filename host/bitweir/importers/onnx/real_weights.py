"""An ONNX model with its real weights rounded, as a model of its own, so that importer and executors read the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from ..folding.real_weights import Rounding
from ..troubles import UNKNOWN
from .constants import CONSTANT_OPS, fold_constant
from .graph import Graph, Node, load
from .values import Values

__all__ = ["with_rounded_weights"]

Array = NDArray[Any]
_STANDARD = ("", "ai.onnx")
#: Stands for what depends on the input, or is not known.
_MOVING = UNKNOWN


def with_rounded_weights(path: Path, rounding: Rounding, model: Any = None) -> Any:
    """The model of a file with rounded weights in place of real ones; None if it has none to round.

    Parameters
    ----------
    path : Path
    rounding : Rounding
        Says which, and how.
    model : onnx.ModelProto or None
        Stands in for what the file holds; it is changed.

    Raises
    ------
    ModelError
        No ONNX file, or one that breaks a rule.
    """
    graph = load(path, model)
    found = list(_rounded(graph, rounding))
    if not found:
        return None
    model = onnx.load_model_from_string(path.read_bytes()) if model is None else model
    names = {name for node in model.graph.node for name in (*node.input, *node.output)}
    by_node: dict[str, str] = {}
    by_weights: dict[tuple[str, str, int], str] = {}
    for number, (node, weights) in enumerate(found):
        name = f"rounded_weights_{number}"
        while name in names:
            name += "_"
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(weights), name))
        by_node[node.outputs[0]] = name
        by_weights.setdefault((node.op, node.inputs[1], _axis(node.op, node.attributes)), name)
    for proto in model.graph.node:
        if proto.domain in _STANDARD and proto.op_type in _AXES and len(proto.input) > 1:
            # What repeats another node is not in the graph, but the executors run it.
            attributes = {one.name: one.i for one in proto.attribute if one.name == "transB"}
            weights = graph.same.get(proto.input[1], proto.input[1])
            name = by_weights.get((proto.op_type, weights, _axis(proto.op_type, attributes)), "")
            proto.input[1] = by_node.get(proto.output[0], name) or proto.input[1]
    return model


#: The axis of weights that tells outputs apart.
_AXES = {"Conv": 0, "Gemm": 1, "MatMul": 1}


def _axis(op: str, attributes: Any) -> int:
    return 0 if op == "Gemm" and attributes.get("transB", 0) else _AXES[op]


def _rounded(graph: Graph, rounding: Rounding) -> Iterator[tuple[Node, Array]]:
    """Nodes whose constant weights are rounded, and these weights."""
    values = Values(graph)
    values.put(graph.input.name, _MOVING)
    for node in graph.nodes:
        operands = [values.get(name) for name in node.inputs]
        made: Any = _MOVING
        if not any(x is _MOVING for x in operands):
            made = _constant(node, graph.opset, operands)
        elif node.op in _AXES and not node.domain and operands[0] is _MOVING:
            weights = operands[1] if len(operands) > 1 else None
            if isinstance(weights, np.ndarray) and (weights.ndim == 2 or (node.op == "Conv" and weights.ndim > 2)):
                axis = _axis(node.op, node.attributes)
                turned = np.moveaxis(weights, axis, 0)
                rows = rounding.rounded(node.label, node.name or node.outputs[0], turned.reshape(len(turned), -1))
                if rows is not None:
                    yield node, np.moveaxis(rows.reshape(turned.shape), 0, axis)
        values.made(node, made, operands)


def _constant(node: Node, opset: int, operands: list[Any]) -> Any:
    """What a node makes of constants, as far as that is known; the import itself tells what is wrong with it."""
    if node.op not in CONSTANT_OPS or node.graphs:
        return _MOVING
    try:
        return fold_constant(node, opset, operands)
    except Exception:  # a malformed node
        return _MOVING
