"""From pools to blocks, and the windows of a map."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from ..arithmetic import ceil_div, signed_bits
from ..blocks import PoolSpec, RunningMaxSpec, WindowSpec
from ..network.layers import Conv, Map, Pool
from ..plan import word_choices
from .builder import Builder, Cursor

__all__ = ["pool", "window"]


def window(builder: Builder, layer: Conv | Pool, cursor: Cursor, *, groups: int, taps: int, pads: list[int]) -> Cursor:
    """The windows of a map; `pads` has the code outside it for each channel."""
    parallel_frames, bits = builder.plan.parallel_frames, cursor.lane_bits
    lanes = cursor.lanes
    words = []
    for first in range(0, len(pads), lanes):
        elements = [code for code in pads[first : first + lanes] for _ in range(parallel_frames)]
        words.append(sum(code << at * bits for at, code in enumerate(elements)))
    spec = WindowSpec(
        name=builder.name(f"{layer.name}_window"),
        layer=layer.name,
        shape=cursor.map.shape,
        kernel=layer.kernel,
        stride=layer.stride,
        pads=layer.pads,
        groups=groups,
        lanes=lanes,
        taps=taps,
        lane_bits=bits * parallel_frames,
        pad_words=tuple(words) if len(set(words)) > 1 else (words[0],),
        stage_levels=builder.stage_levels,
    )
    result = replace(cursor, length=spec.length, vectors=spec.vectors, lanes=lanes * taps, window=spec)
    return builder.put(spec, cursor, result)


def pool(builder: Builder, layer: Pool, cursor: Cursor) -> Cursor:
    """What combines the elements of windows: as they arrive, or, where windows share much, out of a buffer."""
    source = cursor.map
    apart = not any(layer.pads) and all(s >= k for s, k in zip(layer.stride, layer.kernel, strict=True))
    least = np.zeros(source.channels, bool) if layer.least is None else layer.least
    if apart:
        cursor = builder.widened(cursor, layer.name, builder.lanes_for(cursor), length=source.channels)
        shape, kernel, stride, taps = (
            (*source.shape[:2], ceil_div(source.channels, cursor.lanes), 1),
            layer.kernel,
            layer.stride,
            1,
        )
        lanes = cursor.lanes
    elif running := _running_axes(layer):
        return _running_maxima(builder, layer, running, cursor)
    else:
        lanes, taps = _pool_lanes(builder, layer, source)
        cursor = builder.widened(cursor, layer.name, lanes, length=source.channels)
        pads = [_never_wins(source, cursor.lane_bits, bool(flag)) for flag in least]
        cursor = window(builder, layer, cursor, groups=source.channels // lanes, taps=taps, pads=pads)
        found = cursor.window
        assert found is not None
        shape, kernel, stride = (*found.positions, found.groups, found.vector_beats), (1, 1), (1, 1)
    result = builder.output_map(layer, source)
    masks = np.zeros(shape[2] * lanes, bool)
    masks[: source.channels] = least
    bits = cursor.lane_bits if layer.kind == "max" else signed_bits(result.low, result.high)
    spec = PoolSpec(
        name=builder.name(layer.name),
        layer=layer.name,
        kind=layer.kind,
        shape=shape,
        kernel=kernel,
        stride=stride,
        taps=taps,
        lanes=lanes,
        i_lane_bits=cursor.lane_bits,
        o_lane_bits=bits,
        format=source.format,
        least=masks.reshape(shape[2], lanes) if least.any() else None,
        parallel_frames=builder.plan.parallel_frames,
        stage_levels=builder.stage_levels,
    )
    end = Cursor(
        stream=None, layer=layer.name, map=result, length=source.channels, vectors=result.pixels, lanes=lanes,
        lane_bits=bits,
    )  # fmt: skip
    end = builder.put(spec, cursor, end)
    row = result.shape[1] * shape[2]
    if apart and layer.stride[0] > 1 and result.pixels > 1:
        # A row of results leaves while one row of pixels arrives, then none for a while: spread them evenly.
        return builder.buffered(end, layer.name, f"{layer.name}_fifo", enough=row + 1, likely=2)
    return end


def _running_axes(layer: Pool) -> tuple[int, ...]:
    """The axes, columns first, along which a maximum may run as its elements arrive; none where it cannot."""
    top, left, bottom, right = layer.pads
    axes = [(1, (left, right)), (0, (top, bottom))]
    wanted = [(axis, pads) for axis, pads in axes if (layer.kernel[axis], layer.stride[axis]) != (1, 1) or any(pads)]
    served = all(RunningMaxSpec.serves(layer.kernel[axis], layer.stride[axis], pads) for axis, pads in wanted)
    return tuple(axis for axis, _ in wanted) if layer.kind == "max" and served else ()


def _running_maxima(builder: Builder, layer: Pool, axes: tuple[int, ...], cursor: Cursor) -> Cursor:
    """A maximum along the columns, then along the rows: a row of partial results is kept, and no window of pixels."""
    source, result = cursor.map, builder.output_map(layer, cursor.map)
    cursor = builder.widened(cursor, layer.name, builder.lanes_for(cursor), length=source.channels)
    words = ceil_div(source.channels, cursor.lanes)
    masks = np.zeros(words * cursor.lanes, bool)
    masks[: source.channels] = False if layer.least is None else layer.least
    for axis in axes:
        rows, columns, channels = cursor.map.shape
        along = axis == 1
        spec = RunningMaxSpec(
            name=builder.name(f"{layer.name}_columns" if along and len(axes) > 1 else layer.name),
            layer=layer.name,
            lines=rows if along else 1,
            places=columns if along else rows,
            words=words if along else columns * words,
            kernel=layer.kernel[axis],
            stride=layer.stride[axis],
            pads=(layer.pads[1], layer.pads[3]) if along else (layer.pads[0], layer.pads[2]),
            lanes=cursor.lanes,
            lane_bits=cursor.lane_bits,
            format=source.format,
            least=masks.reshape(words, cursor.lanes) if masks.any() else None,
            parallel_frames=builder.plan.parallel_frames,
            stage_levels=builder.stage_levels,
        )
        shape = (rows, spec.positions, channels) if along else (spec.positions, columns, channels)
        end = replace(
            cursor, layer=layer.name if axis == axes[-1] else f"{layer.name}.columns", map=replace(source, shape=shape),
            length=channels, vectors=shape[0] * shape[1], window=None,
        )  # fmt: skip
        cursor = builder.put(spec, cursor, end)
    row = result.shape[1] * words
    if layer.stride[0] > 1 and result.pixels > 1:
        # As of windows that do not overlap: a row of results, then none for a while.
        name = f"{layer.name}_fifo"
        return builder.buffered(cursor, layer.name, name, enough=row + 1, likely=max(2, row - row // layer.stride[0]))
    return cursor


def _pool_lanes(builder: Builder, layer: Pool, source: Map) -> tuple[int, int]:
    """Fewest elements a beat with which overlapping windows keep up."""
    result = layer.output_map(source)

    def rank(choice: tuple[int, int]) -> tuple[bool, bool, int, int]:
        lanes, taps = choice
        late_out = result.size // lanes * prod(layer.kernel) // taps > builder.ii
        return late_out, source.size // lanes > builder.ii, lanes * taps, taps

    return min(word_choices(source.channels, layer.kernel), key=rank)


def _never_wins(source: Map, lane_bits: int, least: bool) -> int:
    """The element, as bits, that is never larger than another; with `least`, never smaller."""
    if source.format is None:
        lowest = 1 << (lane_bits - 1)
        return lowest - 1 if least else lowest
    return source.format.codes - 1 if least else 0
