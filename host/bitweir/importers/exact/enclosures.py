"""Float bounds of real numbers: pairs of arrays between which the numbers lie, for whatever rounding.

Each operation rounds its bounds outwards by one float more than IEEE 754 may be off. NaN says nothing, so comparisons
must be written such that NaN decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .surd import Exact, between

__all__ = [
    "Bounds",
    "clipped",
    "erf",
    "leaky",
    "magnitude",
    "minus",
    "norm",
    "of_integers",
    "of_number",
    "of_numbers",
    "plus",
    "sigmoid",
    "tanh",
    "times",
]

#: Lowest and highest value.
Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


def of_integers(numbers: NDArray[np.int64]) -> Bounds:
    """Bounds of integers."""
    rounded = numbers.astype(np.float64)
    return (rounded, rounded) if np.abs(numbers).max(initial=0) < 1 << 53 else _outwards(rounded, rounded)


def of_number(number: Any) -> Bounds | None:
    """Bounds of an exact number; None remains None."""
    return None if number is None else of_numbers([number])


def of_numbers(numbers: Sequence[Exact]) -> Bounds:
    """Bounds of exact numbers."""
    pairs = [between(number) for number in numbers]
    low, high = (np.array([_float(pair[end]) for pair in pairs]) for end in (0, 1))
    return _outwards(low, high)


def _float(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return np.inf if number > 0 else -np.inf


def _outwards(low: NDArray[np.float64], high: NDArray[np.float64]) -> Bounds:
    # What overflows says no more than that it is large.
    top = np.finfo(np.float64).max
    low, high = np.where(low == np.inf, top, low), np.where(high == -np.inf, -top, high)
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


def plus(x: Bounds, y: Bounds) -> Bounds:
    """``x + y``."""
    return _outwards(x[0] + y[0], x[1] + y[1])


def minus(x: Bounds, y: Bounds) -> Bounds:
    """``x - y``."""
    return _outwards(x[0] - y[1], x[1] - y[0])


def times(x: Bounds, y: Bounds) -> Bounds:
    """``x * y``."""
    products = [a * b for a in x for b in y]
    # Zero times infinity is NaN, and stays so.
    return _outwards(np.minimum.reduce(products), np.maximum.reduce(products))


def magnitude(x: Bounds) -> Bounds:
    """``|x|``."""
    low = np.where((x[0] <= 0) & (x[1] >= 0), 0, np.minimum(abs(x[0]), abs(x[1])))
    return low, np.maximum(abs(x[0]), abs(x[1]))


def clipped(x: Bounds, low: Bounds | None, high: Bounds | None) -> Bounds:
    """``min(max(x, low), high)``; None is no limit."""
    if low is not None:
        x = np.maximum(x[0], low[0]), np.maximum(x[1], low[1])
    return x if high is None else (np.minimum(x[0], high[0]), np.minimum(x[1], high[1]))


def leaky(x: Bounds, slope: Bounds) -> Bounds:
    """``x`` if it is positive, else ``slope * x``, for a slope of 0 or more."""
    falls = times(x, slope)
    return np.where(x[0] < 0, falls[0], x[0]), np.where(x[1] < 0, falls[1], x[1])


def tanh(x: Bounds) -> Bounds:
    """The hyperbolic tangent, which NumPy knows to a few floats."""
    return _loosely(np.tanh(x[0]), np.tanh(x[1]))


def sigmoid(x: Bounds) -> Bounds:
    """``1 / (1 + exp(-x))``, which NumPy knows to a few floats."""
    return _loosely(1 / (1 + np.exp(-x[0])), 1 / (1 + np.exp(-x[1])))


def erf(x: Bounds) -> Bounds:
    """The error function, which the C library knows to a few floats."""
    low, high = (np.asarray(np.frompyfunc(math.erf, 1, 1)(end), np.float64) for end in x)
    return _loosely(low, high)


def _loosely(low: NDArray[np.float64], high: NDArray[np.float64]) -> Bounds:
    """Bounds that leave room for 16 floats, and for what is too small for one."""
    return low - abs(low) * 2.0**-48 - 1e-300, high + abs(high) * 2.0**-48 + 1e-300


def norm(x: Bounds, factor: Bounds, mean: Bounds, beta: Bounds, slope: Bounds) -> Bounds:
    """``(x - mean) * factor + beta``."""
    return plus(times(minus(x, mean), factor), beta)
