"""Cycles, streams and timeline, in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...schemas import Count, Positive, Rate


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How fast the design is.

    Parameters
    ----------
    clock_mhz : float
        Of the target, or as the user gave it: what is asked for.
    expected_clock_mhz : float
        What is expected of it on the part: never above clock_mhz.
    expected_error : float
        The share by which that may be too high or too low, and so all that follows from it; 0 where it was routed, or
        where the estimate is so far above that nobody doubts it.
    expected_from : str
        A router, an estimate that was fitted to routed designs, or a model of a family of which nothing was routed.
    cycles_per_frame : float
        In steady state.
    latency_cycles : int
        First beat in to last beat out of one frame alone.
    frames_per_second : float
        At expected_clock_mhz.
    latency_us : float
        Microseconds, at expected_clock_mhz.
    giga_operations_per_second : float
        Billions of binary operations a second, at expected_clock_mhz.
    input_beats, output_beats : int
        For a frame, or for a group of parallel frames.
    period_frames : int
        Frames after which steady state repeats.
    period_cycles : int
        Cycles of these.
    """

    clock_mhz: Rate
    expected_clock_mhz: Rate
    expected_error: float
    expected_from: Literal["routed", "estimate", "model"]
    cycles_per_frame: float
    latency_cycles: Positive
    frames_per_second: float
    latency_us: float
    giga_operations_per_second: float
    input_beats: Positive
    output_beats: Positive
    period_frames: Positive
    period_cycles: Positive


@dataclass(frozen=True, kw_only=True)
class StreamReport:
    """What a stream carries, and what it does in a period of steady state, whose cycles its four counts add up to.

    Parameters
    ----------
    name : str
    sender : str
        A block, or source.
    receiver : str
        A block, or sink.
    moved : int
        Cycles in which a beat moved.
    starved : int
        Cycles in which the receiver was ready, and nothing was offered.
    blocked : int
        Cycles in which a beat was offered and not taken.
    idle : int
        Cycles in which nothing was offered, and the receiver was not ready.
    starved_by : str or None
        The block that the receiver waits for in the end.
    blocked_by : str or None
        The block that the sender waits for in the end.
    layer : str
        The layer whose elements it carries, or input.
    bits : int
        Of a beat.
    lanes : int
        Elements of a beat, of all parallel frames.
    lane_bits : int
        Of an element.
    beats : int
        For a frame, or for a group of parallel frames.
    """

    name: str
    sender: str
    receiver: str
    moved: Count
    starved: Count
    blocked: Count
    idle: Count
    starved_by: str | None
    blocked_by: str | None
    layer: str
    bits: Positive
    lanes: Positive
    lane_bits: Positive
    beats: Positive


@dataclass(frozen=True, kw_only=True)
class BlockSpan:
    """The cycles in which a block takes and gives the first and last beats of a frame."""

    name: str
    first_in: Count
    last_in: Count
    first_out: Count
    last_out: Count


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """One frame, or the frames side by side, on its way in steady state; cycles from its first beat at the input.

    Parameters
    ----------
    frame : int
        Frames, or groups of parallel frames, before it, since reset.
    cycles : int
        First beat in to last beat out.
    interval : float
        Cycles to the next frame or group, on average.
    blocks : tuple of BlockSpan
    """

    frame: Count
    cycles: Positive
    interval: float
    blocks: tuple[BlockSpan, ...]
