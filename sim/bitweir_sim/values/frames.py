"""Packing: frames to the beats of an accelerator's streams, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from bitweir_hw.blocks import ArgmaxSpec, EndSpec, ResultSpec
from bitweir_hw.blocks.pipeline import Pipeline, Stream
from bitweir_hw.network import Branched, Conv, Dense, Integers, Layer, Network, Pool, Threshold
from numpy.typing import NDArray

from . import golden

__all__ = ["element_masks", "expected_beats", "pack", "stream_values", "unpack", "unpack_results"]

Words = NDArray[np.uint64]


def _in_frames(values: NDArray[Any], frames: int) -> NDArray[Any]:
    """(N, ...) as (groups, frames, ...); the last group is filled up with zeros."""
    groups = -(-len(values) // frames)
    padded = np.zeros((groups * frames, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    return padded.reshape(groups, frames, *values.shape[1:])


def pack(values: NDArray[Any], stream: Stream) -> Words:
    """Pack frames into beats.

    Parameters
    ----------
    values : array of integers, (N, vectors * length)
        As `stream_values` gives them. Missing parallel frames in the last beats are filled up with zeros.
    stream : Stream

    Returns
    -------
    uint64 array, (ceil(N / V) * beats, words)
        Element 0 in the lowest bits of the first word.
    """
    side_by_side = _in_frames(np.asarray(values), stream.parallel_frames)
    vectors = side_by_side.reshape(-1, stream.parallel_frames, stream.vectors, stream.length).transpose(0, 2, 3, 1)
    lanes = stream.vector_beats * stream.lanes
    padded = np.zeros((len(vectors) * stream.vectors, lanes, stream.parallel_frames), np.int64)
    padded[:, : stream.length] = vectors.reshape(-1, stream.length, stream.parallel_frames)
    bits = (padded.reshape(-1, stream.lanes * stream.parallel_frames, 1) >> np.arange(stream.lane_bits)) & 1
    return _words(bits.astype(np.uint8).reshape(len(bits), stream.bits))


def _words(bits: NDArray[np.uint8]) -> Words:
    octets = np.packbits(bits, axis=1, bitorder="little")
    padded = np.zeros((len(bits), -(-octets.shape[1] // 8) * 8), np.uint8)
    padded[:, : octets.shape[1]] = octets
    return padded.view("<u8").astype(np.uint64, copy=False)


def _bits(words: Words) -> NDArray[np.uint8]:
    return np.unpackbits(np.ascontiguousarray(words).astype("<u8").view(np.uint8), axis=1, bitorder="little")


def unpack(words: Words, stream: Stream) -> Integers:
    """Undo `pack`: values (N, vectors * length), without the padding of vectors, but with frames that fill up."""
    bits = _bits(words)[:, : stream.bits].reshape(-1, stream.lane_bits).astype(np.int64)
    weights = np.left_shift(1, np.arange(stream.lane_bits, dtype=np.int64))
    if stream.signed:
        weights[-1] = -weights[-1]
    elements = (bits @ weights).reshape(-1, stream.vectors, stream.vector_beats * stream.lanes, stream.parallel_frames)
    kept = elements[:, :, : stream.length].transpose(0, 3, 1, 2)
    return kept.reshape(-1, stream.vectors * stream.length)


def unpack_results(words: Words, pipeline: Pipeline, frames: int) -> golden.Result:
    """Unpack the results of this many frames from output beats."""
    stream, block = pipeline.output, pipeline.nodes[-1].block
    if isinstance(block, ResultSpec):
        return golden.result(unpack(words, stream)[:frames], block.kind)
    assert isinstance(block, ArgmaxSpec)
    lasts = _bits(words[stream.beats - 1 :: stream.beats])
    index = lasts[:, block.i_bits : block.i_bits + block.index_bits * block.parallel_frames].astype(np.int64)
    classes = index.reshape(-1, block.index_bits) @ np.left_shift(1, np.arange(block.index_bits, dtype=np.int64))
    return golden.Result(scores=unpack(words, stream)[:frames], classes=classes[:frames])


def stream_values(network: Network, pipeline: Pipeline, codes: NDArray[Any]) -> list[NDArray[Any]]:
    """Compute the values of `Pipeline.shown` for each frame: arrays (N, vectors * length), for `pack`.

    Parameters
    ----------
    network : Network
    pipeline : Pipeline
        Of that network.
    codes : array of integers, (N, K)
    """
    shown = replace(network, layers=_as_streamed(network.layers, {stream.layer for stream in pipeline.streams}))
    values = {"input": np.asarray(codes), **golden.trace(shown, codes)}
    return [_elements(values[stream.layer], stream) for stream in pipeline.shown]


def _as_streamed(layers: tuple[Layer, ...], shown: set[str]) -> tuple[Layer, ...]:
    """The same layers, of which some are two, as streams carry what is between: sums, and maxima along the columns."""
    result: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Branched):
            result.append(replace(layer, branches=tuple(_as_streamed(branch, shown) for branch in layer.branches)))
        elif isinstance(layer, Dense | Conv) and layer.thresholds is not None and layer.output is not None:
            result.append(replace(layer, name=f"{layer.name}.sums", thresholds=None, output=None))
            result.append(Threshold(name=layer.name, thresholds=layer.thresholds, output=layer.output))
        elif isinstance(layer, Pool) and f"{layer.name}.columns" in shown:
            (rows, columns), (down, across), (top, left, bottom, right) = layer.kernel, layer.stride, layer.pads
            along = replace(layer, kernel=(1, columns), stride=(1, across), pads=(0, left, 0, right))
            result.append(replace(along, name=f"{layer.name}.columns"))
            result.append(replace(layer, kernel=(rows, 1), stride=(down, 1), pads=(top, 0, bottom, 0)))
        else:
            result.append(layer)
    return tuple(result)


def _elements(values: NDArray[Any], stream: Stream) -> NDArray[Any]:
    """The elements of a map in the order of the stream: unchanged, or window by window."""
    if stream.window is None:
        return values
    place = stream.window.gather().ravel()
    codes = _pads(stream)
    return np.where(place >= 0, values[:, np.maximum(place, 0)], codes[np.where(place < 0, -1 - place, 0)])


def _pads(stream: Stream) -> Integers:
    """The value of each channel outside the map."""
    assert stream.window is not None
    codes = np.array(stream.window.pad_elements(), object) & ((1 << stream.lane_bits) - 1)
    if stream.signed:
        codes = np.where(codes >> (stream.lane_bits - 1), codes - (1 << stream.lane_bits), codes)
    return codes.astype(np.int64)


def expected_beats(network: Network, pipeline: Pipeline, codes: NDArray[Any]) -> list[Words]:
    """Compute the payload of every beat of `Pipeline.shown`.

    Parameters
    ----------
    network : Network
    pipeline : Pipeline
        Of that network.
    codes : array of integers, (N, K)
    """
    values = stream_values(network, pipeline, _in_frames(codes, pipeline.parallel_frames).reshape(-1, codes.shape[1]))
    beats = [pack(array, stream) for array, stream in zip(values, pipeline.shown, strict=True)]
    last = pipeline.nodes[-1].block
    assert isinstance(last, EndSpec)
    beats[-1] = _result_beats(values[-1], pipeline.output, last)
    return beats


def element_masks(stream: Stream, groups: int) -> Words:
    """The bits of each beat that carry an element, (beats, words), for this many groups of V parallel frames."""
    return np.tile(pack(np.full((stream.parallel_frames, stream.vectors * stream.length), -1), stream), (groups, 1))


def _result_beats(scores: Integers, stream: Stream, block: EndSpec) -> Words:
    """Scores with the lowest index of the highest one so far (if it is wanted), and the mark of the last beat."""
    score_bits = _bits(pack(scores, stream))[:, : stream.bits]
    last = np.tile(np.arange(1, stream.beats + 1) == stream.beats, len(score_bits) // stream.beats).astype(np.uint8)
    if not block.index_bits:
        return _words(np.concatenate([score_bits, last[:, None]], axis=1))
    ends = np.minimum(np.arange(1, stream.beats + 1) * stream.lanes, stream.length)
    best = np.stack([scores[:, :end].argmax(axis=1) for end in ends], axis=1)
    # From (frames, beats) to (groups, beats, frames side by side).
    best = best.reshape(-1, stream.parallel_frames, stream.beats).transpose(0, 2, 1)
    best_bits = (best[..., None] >> np.arange(block.index_bits) & 1).astype(np.uint8).reshape(len(score_bits), -1)
    return _words(np.concatenate([score_bits, best_bits, last[:, None]], axis=1))
