"""The expected trace of an accelerator, and differences from it in terms of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from bitweir_hw.blocks.pipeline import Pipeline, Stream, WeightStream
from bitweir_hw.network import Network
from numpy.typing import NDArray

from .simulators.drive import Feed
from .time.cycles import schedule
from .time.supply import Supply, supplies_of
from .trace import Beats, Difference, Trace, Words, as_words
from .values.frames import element_masks, expected_beats, unpack

__all__ = ["expected_trace", "explain", "weight_feeds"]


def expected_trace(
    network: Network,
    pipeline: Pipeline,
    codes: NDArray[Any],
    *,
    i_stalls: NDArray[np.bool_] | None = None,
    o_stalls: NDArray[np.bool_] | None = None,
    supplies: Mapping[str, Supply] | None = None,
    drain: int = 0,
) -> Trace:
    """Compute in which cycle every beat of every stream moves (`cycles`), and its payload (`golden`).

    Parameters
    ----------
    network : Network
    pipeline : Pipeline
        Of that network.
    codes : array of integers, (N, K)
    i_stalls, o_stalls : bool array, optional
    supplies : mapping of str to Supply, optional
    drain : int
        See `cycles.schedule`.
    """
    groups = -(-len(codes) // pipeline.parallel_frames)
    times = schedule(pipeline, groups, i_stalls=i_stalls, o_stalls=o_stalls, supplies=supplies, drain=drain)
    words_from = len(pipeline.streams)
    moved = dict(zip((stream.name for stream in pipeline.streams), times, strict=False))
    moved |= _link_cycles(pipeline, times, end=int(times[words_from - 1][-1]) + drain)
    payloads = expected_beats(network, pipeline, codes)
    # Padding of vectors has no meaning between blocks. Blocks may run ahead of the last result with beats that no
    # result needs: these are expected, too.
    streams = {}
    for stream, words in zip(pipeline.shown, payloads, strict=True):
        cycles = moved[stream.name]
        masks = None if stream is pipeline.output else element_masks(stream, groups)[: len(cycles)]
        streams[stream.name] = Beats(cycles, words[: len(cycles)], masks)
    for weights, cycles in zip(pipeline.weight_streams, times[words_from:], strict=True):
        words = weight_words(weights)
        streams[weights.name] = Beats(cycles, words[np.arange(len(cycles)) % len(words)])
    return Trace(streams, int(streams[pipeline.output.name].cycles[-1]) + 1)


def _link_cycles(pipeline: Pipeline, times: Sequence[NDArray[np.int64]], *, end: int) -> dict[str, NDArray[np.int64]]:
    """The cycles of the beats of each link up to the end of a run: a fixed time after its chain took them."""
    found = {link.stream.name: times[link.source] + link.cycles for link in pipeline.links}
    return {name: cycles[cycles <= end] for name, cycles in found.items()}


def weight_words(weights: WeightStream) -> Words:
    """The words of a stream of weights, (words, 64-bit words)."""
    rows = weights.rows()
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 8)))
    return np.ascontiguousarray(padded).view("<u8").astype(np.uint64)


def weight_feeds(
    pipeline: Pipeline, supplies: Mapping[str, Supply] | None = None, *, cycles: int = 0
) -> dict[str, Feed]:
    """What simulators send over streams of weights, by the names of blocks.

    Parameters
    ----------
    pipeline : Pipeline
    supplies : mapping of str to Supply, optional
        When words come; a word in every cycle, by default.
    cycles : int
        For which supplies with a rate are kept to.
    """
    return {
        weights.block: Feed(words=weight_words(weights), stalls=supply.held_back(cycles))
        for weights, supply in zip(pipeline.weight_streams, supplies_of(pipeline, supplies), strict=True)
    }


def explain(difference: Difference, pipeline: Pipeline, *, start: int = 0) -> str:
    """Describe a difference by layer, frame, pixel, channel, cycle, and what was expected and found.

    `start` is what the first frame of the run is called.
    """
    if fed := next((weights for weights in pipeline.weight_streams if weights.name == difference.stream), None):
        return (
            f"layer {fed.layer}, word of weights {difference.beat % fed.words}, cycle {difference.cycle}: expected "
            f"{difference.expected}, found {difference.found}"
        )
    stream = next(stream for stream in pipeline.shown if stream.name == difference.stream)
    group, beat = divmod(difference.beat, stream.beats)
    vector, beat = divmod(beat, stream.vector_beats)
    frame = start + group * stream.parallel_frames
    found = _element(difference, stream)
    if found is None:
        first = beat * stream.lanes
        last = min(first + stream.lanes, stream.length) - 1
        what, sides = f"channels {first} to {last}", (difference.expected, difference.found)
    else:
        lane, side, *values = found
        frame += side
        what, sides = f"channel {beat * stream.lanes + lane}", (str(values[0]), str(values[1]))
    place = f"layer {stream.layer}, frame {frame}"
    if stream.vectors > 1:
        place += f", {'window' if stream.window else 'pixel'} {vector}"
    return f"{place}, cycle {difference.cycle}, {what}: expected {sides[0]}, found {sides[1]}"


def _element(difference: Difference, stream: Stream) -> tuple[int, int, int, int] | None:
    """The first lane and frame whose value differs, with both values; None if the cycles differ."""
    try:
        sides = [int(text, 16) for text in (difference.expected, difference.found)]
    except ValueError:
        return None
    # The last stream carries further bits above its scores.
    words = [as_words([side & ((1 << stream.bits) - 1)], stream.bits) for side in sides]
    beat = replace(stream, length=stream.lanes, vectors=1)
    expected, found = (unpack(word, beat).T for word in words)
    differs = np.argwhere(expected != found)
    if not len(differs):
        return None
    lane, side = map(int, differs[0])
    return lane, side, int(expected[lane, side]), int(found[lane, side])
