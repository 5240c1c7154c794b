"""Constant operands of a node, as exact numbers that broadcast against a frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ModelError
from ...exact.fold import Exacts, exact
from ...folding.symbols import Moving, Padded
from ..constants import Array
from ..graph import Node

__all__ = ["Rule", "Value", "both_move", "parameter", "per_channel", "sides"]

Value = Moving | Padded | Array
#: ``f(builder, node, x, *others) -> value``, or a list of them where a node has several outputs
Rule = Callable[..., Value | list[Value]]


def parameter(x: Moving, array: Any, node: Node) -> Exacts:
    """A constant operand as exact numbers that broadcast against the frame."""
    if not isinstance(array, np.ndarray):
        raise both_move(node)
    rank = len(x.shape)
    shape, full = array.shape, (x.batch, *x.shape)
    # What is larger than the frame, or has more axes, would spread the frame, even if all its numbers are equal.
    fits = array.ndim <= rank + 1 and all(a in (1, b) for a, b in zip(shape[::-1], full[::-1], strict=False))
    if array.size and (array == array.flat[0]).all():
        array = array.reshape(-1)[:1]
    elif array.ndim == rank + 1 and array.shape[0] == 1:
        array = array[0]
    if not fits or array.ndim > rank:
        raise ModelError(
            f"its constant of shape {shape} must fit a frame of shape {x.shape}: export one number, or one a channel"
        )
    return exact(array.reshape((1,) * (rank - array.ndim) + array.shape))


def both_move(node: Node) -> ModelError:
    """What is wrong with an operation on two values that both depend on the image."""
    if node.op in ("Gemm", "MatMul"):
        what, remedy = "as attention does", "use a dense layer or a convolution with constant weights"
    else:
        what = "as a gate or a scale computed from each image (squeeze-and-excitation, XNOR-Net's K, HORQ's betas) does"
        remedy = "use a constant factor for each channel; only sums of such values are supported"
    verb = {"Div": "divides", "Mul": "multiplies", "MatMul": "multiplies", "Gemm": "multiplies"}.get(
        node.op, "combines"
    )
    return ModelError(f"Node {node.label} {verb} two values that both depend on the image, {what}: {remedy}.")


def per_channel(x: Moving, array: Any) -> Exacts:
    """A parameter per channel (axis 1 with the batch) as exact numbers that broadcast against the frame."""
    if not isinstance(array, np.ndarray):
        raise ModelError("its parameters must be constant, and not depend on the image: train with a batch norm")
    if array.size not in (1, *x.shape[:1]):
        raise ModelError(f"it must have one parameter for each of its {x.shape[0]} channels, not {array.size}")
    return exact(array.reshape(-1, *(1,) * (len(x.shape) - 1)))


def sides(x: Any, y: Any) -> tuple[Moving, Any, bool]:
    """The moving operand, the other one, and whether they stood in this order."""
    return (y, x, False) if isinstance(x, np.ndarray) else (x, y, True)
