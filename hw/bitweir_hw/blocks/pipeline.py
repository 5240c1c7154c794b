"""Blocks and the streams between them: what a network and a plan come down to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..errors import PlanError
from .base import BlockSpec
from .chain.spec import blocks_at
from .matvec.spec import MatVecSpec
from .window.spec import WindowSpec
from .wired.spec import WiredSpec

__all__ = ["Link", "Node", "Pipeline", "Stream", "WeightStream", "refuse_weight_streams"]


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
        Or a chain of blocks.
    inputs, outputs : tuple of int
        Numbers of the streams that it takes and makes.
    links : tuple of Stream
        What goes from each block of a chain to the next one.
    """

    block: BlockSpec
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    links: tuple[Stream, ...] = ()

    @property
    def blocks(self) -> tuple[BlockSpec, ...]:
        """The block, or those of a chain."""
        return blocks_at(self.block)


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """What goes from one block of a chain to the next, in a fixed time.

    Parameters
    ----------
    stream : Stream
        Never stalled.
    source : int
        Number of the stream that the chain takes.
    cycles : int
        From a beat of that stream to the one that goes here.
    sender, receiver : BlockSpec
    """

    stream: Stream
    source: int
    cycles: int
    sender: BlockSpec
    receiver: BlockSpec


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
        """The blocks alone, in order, also those of chains."""
        return tuple(block for node in self.nodes for block in node.blocks)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """What goes from block to block within chains, in the order of blocks."""
        found = []
        for node in self.nodes:
            for stream, (sender, receiver) in zip(node.links, pairwise(node.blocks), strict=False):
                assert isinstance(receiver, WiredSpec) and receiver.before is not None
                found.append(
                    Link(stream=stream, source=node.inputs[0], cycles=receiver.before, sender=sender, receiver=receiver)
                )
        return tuple(found)

    @property
    def shown(self) -> tuple[Stream, ...]:
        """All that a trace tells: the streams, and before what leaves a chain, those of its `links`."""
        within = {node.outputs[0]: node.links for node in self.nodes}
        return tuple(one for number, stream in enumerate(self.streams) for one in (*within.get(number, ()), stream))

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
        """The streams between blocks, and the links."""
        yield from self.shown[1:-1]
