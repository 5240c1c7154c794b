"""Layers that change no number: pixels that are repeated, and channels that are chosen."""

from __future__ import annotations

from dataclasses import replace

from ..arithmetic import ceil_div, divisors
from ..blocks import SelectSpec, UpsampleSpec
from ..blocks.select.spec import picked
from ..network.layers import Select, Upsample
from .builder import Builder, Cursor

__all__ = ["select", "upsample"]


def upsample(builder: Builder, layer: Upsample, cursor: Cursor) -> Cursor:
    """A buffer of pixels that are read more than once."""
    source, result = cursor.map, builder.output_map(layer, cursor.map)
    needed = builder.lanes_needed(result)
    lanes = cursor.lanes if cursor.length == source.channels and cursor.lanes >= needed else needed
    cursor = builder.widened(cursor, layer.name, lanes, length=source.channels)
    spec = UpsampleSpec(
        name=builder.name(layer.name),
        layer=layer.name,
        shape=(*source.shape[:2], ceil_div(source.channels, lanes)),
        factors=layer.factors,
        word_bits=lanes * cursor.lane_bits * builder.plan.parallel_frames,
        stage_levels=builder.stage_levels,
    )
    return builder.put(spec, cursor, replace(cursor, layer=layer.name, map=result, vectors=result.pixels, window=None))


def select(builder: Builder, layer: Select, cursor: Cursor) -> Cursor:
    """Wires, or a multiplexer of the beats of a pixel."""
    source, channels = cursor.map, layer.channels.tolist()
    lanes = _select_lanes(builder, channels, cursor)
    cursor = builder.widened(cursor, layer.name, lanes, length=source.channels)
    spec = SelectSpec(
        name=builder.name(layer.name),
        layer=layer.name,
        channels=tuple(channels),
        i_channels=source.channels,
        i_lanes=lanes,
        lane_bits=cursor.lane_bits * builder.plan.parallel_frames,
        pixels=source.pixels,
    )
    end = Cursor(
        stream=None, layer=layer.name, map=builder.output_map(layer, source), length=len(channels),
        vectors=source.pixels, lanes=spec.o_lanes, lane_bits=cursor.lane_bits,
    )  # fmt: skip
    return builder.put(spec, cursor, end)


def _select_lanes(builder: Builder, channels: list[int], cursor: Cursor) -> int:
    """The lanes as they come or the fewest that keep up, with beats that leave as they come; or else a whole pixel."""
    count, needed = cursor.map.channels, builder.lanes_needed(cursor.map)
    as_they_come = [cursor.lanes] if cursor.length == count and cursor.lanes else []
    choices = [lanes for lanes in (*as_they_come, *divisors(count)) if lanes >= needed]
    return next((lanes for lanes in choices if picked(channels, lanes) is not None), count)
