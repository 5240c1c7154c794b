"""Frames as the beats of an accelerator's streams, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bitweir_hw.blocks import AffineSpec, ArgmaxSpec, BlockSpec, MatVecSpec, WidthSpec
from bitweir_hw.network import Integers, Network
from numpy.typing import NDArray

from . import golden

__all__ = ["StreamShape", "expected_beats", "pack", "stream_shapes", "unpack", "unpack_results"]

Words = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class StreamShape:
    """What the beats of a stream carry.

    Parameters
    ----------
    layer : str
        The layer whose output it is; ``"input"`` for the codes of the frame.
    length : int
        Elements of a vector.
    lanes : int
        Elements of a beat; the last beat of a vector is padded with zeros.
    lane_bits : int
        Bits of an element.
    signed : bool
        Whether elements are numbers in two's complement.
    """

    layer: str
    length: int
    lanes: int
    lane_bits: int
    signed: bool

    @property
    def beats(self) -> int:
        """Beats a vector."""
        return -(-self.length // self.lanes)

    @property
    def bits(self) -> int:
        """Bits of a beat."""
        return self.lanes * self.lane_bits


def stream_shapes(blocks: Sequence[BlockSpec], network: Network) -> list[StreamShape]:
    """Shape of the input stream, then of each block's output; for the last one, of its scores alone."""
    bits = network.input.format.bits
    lanes = blocks[0].i_bits // bits
    shape = StreamShape(layer="input", length=network.input.size, lanes=lanes, lane_bits=bits, signed=False)
    shapes = [shape]
    for block in blocks:
        if isinstance(block, MatVecSpec):
            shape = StreamShape(
                layer=block.layer,
                length=block.rows,
                lanes=block.pe,
                lane_bits=block.o_lane_bits,
                signed=not block.threshold,
            )
        elif isinstance(block, WidthSpec):
            shape = replace(shape, lanes=block.o_lanes)
        elif isinstance(block, AffineSpec):
            shape = replace(shape, layer=block.layer, lane_bits=block.o_lane_bits)
        shapes.append(shape)
    return shapes


def pack(values: NDArray[Any], shape: StreamShape) -> Words:
    """Beats of vectors.

    Parameters
    ----------
    values : array of integers, (N, length)
    shape : StreamShape

    Returns
    -------
    uint64 array, (N * beats, words)
        Element 0 in the lowest bits of the first word.
    """
    padded = np.zeros((len(values), shape.beats * shape.lanes), np.int64)
    padded[:, : shape.length] = values
    bits = (padded.reshape(-1, shape.lanes, 1) >> np.arange(shape.lane_bits)) & 1
    return _words(bits.astype(np.uint8).reshape(len(bits), shape.bits))


def _words(bits: NDArray[np.uint8]) -> Words:
    octets = np.packbits(bits, axis=1, bitorder="little")
    padded = np.zeros((len(bits), -(-octets.shape[1] // 8) * 8), np.uint8)
    padded[:, : octets.shape[1]] = octets
    return padded.view("<u8").astype(np.uint64, copy=False)


def _bits(words: Words) -> NDArray[np.uint8]:
    return np.unpackbits(np.ascontiguousarray(words).astype("<u8").view(np.uint8), axis=1, bitorder="little")


def unpack(words: Words, shape: StreamShape) -> Integers:
    """Undo `pack`: vectors (N, length) from beats; padding is dropped."""
    bits = _bits(words)[:, : shape.bits].reshape(-1, shape.lane_bits).astype(np.int64)
    weights = np.left_shift(1, np.arange(shape.lane_bits, dtype=np.int64))
    if shape.signed:
        weights[-1] = -weights[-1]
    return (bits @ weights).reshape(-1, shape.beats * shape.lanes)[:, : shape.length]


def unpack_results(words: Words, block: ArgmaxSpec) -> golden.Result:
    """Scores and classes from the output beats of whole frames."""
    shape = StreamShape(layer="scores", length=block.classes, lanes=block.lanes, lane_bits=block.lane_bits, signed=True)
    lasts = _bits(words[shape.beats - 1 :: shape.beats])
    index = lasts[:, block.i_bits : block.i_bits + block.index_bits].astype(np.int64)
    classes = index @ np.left_shift(1, np.arange(block.index_bits, dtype=np.int64))
    return golden.Result(scores=unpack(words, shape), classes=classes)


def expected_beats(network: Network, blocks: Sequence[BlockSpec], codes: NDArray[Any]) -> list[Words]:
    """What every beat of every stream carries: the input, then the output of each block.

    Parameters
    ----------
    network : Network
    blocks : sequence of BlockSpec
        Of that network.
    codes : array of integers, (N, K)
    """
    values = {"input": codes, **golden.trace(network, codes)}
    shapes = stream_shapes(blocks, network)
    beats = [pack(values[shape.layer], shape) for shape in shapes]
    last = blocks[-1]
    assert isinstance(last, ArgmaxSpec)
    beats[-1] = _result_beats(values[shapes[-1].layer], shapes[-1], last)
    return beats


def _result_beats(scores: Integers, shape: StreamShape, block: ArgmaxSpec) -> Words:
    """Scores with the lowest index of the highest one so far, and the mark of the last beat."""
    score_bits = _bits(pack(scores, shape))[:, : shape.bits]
    ends = np.minimum(np.arange(1, shape.beats + 1) * shape.lanes, shape.length)
    best = np.stack([scores[:, :end].argmax(axis=1) for end in ends], axis=1).reshape(-1, 1)
    best_bits = (best >> np.arange(block.index_bits) & 1).astype(np.uint8)
    last = np.tile(np.arange(1, shape.beats + 1) == shape.beats, len(scores)).astype(np.uint8)
    return _words(np.concatenate([score_bits, best_bits, last[:, None]], axis=1))
