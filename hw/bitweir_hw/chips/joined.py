"""Pipelines of several chips, and what stands between them, as one pipeline: what the whole does in each cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..arithmetic import divisors
from ..blocks import BlockSpec, FifoSpec, WidthSpec
from ..blocks.pipeline import Node, Pipeline, Stream, refuse_weight_streams
from ..errors import PlanError
from ..network.network import Network
from .channel import MAX_CREDITS, MAX_LATENCY, ChannelSpec

__all__ = ["Joint", "joined", "joint", "with_credits"]

#: Bits of a beat, at most.
_MOST_BITS = 4096


@dataclass(frozen=True, kw_only=True)
class Joint:
    """What stands between the accelerators of two chips.

    Parameters
    ----------
    element_bits : int
        Of what crosses, which the second accelerator takes.
    before, after : tuple of WidthSpec
        On the first chip, from its results to the beats of the channel; on the second one, from these to its input. A
        lane of theirs is a bit.
    channel : ChannelSpec
    """

    element_bits: int
    before: tuple[WidthSpec, ...]
    channel: ChannelSpec
    after: tuple[WidthSpec, ...]

    @property
    def blocks(self) -> tuple[WidthSpec | ChannelSpec, ...]:
        """All of it, in order."""
        return (*self.before, self.channel, *self.after)


def joint(
    number: int,
    network: Network,
    first: Pipeline,
    second: Pipeline,
    *,
    width: int | None = None,
    credits: int | None = None,
    latency: int = 0,
    stage_levels: int = 0,
) -> Joint:
    """What stands between two accelerators.

    Parameters
    ----------
    number : int
        Of the first chip.
    network : Network
        On the first chip.
    first, second : Pipeline
    width : int, optional
        Bits of a beat of the channel, of which one may move in each cycle; by default a whole beat of results.
    credits, latency : int
        See `ChannelSpec`; by default as many credits as beats need to move in every cycle.
    stage_levels : int
        See `WidthSpec`.

    Raises
    ------
    PlanError
        The numbers make no channel, the chips have other numbers of parallel frames, or weights are streamed.
    """
    frames = first.parallel_frames
    if second.parallel_frames != frames:
        raise PlanError(
            f"Chips must have the same number of parallel frames, not {frames} and {second.parallel_frames}."
        )
    for pipeline in (first, second):
        refuse_weight_streams(pipeline, "design for several chips")
    results, entry, layer = first.output, second.input, network.layers[-1].name
    lane = entry.lane_bits * frames
    total = results.length * lane
    bits = results.lanes * lane if width is None else width
    for what, value, least, most in (
        ("width", bits, 1, _MOST_BITS),
        ("latency", latency, 0, MAX_LATENCY),
        ("credits", 2 if credits is None else credits, 2, MAX_CREDITS),
    ):
        if not least <= value <= most:
            raise PlanError(f"The {what} of a channel must be {least} to {most:,}, not {value:,}.")
    bits = min(bits, total)
    channel = ChannelSpec(
        name=f"channel{number}", layer=layer, bits=bits, beats=-(-total // bits), credits=2, latency=latency
    )
    channel = replace(channel, credits=channel.whole_rate if credits is None else credits)

    def converters(side: str, steps: list[tuple[int, int, int]]) -> tuple[WidthSpec, ...]:
        # Steps are bits of a vector, bits of a beat before, and after.
        return tuple(
            WidthSpec(
                name=f"{side}_channel{number}_{place}", layer=layer, i_length=length, o_length=length, i_lanes=i,
                o_lanes=o, lane_bits=1, vectors=total // length, stage_levels=stage_levels,
            )
            for place, (length, i, o) in enumerate(steps) if i != o
        )  # fmt: skip

    vector, beat = entry.length * lane, entry.lanes * lane
    if vector == total or entry.length % entry.lanes == 0:
        after = [(total, bits, beat)]
    else:
        # Beats of the channel know no vectors, so words that whole ones are made of come between.
        word = lane * next(d for d in divisors(entry.length) if d >= entry.lanes or d == entry.length)
        after = [(total, bits, word), (vector, word, beat)]
    return Joint(
        element_bits=entry.lane_bits,
        before=converters("to", [(total, results.lanes * lane, bits)]),
        channel=channel,
        after=converters("from", after),
    )


def with_credits(joints: Sequence[Joint], credits: Sequence[int]) -> tuple[Joint, ...]:
    """The same joints with other credits."""
    return tuple(
        replace(one, channel=replace(one.channel, credits=count)) for one, count in zip(joints, credits, strict=True)
    )


def joined(pipelines: Sequence[Pipeline], joints: Sequence[Joint]) -> Pipeline:
    """The pipelines one behind the other, with the joints between them; for time alone.

    Blocks and streams of chip n are called ``chipN.NAME``.
    """
    nodes: list[Node] = []
    streams: list[Stream] = [replace(pipelines[0].input, name="i")]
    for number, pipeline in enumerate(pipelines):
        if number:
            for block in joints[number - 1].blocks:
                streams.append(_bits(block))
                nodes.append(Node(block=block, inputs=(len(streams) - 2,), outputs=(len(streams) - 1,)))
        # The first stream of a chip is the last one of what stands before it.
        offset = len(streams) - 1
        streams += [replace(one, name=f"chip{number}.{one.name}") for one in pipeline.streams[1:]]
        nodes += [
            Node(
                block=_named(node.block, f"chip{number}.{node.block.name}"),
                inputs=tuple(offset + stream for stream in node.inputs),
                outputs=tuple(offset + stream for stream in node.outputs),
            )
            for node in pipeline.nodes
        ]
    streams[-1] = replace(streams[-1], name="o")
    return Pipeline(nodes=tuple(nodes), streams=tuple(streams))


def _named(block: BlockSpec, name: str) -> BlockSpec:
    """FIFOs are told of by name; other blocks keep theirs, as what is known of them is kept with them."""
    return replace(block, name=name) if isinstance(block, FifoSpec) else block


def _bits(block: WidthSpec | ChannelSpec) -> Stream:
    """The stream that leaves a block of a joint, whose lanes are bits."""
    if isinstance(block, ChannelSpec):
        return Stream(
            name=block.name, layer=block.layer, length=block.beats * block.bits, vectors=1, lanes=block.bits,
            lane_bits=1, signed=False,
        )  # fmt: skip
    return Stream(
        name=block.name, layer=block.layer, length=block.o_length, vectors=block.vectors, lanes=block.o_lanes,
        lane_bits=1, signed=False,
    )  # fmt: skip
