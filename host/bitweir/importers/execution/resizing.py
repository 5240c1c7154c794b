"""Resize and Upsample to the nearest pixel: the library's runs a Python loop over all pixels, and has no Upsample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun

__all__ = ["Resize", "Upsample", "resized"]

Array = NDArray[Any]
_ROUND: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}


def resized(given: Any, x: Array, *parts: Array | None) -> list[int]:
    """The shape of the result."""
    return [after for after, _ in _sizes(given, x, *parts)]


def _sizes(given: Any, x: Array, *parts: Array | None) -> list[tuple[int, float]]:
    """Size of each axis of the result, and how many times as large as before it is."""
    scales, sizes = (parts[1], parts[2] if len(parts) > 2 else None) if len(parts) > 1 else (*parts, None, None)[:2]
    over = list(given.get("axes") or range(x.ndim))
    found = [(size, 1.0) for size in x.shape]
    if scales is None or not scales.size:
        scales = None if "scales" not in given else np.asarray(given["scales"])
    for place, axis in enumerate(over):
        size = x.shape[axis]
        if scales is not None and scales.size:
            found[axis] = (int(np.floor(size * scales[place])), float(scales[place]))
        elif sizes is not None:
            found[axis] = (int(sizes[place]), int(sizes[place]) / size)
    return found


class Resize(OpRun):
    """The pixel that is nearest to each place."""

    op_domain = ""
    #: Where there is no attribute that says it.
    how, which = "half_pixel", "round_prefer_floor"

    def _run(self, x: Array, *parts: Array | None, **given: Any) -> tuple[Array]:
        older = len(self.onnx_node.input) < 3
        how = given.get("coordinate_transformation_mode") or ("asymmetric" if older else self.how)
        which = given.get("nearest_mode") or ("floor" if older else self.which)
        if given.get("mode", "nearest") not in ("nearest", b"nearest", None):
            raise ValueError("a Resize mixes pixels")
        for axis, (after, scale) in enumerate(_sizes(given, x, *parts)):
            if after == x.shape[axis]:
                continue
            place = np.arange(after, dtype=np.float64)
            if how == "align_corners":
                place = place * (x.shape[axis] - 1) / max(1, after - 1)
            elif how in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"):
                place = (place + 0.5) / scale - 0.5
            elif how == "tf_half_pixel_for_nn":
                place = (place + 0.5) / scale
            elif how == "asymmetric":
                place = place / scale
            else:
                raise ValueError(f"a Resize has coordinates of {how}")
            x = x.take(np.clip(_ROUND[which](place).astype(np.int64), 0, x.shape[axis] - 1), axis)
        return (x,)


class Upsample(Resize):
    """As `Resize` before its attributes."""
