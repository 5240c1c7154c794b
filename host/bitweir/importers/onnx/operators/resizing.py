"""What Resize and Upsample do, where they repeat each pixel a whole number of times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from ...errors import ModelError
from ..graph import Node

__all__ = ["resize_factors"]

#: Larger maps than any network makes of one.
_MAX_SIZE = 1 << 16
_HALF = Fraction(1, 2)
#: Place in the map of each place i of the larger map: of i, the factor, and the sizes of both.
_PLACES: dict[str, Callable[[int, int, int], Fraction]] = {
    "align_corners": lambda i, factor, size: Fraction(i * (size - 1), max(1, factor * size - 1)),
    "asymmetric": lambda i, factor, size: Fraction(i, factor),
    "half_pixel": lambda i, factor, size: (i + _HALF) / factor - _HALF,
    "half_pixel_symmetric": lambda i, factor, size: (i + _HALF) / factor - _HALF,
    "pytorch_half_pixel": lambda i, factor, size: (i + _HALF) / factor - _HALF if factor * size > 1 else Fraction(0),
    "tf_half_pixel_for_nn": lambda i, factor, size: (i + _HALF) / factor,
}
_NEAREST: dict[str, Callable[[Fraction], int]] = {
    "ceil": ceil,
    "floor": floor,
    "round_prefer_ceil": lambda place: floor(place + _HALF),
    "round_prefer_floor": lambda place: ceil(place - _HALF),
}


def resize_factors(node: Node, shape: tuple[int, ...], operands: Sequence[Any]) -> tuple[int, int]:
    """How many rows and columns each pixel becomes.

    Parameters
    ----------
    node : Node
        Resize of any version, or Upsample.
    shape : (1, C, H, W) or (1, C, L)
        Of a map of two dimensions, or of one, which is a map of one row then.
    operands : sequence of array or None
        What stands behind the map: of Upsample and of Resize before version 11 the scales, else a region, scales and
        sizes.

    Raises
    ------
    ModelError
        It does something else than to repeat pixels; the text is the end of a sentence.
    """
    mode = str(node.attributes.get("mode", "nearest"))
    if mode != "nearest":
        raise ModelError(f"its mode must be nearest, not {mode}, which mixes pixels: use nearest, or a convolution")
    for factor, size in zip(found := _factors(node, shape, operands), shape, strict=True):
        if factor.denominator != 1 or factor < 1 or factor * size > _MAX_SIZE:
            raise ModelError(
                f"it must make a map whole times as large, not {' x '.join(map(str, found))} times: use whole scales, "
                "or a pool where the map becomes smaller"
            )
    whole = [int(factor) for factor in found]
    if whole[:2] != [1, 1]:
        raise ModelError("it must repeat rows and columns, not frames or channels: scale the axes of the map alone")
    for times, size in zip(whole[2:], shape[2:], strict=True):
        _check_repeats(node, times, size)
    rows, columns = [1, *whole[2:]][-2:]
    return rows, columns


def _factors(node: Node, shape: tuple[int, ...], operands: Sequence[Any]) -> list[Fraction]:
    """How many times as large each axis becomes."""
    given = [None if part is None or not np.size(part) else part for part in operands]
    if not all(part is None or isinstance(part, np.ndarray) for part in given):
        raise ModelError("its scales must not depend on the image: export with fixed shapes")
    scales, sizes = (given[0] if len(given) == 1 else None), None
    if len(given) > 1:
        scales, sizes = [*given, None, None][1:3]
    if scales is None and "scales" in node.attributes:
        scales = np.asarray(node.attributes["scales"])
    if (scales is None) == (sizes is None):
        raise ModelError("it must have either scales or sizes: the file is damaged")
    if sizes is not None and str(node.attributes.get("keep_aspect_ratio_policy", "stretch")) != "stretch":
        raise ModelError("its sizes must be those of the result: export it with keep_aspect_ratio_policy stretch")
    rank = len(shape)
    axes = [int(axis) % rank for axis in node.attributes.get("axes", range(rank))]
    numbers = np.asarray(scales if sizes is None else sizes).reshape(-1).tolist()
    if len(numbers) != len(axes) or not np.isfinite(numbers).all():
        raise ModelError("it must have one finite scale or size for each axis: the file is damaged")
    factors = [Fraction(1)] * rank
    for axis, number in zip(axes, numbers, strict=True):
        if sizes is None:
            factors[axis] = Fraction(number)
        elif axis:  # of the batch, a size says nothing
            factors[axis] = Fraction(int(number), shape[axis])
    return factors


def _check_repeats(node: Node, factor: int, size: int) -> None:
    """Whether each place comes `factor` times in a row."""
    newer = "coordinate_transformation_mode" in node.attributes or len(node.inputs) > 2
    how = str(node.attributes.get("coordinate_transformation_mode", "half_pixel" if newer else "asymmetric"))
    which = str(node.attributes.get("nearest_mode", "round_prefer_floor" if newer else "floor"))
    if how not in _PLACES or which not in _NEAREST:
        raise ModelError(
            f"its coordinates must be those of the whole map, not {how} with {which}: export it with asymmetric and "
            "floor, as Upsample(mode='nearest') does"
        )
    found = [
        min(max(_NEAREST[which](_PLACES[how](place, factor, size)), 0), size - 1) for place in range(factor * size)
    ]
    if found != [place // factor for place in range(factor * size)]:
        raise ModelError(
            f"it must repeat each pixel as often as all others, but with {how} and {which} it does not: export it with "
            "asymmetric and floor, as Upsample(mode='nearest') does"
        )
