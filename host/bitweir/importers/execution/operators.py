"""Operators of ONNX and QONNX, one node at a time: those of `onnx.reference`, and a few in their place.

Only the operators in `OPERATORS` run, and the size of what they make is checked before it is made, because nobody
vouches for the files. The classes below add what the library lacks, the operators of QONNX, and replace what it
computes in another way than the standard says, or too slowly; each says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import ceil, erf, prod, sqrt
from typing import Any

import numpy as np
from bitweir_hw.errors import BitweirError
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from ..errors import shown
from .quantisers import (
    QONNX,
    BipolarQuant,
    DequantizeLinear,
    IntQuant,
    MultiThreshold,
    Quant,
    QuantizeLinear,
    Trunc,
)  # fmt: skip
from .resizing import Resize, Upsample

__all__ = ["MAX_ELEMENTS", "OPERATORS", "CannotRunError", "Operator"]

Array = NDArray[Any]
Given = Mapping[str, Any]
Shape = Sequence[int]
#: Elements that a tensor of one batch may have.
MAX_ELEMENTS = 1 << 27


class CannotRunError(BitweirError):
    """An executor does not run a file; the text is the end of a sentence."""

    exit_code = 3


class Operator:
    """A node that is ready to run.

    Parameters
    ----------
    node : onnx.NodeProto
        Its tensors must be in the file itself, not in a side file. The domain does not count.
    opset : int
        Of the standard operators.

    Raises
    ------
    CannotRunError
        The operator is none of `OPERATORS`, or an attribute holds something else than numbers, text or a tensor.
    """

    def __init__(self, node: NodeProto, opset: int) -> None:
        if node.op_type not in OPERATORS:
            raise CannotRunError(f"operator {shown(node.op_type)} is not known")
        if any(entry.type not in _ATTRIBUTES or entry.ref_attr_name for entry in node.attribute):
            raise CannotRunError(f"operator {node.op_type} has an attribute that is not known")
        self.node = node
        self.outputs = tuple(name for name in node.output if name)
        self._opset = opset
        self._others: dict[tuple[str, bool], Operator] = {}
        self._attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        plain = NodeProto()
        plain.CopyFrom(node)
        plain.domain = QONNX if node.op_type in _CUSTOM else ""
        graph = helper.make_graph([plain], "node", [], [])
        evaluator = ReferenceEvaluator(graph, opsets={"": opset, QONNX: 1}, new_ops=list(_OWN))
        # The evaluator's own `run` takes as long again as a small operator, for tables of names.
        (self._operator,) = evaluator.rt_nodes_

    def run(self, arrays: Sequence[Array | None]) -> list[Array]:
        """The outputs that have a name.

        Parameters
        ----------
        arrays : sequence of array or None
            The inputs; None for one that is left out.

        Raises
        ------
        CannotRunError
            A result would be too large, or the operator takes no such arrays. NumPy's errors pass.
        """
        op = self.node.op_type
        if op in _ARITHMETIC and any(array is not None and array.dtype == np.bool_ for array in arrays):
            raise CannotRunError("arithmetic takes numbers, not what a comparison says")  # NumPy would take it
        if op in _SIZES and prod(_SIZES[op](self._attributes, *arrays)) > MAX_ELEMENTS:
            raise CannotRunError("a tensor is too large")
        with np.errstate(all="ignore"):
            results = self._operator.run(*arrays)
        found = [np.asarray(result) for name, result in zip(self.node.output, results, strict=False) if name]
        if any(array.size > MAX_ELEMENTS for array in found):
            raise CannotRunError("a tensor is too large")
        return found

    def like(self, op: str, *, absolute: bool) -> Operator:
        """Another operator with the inputs, outputs and attributes of this one; or with their absolute values."""
        if (op, absolute) not in self._others:
            node = NodeProto()
            node.CopyFrom(self.node)
            node.op_type = op
            for entry in node.attribute if absolute else ():
                if entry.type == AttributeProto.FLOAT:
                    entry.f = abs(entry.f)
            self._others[op, absolute] = Operator(node, self._opset)
        return self._others[op, absolute]


_ATTRIBUTES = {
    AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING, AttributeProto.TENSOR, AttributeProto.FLOATS,
    AttributeProto.INTS, AttributeProto.STRINGS,
}  # fmt: skip


# ---- shapes of results, before anything is computed: f(attributes, *inputs)


def _broadcast(given: Given, *arrays: Array) -> Shape:
    return np.broadcast_shapes(*(array.shape for array in arrays if array is not None))


def _matmul(given: Given, a: Array, b: Array) -> Shape:
    stacks = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return *stacks, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ())


def _gemm(given: Given, a: Array, b: Array, *rest: Array) -> Shape:
    return a.shape[given.get("transA", 0)], b.shape[1 - given.get("transB", 0)]


def _gathered(given: Given, x: Array, index: Array) -> Shape:
    return x.size // max(1, x.shape[given.get("axis", 0)]), index.size


def _filled(given: Given, shape: Array) -> Shape:
    return [int(size) for size in shape.reshape(-1)]


def _expanded(given: Given, x: Array, shape: Array) -> Shape:
    return np.broadcast_shapes(x.shape, tuple(_filled(given, shape)))


def _tiled(given: Given, x: Array, repeats: Array) -> Shape:
    return [size * count for size, count in zip(x.shape, _filled(given, repeats), strict=True)]


def _ranged(given: Given, start: Array, limit: Array, step: Array) -> Shape:
    return [max(0, ceil((limit.item() - start.item()) / step.item()))]


def _highest(given: Given, x: Array, count: Array | None = None) -> Shape:
    chosen = int(given["k"] if count is None else count.item())
    if not 0 <= chosen <= x.shape[given.get("axis", -1)]:
        raise CannotRunError("a TopK chooses more than there is")
    return x.shape


def _padded(
    given: Given, x: Array, pads: Array | None = None, value: Array | None = None, over: Array | None = None
) -> Shape:
    numbers = _filled(given, np.asarray(given["pads"] if pads is None else pads))
    if min(numbers, default=0) < 0:
        raise CannotRunError("a Pad cuts")
    axes = range(x.ndim) if over is None else _filled(given, over)
    sizes = list(x.shape)
    for place, axis in enumerate(axes):
        sizes[axis] += numbers[place] + numbers[place + len(axes)]
    return sizes


@dataclass(frozen=True)
class _Frame:
    """How windows lie on a map: pads before and after each axis, and numbers for each axis."""

    edges: Sequence[tuple[int, int]]
    spans: Shape
    strides: Shape
    dilations: Shape
    counts: Shape


def _frame(given: Given, x: Array, kernel: Shape) -> _Frame:
    """The windows of a Conv or of a pool."""
    sizes, ones = x.shape[2:], [1] * (x.ndim - 2)
    strides, dilations = given.get("strides") or ones, given.get("dilations") or ones
    spans = [(width - 1) * gap + 1 for width, gap in zip(kernel, dilations, strict=True)]
    how, pads = given.get("auto_pad") or "NOTSET", given.get("pads") or [0] * (2 * len(sizes))
    how = how.decode() if isinstance(how, bytes) else how
    edges, counts = [], []
    for axis, (size, span, stride) in enumerate(zip(sizes, spans, strides, strict=True)):
        before, after = (pads[axis], pads[axis + len(sizes)]) if how == "NOTSET" else (0, 0)
        if how in ("SAME_UPPER", "SAME_LOWER"):
            total = max((-(-size // stride) - 1) * stride + span - size, 0)
            before = total // 2 if how == "SAME_UPPER" else total - total // 2
            after = total - before
        count = (size + before + after - span) // stride + 1
        if given.get("ceil_mode"):
            count = -(-(size + before + after - span) // stride) + 1
            if (count - 1) * stride >= size + before:
                count -= 1  # a window may not begin behind the map
            after = max(after, (count - 1) * stride + span - size - before)
        edges.append((before, after))
        counts.append(count)
    if prod(size + sum(edge) for size, edge in zip(x.shape, [(0, 0), (0, 0), *edges], strict=True)) > MAX_ELEMENTS:
        raise CannotRunError("a tensor is too large")
    return _Frame(edges, spans, strides, dilations, counts)


def _convolved(given: Given, x: Array, weights: Array, bias: Array | None = None) -> Shape:
    frame = _frame(given, x, weights.shape[2:])
    # The library fills the gaps of a kernel with zeros.
    _check_windows(x, frame.counts, frame.spans)
    return len(x), len(weights), *frame.counts


def _pooled(given: Given, x: Array) -> Shape:
    frame = _frame(given, x, given["kernel_shape"])
    _check_windows(x, frame.counts, given["kernel_shape"])
    return *x.shape[:2], *frame.counts


def _check_windows(x: Array, counts: Shape, taps: Shape) -> None:
    if prod((*x.shape[:2], *counts, *taps)) > MAX_ELEMENTS:
        raise CannotRunError("the windows of a map are too large")


_ARITHMETIC = {"Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "Sub", "Sum"}
_SIZES: dict[str, Callable[..., Shape]] = {
    **dict.fromkeys(_ARITHMETIC, _broadcast),
    **dict.fromkeys(
        ("And", "BipolarQuant", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or", "PRelu", "Where"),
        _broadcast,
    ),
    **dict.fromkeys(("AveragePool", "MaxPool"), _pooled),
    "ConstantOfShape": _filled,
    "Conv": _convolved,
    "Expand": _expanded,
    "Gather": _gathered,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Pad": _padded,
    "Range": _ranged,
    "Tile": _tiled,
    "TopK": _highest,
}


# ---- in place of operators of the library


class _Pool(OpRun):
    """Both pools: the library's run a Python loop over all windows, and put pads of ceil_mode on both sides."""

    op_domain = ""

    def _taps(self, x: Array, outside: float, given: Given) -> tuple[Array, Array]:
        """Windows (N, C, *counts, taps) of a map, and which taps lie inside it."""
        frame = _frame(given, x, given["kernel_shape"])
        edges = [(0, 0), (0, 0), *frame.edges]
        at: list[Any] = [
            slice(None, count * step, step) for count, step in zip(frame.counts, frame.strides, strict=True)
        ]
        at += [slice(None, None, gap) for gap in frame.dilations]
        found = []
        for array, value in ((x, outside), (np.ones((1, 1, *x.shape[2:]), bool), False)):
            padded = np.pad(array, edges, constant_values=value)
            view = np.lib.stride_tricks.sliding_window_view(padded, frame.spans, tuple(range(2, x.ndim)))
            found.append(view[(..., *at)].reshape(*array.shape[:2], *frame.counts, -1))
        return found[0], found[1]


class MaxPool(_Pool):
    """Without the second output, which says where the values lie."""

    def _run(self, x: Array, **given: Any) -> tuple[Array]:
        if len(self.output) > 1:
            raise CannotRunError("a max pool tells where its values lie")
        taps, _ = self._taps(x, -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min, given)
        return (np.asarray(taps.max(axis=-1)),)


class AveragePool(_Pool):
    """With ceil_mode, windows count only what lies inside the map."""

    def _run(self, x: Array, **given: Any) -> tuple[Array]:
        counted = given.get("count_include_pad")
        if counted and given.get("ceil_mode"):
            raise CannotRunError("an average pool counts pads of ceil_mode")
        taps, inside = self._taps(x, 0.0, given)
        return (np.asarray(taps.sum(axis=-1) / (taps.shape[-1] if counted else inside.sum(axis=-1))),)


class GlobalMaxPool(OpRun):
    """The library's takes channels for pixels where maps have one dimension."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


class BatchNormalization(OpRun):
    """The library's fails before opset 9, and takes the statistics of the batch where a file says so."""

    op_domain = ""

    def _run(self, x: Array, *parameters: Array, **given: Any) -> tuple[Array]:
        if given.get("training_mode"):
            raise CannotRunError("a batch norm is in training mode")
        gamma, beta, mean, variance = (
            array.astype(np.float64).reshape(1, -1, *(1,) * (x.ndim - 2)) for array in parameters
        )
        return (gamma * (x - mean) / np.sqrt(variance + given.get("epsilon", 0.0)) + beta,)


class Mean(OpRun):
    """The library's does not broadcast the first input."""

    op_domain = ""

    def _run(self, *arrays: Array) -> tuple[Array]:
        return (reduce(np.add, arrays) / len(arrays),)


class Softmax(OpRun):
    """The library's does not know that, before opset 13, it was over all axes from `axis` on, by default 1."""

    op_domain = ""

    def _run(self, x: Array, axis: int = -1) -> tuple[Array]:
        over: tuple[int, ...] = (axis,)
        if self.run_params["opsets"][""] < 13:
            stated = [entry.i for entry in self.onnx_node.attribute if entry.name == "axis"]
            over = tuple(range((stated[0] if stated else 1) % x.ndim, x.ndim))
        powers = np.exp(x - x.max(axis=over, keepdims=True))
        return (np.asarray(powers / powers.sum(axis=over, keepdims=True)),)


class LogSoftmax(Softmax):
    """As `Softmax`."""

    def _run(self, x: Array, axis: int = -1) -> tuple[Array]:
        return (np.log(super()._run(x, axis)[0]),)


class Erf(OpRun):
    """The library's rounds to float32."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (_erf(x),)


class Gelu(OpRun):
    """``x * (1 + erf(x / sqrt(2))) / 2``."""

    op_domain = ""

    def _run(self, x: Array, approximate: str = "none") -> tuple[Array]:
        if approximate != "none":
            raise CannotRunError("a Gelu is approximate")
        return (x * (1 + _erf(x / sqrt(2))) / 2,)


def _erf(x: Array) -> Array:
    return np.asarray(np.frompyfunc(erf, 1, 1)(x), np.float64).reshape(x.shape)


_OWN = (
    AveragePool, BatchNormalization, BipolarQuant, DequantizeLinear, Erf, Gelu, GlobalMaxPool, IntQuant, LogSoftmax,
    MaxPool, Mean, MultiThreshold, Quant, QuantizeLinear, Resize, Softmax, Trunc, Upsample,
)  # fmt: skip
_CUSTOM = {kind.__name__ for kind in _OWN if kind.op_domain == QONNX}
#: What may run; all others could loop, draw random numbers, or make anything of any size.
OPERATORS = _CUSTOM | {
    "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat",
    "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "CumSum", "DepthToSpace", "DequantizeLinear", "Div",
    "Dropout", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "Gelu", "Gemm", "GlobalAveragePool",
    "GlobalMaxPool", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max", "MaxPool", "Mean", "Min", "Mul", "Neg", "Not", "Or",
    "PRelu", "Pad", "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax",
    "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize", "Round",
    "Shape", "Sigmoid", "Sign", "Slice", "Softmax", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum",
    "Tanh", "Tile", "TopK", "Transpose", "Unsqueeze", "Upsample", "Where",
}  # fmt: skip
