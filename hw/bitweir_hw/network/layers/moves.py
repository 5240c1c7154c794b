"""Layers that compute nothing: they hand on pixels or channels in another number or order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import NetworkError
from ..formats import Integers, Map
from .checks import check_whole

__all__ = ["Select", "Upsample"]

#: How many rows or columns a pixel may become.
MAX_FACTOR = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Upsample:
    """Each pixel several times, as its nearest neighbours: ``out[y, x] = map[y // factors[0], x // factors[1]]``.

    Parameters
    ----------
    name : str
    factors : (int, int)
        How many rows and how many columns each pixel becomes.
    """

    name: str
    factors: tuple[int, int]

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return f"upsampling {self.factors[0]}x{self.factors[1]}"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        check_whole(self, "factors", self.factors, 1)
        if max(self.factors) > MAX_FACTOR:
            raise NetworkError(f"Layer {self.name!r} must have factors of at most {MAX_FACTOR}, not {self.factors}.")
        rows, columns, channels = source.shape
        return replace(source, shape=(rows * self.factors[0], columns * self.factors[1], channels))


@dataclass(frozen=True, kw_only=True, eq=False)
class Select:
    """Some channels of each pixel, in any order: ``out[y, x, c] = map[y, x, channels[c]]``.

    Parameters
    ----------
    name : str
    channels : int64 array, (M,)
        The channel of the map that each channel is; some may be left out, or come more than once.
    """

    name: str
    channels: Integers

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return "selection of channels"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        channels = self.channels
        if channels.dtype != np.int64 or channels.ndim != 1 or not len(channels):
            raise NetworkError(
                f"Layer {self.name!r} must have a list of int64 channels, not {channels.dtype} of shape "
                f"{channels.shape}."
            )
        if channels.min() < 0 or channels.max() >= source.channels:
            raise NetworkError(
                f"Layer {self.name!r} must choose of the channels 0 to {source.channels - 1} that arrive, not "
                f"{channels.min()} to {channels.max()}."
            )
        return replace(source, shape=(*source.shape[:2], len(channels)))
