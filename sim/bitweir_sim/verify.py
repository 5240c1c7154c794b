"""What an accelerator must do in every cycle, and differences in the words of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from bitweir_hw.blocks import BlockSpec
from bitweir_hw.gateware.accelerator import block_names
from bitweir_hw.network import Network
from numpy.typing import NDArray

from .cycles import schedule
from .frames import StreamShape, expected_beats, stream_shapes, unpack
from .trace import Beats, Difference, Trace, as_words

__all__ = ["expected_trace", "explain", "stream_names"]


def stream_names(blocks: Sequence[BlockSpec]) -> list[str]:
    """Name of the input, of each tap, and of the output, in order of the stream."""
    return ["i", *block_names(tuple(blocks))[:-1], "o"]


def expected_trace(
    network: Network,
    blocks: Sequence[BlockSpec],
    codes: NDArray[Any],
    *,
    i_stalls: NDArray[np.bool_] | None = None,
    o_stalls: NDArray[np.bool_] | None = None,
) -> Trace:
    """When every beat of every stream moves, from `cycles`, and what it carries, from `golden`.

    Parameters
    ----------
    network : Network
    blocks : sequence of BlockSpec
        Of that network.
    codes : array of integers, (N, K)
    i_stalls, o_stalls : bool array, optional
        See `cycles.schedule`.
    """
    times = schedule(blocks, len(codes), i_stalls=i_stalls, o_stalls=o_stalls)
    payloads = expected_beats(network, blocks, codes)
    names = stream_names(blocks)
    streams = {name: Beats(cycles, words) for name, cycles, words in zip(names, times, payloads, strict=True)}
    return Trace(streams, int(times[-1][-1]) + 1)


def explain(difference: Difference, network: Network, blocks: Sequence[BlockSpec]) -> str:
    """A difference as layer, channel, frame, cycle, expected, found."""
    names = stream_names(blocks)
    shape = stream_shapes(blocks, network)[names.index(difference.stream)]
    frame, beat = divmod(difference.beat, shape.beats)
    place = f"layer {shape.layer}, frame {frame}, cycle {difference.cycle}"
    channel = _channel(difference, shape)
    if channel is None:
        first = beat * shape.lanes
        last = min(first + shape.lanes, shape.length) - 1
        return f"{place}, channels {first} to {last}: expected {difference.expected}, found {difference.found}"
    index, expected, found = channel
    return f"{place}, channel {beat * shape.lanes + index}: expected {expected}, found {found}"


def _channel(difference: Difference, shape: StreamShape) -> tuple[int, int, int] | None:
    """The first lane whose value differs, with both values; None if the times differ."""
    try:
        sides = [int(text, 16) for text in (difference.expected, difference.found)]
    except ValueError:
        return None
    # The last stream carries more than its scores, above them.
    words = [as_words([side & ((1 << shape.bits) - 1)], shape.bits) for side in sides]
    expected, found = (unpack(word, replace(shape, length=shape.lanes))[0] for word in words)
    differs = np.flatnonzero(expected != found)
    return (int(differs[0]), int(expected[differs[0]]), int(found[differs[0]])) if len(differs) else None
