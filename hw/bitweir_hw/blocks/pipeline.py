"""Blocks and the streams between them: what a network and a plan come down to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import PlanError
from .base import BlockSpec
from .matvec.spec import MatVecSpec
from .window.spec import WindowSpec

__all__ = ["Node", "Pipeline", "Stream", "WeightStream", "refuse_weight_streams"]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What the beats of a stream carry.

    Parameters
    ----------
    name : str
        Of the block that it leaves, or ``"i"``; with a number where a block has several outputs.
    layer : str
        The layer whose elements it carries; ``"input"`` for the codes of the frame.
    length : int
        Elements of a vector; the last beat of a vector may be padded.
    vectors : int
        Vectors of a frame.
    lanes : int
        Elements of a beat.
    lane_bits : int
        Bits of an element.
    signed : bool
        Whether elements are numbers in two's complement.
    parallel_frames : int
        V, the frames side by side in each lane, the first in the lowest bits.
    window : WindowSpec or None
        Where the elements of a map come as its windows: see `WindowSpec.gather`.
    """

    name: str
    layer: str
    length: int
    vectors: int
    lanes: int
    lane_bits: int
    signed: bool
    parallel_frames: int = 1
    window: WindowSpec | None = None

    @property
    def vector_beats(self) -> int:
        """Beats of a vector."""
        return -(-self.length // self.lanes)

    @property
    def beats(self) -> int:
        """Beats of a frame, or of V frames side by side."""
        return self.vectors * self.vector_beats

    @property
    def bits(self) -> int:
        """Bits of a beat."""
        return self.lanes * self.parallel_frames * self.lane_bits


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """A block in its place.

    Parameters
    ----------
    block : BlockSpec
    inputs, outputs : tuple of int
        Numbers of the streams that it takes and makes.
    """

    block: BlockSpec
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightStream:
    """The stream over which the weights of a layer come: all its words, in the order of use, over and over.

    Parameters
    ----------
    unit : MatVecSpec
        The block that takes them.
    """

    unit: MatVecSpec

    @property
    def block(self) -> str:
        """The name of the block."""
        return self.unit.name

    @property
    def port(self) -> str:
        """The port of the accelerator."""
        return f"weights_{self.block}"

    @property
    def name(self) -> str:
        """What traces call it: no block is called so."""
        return f"weights.{self.block}"

    @property
    def layer(self) -> str:
        """The layer."""
        return self.unit.layer

    @property
    def bits(self) -> int:
        """Bits of a word."""
        return self.unit.weight_width

    @property
    def words(self) -> int:
        """Words of the layer, after which the first one comes again."""
        return self.unit.weight_words_per_pixel

    @property
    def frame_words(self) -> int:
        """Words that a frame takes, or V frames side by side: all of them for each pixel, or each M that share them."""
        return self.unit.cycles // self.unit.shared_pixels

    def rows(self) -> NDArray[np.uint8]:
        """The words as bytes, the lowest first, (words, bytes): see `MatVecSpec.weight_words`."""
        return self.unit.weight_rows()


def refuse_weight_streams(
    pipeline: Pipeline,
    where: str,
    remedy: str = "fold the layer without :stream, or connect the accelerator itself to a memory",
) -> None:
    """Refuse streamed weights where nothing reads them.

    Parameters
    ----------
    pipeline : Pipeline
    where : str
        What would have to, in words, without an article.
    remedy : str
        What to do.

    Raises
    ------
    PlanError
        Weights are streamed.
    """
    for streamed in pipeline.weight_streams:
        raise PlanError(
            f"Weights of layer {streamed.layer!r} must not come over a stream: the {where} has no memory to read them "
            f"from; {remedy}."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Pipeline:
    """All blocks of an accelerator, each after those that feed it.

    Parameters
    ----------
    nodes : tuple of Node
    streams : tuple of Stream
        Stream 0 is the input, the last one the output.
    """

    nodes: tuple[Node, ...]
    streams: tuple[Stream, ...]

    @property
    def blocks(self) -> tuple[BlockSpec, ...]:
        """The blocks alone, in order."""
        return tuple(node.block for node in self.nodes)

    @property
    def input(self) -> Stream:
        """The stream that takes frames."""
        return self.streams[0]

    @property
    def output(self) -> Stream:
        """The stream of results; its elements are the scores, labels or codes, and more stands above them."""
        return self.streams[-1]

    @property
    def parallel_frames(self) -> int:
        """V, the frames that go side by side."""
        return self.streams[0].parallel_frames

    @cached_property
    def weight_streams(self) -> tuple[WeightStream, ...]:
        """Of each layer whose weights are streamed, in the order of blocks."""
        units = (block for block in self.blocks if isinstance(block, MatVecSpec))
        return tuple(WeightStream(unit=unit) for unit in units if unit.streamed)

    @property
    def weight_bits(self) -> int:
        """Bits of streamed weights that a frame takes, or V frames side by side."""
        return sum(streamed.frame_words * streamed.bits for streamed in self.weight_streams)

    @property
    def inner(self) -> Iterator[Stream]:
        """The streams between blocks."""
        yield from self.streams[1:-1]
