"""The integer network: number formats, layers, and what a legal network is.

A `Network` is what an importer makes of a model file and all that later steps read. It holds plain
integers and NumPy arrays only. `bitweir_sim.golden` says what it computes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import NetworkError

__all__ = [
    "BIPOLAR",
    "LAYERS",
    "Affine",
    "Dense",
    "Format",
    "Input",
    "Layer",
    "Network",
    "check",
]

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Format:
    """What the codes on a stream mean: ``value = offset + step * code``.

    Parameters
    ----------
    bits : int
        Bits of a code.
    offset, step : int
        Value of code 0, and the distance between the values of neighbouring codes.
    """

    bits: int
    offset: int = 0
    step: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 32:
            raise NetworkError(f"Format bits must be 1 to 32, not {self.bits}.")
        if self.step == 0:
            raise NetworkError("Format step must not be 0: every code would mean the same value.")

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return 1 << self.bits

    def values(self, codes: ArrayLike) -> Integers:
        """Values of codes; same shape."""
        return self.offset + self.step * np.asarray(codes, np.int64)


#: One bit that means -1 or +1.
BIPOLAR = Format(bits=1, offset=-1, step=2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Input:
    """How a frame becomes codes.

    Element ``j`` of the frame is made from element ``source[j]`` of what the model file takes:
    ``code[j] = number of thresholds t in thresholds[j] with x[source[j]] >= t``.

    Parameters
    ----------
    shape : tuple of int
        Shape of what the model file takes for one frame, without the batch.
    format : Format
        Of the codes.
    thresholds : float64 array, (1 or K, T)
        Ascending in each row; one row serves all elements. T is at most ``format.codes - 1``.
    source : int64 array, (K,)
        Row-major index into a frame of `shape`. K is the number of elements on the input stream.
    pixel_scale : str or None
        What a uint8 pixel is multiplied with to become what the model file takes, as a fraction
        like ``"1/255"``; None where nobody said so.
    """

    shape: tuple[int, ...]
    format: Format
    thresholds: NDArray[np.float64]
    source: Integers
    pixel_scale: str | None = None

    @property
    def size(self) -> int:
        """K, the number of elements of a frame on the input stream."""
        return len(self.source)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense:
    """M neurons, each fed by all K inputs.

    ``acc[m] = sum_k (2 * weights[m, k] - 1) * value[k]``, then, where there are thresholds,
    ``code[m] = number of thresholds t in thresholds[m] with acc[m] >= t``.

    Parameters
    ----------
    name : str
        Name in reports and error texts.
    weights : bool array, (M, K)
        True is +1, False is -1.
    thresholds : int64 array, (M, T), or None
        Ascending in each row; out of reach is legal (a constant neuron). None hands on `acc`.
    output : Format or None
        Of the codes; None with ``thresholds=None``, where the output is the accumulator itself.
    """

    name: str
    weights: NDArray[np.bool_]
    thresholds: Integers | None = None
    output: Format | None = None

    @property
    def outputs(self) -> int:
        """M, the number of neurons."""
        return int(self.weights.shape[0])

    @property
    def inputs(self) -> int:
        """K, the number of inputs."""
        return int(self.weights.shape[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine:
    """Scores from accumulators, exactly: ``score[m] = scale[m] * acc[m] + offset[m]``.

    Parameters
    ----------
    name : str
        Name in reports and error texts.
    scale, offset : int64 array, (M,)
        One pair a class.
    """

    name: str
    scale: Integers
    offset: Integers

    @property
    def outputs(self) -> int:
        """M, the number of classes."""
        return len(self.scale)

    @property
    def inputs(self) -> int:
        """M, the number of classes."""
        return len(self.scale)


Layer = Dense | Affine

#: Every kind of layer. Each has one entry in golden, cycles, gateware and cost; a test checks it.
LAYERS: tuple[type, ...] = (Dense, Affine)


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Layers in series, from codes to scores; the class is the lowest index with the highest score.

    Parameters
    ----------
    name : str
        Names the generated files; letters, digits and underscores.
    input : Input
        From frames to codes.
    layers : tuple of Layer
        In the order of computation.
    notes : tuple of str
        What the importer found that a user should know, a sentence each.
    """

    name: str
    input: Input
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def classes(self) -> int:
        """Number of scores of a frame."""
        return self.layers[-1].outputs

    def formats(self) -> list[Format | None]:
        """Format at the input of each layer, and at the end that of the scores.

        None stands for accumulators.
        """
        result: list[Format | None] = [self.input.format]
        for layer in self.layers:
            result.append(layer.output if isinstance(layer, Dense) else None)
        return result

    def accumulator_ranges(self) -> list[tuple[int, int]]:
        """Lowest and highest accumulator (or score) of each layer, over all inputs."""
        ranges: list[tuple[int, int]] = []
        for layer, source in zip(self.layers, self.formats()[:-1], strict=True):
            ranges.append(_range(layer, source, ranges[-1] if ranges else None))
        return ranges


def _range(layer: Layer, source: Format | None, acc: tuple[int, int] | None) -> tuple[int, int]:
    if isinstance(layer, Dense):
        assert source is not None
        ends = source.values([0, source.codes - 1])
        positive = layer.weights.sum(axis=1)
        # Each weight picks the end of the value range that suits its sign.
        high = positive * ends.max() - (layer.inputs - positive) * ends.min()
        low = positive * ends.min() - (layer.inputs - positive) * ends.max()
        return int(low.min()), int(high.max())
    assert acc is not None
    ends = np.array(acc)
    scores = layer.scale[:, None] * ends + layer.offset[:, None]
    return int(scores.min()), int(scores.max())


def check(network: Network) -> Network:
    """Return `network` if it is legal.

    Raises
    ------
    NetworkError
        Names the layer, the rule that it breaks, and the value that breaks it.
    """
    if not network.name.isidentifier() or not network.name.isascii():
        raise NetworkError(f"Network name must be letters, digits and underscores, not {network.name!r}.")
    _check_input(network.input)
    if not network.layers:
        raise NetworkError("Network must have at least one layer; it has none.")
    names = [layer.name for layer in network.layers]
    if len(set(names)) < len(names):
        raise NetworkError(f"Layer names must differ; they are {', '.join(names)}.")
    size, source = network.input.size, network.input.format
    current: Format | None = source
    for index, layer in enumerate(network.layers):
        if layer.inputs != size:
            raise NetworkError(f"Layer {layer.name!r} takes {layer.inputs} inputs, but {size} arrive.")
        if isinstance(layer, Dense):
            _check_dense(layer, current)
            current = layer.output
        else:
            _check_affine(layer, current, last=index == len(network.layers) - 1)
        size = layer.outputs
    if current is not None:
        raise NetworkError(f"The last layer {names[-1]!r} must hand on scores, not codes: leave out its thresholds.")
    return network


def _falls(thresholds: NDArray[Any]) -> bool:
    """Whether a row goes down anywhere; a difference could overflow, so none is made."""
    return bool((thresholds[:, 1:] < thresholds[:, :-1]).any())


def _check_input(entry: Input) -> None:
    if not entry.shape or min(entry.shape) < 1:
        raise NetworkError(f"Input shape must have positive sizes, not {entry.shape}.")
    if entry.source.ndim != 1 or not len(entry.source):
        raise NetworkError(f"Input source must be a list of at least one index, not of shape {entry.source.shape}.")
    count = int(np.prod(entry.shape))
    if entry.source.min() < 0 or entry.source.max() >= count:
        raise NetworkError(f"Input source must lie in 0 to {count - 1}; it reaches {entry.source.max()}.")
    thresholds = entry.thresholds
    if thresholds.ndim != 2 or thresholds.shape[0] not in (1, entry.size):
        raise NetworkError(f"Input thresholds must have 1 or {entry.size} rows; their shape is {thresholds.shape}.")
    if not 1 <= thresholds.shape[1] < entry.format.codes:
        raise NetworkError(
            f"Input thresholds must be 1 to {entry.format.codes - 1} a row for {entry.format.bits} bits, "
            f"not {thresholds.shape[1]}."
        )
    if np.isnan(thresholds).any() or _falls(thresholds):
        raise NetworkError("Input thresholds must be ascending numbers in each row.")


def _check_dense(layer: Dense, source: Format | None) -> None:
    weights, thresholds = layer.weights, layer.thresholds
    if weights.dtype != np.bool_ or weights.ndim != 2 or 0 in weights.shape:
        raise NetworkError(
            f"Layer {layer.name!r} must have a two-dimensional array of bool as weights, "
            f"not {weights.dtype} of shape {weights.shape}."
        )
    if source is None:
        raise NetworkError(
            f"Layer {layer.name!r} needs codes, but accumulators arrive: give the layer before it thresholds."
        )
    if (thresholds is None) != (layer.output is None):
        raise NetworkError(f"Layer {layer.name!r} must have both thresholds and an output format, or neither.")
    if thresholds is None or layer.output is None:
        return
    if thresholds.dtype != np.int64 or thresholds.ndim != 2 or thresholds.shape[0] != layer.outputs:
        raise NetworkError(
            f"Layer {layer.name!r} must have int64 thresholds, a row for each of its {layer.outputs} neurons, "
            f"not {thresholds.dtype} of shape {thresholds.shape}."
        )
    if not 1 <= thresholds.shape[1] < layer.output.codes:
        raise NetworkError(
            f"Layer {layer.name!r} must have 1 to {layer.output.codes - 1} thresholds a neuron for "
            f"{layer.output.bits} bits, not {thresholds.shape[1]}."
        )
    if _falls(thresholds):
        raise NetworkError(f"Layer {layer.name!r} must have ascending thresholds for each neuron.")


def _check_affine(layer: Affine, source: Format | None, *, last: bool) -> None:
    if source is not None or not last:
        raise NetworkError(f"Layer {layer.name!r} makes scores, so it must come last and after accumulators.")
    if layer.scale.dtype != np.int64 or layer.offset.dtype != np.int64 or layer.scale.shape != layer.offset.shape:
        raise NetworkError(f"Layer {layer.name!r} must have int64 scale and offset of one length.")
