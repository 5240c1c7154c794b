"""Dense layers and convolutions: how their sums are computed, and the proof that these fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from bitweir_hw.network import Conv, Dense, Format, Integers, Map
from numpy.typing import NDArray

from .maps import MAX_PLANES, Stream, brought, form_of, numbers, packed, words_of
from .stages import Depthwise, Dots, Form, Operation, Pad, Program, Select, WideDots

__all__ = ["LANES", "NEVER", "add_neurons"]

#: Neurons of a vector.
LANES = 16
#: A limit that no int reaches: sums are below it.
NEVER = (1 << 31) - 1
#: Bits of an operation's word of 32 bits that an input takes.
_WIDTHS = {Operation.XOR: 1, Operation.AND: 1, Operation.DOT_BYTES: 8, Operation.DOT_SHORTS: 16}
#: Time of an operation on a vector.
_STEPS = {Operation.XOR: 1.5, Operation.AND: 1.5, Operation.DOT_BYTES: 1.0, Operation.DOT_SHORTS: 1.25}


def add_neurons(program: Program, layer: Dense | Conv, stream: Stream, *, dots_of_bytes: bool) -> tuple[Stream, bool]:
    """Add the stages of a layer: returns what leaves it, and whether thresholds are applied.

    Where they are not, they are to follow as a layer of their own.

    Parameters
    ----------
    program : Program
    layer : Dense or Conv
    stream : Stream
        What it takes.
    dots_of_bytes : bool
        Whether the library has this operation.
    """
    if isinstance(layer, Dense):
        layer, stream = _window_of_all(program, layer, stream)
    seen = layer.weights.shape[3]
    if seen == 1 and layer.groups > 1:
        return _depthwise(program, layer, stream), False
    way = _best_way(layer, stream, dots_of_bytes)
    if way is None:
        return _wide(program, layer, stream), False
    return _dots(program, layer, stream, way)


def _window_of_all(program: Program, layer: Dense, stream: Stream) -> tuple[Conv, Stream]:
    """A dense layer as a convolution whose window is the whole map."""
    pixels, channels = stream.map.pixels, stream.map.channels
    if stream.form == Form.BITS and pixels > 1 and pixels * words_of(channels) > 1.25 * words_of(layer.inputs):
        # Most of the words would be half empty.
        stream = brought(program, stream, Form.INTS)
    if stream.form != Form.BITS:
        # Numbers follow one another without gaps.
        stream = replace(stream, map=replace(stream.map, shape=(1, 1, layer.inputs)))
    weights = layer.weights.reshape(layer.outputs, *stream.map.shape)
    return Conv(name=layer.name, weights=weights, thresholds=layer.thresholds, output=layer.output), stream


@dataclass(frozen=True)
class _Windows:
    """Where windows of a layer are in its padded map, and which class each is of."""

    layer: Conv
    source: Map

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns with the padding."""
        above, left, below, right = self.layer.pads
        return self.source.shape[0] + above + below, self.source.shape[1] + left + right

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        pairs = zip(self.padded, self.layer.kernel, self.layer.stride, strict=True)
        rows, columns = ((size - kernel) // stride + 1 for size, kernel, stride in pairs)
        return rows, columns

    def places(self, pixel: int) -> NDArray[np.int32]:
        """Bytes to the first pixel of each window."""
        rows, columns = (np.arange(n) * step for n, step in zip(self.shape, self.layer.stride, strict=True))
        places: NDArray[np.int32] = ((rows[:, None] * self.padded[1] + columns) * pixel).astype(np.int32).ravel()
        return places

    def tap(self, row: int, column: int, pixel: int) -> int:
        """Bytes from the first pixel of a window to another one."""
        return (row * self.padded[1] + column) * pixel

    @property
    def _plain(self) -> bool:
        return not any(self.layer.pads) and self.layer.edges is None

    @cached_property
    def classes(self) -> NDArray[np.int32]:
        """Class of each window."""
        if self._plain:
            return np.zeros(prod(self.shape), np.int32)
        found = self.layer.windows(self.source.shape)
        rows, columns = np.array(found.row_classes), np.array(found.column_classes)
        classes: NDArray[np.int32] = (rows[:, None] * found.shape[1] + columns).astype(np.int32).ravel()
        return classes

    def bases(self, offset: int) -> Integers:
        """What is added to sums of values less their offset, (classes, M), where the padding is 0."""
        layer = self.layer
        taps = layer.weights.sum(axis=3, dtype=np.int64)  # (M, kh, kw)
        if layer.weights.dtype == np.bool_:
            taps = 2 * taps - layer.weights.shape[3]
        whole: Integers = offset * taps.sum(axis=(1, 2))
        if self._plain:
            return whole[None]
        found = layer.windows(self.source.shape)
        outside = found.outside.reshape(-1, prod(layer.kernel)).astype(np.int64)
        base: Integers = whole + (layer.pad_value - offset) * (outside @ taps.reshape(layer.outputs, -1).T)
        return base if layer.edges is None else base + layer.edges.reshape(base.shape)


@dataclass(frozen=True)
class _Way:
    """How sums are computed: ``acc = base + step * sum``, with the sum over planes of weights and of inputs."""

    operation: Operation
    steps: float
    #: Weight of each plane of weights; the weights themselves are one plane.
    planes: tuple[int, ...] = (1,)


def _best_way(layer: Conv, stream: Stream, dots_of_bytes: bool) -> _Way | None:
    """The fastest way whose sums are proved to be below `NEVER`; None where none is."""
    low, high = stream.range
    rows = layer.weights.reshape(layer.outputs, -1)
    offset, step = stream.affine
    if rows.dtype == np.bool_:
        least, most, largest = -1, 1, rows.shape[1]
    else:
        least, most, largest = int(rows.min()), int(rows.max()), int(np.abs(rows).sum(axis=1).max())
    reach = largest * max(abs(low), abs(high))
    edges = 0 if layer.edges is None else int(np.abs(layer.edges).max())
    total = largest * (abs(offset) + abs(layer.pad_value)) + edges
    if reach >= NEVER or total >> 61 or reach * abs(step) >> 61:
        return None
    ways = []
    if stream.map.format is not None and stream.map.format.bits <= MAX_PLANES:
        operation, planes = _planes_of(rows, least, most)
        inputs = words_of(layer.weights.shape[3]) * prod(layer.kernel)
        most_counted = 32 * inputs * (high + 1) * sum(map(abs, planes))
        if most_counted < NEVER and not most_counted * abs(step) >> 61:
            ways.append(_Way(operation, _STEPS[operation] * inputs * len(planes) * stream.planes, planes))
    # A run of bytes or shorts is a row of the window, or with groups a pixel.
    run = layer.weights.shape[3] * (layer.kernel[1] if layer.groups == 1 else 1)
    runs = prod(layer.kernel[: 1 if layer.groups == 1 else 2])
    if dots_of_bytes and low >= 0 and high <= 255 and least >= -128 and most <= 127:
        ways.append(_Way(Operation.DOT_BYTES, _STEPS[Operation.DOT_BYTES] * runs * -(-run // 4)))
    if low >= -(1 << 15) and high < 1 << 15:
        ways.append(_Way(Operation.DOT_SHORTS, _STEPS[Operation.DOT_SHORTS] * runs * -(-run // 2)))
    return min(ways, key=lambda way: way.steps, default=None)


def _planes_of(rows: NDArray[Any], least: int, most: int) -> tuple[Operation, tuple[int, ...]]:
    """How weights are planes, and the weight of each: one of -1 and +1, or the bits of two's complement."""
    if rows.dtype == np.bool_ or (least >= -1 and most <= 1 and not (rows == 0).any()):
        return Operation.XOR, (1,)
    if least >= 0:
        return Operation.AND, tuple(1 << bit for bit in range(max(1, most.bit_length())))
    bits = max((-least - 1).bit_length(), most.bit_length())
    return Operation.AND, (*(1 << bit for bit in range(bits)), -(1 << bits))


def _padded(program: Program, windows: _Windows, stream: Stream) -> Stream:
    """The map with zeros around it."""
    layer = windows.layer
    if not any(layer.pads):
        return stream
    rows, columns = windows.padded
    result = replace(stream, slot=type(stream.slot)(stream.slot.pixel, rows * columns))
    program.add(
        Pad, rows * columns * stream.slot.pixel / 32, source=stream.slot, result=result.slot,
        rows=windows.source.shape[0], columns=windows.source.shape[1], above=layer.pads[0], left=layer.pads[1],
        padded_rows=rows, padded_columns=columns,
    )  # fmt: skip
    return result


def _dots(program: Program, layer: Conv, stream: Stream, way: _Way) -> tuple[Stream, bool]:
    windows, groups = _Windows(layer, stream.map), layer.groups
    offset, step = stream.affine
    form = {Operation.DOT_BYTES: Form.BYTES, Operation.DOT_SHORTS: Form.SHORTS}.get(way.operation, Form.BITS)
    bits = form == Form.BITS
    stream = _padded(program, windows, brought(program, stream, form, groups if bits else 1))
    seen = layer.weights.shape[3]
    outputs = layer.outputs // groups
    vectors = -(-outputs // LANES)
    planes, words = (stream.planes, words_of(seen)) if bits else (1, 0)
    runs, columns = _runs(windows, stream.slot.pixel, _WIDTHS[way.operation], joined=groups == 1 and planes == 1)
    base = windows.bases(offset)
    factors = np.outer(way.planes, 1 << np.arange(planes))
    if way.operation == Operation.XOR:
        # The product with -1 or +1 is popcount(w) - popcount(w ^ x) of each plane. The weights in memory are ~w, so
        # that it is popcount(~w ^ x) less the places of the words where w is 0, or where there is none.
        positive = (layer.weights.reshape(layer.outputs, -1) > 0).sum(axis=1)
        base = base + step * ((1 << planes) - 1) * (positive - columns.size)
    if step < 0:
        factors = -factors
    sums = replace(layer, thresholds=None, output=None).output_map(windows.source)
    result, limits, fused = _ending(layer, sums)
    padding = vectors * LANES - outputs
    lanes = np.pad(base.reshape(-1, groups, outputs), ((0, 0), (0, 0), (0, padding)))
    bits_leave = result.form == Form.BITS
    weights = _weight_words(layer, way, columns, _WIDTHS[way.operation])
    program.add(
        Dots, prod(windows.shape) * groups * vectors * (way.steps + 3), source=stream.slot, result=result.slot,
        operation=way.operation, positions=prod(windows.shape), place=windows.places(stream.slot.pixel),
        window_class=windows.classes, runs=len(runs), run=np.array(runs, np.int32), words=columns.shape[0],
        weight_planes=len(way.planes), planes=planes, plane_bytes=4 * words,
        factors=factors.astype(np.int32), groups=groups,
        group_bytes=4 * words * planes if bits else seen * form.size, vectors=vectors, outputs=outputs,
        weights=weights, thresholds=0 if limits is None else limits.shape[1],
        limits=None if limits is None else _limit_lanes(limits, base, abs(step), sums, groups, padding),
        base=lanes.astype((Form.INTS if bits_leave else result.form).kind), step=abs(step), form=result.form,
        result_planes=result.planes if bits_leave else 0,
        result_plane_bytes=4 * words_of(layer.outputs) if bits_leave else 0,
    )  # fmt: skip
    return result, fused


def _ending(layer: Conv, sums: Map) -> tuple[Stream, Integers | None, bool]:
    """What leaves the stage: its map; the thresholds; and whether they are applied."""
    output = layer.output
    if layer.thresholds is None or not isinstance(output, Format):
        return numbers(form_of(sums.low, sums.high), sums), None, True
    codes = Map.of_codes(sums.shape, output)
    if output.bits <= MAX_PLANES and (layer.groups == 1 or layer.outputs // layer.groups % LANES == 0):
        return packed(codes), layer.thresholds, True
    return numbers(form_of(0, output.codes - 1), codes), layer.thresholds, True


def _limit_lanes(
    thresholds: Integers, base: Integers, step: int, sums: Map, groups: int, padding: int
) -> NDArray[np.int32]:
    """Limits of sums, (classes, T, groups * lanes): ``base + step * sum >= threshold``, rounded up."""
    into_reach = np.clip(thresholds, sums.low, sums.high + 1)
    limits = -((base[:, :, None] - into_reach) // step)  # (classes, M, T)
    whole = np.clip(limits, -NEVER, NEVER).astype(np.int32).transpose(0, 2, 1)
    grouped = whole.reshape(*whole.shape[:2], groups, -1)
    return np.pad(grouped, ((0, 0), (0, 0), (0, 0), (0, padding)), constant_values=NEVER)


def _runs(windows: _Windows, pixel: int, width: int, *, joined: bool) -> tuple[list[tuple[int, int]], NDArray[Any]]:
    """The runs of words of a window, and which input each place of a word holds.

    Parameters
    ----------
    windows : _Windows
    pixel : int
        Bytes of a pixel.
    width : int
        Bits of an input in a word.
    joined : bool
        Pixels of a row follow one another without a gap.

    Returns
    -------
    runs : list of (int, int)
        Bytes from the first pixel of the window, and words.
    columns : int64 array, (words, 32 / width)
        Index of the input, (row, column, channel) of the window; -1 for none.
    """
    layer, slots = windows.layer, 32 // width
    rows, columns, seen = layer.weights.shape[1:]
    # Without the taps of a dilated kernel that are zero, but not without all.
    used: NDArray[np.bool_] = (layer.weights != 0).any(axis=(0, 3)) | (layer.weights.dtype == np.bool_)
    used[0, 0] |= not used.any()
    # A pixel of bits fills its words.
    filled = words_of(seen) * 32 if width == 1 else seen
    found: list[tuple[int, list[NDArray[Any]]]] = []
    end = -1
    for row, column in np.argwhere(used).tolist():
        inputs = np.full(filled, -1)
        inputs[:seen] = (row * columns + column) * seen + np.arange(seen)
        start = windows.tap(row, column, pixel)
        if not joined or start != end:
            found.append((start, []))
        found[-1][1].append(inputs)
        end = start + filled * width // 8
    pieces = [(start, np.concatenate(inputs)) for start, inputs in found]
    words = [np.pad(inputs, (0, -len(inputs) % slots), constant_values=-1).reshape(-1, slots) for _, inputs in pieces]
    return [(start, len(one)) for (start, _), one in zip(pieces, words, strict=True)], np.concatenate(words)


def _weight_words(layer: Conv, way: _Way, columns: NDArray[Any], width: int) -> NDArray[np.uint32]:
    """Weights as words, (groups, vectors, planes, words, lanes)."""
    rows: NDArray[Any] = layer.weights.reshape(layer.groups, -1, layer.inputs)
    if rows.dtype == np.bool_ and width > 1:
        rows = np.where(rows, np.int8(1), np.int8(-1))
    # Behind the inputs is a zero, for places without one; and behind the neurons are those of whole vectors.
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % LANES), (0, 1)))
    if width > 1:
        placed = np.ascontiguousarray(rows.astype(np.int8 if width == 8 else np.int16)[:, :, columns])
        planes = [placed.view("<u4")[..., 0]]
    elif way.operation == Operation.XOR:
        planes = [~_bits((rows > 0)[:, :, columns])]
    else:
        planes = [_bits((rows >> bit & 1).astype(bool)[:, :, columns]) for bit in range(len(way.planes))]
    stacked = np.stack(planes).reshape(len(planes), layer.groups, -1, LANES, len(columns))
    return np.ascontiguousarray(stacked.transpose(1, 2, 0, 4, 3), "<u4")


def _bits(places: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """(..., 32) as words."""
    # An index makes arrays of any order.
    return np.ascontiguousarray(np.packbits(places, axis=-1, bitorder="little")).view("<u4")[..., 0]


def _wide(program: Program, layer: Conv, stream: Stream) -> Stream:
    """Sums in 64 bits, which hold all that are legal; what is computed on the way may wrap."""
    windows = _Windows(layer, stream.map)
    offset, step = stream.affine
    stream = _padded(program, windows, brought(program, stream, Form.LONGS))
    weights = layer.weights if layer.weights.dtype == np.int64 else np.where(layer.weights, 1, -1)
    seen = weights.shape[3]
    sums = numbers(Form.LONGS, replace(layer, thresholds=None, output=None).output_map(windows.source))
    program.add(
        WideDots, 2 * prod(windows.shape) * layer.weights.size, source=stream.slot, result=sums.slot,
        positions=prod(windows.shape), place=windows.places(stream.slot.pixel), window_class=windows.classes,
        taps=prod(layer.kernel), tap=_taps(windows, stream.slot.pixel), channels=seen, groups=layer.groups,
        outputs=layer.outputs // layer.groups, weights=weights * step, base=windows.bases(offset),
    )  # fmt: skip
    return sums


def _taps(windows: _Windows, pixel: int) -> NDArray[np.int32]:
    return np.array([windows.tap(row, column, pixel) for row, column in np.ndindex(windows.layer.kernel)], np.int32)


def _depthwise(program: Program, layer: Conv, stream: Stream) -> Stream:
    """Sums of neurons that see a channel each."""
    windows = _Windows(layer, stream.map)
    offset, step = stream.affine
    sums = replace(layer, thresholds=None, output=None).output_map(windows.source)
    form = max(form_of(sums.low, sums.high), form_of(*stream.range))
    stream = brought(program, stream, form)
    each = layer.outputs // layer.groups
    if each > 1:
        # As many channels as neurons.
        wide = numbers(form, replace(stream.map, shape=(*stream.map.shape[:2], layer.outputs)))
        program.add(
            Select, wide.map.size / 4, source=stream.slot, result=wide.slot, pixels=wide.map.pixels, form=form,
            channels=layer.outputs, channel=np.repeat(np.arange(layer.groups, dtype=np.int32), each),
        )  # fmt: skip
        stream = wide
    stream = _padded(program, windows, stream)
    weights = layer.weights if layer.weights.dtype == np.int64 else np.where(layer.weights, 1, -1)
    by_tap = (weights * step).reshape(layer.outputs, -1).T
    result = numbers(form, sums)
    program.add(
        Depthwise, prod(windows.shape) * weights.size / 8, source=stream.slot, result=result.slot, form=form,
        positions=prod(windows.shape), place=windows.places(stream.slot.pixel), window_class=windows.classes,
        taps=prod(layer.kernel), tap=_taps(windows, stream.slot.pixel), channels=layer.outputs,
        weights=by_tap.astype(form.kind), base=windows.bases(offset).astype(form.kind),
    )  # fmt: skip
    return result
