"""Which channels of a stream a frame is made of, where it has not each element once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bitweir_hw.network import Select
from numpy.typing import NDArray

from ..errors import ModelError
from .symbols import Moving, Point, Signal, Stream

__all__ = ["Choice", "channel_order", "check_permutation", "choice", "is_permutation", "order_of", "unchosen"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Choice:
    """Channels of a stream, and where each element of a frame lies on a stream of these alone."""

    channels: Ints
    index: Ints


def is_permutation(index: Ints, size: int) -> bool:
    """Whether an index has each of so many places once; faster than by sorting."""
    seen = np.zeros(size, np.bool_)
    seen[index] = True
    return len(index) == size and bool(seen.all())


def check_permutation(x: Signal, label: str) -> None:
    """Refuse a frame that has not each element of its stream once, for a node that needs all of them."""
    assert isinstance(x.origin, Stream)
    if not is_permutation(x.index, x.origin.map.size):
        raise ModelError(
            f"Node {label} must take channels of the map that {x.origin.name} hands on with all of their pixels, "
            f"{x.origin.map.pixels} each, not some pixels of a map: cut images before the first layer, and maps by "
            "convolutions and pools without padding."
        )


def order_of(x: Moving) -> Ints | None:
    """The channel on the stream of each channel of a frame of shape (C, H, W) or, of one pixel, (C,).

    None where the frame has another shape than the map, or its pixels come in another order.
    """
    assert isinstance(x.origin, Stream)
    rows, columns, channels = x.origin.map.shape
    shape = x.shape if len(x.shape) == 3 else (len(x.index), 1, 1)
    if shape[1:] != (rows, columns):
        return None
    index = x.index.reshape(shape)
    order = index[:, 0, 0] % channels
    first = (np.arange(rows)[:, None] * columns + np.arange(columns)) * channels
    return order if np.array_equal(index, first + order[:, None, None]) else None


def channel_order(x: Signal, label: str) -> Ints:
    """The channel on the stream of each channel of a frame of shape (C, H, W), whose pixels are in order."""
    assert isinstance(x.origin, Stream)
    rows, columns, channels = x.origin.map.shape
    order = order_of(x)
    if order is None or not is_permutation(order, channels):
        how, remedy = "cut", "cut the input of the model instead, and pad less behind it"
        if is_permutation(x.index, x.origin.map.size):
            how, remedy = (
                "reshaped",
                (
                    "what moves pixels, as a transposed convolution or DepthToSpace does, may come before a "
                    "convolution, a mean or a dense layer; elsewhere use nearest upsampling, and a convolution behind "
                    "it"
                ),
            )
        raise ModelError(
            f"Node {label} must take the map that {x.origin.name} hands on, of {rows} rows, {columns} columns and "
            f"{channels} channels, with its pixels in their order, not {how} to {x.shape}: {remedy}."
        )
    return order


def choice(x: Signal) -> Choice | None:
    """The channels that a frame is made of, each with all of its pixels; None where pixels of a channel are missing.

    They are in the order of the stream, so that nothing is moved, unless some come more than once.
    """
    assert isinstance(x.origin, Stream)
    pixels, channels = x.origin.map.pixels, x.origin.map.channels
    pixel, channel = np.divmod(x.index, channels)
    used = np.unique(channel)
    rank = np.zeros(channels, np.int64)
    rank[used] = np.arange(len(used))
    index = pixel * len(used) + rank[channel]
    if is_permutation(index, pixels * len(used)):
        return Choice(used, index)
    order = order_of(x)
    if order is None:
        return None
    natural = np.arange(len(x.index)).reshape(pixels, -1).T.reshape(-1)
    return Choice(order, natural)


def unchosen(point: Point, channels: Ints) -> tuple[Point, Ints]:
    """The last point before all choices of channels, and the channels there that are some of those at a point."""
    layer, before = point.layer, point.before
    if not isinstance(layer, Select) or before is None:
        return point, channels
    return unchosen(before, layer.channels[channels])
