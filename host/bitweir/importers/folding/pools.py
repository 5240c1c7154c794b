"""Pools of any framework: the largest value or the mean of each window of a map; and the way back to larger maps."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np
from bitweir_hw.network import Conv, Pool, Upsample
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Exacts, Step, columns, scale
from ..exact.staircase import Grid, trend
from ..exact.surd import Surd, sign
from .borders import Border
from .choices import channel_order
from .linear import conv
from .network_builder import NetworkBuilder
from .phases import phases
from .positions import AFFINE, affine, positioned
from .quantise import ends
from .rectify import straightened
from .shortcuts import worded
from .symbols import Moving, Padded, Signal, Stream, by_channel, narrowed, unpadded
from .windows import Window

__all__ = ["max_pool", "mean_pool", "upsample"]


def max_pool(builder: NetworkBuilder, x: Moving | Padded, label: str, *, window: Window) -> Signal:
    """The largest value of each window of a map (C, H, W); what lies outside the map counts for nothing.

    A rising chain of scalar operations may as well follow the pool. So may a falling one, if the pool
    picks the smallest value.
    """
    inside, window, border = window.merged(x, label)
    # What lies outside of a map has no scale.
    y, stream = _map(builder, inside, label, by_pixel=not isinstance(x, Padded))
    order = channel_order(y, label)
    falls = _falls(y, stream, label)
    if isinstance(x, Padded) and any(sign(value - border) < 0 for value in ends(y)):
        raise ModelError(
            f"Node {label} takes a map with a border of {float(border):g}, which can be the largest value of a window: "
            "pad with the lowest value that the map can have, or let the pool pad."
        )
    least = np.empty(len(order), bool)
    least[order] = np.broadcast_to(falls, (len(order), 1, 1)).reshape(-1)
    layer = Pool(
        name=builder.name("pool"), kind="max", kernel=window.kernel, stride=window.strides, pads=window.pads,
        least=least if least.any() else None,
    )  # fmt: skip
    pooled = builder.append(stream.point, layer, stream.low, stream.high, stream.step, label, accuracy=stream.accuracy)
    return replace(builder.map_signal(pooled, y.batch, order), steps=y.steps)


def _falls(y: Signal, stream: Stream, label: str) -> NDArray[np.bool_]:
    """Whether the chain of each channel falls; broadcasts against the frame.

    Raises
    ------
    ModelError
        It rises and falls.
    """
    turning = [step.name for step in y.steps if step.slope is None]
    channel = y.index.reshape(y.shape)[:, :1, :1] % stream.map.channels
    shape, chains = columns(y.steps, *((stream.low[channel], stream.high[channel]) if turning else ()))
    falls = []
    for chain, limits in chains:
        way = chain.slope if chain.monotone else trend(chain, Grid.even(int(limits[0]), int(limits[1]), stream.step))
        if way is None or (not chain.monotone and not (stream.exact and stream.point.border is None)):
            raise ModelError(
                f"Node {label} must not choose the largest of what comes out of a {turning[0]} that rises and "
                "falls: put a quantiser between them."
            )
        falls.append(way < 0)
    return np.array(falls).reshape((1,) * (3 - len(shape)) + shape)


def mean_pool(
    builder: NetworkBuilder,
    x: Moving | Padded,
    label: str,
    *,
    window: Window,
    counted: bool = False,
) -> Signal:
    """The mean of each window of a map (C, H, W): a sum, and a division that goes into the chain behind it.

    With padding it is a depthwise convolution whose weights are all 1. Zeros outside the map are `counted`, or else
    windows at the edge are divided by fewer values, which is exact only behind thresholds; see `borders`.
    """
    if window.padded and not counted and phases(x) is not None:
        raise ModelError(
            f"Node {label} must count its padding behind what makes pixels of channels: use count_include_pad=1, or "
            "pool without padding."
        )
    if window.padded or phases(x) is not None:
        return _padded_mean(builder, x, label, window, counted or not window.padded)
    y, stream = _map(builder, unpadded(straightened(builder, x, label)), label)
    order = channel_order(y, label)
    other = [step.name for step in y.steps if step.name not in AFFINE]
    if other:
        raise ModelError(f"Node {label} must not average what comes out of a {other[0]}: put a quantiser between them.")
    taps = prod(window.kernel)
    layer = Pool(name=builder.name("pool"), kind="sum", kernel=window.kernel, stride=window.strides)
    accuracy = stream.accuracy and stream.accuracy.summed(taps)
    pooled = builder.append(
        stream.point, layer, taps * stream.low, taps * stream.high, stream.step, label, accuracy=accuracy
    )
    # The mean of scaled and shifted values is the scaled and shifted mean.
    divide = scale(np.full((1, 1, 1), Fraction(1, taps), object))
    return replace(builder.map_signal(pooled, y.batch, order), steps=(divide, *y.steps))


def upsample(builder: NetworkBuilder, x: Moving | Padded, label: str, *, factors: tuple[int, int]) -> Signal:
    """Each pixel of a map (C, H, W) as so many rows and columns, of which one is more than 1."""
    y, stream = _map(builder, unpadded(x), label)
    order = channel_order(y, label)
    layer = Upsample(name=builder.name("upsample"), factors=factors)
    larger = builder.append(stream.point, layer, stream.low, stream.high, stream.step, label, accuracy=stream.accuracy)
    return replace(builder.map_signal(larger, y.batch, order), steps=y.steps)


def _padded_mean(builder: NetworkBuilder, x: Moving | Padded, label: str, window: Window, counted: bool) -> Signal:
    ones, taps = np.ones((x.shape[0], 1, *window.kernel), np.float32), prod(window.kernel)
    y = conv(builder, x if counted else unpadded(x), ones, label, window=window, groups=x.shape[0])
    if not counted:
        y = _divided(y, taps, label)
    return y.then(scale(np.full((1, 1, 1), Fraction(1, taps), object)))


def _divided(y: Signal, taps: int, label: str) -> Signal:
    """Sums over windows as if those at the edge had as many values as all others: their means, times `taps`."""
    assert isinstance(y.origin, Stream)
    layer, before, border = y.origin.point.layer, y.origin.point.before, y.origin.point.border
    assert isinstance(layer, Conv) and before is not None
    slopes, offsets = (by_channel(y, array) for array in affine(y))
    if any(isinstance(number, Surd) for number in (*slopes, *offsets)) or not all(slopes):
        raise ModelError(
            f"Node {label} must average values of a rational scale where it pads: put a quantiser before it."
        )
    inside = (~layer.windows(before.map.shape).outside).sum(axis=(2, 3))
    factors = np.array([Fraction(taps, int(count)) for count in inside.flat], object).reshape(inside.shape)
    # slope * sum + offset, times the factor, is slope * (factor * sum + lack) + offset.
    lacks = (factors - 1)[..., None] * (offsets / slopes)
    if border is not None:
        lacks = lacks + factors[..., None] * border.fractions
    border = Border(layer, Fraction(0), lacks, factors)
    return replace(y, origin=replace(y.origin, point=replace(y.origin.point, border=border)))


def _map(builder: NetworkBuilder, x: Moving, label: str, *, by_pixel: bool = False) -> tuple[Signal, Stream]:
    """A map as a signal whose chain is the same for all pixels of a channel; with `by_pixel` see `positioned`."""
    if len(x.shape) != 3:
        raise ModelError(f"Node {label} must take maps of two dimensions, of the shape (C, H, W), not {x.shape}.")
    y = builder.chosen(builder.signal(worded(builder, x, label), label, as_map=True), label)
    y = positioned(y) if by_pixel else y
    assert isinstance(y.origin, Stream)

    def by_channel(array: Exacts) -> Exacts:
        small = narrowed(array)
        if small.shape[1:] not in ((1, 1), ()):
            raise ModelError(f"Node {label} must take values that are scaled alike in all pixels of a channel.")
        return small

    steps: tuple[Step, ...] = tuple(step.reshaped(by_channel) for step in y.steps)
    return replace(y, steps=steps), y.origin
