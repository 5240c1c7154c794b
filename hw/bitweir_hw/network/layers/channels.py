"""Functions of each value by itself, with parameters for each channel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import NetworkError
from ..formats import Format, Integers, Map
from .checks import SUM_BITS, check_rising, falls, in_reach, thresholded

__all__ = ["Affine", "Piecewise", "Threshold"]

#: Pieces of a function.
MAX_PIECES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Threshold:
    """A quantiser by itself: ``code[c] = number of thresholds t in thresholds[c] with value[c] >= t``.

    Parameters
    ----------
    name : str
    thresholds : int64 array, (C, T)
        As in `Dense`, a row for each channel.
    output : Format
    """

    name: str
    thresholds: Integers
    output: Format

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return "threshold"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        check_rising(self, source)
        if self.thresholds is None:
            raise NetworkError(f"Layer {self.name!r} must have thresholds: it is nothing else.")
        return thresholded(self, source)


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine:
    """A scale and an offset for each channel: ``out[c] = scale[c] * value[c] + offset[c]``.

    At the end it makes exact scores of accumulators; before a sum it brings branches to one scale.

    Parameters
    ----------
    name : str
    scale, offset : int64 array, (C,)
    """

    name: str
    scale: Integers
    offset: Integers

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return "scale and offset"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        if self.scale.dtype != np.int64 or self.offset.dtype != np.int64 or self.scale.shape != self.offset.shape:
            raise NetworkError(f"Layer {self.name!r} must have int64 scale and offset of one length.")
        if self.scale.shape != source.shape[2:]:
            raise NetworkError(
                f"Layer {self.name!r} takes {len(self.scale)} channels, but {source.channels} arrive."
                if self.scale.ndim == 1
                else f"Layer {self.name!r} must have one scale a channel, not an array of shape {self.scale.shape}."
            )
        pairs = [(int(a), int(b)) for a, b in zip(self.scale, self.offset, strict=True)]
        ends = [a * value + b for a, b in pairs for value in (source.low, source.high)]
        return in_reach(self, Map(shape=source.shape, low=min(ends), high=max(ends)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Piecewise:
    """A function of straight pieces for each channel, such as a ReLU, a clip, or a PReLU with slopes and shifts.

    ``out[c] = floor((scale[c, k] * value[c] + offset[c, k]) / 2 ** shift)``, where k is the number of thresholds t in
    thresholds[c] with ``value[c] >= t``: it chooses the piece.

    Parameters
    ----------
    name : str
    thresholds : int64 array, (C, T)
        Ascending in each row; out of reach is legal (a piece that is never chosen). T is at most 7.
    scale, offset : int64 array, (C, T + 1)
    shift : int
        Low bits that are left out, so that slopes may be fractions.
    """

    name: str
    thresholds: Integers
    scale: Integers
    offset: Integers
    shift: int = 0

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return f"{self.scale.shape[-1]} straight pieces"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        check_rising(self, source)
        for array in (self.thresholds, self.scale, self.offset):
            if array.dtype != np.int64 or array.ndim != 2 or len(array) != source.channels:
                raise NetworkError(
                    f"Layer {self.name!r} must have int64 thresholds, scale and offset, a row for each of its "
                    f"{source.channels} channels, not {array.dtype} of shape {array.shape}."
                )
        count = self.thresholds.shape[1]
        if not 1 <= count < MAX_PIECES or {self.scale.shape[1], self.offset.shape[1]} != {count + 1}:
            raise NetworkError(
                f"Layer {self.name!r} must have 1 to {MAX_PIECES - 1} thresholds a channel, and one scale and offset "
                f"more, not {count}, {self.scale.shape[1]} and {self.offset.shape[1]}."
            )
        if falls(self.thresholds):
            raise NetworkError(f"Layer {self.name!r} must have ascending thresholds for each channel.")
        if type(self.shift) is not int or not 0 <= self.shift <= SUM_BITS:
            raise NetworkError(f"Layer {self.name!r} must have a shift of 0 to {SUM_BITS}, not {self.shift!r}.")
        ends = self.piece_ends(source)
        whole = in_reach(self, Map(shape=source.shape, low=min(map(min, ends)), high=max(map(max, ends))))
        return replace(whole, low=whole.low >> self.shift, high=whole.high >> self.shift)

    def piece_ends(self, source: Map) -> list[list[int]]:
        """For each channel the values, before the shift, at both ends of each piece that can be chosen."""
        found = []
        for thresholds, scales, offsets in zip(self.thresholds, self.scale, self.offset, strict=True):
            starts = [source.low, *(max(int(t), source.low) for t in thresholds)]
            stops = [*(min(int(t) - 1, source.high) for t in thresholds), source.high]
            found.append(
                [
                    int(a) * value + int(b)
                    for start, stop, a, b in zip(starts, stops, scales, offsets, strict=True)
                    if start <= stop
                    for value in (start, stop)
                ]
            )
        return found
