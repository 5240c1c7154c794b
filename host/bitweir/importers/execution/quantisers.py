"""Quantisers for executors: those of QONNX, and those of the standard, whose whole numbers stay floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.reference.op_run import OpRun

__all__ = [
    "QONNX",
    "BipolarQuant",
    "DequantizeLinear",
    "IntQuant",
    "MultiThreshold",
    "Quant",
    "QuantizeLinear",
    "Trunc",
]

Array = NDArray[Any]
#: Where the operators of QONNX are, whatever domain a file has them in.
QONNX = "qonnx.custom_op.general"

_ROUND: dict[str, Callable[[Array], Any]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.copysign(np.ceil(np.abs(x)), x),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x),
    "HALF_DOWN": lambda x: np.copysign(np.ceil(np.abs(x) - 0.5), x),
}


class BipolarQuant(OpRun):
    """-1 or 1, times a scale."""

    op_domain = QONNX

    def _run(self, x: Array, scale: Array) -> tuple[Array]:
        return (np.asarray(np.where(x >= 0, 1, -1) * scale, x.dtype),)


class Quant(OpRun):
    """Uniform levels of any width."""

    op_domain = QONNX

    def _run(self, x: Array, scale: Array, zero: Array, bits: Array, **given: Any) -> tuple[Array]:
        width, signed, narrow = float(np.max(bits)), given.get("signed", 0), given.get("narrow", 0)
        codes = x / scale + zero
        if width == 1 and signed:
            codes = np.where(codes >= 0, 1, -1)
        else:
            low = -(2.0 ** (width - 1)) + narrow if signed else 0.0
            high = 2.0 ** (width - 1) - 1 if signed else 2.0**width - 1 - narrow
            codes = _ROUND[given.get("rounding_mode", "ROUND").upper()](np.minimum(np.maximum(codes, low), high))
        return (np.asarray((codes - zero) * scale, x.dtype),)


class IntQuant(Quant):
    """`Quant` under its newer name."""


class MultiThreshold(OpRun):
    """How many thresholds of its channel a value reaches."""

    op_domain = QONNX

    def _run(self, x: Array, table: Array, **given: Any) -> tuple[Array]:
        last = given.get("data_layout", "NCHW") in ("NHWC", "NC") and x.ndim > 1
        shape = [1] * x.ndim
        shape[x.ndim - 1 if last else 1] = len(table)
        count = np.zeros(x.shape)
        for column in table.T:
            count += x >= column.reshape(shape)
        return (count * given.get("out_scale", 1.0) + given.get("out_bias", 0.0),)


class Trunc(OpRun):
    """Low bits cut off; with five parameters the second version of the operator."""

    op_domain = QONNX

    def _run(self, x: Array, scale: Array, zero: Array, bits: Array, *after: Array, **given: Any) -> tuple[Array]:
        codes, rounding = np.round(x / scale + zero), _ROUND[given.get("rounding_mode", "FLOOR").upper()]
        if len(after) == 1:
            return (np.asarray((rounding(codes / 2.0 ** (bits - after[0])) - zero) * scale, x.dtype),)
        step, (out, width) = 2.0 ** np.round(np.log2(after[0] / scale)), after
        signed, narrow = given.get("signed", 1), given.get("narrow", 0)
        low = -(2.0 ** (width - 1)) + narrow if signed else 0.0
        high = 2.0 ** (width - 1) - 1 if signed else 2.0**width - 1 - narrow
        return (np.asarray((rounding(np.minimum(np.maximum(codes / step, low), high)) - zero / step) * out, x.dtype),)


def _placed(x: Array, array: Array, axis: int) -> Array:
    return (
        array.reshape(())
        if array.size == 1
        else array.reshape([-1 if k == axis % x.ndim else 1 for k in range(x.ndim)])
    )


class QuantizeLinear(OpRun):
    """Whole numbers of 8 bits, as floats, so that their sizes have no type that is too small."""

    op_domain = ""

    def _run(self, x: Array, scale: Array, zero: Array | None = None, axis: int = 1, **given: Any) -> tuple[Array]:
        signed = (zero is not None and zero.dtype == np.int8) or given.get("output_dtype") == TensorProto.INT8
        low, high = (-128.0, 127.0) if signed else (0.0, 255.0)
        origin = 0.0 if zero is None else _placed(x, zero, axis).astype(np.float64)
        return (np.clip(np.rint(x / _placed(x, scale, axis)) + origin, low, high),)


class DequantizeLinear(OpRun):
    """Whole numbers times a scale."""

    op_domain = ""

    def _run(self, x: Array, scale: Array, zero: Array | None = None, axis: int = 1, **given: Any) -> tuple[Array]:
        origin = 0.0 if zero is None else _placed(x, zero, axis).astype(np.float64)
        return ((x.astype(np.float64) - origin) * _placed(x, scale, axis).astype(np.float64),)
