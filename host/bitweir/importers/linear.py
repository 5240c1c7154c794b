"""Dense layers and convolutions of any framework, from constant weights to integer layers."""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from typing import Any

import numpy as np
from bitweir_hw.network import Conv, Dense
from numpy.typing import NDArray

from .errors import ModelError
from .fold import Exacts, scale, shift
from .symbols import Moving, Padded, Signal, by_channel, narrowed
from .walk import Operand, Walk
from .weights import Weights, normalised
from .windows import Window

__all__ = ["conv", "dense"]

Array = NDArray[Any]


def dense(walk: Walk, x: Moving | Padded, weights: Array, label: str) -> Signal:
    """The sums of a dense layer.

    Parameters
    ----------
    walk : Walk
    x : Signal or Codes, of shape (K,), with axes of size 1 before it
    weights : array, (K, M)
    label : str
        Of the node, for messages.
    """
    inside = unpadded(x)
    inputs = int(np.prod(inside.shape))
    if weights.ndim != 2 or inside.shape[-1:] != (inputs,) or weights.shape[0] != inputs:
        raise ModelError(
            f"Node {label} must multiply frames of shape {weights.shape[:1]}, not {inside.shape}, "
            f"with its weights of shape {weights.shape}: flatten before it."
        )
    operand = walk.operand(inside, label, as_map=False)
    rows, alpha = _rows(walk, np.ascontiguousarray(weights.T), label)
    turned = _turned(rows, np.broadcast_to(operand.signs, inside.shape).reshape(-1))
    in_order = np.empty_like(turned)
    in_order[:, walk.permutation(operand.signal, label)] = turned
    stream = operand.stream
    low, high = (np.tile(ends, stream.map.pixels) for ends in (stream.low, stream.high))
    layer = Dense(name=walk.name("dense"), weights=in_order)
    sums = walk.append(stream.point, layer, *_ends(in_order, low, high), stream.step, label, exact=stream.exact)
    y = Signal(sums, (*inside.shape[:-1], len(rows)), np.arange(len(rows)), (), inside.batch)
    offset = _products(_signed(rows), np.broadcast_to(operand.shift, inside.shape).reshape(1, -1))
    lead = (1,) * (len(y.shape) - 1)
    return _scaled(y, alpha.reshape(*lead, -1), operand.scale, offset.reshape(*lead, -1))


def conv(walk: Walk, x: Moving | Padded, weights: Array, label: str, *, window: Window, groups: int = 1) -> Signal:
    """The sums of a convolution.

    Parameters
    ----------
    walk : Walk
    x : Signal, Codes or Padded, of shape (C, H, W)
    weights : array, (M, C / groups, kh, kw)
    label : str
        Of the node, for messages.
    window : Window
        Its kernel is that of the weights; its pads come on top of those of `x`, with zeros.
    groups : int
    """
    inside, window, value = window.merged(x, label)
    if len(inside.shape) != 3 or weights.ndim != 4:
        raise ModelError(
            f"Node {label} must convolve maps of two dimensions, of the shape (C, H, W), not {inside.shape}: "
            "other convolutions are not supported."
        )
    channels = inside.shape[0]
    if groups < 1 or channels % groups or len(weights) % groups or weights.shape[1] * groups != channels:
        raise ModelError(
            f"Node {label} must divide {channels} channels into {groups} groups for its weights of shape "
            f"{weights.shape}: the file is damaged."
        )
    operand = walk.operand(inside, label, as_map=True)
    order = walk.channel_order(operand.signal, label)
    if groups > 1 and (order != np.arange(channels)).any():
        raise ModelError(
            f"Node {label} has {groups} groups, and must not follow a change of the order of channels: give the "
            "filters of the layer before it that order instead."
        )
    rows, alpha = _rows(walk, weights, label)
    each = channels // groups  # channels that a filter sees
    stream = operand.stream
    owner = np.arange(len(weights)) // (len(weights) // groups)
    sees = owner[:, None] * each + np.arange(each)  # (M, C / groups)
    signs, offsets = (by_channel(operand.signal, array)[order] for array in (operand.signs, operand.shift))
    turned = _turned(rows, signs[sees][:, :, None, None])
    in_order = np.empty((len(rows), *weights.shape[2:], each), rows.dtype)
    in_order[..., order if groups == 1 else np.arange(each)] = turned.transpose(0, 2, 3, 1)
    low, high, step, pad = stream.low, stream.high, stream.step, 0
    if window.padded:
        pad = _pad_value(operand, signs, offsets, value, label)
        step = gcd(step, *(int(end) - pad for end in low))
        low, high = np.minimum(low, pad), np.maximum(high, pad)
    layer = Conv(
        name=walk.name("conv"), weights=in_order, stride=window.strides, pads=window.pads, pad_value=pad, groups=groups
    )
    # The ends of a tap are those of its channel.
    taps = [np.broadcast_to(ends[sees][:, None, None, :], in_order.shape) for ends in (low, high)]
    ends = _ends(in_order.reshape(len(rows), -1), *(tap.reshape(len(rows), -1) for tap in taps))
    sums = walk.append(stream.point, layer, *ends, step, label, exact=stream.exact)
    offset = _products(_signed(rows).sum(axis=(2, 3)), offsets[sees])
    y = walk.map_signal(sums, inside.batch)
    return _scaled(y, alpha.reshape(-1, 1, 1), operand.scale, offset.reshape(-1, 1, 1))


def unpadded(x: Moving | Padded) -> Moving:
    """A value that has no border.

    Raises
    ------
    ModelError
        It has one; the text is the end of a sentence.
    """
    if isinstance(x, Padded):
        raise ModelError("a padded map must go into a convolution or a max pool: pad nowhere else")
    return x


def _rows(walk: Walk, weights: Array, label: str) -> tuple[Weights, Exacts]:
    rows, alpha, rounded = normalised(weights, label)
    if rounded:
        walk.notes.append(
            f"{label}: weights are taken as the whole multiples of one scale from which float32 has rounded them."
        )
    return rows, alpha


def _signed(rows: Weights) -> NDArray[np.int64]:
    """Weights as the numbers that they mean."""
    return np.where(rows, 1, -1) if rows.dtype == np.bool_ else rows.astype(np.int64)


def _turned(rows: Weights, signs: NDArray[np.int64]) -> Weights:
    return rows ^ (signs < 0) if rows.dtype == np.bool_ else rows * signs


def _ends(rows: Weights, low: Array, high: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest and highest sum of each row (M, K), for inputs that lie in `low` to `high`, (K,) or (M, K)."""
    positive, negative = np.maximum(_signed(rows), 0), np.maximum(-_signed(rows), 0)
    least: NDArray[np.int64] = (positive * low - negative * high).sum(axis=1)
    most: NDArray[np.int64] = (positive * high - negative * low).sum(axis=1)
    return least, most


def _products(rows: NDArray[np.int64], numbers: Exacts) -> Exacts:
    """Sum of each row (M, K) times exact numbers that broadcast against it."""
    if (numbers == numbers.flat[0]).all():
        return np.asarray(rows.sum(axis=1).astype(object) * numbers.flat[0], object)
    result: Exacts = (rows.astype(object) * numbers).sum(axis=1)
    return result


def _scaled(y: Signal, alpha: Exacts, size: Fraction, offset: Exacts) -> Signal:
    if (alpha * size != 1).any():
        y = y.then(scale(narrowed(alpha * size)))
    return y.then(shift(narrowed(alpha * offset))) if (offset != 0).any() else y


def _pad_value(operand: Operand, signs: Array, offsets: Exacts, value: Fraction, label: str) -> int:
    """The integer that stands for `value` on the stream of an operand."""
    found = {(value - offset) / (operand.scale * int(sign)) for sign, offset in zip(signs, offsets, strict=True)}
    pad = found.pop()
    if found:
        raise ModelError(
            f"Node {label} pads with {float(value):g}, which is not the same code in all channels of its input: "
            "use one rising scale and one offset for all channels in the quantiser before it, or do not pad."
        )
    if pad.denominator != 1 or abs(pad) >= 1 << 31:
        raise ModelError(
            f"Node {label} pads with {float(value):g}, which no code of its input means: pad with a value that the "
            "quantiser before it can have, or not at all."
        )
    return int(pad)
