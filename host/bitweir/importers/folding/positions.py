"""Scales and offsets that differ from pixel to pixel, as XNOR-Net++ has them: each pixel becomes a class of windows."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from bitweir_hw.network import Conv

from ..errors import ModelError
from ..exact.fold import Exacts, Step, columns, scale
from ..exact.surd import sign
from .borders import Border
from .symbols import Signal, Stream, by_channel

__all__ = ["AFFINE", "affine", "positioned"]

#: Names of the steps that are scales and offsets only.
AFFINE = {"scale", "shift", "norm"}


def positioned(signal: Signal) -> Signal:
    """A signal whose chain is the same for all pixels of a channel, where the sums of a convolution make that possible.

    What differs must be scales and offsets directly behind the convolution, rational and of one sign in each channel.
    It becomes the `Border` of the stream. Any other signal comes back as it is.
    """
    stream, steps = signal.origin, signal.steps
    if not isinstance(stream, Stream) or len(signal.shape) != 3 or stream.map.pixels == 1:
        return signal
    layer, before = stream.point.layer, stream.point.before
    count = next((place for place in range(len(steps), 0, -1) if _differs(signal, steps[place - 1])), 0)
    if (
        not count
        or not isinstance(layer, Conv)
        or before is None
        or stream.point.border is not None
        or not stream.exact
    ):
        return signal
    if any(step.name not in AFFINE for step in steps[:count]) or len(signal.index) != stream.map.size:
        return signal
    slopes, offsets = (_on_stream(signal, array) for array in affine(replace(signal, steps=steps[:count])))
    if any(not isinstance(number, Fraction) for number in (*slopes.flat, *offsets.flat)):
        return signal
    signs = np.asarray(np.frompyfunc(sign, 1, 1)(slopes), np.int64)
    if np.ptp(signs, axis=(0, 1)).any() or not signs.all():
        return signal
    # Factors are positive: what falls does so behind them.
    turned = signs[0, 0]
    edges = None
    if layer.edges is not None:
        edges = layer.windows(before.map.shape).spread(layer.edges)
    single = replace(layer, by_pixel=True, edges=edges)
    border = Border(single, Fraction(0), offsets * turned, slopes * turned)
    origin = replace(stream, point=replace(stream.point, border=border))
    rest = steps[count:]
    if (turned < 0).any():
        by_place = turned[signal.index % stream.map.channels].reshape(signal.shape)[:, :1, :1]
        rest = (scale(by_place.astype(object) * Fraction(1)), *rest)
    return replace(signal, origin=origin, steps=rest)


def _differs(signal: Signal, step: Step) -> bool:
    """Whether a step has a parameter that is not the same for all pixels of a channel."""
    for param in step.params:
        if param.size > 1 and param.shape[-2:] != (1, 1):
            try:
                by_channel(signal, param)
            except ModelError:
                return True
    return False


def _on_stream(signal: Signal, array: Exacts) -> Exacts:
    """An array that broadcasts against a frame as it lies on the stream, (H, W, C)."""
    assert isinstance(signal.origin, Stream)
    flat = np.empty(signal.origin.map.size, object)
    flat[signal.index] = np.broadcast_to(array, signal.shape).reshape(-1)
    return flat.reshape(signal.origin.map.shape)


def affine(signal: Signal) -> tuple[Exacts, Exacts]:
    """Slope and offset of a chain of scales and offsets, as arrays that broadcast against the frame."""
    shape, channels = columns(signal.steps)
    shape = (1,) * (len(signal.shape) - len(shape)) + shape
    pairs = []
    for chain, _ in channels:
        offset = chain(0)
        pairs.append((chain(1) - offset, offset))
    slopes, offsets = (np.empty(len(pairs), object) for _ in range(2))
    slopes[:], offsets[:] = zip(*pairs, strict=True)
    return slopes.reshape(shape), offsets.reshape(shape)
