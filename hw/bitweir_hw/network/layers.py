"""Layers of the integer network: what each computes, on what, and what it hands on.

Layers hand on feature maps: H rows by W columns of pixels with C channels, as a stream carries them,
row by row, channels innermost (NHWC). A vector is a map of 1 x 1 pixels.

A layer is one dataclass with one rule, `output_map`, which says whether it may follow a map and what
comes out. `bitweir_sim.values.golden` says what it computes.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NetworkError
from .edges import WindowClasses, window_classes
from .formats import BIPOLAR, VALUE_BITS, Format, Integers, Map, Shape

__all__ = [
    "BIPOLAR",
    "LAYERS",
    "Affine",
    "Argmax",
    "Branched",
    "Concat",
    "Conv",
    "Dense",
    "Format",
    "Integers",
    "Layer",
    "Map",
    "Parallel",
    "Piecewise",
    "Pool",
    "Select",
    "Shape",
    "Threshold",
    "Upsample",
    "Vote",
    "falls",
    "in_series",
]

#: Bits of a weight that is not just -1 or +1.
WEIGHT_BITS = 16
#: Pieces of a function.
MAX_PIECES = 8
#: How many rows or columns a pixel may become.
MAX_FACTOR = 256
#: Bits of anything that arithmetic makes, so that int64 always holds it.
SUM_BITS = 62


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
        _check_weights(self, 2)
        if self.inputs != source.size:
            raise NetworkError(f"Layer {self.name!r} takes {self.inputs} inputs, but {source.size} arrive.")
        return _thresholded(self, _sums(self, source, (1, 1, self.outputs)))


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
        return f"conv {_window(self)}{groups}{', by pixel' if self.by_pixel else ''}"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        _check_weights(self, 4)
        _check_whole(self, "groups", (self.groups,), 1)
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
        rows, columns = _windows(self, source)
        if type(self.pad_value) is not int or abs(self.pad_value) >> VALUE_BITS:
            raise NetworkError(
                f"Layer {self.name!r} must have an integer of at most {VALUE_BITS} bits as pad value, "
                f"not {self.pad_value!r}."
            )
        if any(self.pads):
            source = replace(source, low=min(source.low, self.pad_value), high=max(source.high, self.pad_value))
        sums = _sums(self, source, (rows, columns, self.outputs))
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
            sums = _in_reach(self, replace(sums, low=low, high=high))
        return _thresholded(self, sums)


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
        return f"{self.kind} pool {_window(self)}{least}"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        if self.kind not in ("max", "sum"):
            raise NetworkError(f"Layer {self.name!r} must be a pool of kind max or sum, not {self.kind!r}.")
        rows, columns = _windows(self, source)
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
            return _in_reach(self, Map(shape=shape, low=taps * source.low, high=taps * source.high))
        if self.least is not None and (self.least.dtype != np.bool_ or self.least.shape != shape[2:]):
            raise NetworkError(
                f"Layer {self.name!r} must tell for each of its {shape[2]} channels as a bool whether the least value "
                f"is wanted, not as {self.least.dtype} of shape {self.least.shape}."
            )
        _check_rising(self, source)
        return replace(source, shape=shape)


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
        _check_rising(self, source)
        if self.thresholds is None:
            raise NetworkError(f"Layer {self.name!r} must have thresholds: it is nothing else.")
        return _thresholded(self, source)


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
        return _in_reach(self, Map(shape=source.shape, low=min(ends), high=max(ends)))


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
        _check_rising(self, source)
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
        whole = _in_reach(self, Map(shape=source.shape, low=min(map(min, ends)), high=max(map(max, ends))))
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Vote:
    """Scores to one vote: 1 for the lowest index with the highest score, 0 for all others.

    Parameters
    ----------
    name : str
    """

    name: str

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return "vote"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        if source.pixels != 1:
            raise NetworkError(f"Layer {self.name!r} must take a vector of scores, not a map of shape {source.shape}.")
        _check_rising(self, source)
        return Map.of_codes(source.shape, Format(bits=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Argmax:
    """A class for each pixel: the lowest of the channels that hold the highest value.

    It hands on one channel of codes, each of which is the number of a channel.

    Parameters
    ----------
    name : str
    """

    name: str

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return "class of each pixel"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        if source.channels < 2:
            raise NetworkError(f"Layer {self.name!r} must choose among two channels or more, not {source.channels}.")
        _check_rising(self, source)
        most = source.channels - 1
        return Map(shape=(*source.shape[:2], 1), low=0, high=most, format=Format(bits=most.bit_length()))


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
        _check_whole(self, "factors", self.factors, 1)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Branched:
    """Branches that all take the same map, and meet. An empty branch hands on its input.

    Parameters
    ----------
    name : str
        Of what they meet in.
    branches : tuple of tuple of Layer
        Two or more.
    """

    name: str
    branches: tuple[tuple[Layer, ...], ...]

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        if len(self.branches) < 2:
            raise NetworkError(f"Layer {self.name!r} must have two branches or more, not {len(self.branches)}.")
        return _in_reach(self, self.meet([in_series(branch, source) for branch in self.branches]))

    @property
    @abstractmethod
    def description(self) -> str:
        """What a reader calls it."""

    @abstractmethod
    def meet(self, ends: list[Map]) -> Map:
        """What leaves the layer, from what the branches end in."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Parallel(Branched):
    """Branches that meet in a sum: ``out = sum_b weights[b] * branch_b(map)``.

    With an empty branch it is the shortcut of a residual network. Branches with weights
    are the bases of ABC-Net and Group-Net; whole networks as branches are an ensemble.

    Parameters
    ----------
    name, branches
        As in `Branched`.
    weights : tuple of int or None
        One a branch; None for 1 each.
    """

    weights: tuple[int, ...] | None = None

    @property
    def factors(self) -> tuple[int, ...]:
        """The weight of each branch."""
        return (1,) * len(self.branches) if self.weights is None else self.weights

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return f"sum of {len(self.branches)} branches"

    def meet(self, ends: list[Map]) -> Map:
        """What leaves the layer, from what the branches end in."""
        if len(self.factors) != len(self.branches) or any(
            type(w) is not int or abs(w) >> VALUE_BITS for w in self.factors
        ):
            raise NetworkError(
                f"Layer {self.name!r} must have one integer weight of {VALUE_BITS} bits for each of its "
                f"{len(self.branches)} branches, not {self.factors}."
            )
        shapes = list(dict.fromkeys(end.shape for end in ends))
        if len(shapes) > 1:
            raise NetworkError(
                f"Layer {self.name!r} must sum maps of one shape; its branches end in {', '.join(map(str, shapes))}."
            )
        pairs = [sorted((w * end.low, w * end.high)) for w, end in zip(self.factors, ends, strict=True)]
        for low, high in pairs:
            _in_reach(self, Map(shape=shapes[0], low=low, high=high))
        low, high = (sum(pair[end] for pair in pairs) for end in (0, 1))
        return Map(shape=shapes[0], low=low, high=high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Branched):
    """Branches whose channels follow one another in each pixel: those of the first branch, then those of the next.

    The maps have the same rows and columns. They all carry accumulators, or all carry codes that mean the same:
    then the numbers of bits may differ, and the most of them is handed on.
    """

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return f"channels of {len(self.branches)} branches"

    def meet(self, ends: list[Map]) -> Map:
        """What leaves the layer, from what the branches end in."""
        sizes = list(dict.fromkeys(end.shape[:2] for end in ends))
        if len(sizes) > 1:
            raise NetworkError(
                f"Layer {self.name!r} must join maps of the same rows and columns; its branches end in "
                f"{', '.join(map(str, sizes))}."
            )
        shape = (*sizes[0], sum(end.channels for end in ends))
        forms = [end.format for end in ends if end.format is not None]
        if not forms:
            return Map(shape=shape, low=min(end.low for end in ends), high=max(end.high for end in ends))
        if len(forms) < len(ends) or len({(form.offset, form.step) for form in forms}) > 1:
            told = ", ".join(
                "accumulators"
                if end.format is None
                else f"codes from {end.format.offset} in steps of {end.format.step}"
                for end in ends
            )
            raise NetworkError(
                f"Layer {self.name!r} must join accumulators, or codes of one offset and step; its branches end in "
                f"{told}."
            )
        return Map.of_codes(shape, max(forms, key=lambda form: form.bits))


Layer = Dense | Conv | Pool | Threshold | Affine | Piecewise | Vote | Argmax | Upsample | Select | Branched

#: Every kind of layer. Each has one entry in golden, lowering and reports; a test checks it.
LAYERS: tuple[type, ...] = (
    Dense, Conv, Pool, Threshold, Affine, Piecewise, Vote, Argmax, Upsample, Select, Parallel, Concat,
)  # fmt: skip


def in_series(layers: tuple[Layer, ...], source: Map) -> Map:
    """What leaves the last of some layers in a row.

    Raises
    ------
    NetworkError
        Names the layer that may not follow, the rule that it breaks, and the value that breaks it.
    """
    for layer in layers:
        source = layer.output_map(source)
    return source


def falls(thresholds: NDArray[Any]) -> bool:
    """Whether a row goes down anywhere; a difference could overflow, so none is made."""
    return bool((thresholds[:, 1:] < thresholds[:, :-1]).any())


def _check_whole(layer: Layer, what: str, numbers: tuple[int, ...], least: int) -> None:
    if any(type(number) is not int or number < least for number in numbers):
        raise NetworkError(f"Layer {layer.name!r} must have {what} of {least} or more, not {numbers}.")


def _check_rising(layer: Pool | Threshold | Piecewise | Vote | Argmax, source: Map) -> None:
    if source.format is not None and source.format.step < 0:
        raise NetworkError(
            f"Layer {layer.name!r} must take codes that rise with their values: reverse the sign of the step."
        )


def _window(layer: Conv | Pool) -> str:
    kernel, stride = ("x".join(map(str, pair)) for pair in (layer.kernel, layer.stride))
    return kernel if layer.stride == (1, 1) else f"{kernel} stride {stride}"


def _windows(layer: Conv | Pool, source: Map) -> tuple[int, int]:
    """Rows and columns of windows that fit into the padded map."""
    _check_whole(layer, "a kernel", layer.kernel, 1)
    _check_whole(layer, "a stride", layer.stride, 1)
    _check_whole(layer, "pads", layer.pads, 0)
    if len(layer.kernel) != 2 or len(layer.stride) != 2 or len(layer.pads) != 4:
        raise NetworkError(f"Layer {layer.name!r} must have a kernel and a stride of two numbers, and four pads.")
    counts = []
    for axis, what in enumerate(("rows", "columns")):
        size, kernel = source.shape[axis], layer.kernel[axis]
        before, after = layer.pads[axis], layer.pads[axis + 2]
        if max(before, after) >= kernel:
            raise NetworkError(
                f"Layer {layer.name!r} must have fewer padded {what} than the {kernel} of its kernel, "
                f"not {max(before, after)}."
            )
        count = (size + before + after - kernel) // layer.stride[axis] + 1
        if count < 1:
            raise NetworkError(
                f"Layer {layer.name!r} must have a kernel of at most {size + before + after} {what}, as many as its "
                f"padded map has, not {kernel}."
            )
        counts.append(count)
    return counts[0], counts[1]


def _check_weights(layer: Dense | Conv, axes: int) -> None:
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


def _sums(layer: Dense | Conv, source: Map, shape: Shape) -> Map:
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
    return _in_reach(layer, Map(shape=shape, low=low, high=high))


def _in_reach(layer: Layer, result: Map) -> Map:
    if max(abs(result.low), abs(result.high)) >> SUM_BITS:
        raise NetworkError(
            f"Layer {layer.name!r} must output values of at most {SUM_BITS} bits, not {result.low} to {result.high}."
        )
    return result


def _thresholded(layer: Dense | Conv | Threshold, sums: Map) -> Map:
    """What is handed on after the thresholds, if there are any."""
    thresholds, output = layer.thresholds, layer.output
    if (thresholds is None) != (output is None):
        raise NetworkError(f"Layer {layer.name!r} must have both thresholds and an output format, or neither.")
    if thresholds is None or output is None:
        return sums
    if thresholds.dtype != np.int64 or thresholds.ndim != 2 or thresholds.shape[0] != sums.channels:
        raise NetworkError(
            f"Layer {layer.name!r} must have int64 thresholds, a row for each of its {sums.channels} neurons, "
            f"not {thresholds.dtype} of shape {thresholds.shape}."
        )
    if not 1 <= thresholds.shape[1] < output.codes:
        raise NetworkError(
            f"Layer {layer.name!r} must have 1 to {output.codes - 1} thresholds a neuron for "
            f"{output.bits} bits, not {thresholds.shape[1]}."
        )
    if falls(thresholds):
        raise NetworkError(f"Layer {layer.name!r} must have ascending thresholds for each neuron.")
    return Map.of_codes(sums.shape, output)
