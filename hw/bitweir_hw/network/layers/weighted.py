"""Layers of neurons with weights: dense ones and convolutions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from ...errors import NetworkError
from ..edges import WindowClasses, window_classes
from ..formats import VALUE_BITS, Format, Integers, Map, Shape
from .checks import check_whole, in_reach, thresholded
from .windows import window_positions, window_text

__all__ = ["Conv", "Dense"]

#: Bits of a weight that is not just -1 or +1.
WEIGHT_BITS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense:
    """M neurons, each fed by all K inputs: a whole map, row by row, channels innermost.

    ``acc[m] = sum_k w[m, k] * value[k]``, then, where there are thresholds,
    ``code[m] = number of thresholds t in thresholds[m] with acc[m] >= t``.

    Parameters
    ----------
    name : str
        Name in reports and error texts.
    weights : bool or int64 array, (M, K)
        Bool: True is +1, False is -1. Integers of up to 16 bits are the weights themselves.
    thresholds : int64 array, (M, T), or None
        Ascending in each row; out of reach is legal (a constant neuron). None hands on `acc`.
    output : Format or None
        Of the codes; None with ``thresholds=None``, where the output is the accumulator itself.
    """

    name: str
    weights: NDArray[np.bool_] | Integers
    thresholds: Integers | None = None
    output: Format | None = None

    @property
    def outputs(self) -> int:
        """M, the number of neurons."""
        return int(self.weights.shape[0])

    @property
    def inputs(self) -> int:
        """K, the inputs of a neuron."""
        return int(self.weights.shape[1])

    groups = 1

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return "dense"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        check_weights(self, 2)
        if self.inputs != source.size:
            raise NetworkError(f"Layer {self.name!r} takes {self.inputs} inputs, but {source.size} arrive.")
        return thresholded(self, sums_of(self, source, (1, 1, self.outputs)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv:
    """A convolution, or rather a cross-correlation: M filters over a padded map.

    Parameters
    ----------
    name : str
    weights : bool or int64 array, (M, kh, kw, C / groups)
        As in `Dense`.
    stride : (int, int)
        Rows and columns from window to window.
    pads : (int, int, int, int)
        Rows above, columns on the left, rows below, columns on the right; each less than the kernel.
    pad_value : int
        Value of what lies outside the map: -1, 0 and +1 are usual. It need not be one that codes have.
    edges : int64 array, (R, C, M), or None
        What is added to the sums of each class of windows, where the pad value alone does not say what lies outside;
        see `edges.window_classes`.
    by_pixel : bool
        Each window is a class of its own, so that `edges`, (H', W', M), may differ from pixel to pixel.
    groups : int
        Group g of the filters sees group g of the channels; C for a depthwise convolution.
    thresholds, output
        As in `Dense`.
    """

    name: str
    weights: NDArray[np.bool_] | Integers
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: int = 0
    groups: int = 1
    thresholds: Integers | None = None
    output: Format | None = None
    edges: Integers | None = None
    by_pixel: bool = False

    @property
    def outputs(self) -> int:
        """M, the number of filters."""
        return int(self.weights.shape[0])

    @property
    def inputs(self) -> int:
        """K, the inputs of a neuron: ``kh * kw * C / groups``."""
        return prod(self.weights.shape[1:])

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of a window."""
        return int(self.weights.shape[1]), int(self.weights.shape[2])

    def windows(self, shape: Shape) -> WindowClasses:
        """The classes of its windows over a map."""
        return window_classes(shape, self.kernel, self.stride, self.pads, single=self.by_pixel)

    @property
    def description(self) -> str:
        """What a reader calls it."""
        groups = "" if self.groups == 1 else f", {self.groups} groups"
        return f"conv {window_text(self)}{groups}{', by pixel' if self.by_pixel else ''}"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        check_weights(self, 4)
        check_whole(self, "groups", (self.groups,), 1)
        channels, groups = source.channels, self.groups
        if channels % groups or self.outputs % groups:
            raise NetworkError(
                f"Layer {self.name!r} must divide its {channels} channels and {self.outputs} filters into groups, "
                f"not {groups} of them."
            )
        if self.weights.shape[3] * groups != channels:
            raise NetworkError(
                f"Layer {self.name!r} takes {self.weights.shape[3] * groups} channels, but {channels} arrive."
            )
        rows, columns = window_positions(self, source)
        if type(self.pad_value) is not int or abs(self.pad_value) >> VALUE_BITS:
            raise NetworkError(
                f"Layer {self.name!r} must have an integer of at most {VALUE_BITS} bits as pad value, "
                f"not {self.pad_value!r}."
            )
        if any(self.pads):
            source = replace(source, low=min(source.low, self.pad_value), high=max(source.high, self.pad_value))
        sums = sums_of(self, source, (rows, columns, self.outputs))
        if self.by_pixel and self.edges is None:
            raise NetworkError(f"Layer {self.name!r} must have edges where each window is a class of its own.")
        if self.edges is not None:
            wanted = (*self.windows(source.shape).shape, self.outputs)
            if self.edges.dtype != np.int64 or self.edges.shape != wanted:
                raise NetworkError(
                    f"Layer {self.name!r} must have int64 edges of shape {wanted}, one for each class of windows and "
                    f"filter, not {self.edges.dtype} of shape {self.edges.shape}."
                )
            low, high = sums.low + min(0, int(self.edges.min())), sums.high + max(0, int(self.edges.max()))
            sums = in_reach(self, replace(sums, low=low, high=high))
        return thresholded(self, sums)


def check_weights(layer: Dense | Conv, axes: int) -> None:
    weights = layer.weights
    if weights.dtype not in (np.bool_, np.int64) or weights.ndim != axes or 0 in weights.shape:
        count = {2: "two", 4: "four"}[axes]
        raise NetworkError(
            f"Layer {layer.name!r} must have a {count}-dimensional array of bool or int64 as weights, "
            f"not {weights.dtype} of shape {weights.shape}."
        )
    limit = 1 << (WEIGHT_BITS - 1)
    if weights.dtype == np.int64 and (weights.min() < -limit or weights.max() >= limit):
        raise NetworkError(
            f"Layer {layer.name!r} must have weights of at most {WEIGHT_BITS} bits, {-limit} to {limit - 1}; "
            f"they are {weights.min()} to {weights.max()}."
        )


def sums_of(layer: Dense | Conv, source: Map, shape: Shape) -> Map:
    """The accumulators, before thresholds."""
    if max(abs(source.low), abs(source.high)) >> VALUE_BITS:
        raise NetworkError(
            f"Layer {layer.name!r} must take values of at most {VALUE_BITS} bits, not {source.low} to {source.high}: "
            "put a threshold before it."
        )
    rows = layer.weights.reshape(layer.outputs, -1)
    if rows.dtype == np.bool_:
        positive = rows.sum(axis=1, dtype=np.int64)
        negative = rows.shape[1] - positive
    else:
        positive, negative = np.maximum(rows, 0).sum(axis=1), -np.minimum(rows, 0).sum(axis=1)
    # Each weight picks the end of the range that suits its sign. Python integers never overflow.
    pairs = list(zip(positive.tolist(), negative.tolist(), strict=True))
    low = min(p * source.low - n * source.high for p, n in pairs)
    high = max(p * source.high - n * source.low for p, n in pairs)
    return in_reach(layer, Map(shape=shape, low=low, high=high))
