"""Weights as the hardware takes them: signs, or small whole numbers, and one exact scale for each output."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import MAX_PARAMETERS, Exacts, exact

__all__ = ["UnevenError", "Weights", "normalised"]

Weights = NDArray[np.bool_] | NDArray[np.int64]

#: Widest weights: those that are exact multiples of one scale, and those that float32 has rounded.
_EXACT_LIMIT, _ROUNDED_LIMIT = (1 << 15) - 1, 255
#: float32 weights that a few operations made of whole numbers lie nearer to them than this, in parts of the largest.
_NOISE = 2.0**-20
#: Weights of a row that sift the possible scales before all are tried.
_SAMPLE = 48


class UnevenError(ModelError):
    """Weights of an output are no small multiples of one number."""


def normalised(weights: NDArray[Any], label: str) -> tuple[Weights, Exacts, bool]:
    """Weights without their scales.

    Parameters
    ----------
    weights : array, (M, ...)
    label : str
        Of the node, for messages.

    Returns
    -------
    weights : bool or int64 array, (M, ...)
        As in `bitweir_hw.network.layers.Dense`.
    alpha : Exacts, (M,)
        Positive fractions: row m of the model is ``alpha[m] * weights[m]``.
    rounded : bool
        float32 has rounded the rows of the model, in a way that no scale of float32 explains.

    Raises
    ------
    UnevenError
        A row is neither binary nor made of small multiples of one number.
    ModelError
        The weights are no numbers, or too many.
    """
    if weights.dtype.kind not in "fiu" or not weights.size or not np.isfinite(weights).all():
        raise ModelError(
            f"Node {label} must have finite numbers as weights; some are NaN, infinite or missing: train it again."
        )
    if len(weights) > MAX_PARAMETERS:
        raise ModelError(f"Node {label} must have at most {MAX_PARAMETERS} outputs, not {len(weights)}.")
    rows = weights.reshape(len(weights), -1)
    size = np.abs(rows)
    low, high = size.min(axis=1), size.max(axis=1)
    if (low == high).all() and (low > 0).all():
        return weights > 0, exact(high), False
    whole = np.zeros(rows.shape, np.int64)
    alpha = np.full(len(rows), Fraction(1), object)
    if not high.any():
        return whole.reshape(weights.shape), alpha, False  # constant neurons, all of them
    rounded = False
    for index, row in enumerate(rows.astype(np.float64)):
        if not high[index]:
            continue  # a row of zeros: a constant neuron
        found = _multiples(row) or _rounded_multiples(row)
        if found is None:
            raise _refused(row, index, label)
        whole[index], alpha[index], noisy = found
        rounded |= noisy
    # One scale for all outputs keeps scores comparable, where it costs no wider weights.
    flat = rows.reshape(-1).astype(np.float64)
    common = _multiples(flat) or _rounded_multiples(flat)
    if common is not None and np.abs(common[0]).max() <= np.abs(whole).max():
        kept = (common[0] != 0) == (whole.reshape(-1) != 0)  # beside large rows, small ones look like the noise of 0
        if not kept.all():
            return whole.reshape(weights.shape), alpha, rounded
        whole, alpha[:], rounded = common
    return whole.reshape(weights.shape), alpha, rounded


def _refused(row: NDArray[np.float64], index: int, label: str) -> UnevenError:
    """What is wrong with the weights of an output, which are no small multiples of one number."""
    size = np.abs(row)
    return UnevenError(
        f"Node {label} must have binary weights, +a or -a with one a for each output, or whole multiples of one number "
        f"for each output (up to {_EXACT_LIMIT} if the weights are exactly these products, else up to "
        f"{_ROUNDED_LIMIT}), but output {index} holds sizes from {size.min():g} to {size.max():g}: quantise the "
        "weights in the model, to signs, or to integers of up to 16 bits times a power of two, or let bitweir round "
        "them with --weight-bits 8."
    )


def _multiples(row: NDArray[np.float64]) -> tuple[NDArray[np.int64], Fraction, bool] | None:
    """The row as multiples of its greatest common divisor, if they are small."""
    _, exponents = np.frexp(row[row != 0])
    if exponents.max() - exponents.min() > 40:
        return None
    # With float32 or narrower weights these are whole; with float64 the test below tells.
    unit = 24 - int(exponents.min())
    scaled = np.ldexp(row, unit)
    if (scaled % 1).any() or np.abs(scaled).max() >= 1 << 62:
        return None
    numbers = scaled.astype(np.int64)
    divisor = int(np.gcd.reduce(np.abs(numbers)))
    whole = numbers // divisor
    if np.abs(whole).max() > _EXACT_LIMIT:
        return None
    return whole, Fraction(divisor) / Fraction(2) ** unit, False


def _rounded_multiples(row: NDArray[np.float64]) -> tuple[NDArray[np.int64], Fraction, bool] | None:
    """The row as small multiples of one number, up to the rounding of float32."""
    sizes = np.unique(np.abs(row[row != 0]))
    if len(sizes) > _ROUNDED_LIMIT:
        return None
    largest = sizes[-1]
    counts = np.arange(1, _ROUNDED_LIMIT + 1)
    # With n steps up to the largest, every weight must be a whole number of steps.
    sample = sizes[np.linspace(0, len(sizes) - 1, min(_SAMPLE, len(sizes))).astype(int)]
    steps = sample / largest * counts[:, None]
    for n in counts[(np.abs(steps - np.rint(steps)) <= _NOISE * counts[:, None]).all(axis=1)].tolist():
        exactly = row / largest * n
        whole = np.rint(exactly).astype(np.int64)
        if (np.abs(exactly - whole) <= _NOISE * n).all():
            scale = _float_scale(row, whole, largest / n)
            return (whole, Fraction(largest) / n, True) if scale is None else (whole, scale, False)
    return None


def _float_scale(row: NDArray[np.float64], whole: NDArray[np.int64], near: float) -> Fraction | None:
    """The float32 whose products with whole numbers, rounded to float32, are the row: the scale of a quantiser."""
    numbers = whole.astype(np.float32)
    middle = np.float32(near)
    for scale in (middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(np.inf))):
        if (numbers * scale == row).all():
            return Fraction(float(scale))
    return None
