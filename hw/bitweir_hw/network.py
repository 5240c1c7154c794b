"""The integer network: from frames to codes, layers in series and parallel, and what the result is.

A `Network` is what an importer makes of a model file and all that later steps read. It holds plain
integers and NumPy arrays only. `bitweir_sim.golden` says what it computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from .errors import NetworkError
from .inputs import Stored
from .layers import (
    BIPOLAR,
    LAYERS,
    Affine,
    Conv,
    Dense,
    Format,
    Integers,
    Layer,
    Map,
    Parallel,
    Pool,
    Shape,
    Threshold,
    Vote,
    falls,
    in_series,
)
from .names import check_layer_name, check_network_name
from .readout import LABEL, READOUTS, Readout, check_readout

__all__ = [
    "BIPOLAR",
    "LABEL",
    "LAYERS",
    "READOUTS",
    "Affine",
    "Conv",
    "Dense",
    "Format",
    "Input",
    "Integers",
    "Layer",
    "Map",
    "Network",
    "Parallel",
    "Pool",
    "Readout",
    "Shape",
    "Stored",
    "Threshold",
    "Vote",
    "check",
    "in_series",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Input:
    """How a frame becomes codes.

    Element ``j`` of the stream is made from element ``source[j]`` of the frame. Where the model quantises its input,
    it is compared: ``code[j] = number of thresholds t in thresholds[j] with x[source[j]] >= t``, for x as the model
    file takes it. Where it does not, the stream carries the integers as which images are stored:
    ``code[j] = integer[source[j]] - stored.low``.

    Parameters
    ----------
    shape : tuple of int
        Shape of what the model file takes for one frame, without the batch.
    format : Format
        Of the codes.
    thresholds : float64 array, (1 or K, T), or None
        Ascending in each row; one row serves all elements. T is at most ``format.codes - 1``. None where the
        stream carries the integers themselves.
    source : int64 array, (K,)
        Row-major index into a frame of `shape`. K is the number of elements on the input stream.
    map_shape : (int, int, int) or None
        H, W and C of the map that the stream carries, channels innermost; None for a vector.
    stored : Stored or None
        The integers, such as pixels, as which images are stored, and what the model file takes for each of them;
        None where nobody said so.
    """

    shape: tuple[int, ...]
    format: Format
    thresholds: NDArray[np.float64] | None
    source: Integers
    map_shape: Shape | None = None
    stored: Stored | None = None

    @property
    def size(self) -> int:
        """K, the number of elements of a frame on the input stream."""
        return len(self.source)

    @property
    def levels(self) -> int:
        """How many codes occur: 0 to one less."""
        if self.thresholds is not None:
            return int(self.thresholds.shape[1]) + 1
        assert self.stored is not None
        return self.stored.levels

    @property
    def map(self) -> Map:
        """What the first layer takes."""
        return Map.of_codes((1, 1, self.size) if self.map_shape is None else self.map_shape, self.format)


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Layers in series, from codes to a result.

    Parameters
    ----------
    name : str
        Names the generated files; letters, digits and underscores.
    input : Input
        From frames to codes.
    layers : tuple of Layer
        In the order of computation. A `Parallel` holds layers of its own.
    notes : tuple of str
        What the importer found that a user should know, a sentence each.
    readout : Readout
        What the integers that leave the last layer are.
    """

    name: str
    input: Input
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = field(default=())
    readout: Readout = field(default=Readout())

    @property
    def end(self) -> Map:
        """What leaves the last layer."""
        return in_series(self.layers, self.input.map)

    @property
    def outputs(self) -> int:
        """M, the numbers in the result of a frame: scores, labels or codes."""
        return self.end.channels

    def placed(self) -> list[tuple[Layer, Map, Map]]:
        """Every layer with what it takes and hands on, inner layers before the `Parallel` they belong to."""
        return list(_placed(self.layers, self.input.map))


def _placed(layers: tuple[Layer, ...], source: Map) -> Iterator[tuple[Layer, Map, Map]]:
    for layer in layers:
        if isinstance(layer, Parallel):
            for branch in layer.branches:
                yield from _placed(branch, source)
        result = layer.hand_on(source)
        yield layer, source, result
        source = result


def check(network: Network) -> Network:
    """Return `network` if it is legal.

    Raises
    ------
    NetworkError
        Names the layer, the rule that it breaks, and the value that breaks it.
    """
    check_network_name(network.name)
    _check_input(network.input)
    if not network.layers:
        raise NetworkError("Network must have at least one layer; it has none.")
    placed = network.placed()
    names = [layer.name for layer, _, _ in placed]
    for name in names:
        check_layer_name(name)
    if len(set(names)) < len(names):
        raise NetworkError(f"Layer names must differ; they are {', '.join(names)}.")
    _, _, end = placed[-1]
    check_readout(network.readout, names[-1], end)
    if end.pixels != 1:
        raise NetworkError(
            f"The last layer {names[-1]!r} must hand on one vector, not a map of shape {end.shape}: "
            "end with a dense layer or a pool over the whole map."
        )
    return network


def _check_input(entry: Input) -> None:
    if not entry.shape or min(entry.shape) < 1:
        raise NetworkError(f"Input shape must have positive sizes, not {entry.shape}.")
    if entry.source.ndim != 1 or not len(entry.source):
        raise NetworkError(f"Input source must be a list of at least one index, not of shape {entry.source.shape}.")
    count = prod(entry.shape)
    if entry.source.min() < 0 or entry.source.max() >= count:
        raise NetworkError(f"Input source must lie in 0 to {count - 1}; it reaches {entry.source.max()}.")
    shape = entry.map.shape
    if len(shape) != 3 or any(type(size) is not int or size < 1 for size in shape) or prod(shape) != entry.size:
        raise NetworkError(f"Input map must have rows, columns and channels for {entry.size} elements, not {shape}.")
    if entry.stored is not None:
        _check_stored(entry, entry.stored)
    thresholds = entry.thresholds
    if thresholds is None:
        if entry.stored is None or not 2 <= entry.stored.levels <= entry.format.codes:
            raise NetworkError(f"Input without thresholds must say which integers its {entry.format.bits} bits hold.")
        return
    if thresholds.ndim != 2 or thresholds.shape[0] not in (1, entry.size):
        raise NetworkError(f"Input thresholds must have 1 or {entry.size} rows; their shape is {thresholds.shape}.")
    if not 1 <= thresholds.shape[1] < entry.format.codes:
        raise NetworkError(
            f"Input thresholds must be 1 to {entry.format.codes - 1} a row for {entry.format.bits} bits, "
            f"not {thresholds.shape[1]}."
        )
    if np.isnan(thresholds).any() or falls(thresholds):
        raise NetworkError("Input thresholds must be ascending numbers in each row.")


def _check_stored(entry: Input, stored: Stored) -> None:
    if not isinstance(stored, Stored):
        raise NetworkError(f"Input must say what stored integers mean, not hold a {type(stored).__name__}.")
    stored.check()
    if stored.places > 1 and not (0 <= stored.axis < len(entry.shape) and entry.shape[stored.axis] == stored.places):
        raise NetworkError(
            f"Input rule {stored.rule} must have as many numbers as axis {stored.axis} of the shape {entry.shape}."
        )
