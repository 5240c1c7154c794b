"""The integer network: from frames to codes, layers in series and parallel, and what the result is.

A `Network` is what an importer makes of a model file and all that later steps read. It holds plain
integers and NumPy arrays only. `bitweir_sim.values.golden` says what it computes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..errors import NetworkError
from .inputs import Stored
from .layers import Branched, Format, Integers, Layer, Map, Shape, falls, in_series
from .names import check_layer_name, check_network_name
from .readout import Readout, check_readout

__all__ = ["Bound", "Input", "Network", "check"]

#: A fraction that is not negative, of a size that no bound exceeds.
_FRACTION = re.compile(r"\d{1,400}(/[1-9]\d{0,399})?", re.ASCII)


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


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How far integers that stand for real numbers may be off, over all inputs that there are.

    Fractions are text, as `fractions.Fraction` reads it.

    Parameters
    ----------
    layer : str
        Hands on the integers.
    of : str
        ``"codes"``: what a quantiser makes of them. ``"scores"`` or ``"class"``: they are scores, of which the
        highest is the class.
    error : str
        No real value is farther from what its integer stands for, in numbers of the model file.
    unit : str
        What an integer of 1 stands for, of the channel in which that is the most.
    closest : str or None
        No real value that can occur is nearer to a threshold of the quantisers, in channels that are off at all; None
        where that is not known.
    exact : bool
        No code is wrong: in each channel, no real value that can occur is as near to a threshold as the error there.
    """

    layer: str
    of: str
    error: str
    unit: str
    closest: str | None = None
    exact: bool = False

    @property
    def sentence(self) -> str:
        """The same in words."""
        error = _short(self.error)
        if self.of == "scores":
            return f"Approximate: a score of {self.layer} is off by at most {error}."
        if self.of == "class":
            return (
                f"Approximate: a score of {self.layer} is off by at most {error}, so the class is right wherever its "
                f"score leads by more than {_short(str(2 * Fraction(self.error)))}."
            )
        if self.exact:
            return (
                f"{self.layer}: its integers stand for real numbers and are off by at most {error}, but no value that "
                "can occur is as near to a threshold as that in its channel: every code is exact."
            )
        near = "is not known" if self.closest is None else f"is {_short(self.closest)}"
        return (
            f"Approximate: a code of {self.layer} is right wherever the real value is more than {error} from its "
            f"threshold; in channels that are off at all, the closest distance that can occur {near}."
        )


def _short(number: str | None) -> str:
    return f"{float(Fraction(number or 0)):.2g}"


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
        In the order of computation. A `Branched` layer holds layers of its own.
    notes : tuple of str
        What the importer found that a user should know, a sentence each.
    readout : Readout
        What the integers that leave the last layer are.
    bounds : tuple of Bound
        Where real numbers are not exact.
    """

    name: str
    input: Input
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = field(default=())
    readout: Readout = field(default=Readout())
    bounds: tuple[Bound, ...] = field(default=())

    @property
    def end(self) -> Map:
        """What leaves the last layer."""
        return in_series(self.layers, self.input.map)

    @property
    def outputs(self) -> int:
        """M, the numbers in the result of a frame: scores, labels or codes, or classes of pixels."""
        return self.end.size

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the M numbers, row-major: (M,), or for a map (H, W, C), and (H, W) for classes of its pixels."""
        end = self.end
        if self.readout.kind == "classes":
            return end.shape[:2]
        return end.shape if end.pixels > 1 else (end.channels,)

    @property
    def classes(self) -> int:
        """How many classes there are, where the result is a class or classes of pixels."""
        return self.end.channels if self.readout.kind == "class" else self.end.high + 1

    def placed(self) -> list[tuple[Layer, Map, Map]]:
        """Every layer with what it takes and hands on, inner layers before the one they belong to."""
        return list(self._places)

    @cached_property
    def _places(self) -> tuple[tuple[Layer, Map, Map], ...]:
        # Kept, as ranges of sums take time where there are many weights.
        return tuple(_placed(self.layers, self.input.map))


def _placed(layers: tuple[Layer, ...], source: Map) -> Iterator[tuple[Layer, Map, Map]]:
    for layer in layers:
        if isinstance(layer, Branched):
            for branch in layer.branches:
                yield from _placed(branch, source)
        result = layer.output_map(source)
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
    _check_bounds(network.bounds, names)
    return network


def _check_bounds(bounds: tuple[Bound, ...], names: list[str]) -> None:
    for bound in bounds:
        if bound.layer not in names:
            raise NetworkError(f"A bound must name a layer of the network, not {bound.layer!r}.")
        if bound.of not in ("codes", "scores", "class"):
            raise NetworkError(
                f"The bound of layer {bound.layer!r} must be of codes, scores or a class, not of {bound.of!r}."
            )
        if type(bound.exact) is not bool:
            raise NetworkError(f"The bound of layer {bound.layer!r} must be exact or not, not {bound.exact!r}.")
        numbers = [bound.error, bound.unit] + [bound.closest] * (bound.closest is not None)
        for number in numbers:
            if not isinstance(number, str) or not _FRACTION.fullmatch(number):
                raise NetworkError(
                    f"The bound of layer {bound.layer!r} must have fractions such as '3/1024', not {number!r}."
                )


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
