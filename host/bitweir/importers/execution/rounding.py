"""Bounds of the rounding in float32: how far apart the values of two executors of one graph may be.

A sum of n products, in whatever order it is added and with whatever parameters were rounded to float32, is off by at
most a few units in the last place of the sum of the *sizes* of its terms (N. Higham, Accuracy and Stability of
Numerical Algorithms, chapter 3). So beside each tensor its sizes are computed: the same operators on
absolute values. Where a graph cuts (a sign, a comparison, a rounding), both sides of a cut nearer than that
are right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CUTS", "SHARE", "interval", "nudged", "sizes", "with_slack"]

Array = NDArray[Any]

#: What may be rounded, as a share of the sizes: 16 units in the last place of float32. Sums of thousands of terms stay
#: far below, as errors of both signs occur; a network that is wrong is off by a whole unit of a sum.
SHARE = 2.0**-20

#: Operators whose results jump.
CUTS = {
    "BipolarQuant", "Ceil", "Equal", "Floor", "Greater", "GreaterOrEqual", "IntQuant", "Less", "LessOrEqual",
    "MultiThreshold", "Quant", "QuantizeLinear", "Round", "Sign", "Trunc",
}  # fmt: skip
#: Operators that are applied to sizes as they are to values; constants by their absolute values.
_SAME = {"Add", "Concat", "Conv", "ConvTranspose", "Gemm", "MatMul", "Max", "Mean", "Mul", "Sum", "Where"}
#: Those of which only the first input counts, and the others say where it goes.
_MOVES = {
    "AveragePool", "Cast", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "GlobalAveragePool",
    "GlobalMaxPool", "Identity", "MaxPool", "Pad", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Resize",
    "Slice", "SpaceToDepth", "Split", "Squeeze", "Transpose", "Unsqueeze", "Upsample",
}  # fmt: skip
#: Those that leave sizes as they are.
_KEEP = {"Abs", "Clip", "Neg"}
#: Those whose sizes are those of another operator.
_AS = {"Min": "Max", "Sub": "Add"}


def interval(values: Array, size: Array) -> tuple[Array, Array]:
    """Values less, and plus, what may be rounded."""
    if values.dtype.kind not in "fiu":
        return values.astype(np.float64), values.astype(np.float64)
    reach = SHARE * size
    return values - reach, values + reach


def with_slack(size: Array, slack: Array) -> Array:
    """Sizes of values that are off by `slack` for another reason than that floats are rounded.

    What earlier values were off is in that already; an eighth of the share is far more than floats lose.
    """
    return np.maximum(size, size / 8 + slack / SHARE)


def nudged(values: Sequence[Array | None], given: Sequence[Array | None], nudge: int) -> list[Array | None]:
    """Inputs of an operator that cuts, of which the first that depends on the frame is shifted."""
    result = list(values)
    for place, (value, size) in enumerate(zip(values, given, strict=True)):
        if value is not None and size is not None and value.dtype.kind == "f":
            result[place] = value + nudge * SHARE * size
            break
    return result


def sizes(
    op: str,
    run: Callable[..., list[Array]],
    values: Sequence[Array | None],
    given: Sequence[Array | None],
    results: Sequence[Array],
) -> list[Array]:
    """The sizes of the results of an operator.

    Parameters
    ----------
    op : str
    run : callable
        From an operator, inputs, and whether attributes count by their absolute values, to results.
    values : sequence of array or None
        Its inputs.
    given : sequence of array or None
        Their sizes; None for a constant.
    results : sequence of array
    """
    known = [
        size if size is not None else np.abs(value) if value is not None and value.dtype.kind == "f" else value
        for value, size in zip(values, given, strict=True)
    ]
    if op in CUTS or not any(size is not None for size in given):
        return [np.abs(result) if result.dtype.kind != "b" else result.astype(np.float64) for result in results]
    if op in _SAME or op in _AS:
        # What a comparison says is no number: it chooses.
        inputs = [v if v is not None and v.dtype.kind == "b" else k for v, k in zip(values, known, strict=True)]
        return [np.abs(result) for result in run(_AS.get(op, op), inputs, True)]
    if op in _MOVES and given[0] is not None:
        return [np.abs(result) for result in run(op, [given[0], *values[1:]], True)]
    if op in _KEEP and given[0] is not None:
        return [given[0]]
    if op == "BatchNormalization":
        x, gamma, beta, mean, variance = known
        assert mean is not None
        return run(op, [x, gamma, beta, -mean, values[4]], True)[:1]
    if op == "Div" and given[1] is None:
        return [np.abs(result) for result in run(op, known, True)]
    # Any other: how far its results go when its inputs go as far as they may; whole numbers, as of a shape, stay.
    total = [np.abs(result).astype(np.float64) for result in results]
    for sign in (-1, 1):
        moved = [
            v if s is None or v is None or v.dtype.kind != "f" else v + sign * SHARE * s
            for v, s in zip(values, given, strict=True)
        ]
        for place, result in enumerate(run(op, moved, False)):
            total[place] = np.maximum(total[place], np.abs(result - results[place]) / SHARE + np.abs(results[place]))
    return total
