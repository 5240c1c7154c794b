"""Pooling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from ...errors import NetworkError
from ..formats import Map
from .checks import check_rising, in_reach
from .windows import window_positions, window_text

__all__ = ["Pool"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """The largest, or the sum, of the values in each window, channel by channel.

    What lies outside the map counts for nothing. A mean is a sum whose division went into thresholds.

    Parameters
    ----------
    name : str
    kind : str
        ``"max"``, which hands on what arrives (codes or accumulators), or ``"sum"``, which hands on
        accumulators and takes no padding.
    kernel : (int, int)
        Rows and columns of a window; of the whole map for global pooling.
    stride : (int, int)
    pads : (int, int, int, int)
        As in `Conv`.
    least : bool array, (C,), or None
        With ``"max"``: channels of which the smallest value is wanted, since a negative slope that
        comes later turns their order round.
    """

    name: str
    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    least: NDArray[np.bool_] | None = None

    @property
    def description(self) -> str:
        """What a reader calls it."""
        least = "" if self.least is None else f", least in {int(self.least.sum())} channels"
        return f"{self.kind} pool {window_text(self)}{least}"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        if self.kind not in ("max", "sum"):
            raise NetworkError(f"Layer {self.name!r} must be a pool of kind max or sum, not {self.kind!r}.")
        rows, columns = window_positions(self, source)
        shape = (rows, columns, source.channels)
        if self.kind == "sum":
            if any(self.pads):
                raise NetworkError(
                    f"Layer {self.name!r} must have pads of 0, because a sum over the edge of a map would need "
                    f"another divisor there, not {self.pads}."
                )
            if self.least is not None:
                raise NetworkError(f"Layer {self.name!r} must not name channels with the least value: it sums.")
            taps = prod(self.kernel)
            return in_reach(self, Map(shape=shape, low=taps * source.low, high=taps * source.high))
        if self.least is not None and (self.least.dtype != np.bool_ or self.least.shape != shape[2:]):
            raise NetworkError(
                f"Layer {self.name!r} must tell for each of its {shape[2]} channels as a bool whether the least value "
                f"is wanted, not as {self.least.dtype} of shape {self.least.shape}."
            )
        check_rising(self, source)
        return replace(source, shape=shape)
