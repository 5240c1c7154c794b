"""What a network computes, in plain Python: cells of maps and loops over them, for small networks only.

Nothing here is shared with the golden model, and shapes follow from the loops, not from `output_map`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bitweir_hw.network import (
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Layer,
    Network,
    Parallel,
    Piecewise,
    Pool,
    Select,
    Threshold,
    Upsample,
    Vote,
)

__all__ = ["REFERENCES", "Stream", "reference"]

Cell = tuple[int, int, int]  # row, column, channel


@dataclass
class Stream:
    """Numbers on a stream by their place, and what they mean: ``offset + step * number``."""

    cells: dict[Cell, int]
    offset: int = 0
    step: int = 1

    def values(self) -> dict[Cell, int]:
        return {cell: self.offset + self.step * number for cell, number in self.cells.items()}

    @property
    def channels(self) -> int:
        return 1 + max(channel for _, _, channel in self.cells)


def reference(network: Network, frame: list[int]) -> dict[str, list[int]]:
    """What each layer hands on for the codes of one frame, by its name, in the order of the stream."""
    shape, form = network.input.map_shape, network.input.format
    _, columns, channels = (1, 1, len(frame)) if shape is None else shape
    cells = {(i // channels // columns, i // channels % columns, i % channels): code for i, code in enumerate(frame)}
    found: dict[str, list[int]] = {}
    series(network.layers, Stream(cells, form.offset, form.step), found)
    return found


def series(layers: tuple[Layer, ...], stream: Stream, found: dict[str, list[int]]) -> Stream:
    for layer in layers:
        stream = after(layer, stream, found)
        found[layer.name] = [stream.cells[cell] for cell in sorted(stream.cells)]
    return stream


def after(layer: Layer, stream: Stream, found: dict[str, list[int]]) -> Stream:
    return REFERENCES[type(layer)](layer, stream, found)


def dense(layer: Dense, stream: Stream, found: dict[str, list[int]]) -> Stream:
    values = stream.values()
    line = [values[cell] for cell in sorted(values)]
    sums = {
        (0, 0, m): sum(signed(w) * v for w, v in zip(row, line, strict=True))
        for m, row in enumerate(layer.weights.tolist())
    }
    return compared(layer, sums)


def conv(layer: Conv, stream: Stream, found: dict[str, list[int]]) -> Stream:
    return compared(layer, correlate(layer, stream.values(), stream.channels))


def pool(layer: Pool, stream: Stream, found: dict[str, list[int]]) -> Stream:
    # Sums are of values, and mean themselves.
    if layer.kind == "sum":
        return Stream({place: sum(seen) for place, seen in windows(layer, stream.values()).items()})
    least = [False] * stream.channels if layer.least is None else layer.least.tolist()
    extremes = {
        place: min(seen) if least[place[2]] else max(seen) for place, seen in windows(layer, stream.values()).items()
    }
    codes = {place: (value - stream.offset) // stream.step for place, value in extremes.items()}
    return Stream(codes, stream.offset, stream.step)


def threshold(layer: Threshold, stream: Stream, found: dict[str, list[int]]) -> Stream:
    return compared(layer, stream.values())


def affine(layer: Affine, stream: Stream, found: dict[str, list[int]]) -> Stream:
    scale, offset = layer.scale.tolist(), layer.offset.tolist()
    return Stream({cell: scale[cell[2]] * value + offset[cell[2]] for cell, value in stream.values().items()})


def piecewise(layer: Piecewise, stream: Stream, found: dict[str, list[int]]) -> Stream:
    rows = list(zip(layer.thresholds.tolist(), layer.scale.tolist(), layer.offset.tolist(), strict=True))
    cells = {}
    for cell, value in stream.values().items():
        thresholds, scale, offset = rows[cell[2]]
        piece = sum(value >= threshold for threshold in thresholds)
        cells[cell] = (scale[piece] * value + offset[piece]) // 2**layer.shift
    return Stream(cells)


def vote(layer: Vote, stream: Stream, found: dict[str, list[int]]) -> Stream:
    values = stream.values()
    winner = (0, 0, 0)
    for cell in sorted(values):
        if values[cell] > values[winner]:
            winner = cell
    return Stream({cell: int(cell == winner) for cell in values})


def argmax(layer: Argmax, stream: Stream, found: dict[str, list[int]]) -> Stream:
    best: dict[Cell, tuple[int, int]] = {}
    for (row, column, channel), value in sorted(stream.values().items()):
        pixel = (row, column, 0)
        if pixel not in best or value > best[pixel][0]:
            best[pixel] = (value, channel)
    return Stream({pixel: channel for pixel, (_, channel) in best.items()})


def upsample(layer: Upsample, stream: Stream, found: dict[str, list[int]]) -> Stream:
    cells = {}
    for (row, column, channel), number in stream.cells.items():
        for y in range(layer.factors[0]):
            for x in range(layer.factors[1]):
                cells[row * layer.factors[0] + y, column * layer.factors[1] + x, channel] = number
    return Stream(cells, stream.offset, stream.step)


def select(layer: Select, stream: Stream, found: dict[str, list[int]]) -> Stream:
    cells = {}
    for made, channel in enumerate(layer.channels.tolist()):
        for (row, column, at), number in stream.cells.items():
            if at == channel:
                cells[row, column, made] = number
    return Stream(cells, stream.offset, stream.step)


def parallel(layer: Parallel, stream: Stream, found: dict[str, list[int]]) -> Stream:
    total = dict.fromkeys(series(layer.branches[0], stream, {}).cells, 0)
    for index, branch in enumerate(layer.branches):
        factor = 1 if layer.weights is None else layer.weights[index]
        for cell, value in series(branch, stream, found).values().items():
            total[cell] += factor * value
    return Stream(total)


def concat(layer: Concat, stream: Stream, found: dict[str, list[int]]) -> Stream:
    ends = [series(branch, stream, found) for branch in layer.branches]
    cells, first = {}, 0
    for end in ends:
        assert (end.offset, end.step) == (ends[0].offset, ends[0].step)
        for (row, column, channel), number in end.cells.items():
            cells[row, column, first + channel] = number
        first += end.channels
    return Stream(cells, ends[0].offset, ends[0].step)


#: What each class of layers makes of a stream; what inner layers hand on goes into a dictionary by their names.
REFERENCES: dict[type, Callable[[Any, Stream, dict[str, list[int]]], Stream]] = {
    Dense: dense,
    Conv: conv,
    Pool: pool,
    Threshold: threshold,
    Affine: affine,
    Piecewise: piecewise,
    Vote: vote,
    Argmax: argmax,
    Upsample: upsample,
    Select: select,
    Parallel: parallel,
    Concat: concat,
}


def signed(weight: bool | int) -> int:
    if isinstance(weight, bool):
        return 1 if weight else -1
    return weight


def compared(layer: Dense | Conv | Threshold, sums: dict[Cell, int]) -> Stream:
    if layer.thresholds is None:
        return Stream(sums)
    thresholds = layer.thresholds.tolist()
    codes = dict.fromkeys(sums, 0)
    for cell, value in sums.items():
        for threshold in thresholds[cell[2]]:
            if value >= threshold:
                codes[cell] += 1
    return Stream(codes, layer.output.offset, layer.output.step)


def starts(size: int, before: int, after: int, kernel: int, stride: int) -> list[int]:
    """Where windows begin, from those in the padding on."""
    found = []
    start = -before
    while start + kernel <= size + after:
        found.append(start)
        start += stride
    return found


def places(layer: Conv | Pool, cells: dict[Cell, int]) -> list[tuple[int, int, int, int]]:
    """Row and column of each window, and the row and column of the map where it begins."""
    rows, columns = 1 + max(row for row, _, _ in cells), 1 + max(column for _, column, _ in cells)
    above, left, below, right = layer.pads
    tops = starts(rows, above, below, layer.kernel[0], layer.stride[0])
    lefts = starts(columns, left, right, layer.kernel[1], layer.stride[1])
    return [(y, x, top, start) for y, top in enumerate(tops) for x, start in enumerate(lefts)]


def correlate(layer: Conv, values: dict[Cell, int], channels: int) -> dict[Cell, int]:
    weights = layer.weights.tolist()
    filters, seen = len(weights) // layer.groups, channels // layer.groups
    sums = {}
    for y, x, top, left in places(layer, values):
        for m, taps in enumerate(weights):
            first = m // filters * seen
            acc = 0
            for row, line in enumerate(taps):
                for column, pixel in enumerate(line):
                    for channel, weight in enumerate(pixel):
                        value = values.get((top + row, left + column, first + channel), layer.pad_value)
                        acc += signed(weight) * value
            sums[y, x, m] = acc + edge(layer, values, top, left, m)
    return sums


def edge(layer: Conv, values: dict[Cell, int], top: int, left: int, m: int) -> int:
    """What is added to a window at the edge: the classes count the changes of what lies outside on the way to it."""
    if layer.edges is None:
        return 0
    sizes = 1 + max(row for row, _, _ in values), 1 + max(column for _, column, _ in values)
    place = []
    for axis, start in enumerate((top, left)):
        before, after, kernel = layer.pads[axis], layer.pads[axis + 2], layer.kernel[axis]
        seen = [
            [not 0 <= first + tap < sizes[axis] for tap in range(kernel)]
            for first in starts(sizes[axis], before, after, kernel, layer.stride[axis])
            if first <= start
        ]
        place.append(sum(layer.by_pixel or one != other for one, other in zip(seen, seen[1:], strict=False)))
    return int(layer.edges[place[0], place[1], m])


def windows(layer: Pool, values: dict[Cell, int]) -> dict[Cell, list[int]]:
    """The values inside the map that each window sees, channel by channel."""
    seen: dict[Cell, list[int]] = {}
    channels = 1 + max(channel for _, _, channel in values)
    for y, x, top, left in places(layer, values):
        for channel in range(channels):
            cells = [
                (top + row, left + column, channel)
                for row in range(layer.kernel[0])
                for column in range(layer.kernel[1])
            ]
            seen[y, x, channel] = [values[cell] for cell in cells if cell in values]
    return seen
