"""Values: the network in NumPy integers, the definition of right.

`trace` and `run_slow` follow the words of `bitweir_hw.network.layers` literally, in int64. `fast.run` gives the
same integers faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from bitweir_hw.network import (
    Affine,
    Argmax,
    Branched,
    Concat,
    Conv,
    Dense,
    Integers,
    Layer,
    Map,
    Network,
    Parallel,
    Piecewise,
    Pool,
    Select,
    Threshold,
    Upsample,
    Vote,
)
from numpy.typing import ArrayLike, NDArray

from .encoding import batches, checked_codes

__all__ = ["EXECUTORS", "Result", "joined", "result", "run_slow", "trace", "values", "weight_values", "widest"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What a network says about N frames.

    Parameters
    ----------
    scores : int64 array, (N, M)
        The integers that leave the last layer: scores, codes, classes of pixels, or labels as 0 and 1.
        `Network.readout` says what they mean, and `Network.result_shape` which shape they have, of which M is the
        product; a map is row-major with its channels innermost.
    classes : int64 array, (N,), or None
        Lowest index with the highest score, where the result is a class; (N, M), the same as `scores`, where it is
        the classes of M pixels.
    labels : bool array, (N, M), or None
        Where the result is labels.
    """

    scores: Integers
    classes: Integers | None = None
    labels: NDArray[np.bool_] | None = None


def joined(results: Sequence[Result]) -> Result:
    """The results of frames that follow one another."""
    if len(results) == 1:
        return results[0]
    classes = [part.classes for part in results if part.classes is not None]
    labels = [part.labels for part in results if part.labels is not None]
    return Result(
        scores=np.concatenate([part.scores for part in results]),
        classes=np.concatenate(classes) if classes else None,
        labels=np.concatenate(labels) if labels else None,
    )


def values(stream: Integers, source: Map) -> Integers:
    """What a stream means: the values of codes, or the accumulators that it carries; same shape."""
    return stream if source.format is None else source.format.values(stream)


def weight_values(layer: Dense | Conv) -> Integers:
    """Weights as the integers that inputs are multiplied with; the shape of ``layer.weights``."""
    return np.where(layer.weights, 1, -1) if layer.weights.dtype == np.bool_ else layer.weights.astype(np.int64)


def _reached(thresholds: Integers | None, acc: Integers) -> Integers:
    """For each element of acc (N, H, W, C) the number of thresholds of its channel that it reaches, or itself."""
    if thresholds is None:
        return acc
    count = np.zeros(acc.shape, np.int64)
    for threshold in thresholds.T:
        count += acc >= threshold
    return count


def _taps(layer: Conv | Pool, stream: Integers, outside: int) -> Iterator[tuple[int, int, Integers]]:
    """For each row and column of a window, what all windows see there: (N, H', W', C).

    Parameters
    ----------
    layer : Conv or Pool
        Tells kernel, stride and pads.
    stream : int64 array, (N, H, W, C)
    outside : int
        What windows see outside the map.
    """
    above, left, below, right = layer.pads
    padded = np.pad(stream, ((0, 0), (above, below), (left, right), (0, 0)), constant_values=outside)
    last_row, last_column = padded.shape[1] - layer.kernel[0], padded.shape[2] - layer.kernel[1]
    for row, column in np.ndindex(layer.kernel):
        yield (
            row,
            column,
            padded[:, row : row + last_row + 1 : layer.stride[0], column : column + last_column + 1 : layer.stride[1]],
        )


def _dense(layer: Dense, stream: Integers, source: Map) -> Integers:
    vectors = values(stream, source).reshape(len(stream), 1, 1, layer.inputs)
    return _reached(layer.thresholds, vectors @ weight_values(layer).T)


def _conv(layer: Conv, stream: Integers, source: Map) -> Integers:
    # Filters, and the channels that each of them sees, by their group.
    seen = layer.weights.shape[3]
    weights = weight_values(layer).reshape(layer.groups, -1, *layer.kernel, seen)
    acc = reduce(
        np.add,
        (
            np.einsum("nhwgc,gmc->nhwgm", tap.reshape(*tap.shape[:3], layer.groups, seen), weights[:, :, row, column])
            for row, column, tap in _taps(layer, values(stream, source), outside=layer.pad_value)
        ),
    )
    acc = acc.reshape(*acc.shape[:3], layer.outputs)
    if layer.edges is not None:
        acc = acc + layer.windows(source.shape).spread(layer.edges)
    return _reached(layer.thresholds, acc)


def _pool(layer: Pool, stream: Integers, source: Map) -> Integers:
    if layer.kind == "sum":
        return reduce(np.add, (tap for _, _, tap in _taps(layer, values(stream, source), outside=0)))
    # Codes rise with their values, so they may be compared in place of those.
    ends = np.iinfo(np.int64)
    largest = reduce(np.maximum, (tap for _, _, tap in _taps(layer, stream, outside=ends.min)))
    if layer.least is None:
        return largest
    smallest = reduce(np.minimum, (tap for _, _, tap in _taps(layer, stream, outside=ends.max)))
    return np.where(layer.least, smallest, largest)


def _threshold(layer: Threshold, stream: Integers, source: Map) -> Integers:
    return _reached(layer.thresholds, values(stream, source))


def _affine(layer: Affine, stream: Integers, source: Map) -> Integers:
    scores: Integers = layer.scale * values(stream, source) + layer.offset
    return scores


def _piecewise(layer: Piecewise, stream: Integers, source: Map) -> Integers:
    numbers = values(stream, source)
    piece = _reached(layer.thresholds, numbers)
    channel = np.arange(source.channels)
    whole: Integers = layer.scale[channel, piece] * numbers + layer.offset[channel, piece]
    return whole >> layer.shift  # which rounds down


def _vote(layer: Vote, stream: Integers, source: Map) -> Integers:
    best = np.argmax(values(stream, source), axis=3)  # the lowest index, where some are equal
    votes: Integers = (np.arange(source.channels) == best[..., None]).astype(np.int64)
    return votes


def _argmax(layer: Argmax, stream: Integers, source: Map) -> Integers:
    classes: Integers = np.argmax(values(stream, source), axis=3)[..., None].astype(np.int64)
    return classes


def _upsample(layer: Upsample, stream: Integers, source: Map) -> Integers:
    rows, columns = layer.factors
    return stream.repeat(rows, axis=1).repeat(columns, axis=2)


def _select(layer: Select, stream: Integers, source: Map) -> Integers:
    return stream[..., layer.channels]


def _parallel(layer: Parallel, ends: list[tuple[Integers, Map]]) -> Integers:
    parts: list[Integers] = [factor * values(*end) for factor, end in zip(layer.factors, ends, strict=True)]
    return reduce(np.add, parts)


def _concat(layer: Concat, ends: list[tuple[Integers, Map]]) -> Integers:
    return np.concatenate([stream for stream, _ in ends], axis=3)


#: The definition of each kind of layer: from the layer, its input (N, H, W, C) as codes or, where
#: ``source.format`` is None, as accumulators, and the map of that input, to its output (N, H', W', C').
#: A layer with branches takes what these end in instead, a list of such pairs.
EXECUTORS: dict[type, Callable[..., Integers]] = {
    Dense: _dense,
    Conv: _conv,
    Pool: _pool,
    Threshold: _threshold,
    Affine: _affine,
    Piecewise: _piecewise,
    Vote: _vote,
    Argmax: _argmax,
    Upsample: _upsample,
    Select: _select,
    Parallel: _parallel,
    Concat: _concat,
}


def _in_series(
    layers: tuple[Layer, ...], stream: Integers, source: Map, outputs: dict[str, Integers]
) -> tuple[Integers, Map]:
    """What leaves the last of some layers in a row, and its map; what each hands on goes into `outputs`."""
    for layer in layers:
        if isinstance(layer, Branched):
            ends = [_in_series(branch, stream, source, outputs) for branch in layer.branches]
            stream = EXECUTORS[type(layer)](layer, ends)
        else:
            stream = EXECUTORS[type(layer)](layer, stream, source)
        outputs[layer.name] = stream
        source = layer.output_map(source)
    return stream, source


def trace(network: Network, codes: ArrayLike) -> dict[str, Integers]:
    """What each layer hands on, by its name: int64 codes or accumulators, (N, H * W * C) in the order of the stream.

    The layers in branches are among them.

    Parameters
    ----------
    network : Network
        A legal one.
    codes : array of integers, (N, K)
        Such as `encode` gives.
    """
    array = checked_codes(network.input, np.asarray(codes)).astype(np.int64)
    outputs: dict[str, Integers] = {}
    _in_series(network.layers, array.reshape(len(array), *network.input.map.shape), network.input.map, outputs)
    return {name: stream.reshape(len(array), int(np.prod(stream.shape[1:]))) for name, stream in outputs.items()}


def run_slow(network: Network, codes: ArrayLike) -> Result:
    """The result of codes (N, K), by the definition."""
    array = checked_codes(network.input, np.asarray(codes))
    scores = np.empty((len(array), network.outputs), np.int64)
    for part in batches(len(array), widest(network)):
        scores[part] = trace(network, array[part])[network.layers[-1].name]
    return result(scores, network.readout.kind)


def widest(network: Network) -> int:
    """Most elements that a frame has on any stream."""
    return max(network.input.size, *(result.size for _, _, result in network.placed()))


def result(scores: Integers, kind: str) -> Result:
    """The result of a kind, see `Readout`, from what leaves the last layer, (N, M)."""
    classes: Integers | None = scores if kind == "classes" else None
    if kind == "class":
        classes = np.argmax(scores, axis=1).astype(np.int64)
    return Result(
        scores=scores,
        classes=classes,
        labels=scores != 0 if kind == "labels" else None,
    )
