"""Weights as bits: the planes that they need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...network.layers import Integers
from ...popcount.dot_product import Plane

__all__ = ["plane_bits", "planes_for", "weight_planes"]


def weight_planes(weights: NDArray[np.bool_] | Integers) -> tuple[tuple[Plane, ...], NDArray[np.bool_]]:
    """Weights as bits: the planes that they need, and the bits of each, (planes, *shape of the weights).

    Weights of -1 and +1 are one plane of XNOR. Other integers are the bits of their two's
    complement, planes of AND; ``-pc(a) = pc(~a) - n`` makes the sign a NAND and a constant.
    """
    if weights.dtype == np.bool_:
        return (Plane(xnor=True),), weights[None].astype(bool, copy=False)
    planes = planes_for(int(weights.min()), int(weights.max()))
    bits = plane_bits(weights, planes)
    used = [plane for plane in range(len(planes)) if bits[plane].any()] or [0]
    return tuple(planes[plane] for plane in used), bits[used]


def planes_for(low: int, high: int) -> tuple[Plane, ...]:
    """The planes of integers from `low` to `high`, whatever they are."""
    # -1, 0, +1 need no carry between planes: one says +1, the other -1.
    if low >= -1 and high <= 1:
        return Plane(), Plane(negative=True)
    size = max((~low if low < 0 else low).bit_length(), high.bit_length() if high > 0 else 0)
    return (*(Plane(exponent=e) for e in range(size)), Plane(exponent=size, negative=True))


def plane_bits(weights: NDArray[np.bool_] | Integers, planes: tuple[Plane, ...]) -> NDArray[np.bool_]:
    """The bits of weights in each plane, (planes, *shape of the weights)."""
    if weights.dtype == np.bool_:
        return weights[None].astype(bool, copy=False)
    # Only -1, 0, +1 have a plane for -1 that counts once.
    single = all(plane.exponent == 0 for plane in planes)
    return np.stack(
        [weights == (-1 if plane.negative else 1) if single else weights >> plane.exponent & 1 for plane in planes]
    ).astype(bool)
