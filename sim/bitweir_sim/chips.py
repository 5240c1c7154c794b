"""Several chips: in which cycle every beat of them moves, and with what value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bitweir_hw.blocks.pipeline import Pipeline, Stream
from bitweir_hw.chips import Joint, joined
from bitweir_hw.network import Network
from bitweir_hw.network.cuts import cut_codes
from numpy.typing import NDArray

from .time.cycles import schedule
from .trace import Beats, Difference, Trace, Words
from .values import fast
from .values.frames import expected_beats, pack

__all__ = ["arrival_beats", "codes_at_cuts", "expected_trace", "explain"]


def codes_at_cuts(networks: Sequence[Network], codes: NDArray[Any]) -> list[NDArray[Any]]:
    """What each of the networks between cuts takes, (N, K) each: codes of frames, then what the one before hands on."""
    taken = [np.asarray(codes)]
    for network in networks[:-1]:
        taken.append(cut_codes(fast.run(network, taken[-1]).scores, network.end))
    return taken


def arrival_beats(codes: NDArray[Any], joint: Joint, parallel_frames: int) -> tuple[Words, Words]:
    """What moves over a channel for codes (N, T), and which bits of it carry an element: (beats, words) each.

    N is a multiple of the parallel frames.
    """
    groups = len(codes) // parallel_frames
    # The frames side by side in each element, the first in the lowest bits.
    lanes = codes.astype(np.int64).reshape(groups, parallel_frames, -1).transpose(0, 2, 1)
    bits = (lanes[..., None] >> np.arange(joint.element_bits) & 1).reshape(groups, -1)
    channel = joint.channel
    stream = Stream(
        name=channel.name, layer=channel.layer, length=bits.shape[1], vectors=1, lanes=channel.bits, lane_bits=1,
        signed=False,
    )  # fmt: skip
    return pack(bits, stream), pack(np.ones_like(bits), stream)


def expected_trace(
    networks: Sequence[Network],
    pipelines: Sequence[Pipeline],
    joints: Sequence[Joint],
    codes: NDArray[Any],
    *,
    i_stalls: NDArray[np.bool_] | None = None,
    o_stalls: NDArray[np.bool_] | None = None,
    drain: int = 0,
) -> Trace:
    """Compute in which cycle every beat moves that goes in, arrives over a channel, or comes out, and its payload.

    Parameters
    ----------
    networks : sequence of Network
        Between the cuts.
    pipelines : sequence of Pipeline
        Of these.
    joints : sequence of Joint
        Between each two.
    codes : array of integers, (N, K)
    i_stalls, o_stalls : bool array, optional
    drain : int
        See `cycles.schedule`.
    """
    whole, frames = joined(pipelines, joints), pipelines[0].parallel_frames
    groups = -(-len(codes) // frames)
    times = schedule(whole, groups, i_stalls=i_stalls, o_stalls=o_stalls, drain=drain)
    # Where frames are missing beside others, zeros take their place, and chips compute them like others.
    taken = codes_at_cuts(networks, np.pad(codes, ((0, groups * frames - len(codes)), (0, 0))))
    streams = {"i": Beats(times[0], pack(codes, pipelines[0].input)[: len(times[0])])}
    for one, arriving in zip(joints, taken[1:], strict=True):
        channel = one.channel
        (sent,) = (node.inputs[0] for node in whole.nodes if node.block is channel)
        payloads, masks = arrival_beats(arriving, one, frames)
        # A register of the sender and the way lie between: what is on it at the end has not arrived.
        cycles = times[sent] + 1 + channel.latency
        cycles = cycles[cycles <= times[-1][-1] + drain]
        streams[channel.name] = Beats(cycles, payloads[: len(cycles)], masks[: len(cycles)])
    streams["o"] = Beats(times[-1], expected_beats(networks[-1], pipelines[-1], taken[-1])[-1])
    return Trace(streams, int(times[-1][-1]) + 1)


def explain(difference: Difference, joints: Sequence[Joint]) -> str:
    """Describe a difference by where it was seen, and the cycle, and what was expected and found."""
    names = {
        one.channel.name: f"behind layer {one.channel.layer}, arriving at chip {n + 1}" for n, one in enumerate(joints)
    }
    where = names.get(difference.stream, {"i": "at the input", "o": "at the output"}.get(difference.stream, "?"))
    return (
        f"{where}, beat {difference.beat}, cycle {difference.cycle}: expected {difference.expected}, found "
        f"{difference.found}"
    )
