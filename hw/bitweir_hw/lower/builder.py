"""Puts blocks one behind the other, and brings streams to the lanes that the next one takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd
from typing import Any

from ..arithmetic import ceil_div, divisors
from ..blocks import BlockSpec, FifoSpec, ForkSpec, MatVecSpec, WidthSpec, WindowSpec, WiredSpec
from ..blocks.chain import chained
from ..blocks.pipeline import Node, Pipeline, Stream
from ..network.layers import Conv, Dense, Integers, Layer, Map
from ..network.network import Network
from ..plan import Folding, Plan, cycles_of, weighted
from .accumulators import folded, matvec, row_counts
from .ranges import ParameterRange, ValueRanges

__all__ = ["Builder", "Cursor"]


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Where the next block connects.

    Parameters
    ----------
    stream : int or None
        Number of the stream; None for the input, whose lanes are still free.
    layer : str
        Whose elements it carries.
    map : Map
        Of which it carries a frame.
    length, vectors : int
        Elements of a vector, and vectors of a frame.
    lanes : int
        Elements of a beat; 0 while free.
    lane_bits : int
        Bits of an element.
    window : WindowSpec or None
    chain : bool
        Whether a wired layer may follow in a chain, without a FIFO between.
    """

    stream: int | None
    layer: str
    map: Map
    length: int
    vectors: int
    lanes: int
    lane_bits: int
    window: WindowSpec | None = None
    chain: bool = False


class Builder:
    """The pipeline as it grows.

    Parameters
    ----------
    network : Network
    plan : Plan

    Attributes
    ----------
    ii : int
        Cycles a frame of the slowest layer with weights: what all other blocks need not fall below.
    """

    def __init__(self, network: Network, plan: Plan) -> None:
        self.network, self.plan = network, plan
        self._reach = ValueRanges(network, plan) if plan.weights == "ram" else None
        self._foldings = {
            layer.name: folding for (layer, _), folding in zip(weighted(network), plan.foldings, strict=True)
        }
        self.ii = max((self._cycles(layer, result) for layer, result in weighted(network)), default=1)
        self.forget()

    def forget(self) -> None:
        """Start anew with the same network and plan."""
        self._nodes: list[Node] = []
        self._streams: list[Stream] = []
        # What streams, and the parts that load parameters, are called.
        self._names: set[str] = {"i", "o", "loader", "gate"}

    @property
    def blocks(self) -> list[BlockSpec]:
        """What was put."""
        return [block for node in self._nodes for block in node.blocks]

    @property
    def input(self) -> Stream:
        """The stream that the first block takes."""
        return self._streams[0]

    def refold(self, layer: Dense | Conv, folding: Folding) -> None:
        """Give a layer another folding than the plan does."""
        self._foldings[layer.name] = folding

    def _cycles(self, layer: Dense | Conv, result: Map) -> int:
        return cycles_of(layer, result, self.folding(layer))

    def folding(self, layer: Dense | Conv) -> Folding:
        """The folding that the plan gives a layer."""
        return self._foldings[layer.name]

    def unit(self, layer: Dense | Conv, source: Map, result: Map, lane_bits: int) -> MatVecSpec:
        """The unit that computes a layer with weights."""
        sums = self.output_map(replace(layer, thresholds=None, output=None), source)
        limits = self.limits(layer, "weights") if self.runtime_loadable else None
        folding = self.folding(layer)
        unit = matvec(
            layer, source, result, lane_bits=lane_bits, folding=folding, plan=self.plan, sums=sums, limits=limits,
            counts=self.counts(layer),
        )  # fmt: skip
        return folded(unit, layer, folding)

    def counts(self, layer: Dense | Conv) -> Integers:
        """`row_counts` of a layer with weights."""
        return row_counts(layer)

    @property
    def stage_levels(self) -> int:
        """Levels of logic between registers, in all blocks as in popcounts; 0 for as few registers as can be."""
        return self.plan.popcount.levels_per_stage

    @property
    def stages(self) -> dict[str, Any]:
        """How blocks with sums of products are built: stages, and the pieces into which factors are divided."""
        # The style that fits iCE40 best, whose small parts have no multipliers.
        bits = 2 if self.plan.popcount.style == "tree" else 17
        return {"stage_levels": self.stage_levels, "multiplier_bits": bits}

    @property
    def runtime_loadable(self) -> bool:
        """Whether parameters are loaded."""
        return self._reach is not None

    def limits(self, layer: Layer, what: str) -> ParameterRange:
        """What a parameter that is loaded may be."""
        assert self._reach is not None
        return self._reach.limits(layer, what)

    def output_map(self, layer: Layer, source: Map) -> Map:
        """What leaves a layer; where parameters are loaded, with bounds that hold for all of them."""
        return layer.output_map(source) if self._reach is None else self._reach.output_map(layer, source)

    def start(self) -> Cursor:
        """The input, whose lanes the first block chooses."""
        source = self.network.input.map
        return Cursor(
            stream=None, layer="input", map=source, length=source.channels, vectors=source.pixels, lanes=0,
            lane_bits=self.network.input.format.bits,
        )  # fmt: skip

    def pipeline(self) -> Pipeline:
        """All that was put; the last stream is the output."""
        streams = self._streams[:-1] + [replace(self._streams[-1], name="o")]
        return Pipeline(nodes=tuple(self._nodes), streams=tuple(streams))

    def name(self, wanted: str) -> str:
        """A name that no other block has."""
        found, number = wanted, 0
        while found in self._names:
            number += 1
            found = f"{wanted}_{number}"
        self._names.add(found)
        return found

    def lanes_needed(self, result: Map) -> int:
        """Fewest elements a beat that keep up with the slowest layer."""
        return ceil_div(result.channels, max(1, self.ii // result.pixels))

    def has_time(self, cycles: int) -> bool:
        """Whether a block that works so many cycles a frame rests for as many: then it keeps up with bursts."""
        return 2 * cycles <= self.ii

    # ---- putting blocks

    def _stream(self, name: str, cursor: Cursor) -> int:
        self._streams.append(
            Stream(
                name=name,
                layer=cursor.layer,
                length=cursor.length,
                vectors=cursor.vectors,
                lanes=cursor.lanes,
                lane_bits=cursor.lane_bits,
                signed=cursor.map.format is None,
                parallel_frames=self.plan.parallel_frames,
                window=cursor.window,
            )
        )
        return len(self._streams) - 1

    def put(self, block: BlockSpec, *cursors: Cursor) -> Cursor:
        """Add a block that takes all but the last of `cursors` and makes the last."""
        *sources, result = cursors
        number = self._stream(block.name, result)
        inputs = [cursor.stream for cursor in sources]
        assert None not in inputs
        self._nodes.append(Node(block=block, inputs=tuple(inputs), outputs=(number,)))  # type: ignore[arg-type]
        return replace(result, stream=number, chain=False)

    def put_datapath(self, block: WiredSpec, cursor: Cursor, result: Cursor) -> Cursor:
        """Add a wired layer, in a chain with those in front of it where nothing stands between and it pays."""
        return replace(self._put_datapath(block, cursor, result), chain=block.steps == 1)

    def _put_datapath(self, block: WiredSpec, cursor: Cursor, result: Cursor) -> Cursor:
        before = self._nodes[-1] if self._nodes else None
        behind = before is not None and before.outputs == (cursor.stream,)
        chain = chained(before.block, block) if before is not None and behind else None
        if before is None or chain is None:
            return self.put(block, cursor, result)
        # What the block in front made was the last stream: now it is none.
        link = self._streams.pop()
        number = self._stream(block.name, result)
        self._nodes[-1] = replace(before, block=chain, outputs=(number,), links=(*before.links, link))
        return replace(result, stream=number)

    def put_fork(self, block: ForkSpec, cursor: Cursor) -> list[Cursor]:
        """Add a fork; a cursor for each output."""
        assert cursor.stream is not None
        cursors = [
            replace(cursor, stream=self._stream(f"{block.name}_{n}", cursor), chain=False) for n in range(block.outputs)
        ]
        outputs = tuple(cursor.stream for cursor in cursors if cursor.stream is not None)
        self._nodes.append(Node(block=block, inputs=(cursor.stream,), outputs=outputs))
        return cursors

    def fifo_depth(self, name: str, enough: int, likely: int) -> int:
        """Depth of a FIFO: the plan's, or one that is surely enough; `likely` is what fitting may leave of it."""
        return dict(self.plan.depths).get(name, enough)

    def buffered(self, cursor: Cursor, layer: str, name: str, *, enough: int, likely: int) -> Cursor:
        """The stream behind a FIFO; see `fifo_depth`."""
        name = self.name(name)
        spec = FifoSpec(
            name=name,
            layer=layer,
            depth=max(2, self.fifo_depth(name, enough, likely)),
            bits=cursor.lanes * cursor.lane_bits * self.plan.parallel_frames,
            beats=cursor.vectors * ceil_div(cursor.length, cursor.lanes),
        )
        return self.put(spec, cursor, cursor)

    def widened(self, cursor: Cursor, layer: str, lanes: int, length: int = 0) -> Cursor:
        """The same elements in beats of so many lanes, and vectors of so many elements (or as they are)."""
        length = length or cursor.length
        vectors = cursor.length * cursor.vectors // length
        result = replace(cursor, length=length, vectors=vectors, lanes=lanes)
        if cursor.stream is None:
            return replace(result, stream=self._stream("i", result))
        shared = gcd(length, cursor.length)
        aligned = lanes == cursor.lanes and (length == cursor.length or shared % lanes == 0)
        if aligned:
            return result
        if length % cursor.length:
            # Beats must not hold elements of two vectors, so words that divide both come between.
            common = max(d for d in divisors(shared) if d <= max(lanes, 1))
            cursor = self.widened(cursor, layer, common)
            return self.widened(replace(cursor, length=length, vectors=vectors), layer, lanes)
        block = WidthSpec(
            name=self.name(f"{layer}_width"),
            layer=layer,
            i_length=cursor.length,
            o_length=length,
            i_lanes=cursor.lanes,
            o_lanes=lanes,
            lane_bits=cursor.lane_bits * self.plan.parallel_frames,
            vectors=vectors,
            stage_levels=self.stage_levels,
        )
        return self.put(block, cursor, result)

    def lanes_for(self, cursor: Cursor) -> int:
        """Lanes for a block that works on each element: as they come if that keeps up, else as many as needed."""
        needed = self.lanes_needed(cursor.map)
        return cursor.lanes if cursor.length == cursor.map.channels and cursor.lanes >= needed else needed
