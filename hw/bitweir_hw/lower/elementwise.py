"""Layers that make one element of each element: thresholds, affine maps and straight pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arithmetic import signed_bits
from ..blocks import AffineSpec, ChannelSpec, PiecewiseSpec, ThresholdSpec
from ..network.formats import Integers
from ..network.layers import Affine, Layer, Map, Piecewise, Threshold
from .builder import Builder, Cursor

__all__ = ["affine", "piecewise", "threshold"]

#: Bits of results that come in series at most: the model of time holds so many cycles under way.
MOST_STEPS = 60


def threshold(builder: Builder, layer: Threshold, cursor: Cursor, *, name: str = "") -> Cursor:
    """Comparators of each element with the thresholds of its channel."""
    source, count = cursor.map, layer.thresholds.shape[1]
    needed = builder.lanes_needed(source)
    lanes = builder.lanes_for(cursor)
    # Fewer lanes share the comparators, if these cost more than the registers on the way to fewer lanes.
    if lanes > needed and (lanes - needed) * count > lanes + 2 * needed:
        lanes = needed
    cursor = builder.widened(cursor, layer.name, lanes, length=source.channels)
    spec = ThresholdSpec(
        name=builder.name(name or layer.name),
        layer=layer.name,
        thresholds=_of_elements(layer.thresholds, source),
        lanes=lanes,
        i_lane_bits=cursor.lane_bits,
        signed=source.format is None,
        o_lane_bits=layer.output.bits,
        pixels=source.pixels,
        runtime_loadable=builder.runtime_loadable,
        load_width=builder.plan.load_width,
        parallel_frames=builder.plan.parallel_frames,
        **builder.stages,
    )
    return _elementwise(builder, layer, spec, cursor, layer.output.bits)


def _of_elements(thresholds: Integers, source: Map) -> Integers:
    """Thresholds of values for the elements of a map: its codes, or the values themselves."""
    if source.format is None:
        return thresholds
    return -((source.format.offset - np.clip(thresholds, source.low, source.high + 1)) // source.format.step)


def affine(builder: Builder, layer: Affine, cursor: Cursor) -> Cursor:
    """A multiplication and an addition."""
    source = cursor.map
    result = builder.output_map(layer, source)
    cursor = builder.widened(cursor, layer.name, builder.lanes_needed(source), length=source.channels)
    bits = signed_bits(result.low, result.high)
    spec = AffineSpec(
        name=builder.name(layer.name),
        layer=layer.name,
        lanes=cursor.lanes,
        i_lane_bits=cursor.lane_bits,
        o_lane_bits=bits,
        format=source.format,
        scale=layer.scale,
        offset=layer.offset,
        pixels=source.pixels,
        runtime_loadable=(builder.limits(layer, "scale"), builder.limits(layer, "offset"))
        if builder.runtime_loadable
        else None,
        load_width=builder.plan.load_width,
        parallel_frames=builder.plan.parallel_frames,
        **builder.stages,
    )
    # An adder takes a bit of the scale in each cycle where a frame has time for it, and its multiplier no LUTs.
    serial = replace(spec, serial=True)
    if spec.multiplies and bits <= MOST_STEPS and builder.has_time(serial.cycles):
        spec = serial
    return _elementwise(builder, layer, spec, cursor, bits)


def piecewise(builder: Builder, layer: Piecewise, cursor: Cursor) -> Cursor:
    """Comparators that choose a piece, a multiplication and an addition."""
    source = cursor.map
    result = builder.output_map(layer, source)
    cursor = builder.widened(cursor, layer.name, builder.lanes_needed(source), length=source.channels)
    bits = signed_bits(result.low, result.high)
    spec = PiecewiseSpec(
        name=builder.name(layer.name),
        layer=layer.name,
        lanes=cursor.lanes,
        i_lane_bits=cursor.lane_bits,
        o_lane_bits=bits,
        format=source.format,
        thresholds=_of_elements(layer.thresholds, source),
        scale=layer.scale,
        offset=layer.offset,
        shift=layer.shift,
        pixels=source.pixels,
        runtime_loadable=(builder.limits(layer, "scale"), builder.limits(layer, "offset"))
        if builder.runtime_loadable
        else None,
        load_width=builder.plan.load_width,
        parallel_frames=builder.plan.parallel_frames,
        **builder.stages,
    )
    return _elementwise(builder, layer, spec, cursor, bits)


def _elementwise(builder: Builder, layer: Layer, spec: ChannelSpec, cursor: Cursor, bits: int) -> Cursor:
    end = replace(cursor, layer=layer.name, map=builder.output_map(layer, cursor.map), lane_bits=bits, window=None)
    return builder.put(spec, cursor, end)
