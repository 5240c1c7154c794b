"""What layers compute, of words in place of integers: the definition of right, for all inputs at once.

It says again, word for word, what `bitweir_sim.values.golden` says of integers: sums of products, how many thresholds
they reach, the largest of a window, the lowest index with the highest value. Each proof compares both on drawn inputs,
see `values`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from bitweir_hw.network import (
    Affine,
    Argmax,
    Branched,
    Concat,
    Conv,
    Dense,
    Layer,
    Map,
    Parallel,
    Piecewise,
    Pool,
    Select,
    Threshold,
    Upsample,
    Vote,
)
from bitweir_sim.formal.graph import Graph
from bitweir_sim.formal.words import Word
from numpy.typing import NDArray

__all__ = ["Definition"]

#: Words, or integers where a number is the same for all inputs.
Words = NDArray[Any]


def _whole(array: NDArray[Any]) -> Words:
    """Integers that words can be multiplied with."""
    return array.astype(np.int64).astype(object)


@dataclass
class Definition:
    """Runs layers on words of a graph.

    Parameters
    ----------
    graph : Graph
    weights : dict of str to object array
        Words in place of the weights of a layer, by its name; (M, K), of a layer that is dense.
    """

    graph: Graph
    weights: dict[str, Words]

    def run(self, layers: tuple[Layer, ...], stream: Words, source: Map) -> tuple[Words, Map]:
        """What leaves the last of some layers: words (H, W, C), codes or sums, and their map."""
        for layer in layers:
            if isinstance(layer, Branched):
                ends = [self.run(branch, stream, source) for branch in layer.branches]
                stream = self._branched(layer, ends)
            else:
                stream = _LAYERS[type(layer)](self, layer, stream, source)
            source = layer.output_map(source)
        return stream, source

    def word(self, number: Any) -> Word:
        """A number as a word."""
        return number if isinstance(number, Word) else Word(self.graph, (0,)) + int(number)

    def values(self, stream: Words, source: Map) -> Words:
        """What codes mean."""
        if source.format is None:
            return stream
        found: Words = stream * source.format.step + source.format.offset
        return found

    def reached(self, thresholds: NDArray[np.int64] | None, sums: Words) -> Words:
        """Of each sum (H, W, C) how many thresholds of its channel it reaches."""
        if thresholds is None:
            return sums
        counts = np.empty(sums.shape, object)
        for at in np.ndindex(*sums.shape):
            reached = [self.word(sums[at]).reaches(int(t)) for t in thresholds[at[-1]]]
            counts[at] = reduce(Word.__add__, [Word.unsigned(self.graph, [bit]) for bit in reached], self.word(0))
        return counts

    def _weights(self, layer: Dense | Conv) -> Words:
        if layer.name in self.weights:
            return self.weights[layer.name]
        return _whole(np.where(layer.weights, 1, -1) if layer.weights.dtype == np.bool_ else layer.weights)

    def _dense(self, layer: Dense, stream: Words, source: Map) -> Words:
        sums = self._weights(layer) @ self.values(stream, source).reshape(-1)
        return self.reached(layer.thresholds, sums.reshape(1, 1, -1))

    def _conv(self, layer: Conv, stream: Words, source: Map) -> Words:
        rows = layer.outputs // layer.groups
        seen = layer.weights.shape[3]
        weights = self._weights(layer)
        total: Words | int = 0
        for row, column, tap in _taps(layer, self.values(stream, source), layer.pad_value):
            parts = [
                tap[..., group * seen : (group + 1) * seen] @ weights[group * rows : (group + 1) * rows, row, column].T
                for group in range(layer.groups)
            ]
            total = total + np.concatenate(parts, axis=2)
        if layer.edges is not None:
            total = total + _whole(layer.windows(source.shape).spread(layer.edges))
        return self.reached(layer.thresholds, np.asarray(total))

    def _pool(self, layer: Pool, stream: Words, source: Map) -> Words:
        if layer.kind == "sum":
            return np.asarray(reduce(np.add, (tap for _, _, tap in _taps(layer, self.values(stream, source), 0))))
        taps = [tap for _, _, tap in _taps(layer, stream, None)]
        found = np.empty(taps[0].shape, object)
        for at in np.ndindex(*found.shape):
            inside = [self.word(tap[at]) for tap in taps if tap[at] is not None]
            least = layer.least is not None and layer.least[at[-1]]
            found[at] = reduce(_smaller if least else _larger, inside)
        return found

    def _threshold(self, layer: Threshold, stream: Words, source: Map) -> Words:
        return self.reached(layer.thresholds, self.values(stream, source))

    def _affine(self, layer: Affine, stream: Words, source: Map) -> Words:
        found: Words = self.values(stream, source) * _whole(layer.scale) + _whole(layer.offset)
        return found

    def _piecewise(self, layer: Piecewise, stream: Words, source: Map) -> Words:
        numbers = self.values(stream, source)
        found = np.empty(numbers.shape, object)
        for at in np.ndindex(*numbers.shape):
            channel = at[-1]
            number = self.word(numbers[at])
            pieces = [
                number * int(scale) + int(offset)
                for scale, offset in zip(layer.scale[channel], layer.offset[channel], strict=True)
            ]
            total = pieces[0]
            for threshold, piece in zip(layer.thresholds[channel], pieces[1:], strict=True):
                total = piece.chosen(number.reaches(int(threshold)), total)
            found[at] = total >> layer.shift
        return found

    def leads(self, scores: list[Word]) -> list[int]:
        """Of each score, whether it is the highest, and none before it is."""
        return [
            reduce(
                self.graph.both,
                [
                    scores[n].reaches(other) if n < k else other.reaches(scores[n]) ^ 1
                    for k, other in enumerate(scores)
                    if k != n
                ],
                1,
            )
            for n in range(len(scores))
        ]

    def index(self, scores: list[Word]) -> Word:
        """The lowest index with the highest score."""
        total = self.word(0)
        for n, leads in enumerate(self.leads(scores)):
            total = self.word(n).chosen(leads, total)
        return total

    def _vote(self, layer: Vote, stream: Words, source: Map) -> Words:
        scores = [self.word(number) for number in self.values(stream, source).reshape(-1)]
        votes = [Word.unsigned(self.graph, [bit]) for bit in self.leads(scores)]
        return np.array(votes, object).reshape(stream.shape)

    def _argmax(self, layer: Argmax, stream: Words, source: Map) -> Words:
        numbers = self.values(stream, source)
        found = np.empty((*numbers.shape[:2], 1), object)
        for row, column in np.ndindex(*numbers.shape[:2]):
            found[row, column, 0] = self.index([self.word(number) for number in numbers[row, column]])
        return found

    def _upsample(self, layer: Upsample, stream: Words, source: Map) -> Words:
        return stream.repeat(layer.factors[0], axis=0).repeat(layer.factors[1], axis=1)

    def _select(self, layer: Select, stream: Words, source: Map) -> Words:
        return stream[..., layer.channels]

    def _branched(self, layer: Branched, ends: list[tuple[Words, Map]]) -> Words:
        if isinstance(layer, Concat):
            return np.concatenate([stream for stream, _ in ends], axis=2)
        assert isinstance(layer, Parallel)
        parts = [self.values(*end) * int(factor) for factor, end in zip(layer.factors, ends, strict=True)]
        return np.asarray(reduce(np.add, parts))


def _larger(a: Word, b: Word) -> Word:
    return a.chosen(a.reaches(b), b)


def _smaller(a: Word, b: Word) -> Word:
    return a.chosen(b.reaches(a), b)


def _taps(layer: Conv | Pool, stream: Words, outside: int | None) -> Iterator[tuple[int, int, Words]]:
    """For each row and column of a window, what all windows see there: (H', W', C)."""
    above, left, below, right = layer.pads
    padded = np.pad(stream, ((above, below), (left, right), (0, 0)), constant_values=outside)  # type: ignore[arg-type]
    last_row, last_column = padded.shape[0] - layer.kernel[0], padded.shape[1] - layer.kernel[1]
    for row, column in np.ndindex(*layer.kernel):
        yield (
            row,
            column,
            padded[row : row + last_row + 1 : layer.stride[0], column : column + last_column + 1 : layer.stride[1]],
        )


_LAYERS: dict[type, Callable[..., Words]] = {
    Dense: Definition._dense,
    Conv: Definition._conv,
    Pool: Definition._pool,
    Threshold: Definition._threshold,
    Affine: Definition._affine,
    Piecewise: Definition._piecewise,
    Vote: Definition._vote,
    Argmax: Definition._argmax,
    Upsample: Definition._upsample,
    Select: Definition._select,
}
