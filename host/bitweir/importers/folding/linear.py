"""Dense layers and convolutions of any framework, from constant weights to integer layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import floor, gcd, prod
from typing import Any

import numpy as np
from bitweir_hw.network import Conv, Dense
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Exacts, scale, shift
from .accuracy import Accuracy
from .borders import Border, edge_sums
from .choices import channel_order, is_permutation
from .network_builder import NetworkBuilder, Operand
from .phases import Phases, phases, pixels, pixels_of_channels
from .planes import regular
from .rectify import straightened
from .shifts import shifted
from .shortcuts import add
from .symbols import Codes, Moving, Padded, Signal, by_channel, narrowed, unpadded
from .weight_planes import planes
from .weights import UnevenError, Weights, normalised
from .windows import Pair, Window

__all__ = ["conv", "dense"]

Array = NDArray[Any]
#: Weights of at most 16 bits.
_LARGEST = (1 << 15) - 1
#: Weights of a dilated kernel with the zeros between: small files could ask for any number of them.
_MOST_DILATED = 1 << 24
#: Weights of a dense layer with those of 0 for elements that it does not take.
_MOST_SPREAD = 1 << 24


def dense(builder: NetworkBuilder, x: Moving | Padded, weights: Array, label: str) -> Signal:
    """The sums of a dense layer.

    Parameters
    ----------
    builder : NetworkBuilder
    x : Signal or Codes, of shape (K,), with axes of size 1 before it
    weights : array, (K, M)
    label : str
        Of the node, for messages.
    """
    parts = regular(builder, x, label)
    return _summed(lambda part, rows: _dense(builder, part, rows.T, label), builder, parts, weights.T, label)


def _dense(builder: NetworkBuilder, x: Moving | Padded, weights: Array, label: str) -> Signal:
    """As `dense`, for weights of one size for each output."""
    inside = unpadded(x)
    inputs = int(np.prod(inside.shape))
    if weights.ndim != 2 or inside.shape[-1:] != (inputs,) or weights.shape[0] != inputs:
        raise ModelError(
            f"Node {label} must multiply frames of shape {weights.shape[:1]}, not {inside.shape}, "
            f"with its weights of shape {weights.shape}: flatten before it."
        )
    inside = shifted(builder, unpadded(straightened(builder, inside, label, whole=True)), label)
    operand = _chosen(builder, builder.operand(inside, label, as_map=False), label)
    rows, alpha = _rows(builder, np.ascontiguousarray(weights.T), label)
    turned, shared = _turned(rows, np.broadcast_to(operand.factors, inside.shape).reshape(1, -1), label)
    stream = operand.stream
    in_order = _in_order(turned, operand.signal.index, stream.map.size)
    low, high = (np.tile(ends, stream.map.pixels) for ends in (stream.low, stream.high))
    layer = Dense(name=builder.layer_name("dense", label), weights=in_order)
    slopes = _slopes(alpha, shared, operand.scale)
    accuracy = _accuracy(operand, in_order, slopes)
    sums = builder.append(stream.point, layer, *_ends(in_order, low, high), stream.step, label, accuracy=accuracy)
    y = Signal(sums, (*inside.shape[:-1], len(rows)), np.arange(len(rows)), (), inside.batch)
    offset = _products(_signed(rows), np.broadcast_to(operand.shift, inside.shape).reshape(1, -1))
    lead = (1,) * (len(y.shape) - 1)
    return _scaled(y, slopes.reshape(*lead, -1), (alpha * offset).reshape(*lead, -1))


def conv(
    builder: NetworkBuilder,
    x: Moving | Padded,
    weights: Array,
    label: str,
    *,
    window: Window,
    groups: int = 1,
    gaps: Pair = (1, 1),
) -> Signal:
    """The sums of a convolution.

    Parameters
    ----------
    builder : NetworkBuilder
    x : Signal, Codes or Padded, of shape (C, H, W)
    weights : array, (M, C / groups, kh, kw)
    label : str
        Of the node, for messages.
    window : Window
        Its kernel is that of the weights, as far as they reach; its pads come on top of those of `x`, with zeros.
    groups : int
    gaps : (int, int)
        How far the rows and columns of the weights lie apart: more than 1 for dilated kernels.
    """
    inside, merged, value = window.merged(x, label)
    block = phases(inside)
    if block is not None and not (merged.padded and value) and weights.shape[1] * groups == inside.shape[0]:
        parts = Phases(inside, block, _dilated(weights, gaps), merged)
        if builder.taps is not None and isinstance(inside, Codes) and isinstance(parts.inside, Codes):
            builder.taps.moved(inside, parts.inside, lambda frame: pixels(frame, block))
        y = conv(builder, parts.inside, parts.weights, label, window=parts.window, groups=groups)
        return pixels_of_channels(y, parts.made)
    values = regular(builder, x, label, apart=groups == x.shape[0])

    def layer(part: Moving | Padded, rows: Array) -> Signal:
        return _conv(builder, part, rows, label, window=window, groups=groups, gaps=gaps)

    return _summed(layer, builder, values, weights, label)


def _summed(
    layer: Callable[[Moving | Padded, Array], Signal],
    builder: NetworkBuilder,
    parts: Sequence[Moving | Padded],
    weights: Array,
    label: str,
) -> Signal:
    """What a layer makes of the sum of some inputs; with weights (M, ...) of a few sizes a sum of such layers."""

    def of(row: Array) -> Signal:
        return reduce(lambda y, part: add(builder, y, layer(part, row), label), parts[1:], layer(parts[0], row))

    try:
        return of(weights)
    except UnevenError:
        rows = planes(weights)
        if not rows:
            raise
    return reduce(lambda y, row: add(builder, y, of(row), label), rows[1:], of(rows[0]))


def _conv(
    builder: NetworkBuilder, x: Moving | Padded, weights: Array, label: str, *, window: Window, groups: int, gaps: Pair
) -> Signal:
    """As `conv`, for weights of one size for each output."""
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
    taps, weights = weights.shape[2:], _dilated(weights, gaps)
    inside = shifted(builder, unpadded(straightened(builder, inside, label, whole=True)), label)
    operand = _chosen(builder, builder.operand(inside, label, as_map=True), label)
    order = channel_order(operand.signal, label)
    made = _by_groups(order, groups)
    if made is None:
        operand = replace(operand, signal=builder.ordered(operand.signal, label))
        order, made = np.arange(channels), np.arange(groups)
    # The groups in the order of the stream, with the filters of each.
    order = order.reshape(groups, -1)[made].reshape(-1)
    filters = np.arange(len(weights)).reshape(groups, -1)[made].reshape(-1)
    rows, alpha = _rows(builder, weights[filters], label)
    each = channels // groups  # channels that a filter sees
    stream = operand.stream
    owner = np.arange(len(weights)) // (len(weights) // groups)
    sees = owner[:, None] * each + np.arange(each)  # (M, C / groups)
    factors, offsets = (by_channel(operand.signal, array)[order] for array in (operand.factors, operand.shift))
    turned, shared = _turned(rows, factors[sees][:, :, None, None], label)
    in_order = np.empty((len(rows), *weights.shape[2:], each), turned.dtype)
    for group in range(groups):
        part = slice(group * len(rows) // groups, (group + 1) * len(rows) // groups)
        in_order[part][..., order[group * each : (group + 1) * each] - group * each] = turned[part].transpose(
            0, 2, 3, 1
        )
    low, high, step, pad, missing = stream.low, stream.high, stream.step, 0, None
    if window.padded:
        pad, missing = _pad_value(operand, factors, offsets, value, label)
        step = gcd(step, *(int(end) - pad for end in low))
        low, high = np.minimum(low, pad), np.maximum(high, pad)
    layer = Conv(
        name=builder.layer_name("conv", label),
        weights=in_order,
        stride=window.strides,
        pads=window.pads,
        pad_value=pad,
        groups=groups,
    )
    if weights.shape[2:] != taps:
        builder.notes.append(
            f"{layer.name}: its dilated kernel of {taps[0]} x {taps[1]} is one of {' x '.join(map(str, layer.kernel))} "
            f"with weights of 0 between: {prod(layer.kernel)} weights of 2 bits or more in place of {prod(taps)}, for "
            "each filter and channel."
        )
    # The ends of a tap are those of its channel.
    of_taps = [np.broadcast_to(ends[sees][:, None, None, :], in_order.shape) for ends in (low, high)]
    ends = _ends(in_order.reshape(len(rows), -1), *(tap.reshape(len(rows), -1) for tap in of_taps))
    border = None
    if missing is not None:
        outside = layer.windows(stream.map.shape).outside
        layer, border = _edged(layer, edge_sums(_signed(rows), missing[sees], shared, outside), value)
        builder.notes.append(
            f"{layer.name}: its padding of {float(value):g} lies between the integers of its input, so that sums at "
            "the edges of the map start with numbers of their own."
        )
        if layer.edges is not None:
            step = gcd(step, *(int(edge) for edge in np.unique(layer.edges)))
            least, most = layer.edges.min(axis=(0, 1)), layer.edges.max(axis=(0, 1))
            ends = ends[0] + np.minimum(0, least), ends[1] + np.maximum(0, most)
    slopes = _slopes(alpha, shared, operand.scale)
    accuracy = _accuracy(operand, in_order, slopes)
    sums = builder.append(stream.point, layer, *ends, step, label, accuracy=accuracy, border=border)
    offset = _products(_signed(rows).sum(axis=(2, 3)), offsets[sees])
    back = np.argsort(filters)
    y = builder.map_signal(sums, inside.batch, back)
    return _scaled(y, slopes[back].reshape(-1, 1, 1), (alpha * offset)[back].reshape(-1, 1, 1))


def _chosen(builder: NetworkBuilder, operand: Operand, label: str) -> Operand:
    return replace(operand, signal=builder.chosen(operand.signal, label))


def _by_groups(order: NDArray[np.int64], groups: int) -> NDArray[np.int64] | None:
    """Which group of a frame each group of channels on the stream is, in any order; None where groups are mixed."""
    each = len(order) // groups
    found = order.reshape(groups, each) // each
    return np.argsort(found[:, 0]) if (found == found[:, :1]).all() else None


def _dilated(weights: Array, gaps: Pair) -> Array:
    """Weights (M, C, kh, kw) with rows and columns of 0 between theirs, so that they lie so far apart."""
    if gaps == (1, 1):
        return weights
    shape = [(size - 1) * gap + 1 for size, gap in zip(weights.shape[2:], gaps, strict=True)]
    size = prod(weights.shape[:2]) * prod(shape)
    if size > _MOST_DILATED:
        raise ModelError(
            f"its dilated kernel must have at most {_MOST_DILATED:,} weights, with those of 0 between its own, not "
            f"{size:,}: dilate less"
        )
    spread = np.zeros((*weights.shape[:2], *shape), weights.dtype)
    spread[:, :, :: gaps[0], :: gaps[1]] = weights
    return spread


def _rows(builder: NetworkBuilder, weights: Array, label: str) -> tuple[Weights, Exacts]:
    rows, alpha, rounded = normalised(weights, label)
    if rounded:
        builder.notes.append(
            f"{label}: weights are taken as the whole multiples of one scale from which float32 has rounded them."
        )
    return rows, alpha


def _signed(rows: Weights) -> NDArray[np.int64]:
    """Weights as the numbers that they mean."""
    return np.where(rows, 1, -1) if rows.dtype == np.bool_ else rows.astype(np.int64)


def _accuracy(operand: Operand, rows: Weights, slopes: Exacts) -> Accuracy | None:
    """What is known of the sums of a layer that takes sums; `slopes`, (M,), are what an integer of 1 is."""
    accuracy = operand.stream.accuracy
    if accuracy is None:
        return None
    return accuracy.weighted(np.abs(_signed(rows)).reshape(len(rows), -1).sum(axis=1), slopes)


def _in_order(rows: Weights, index: NDArray[np.int64], size: int) -> Weights:
    """Weights (M, K) for all elements of a stream, of which `index`, (K,), are taken: 0 for the others."""
    if is_permutation(index, size):
        in_order = np.empty_like(rows)
        in_order[:, index] = rows
        return in_order
    if len(rows) * size > _MOST_SPREAD:
        raise ModelError(
            f"it takes {len(index):,} elements of a stream of {size:,}, and must have at most {_MOST_SPREAD:,} "
            f"weights with those of 0 for all others, not {len(rows) * size:,}: take whole channels"
        )
    spread = np.zeros((size, len(rows)), np.int64)
    np.add.at(spread, index, _signed(rows).T)  # what is taken twice has the sum of its weights
    return spread.T


def _turned(rows: Weights, factors: Array, label: str) -> tuple[Weights, NDArray[np.int64]]:
    """Weights times what their inputs were divided by, and by what each row (axis 0) was divided then.

    Raises
    ------
    ModelError
        They become too large.
    """
    shared = np.ones(len(rows), np.int64)
    if (np.abs(factors) == 1).all():
        factors = factors.astype(np.int64)
        return (rows ^ (factors < 0) if rows.dtype == np.bool_ else rows * factors), shared
    products = _signed(rows).astype(object) * factors
    flat = products.reshape(len(rows), -1)
    shared = np.array([gcd(*row) or 1 for row in flat], object)
    products //= shared.reshape(-1, *(1,) * (rows.ndim - 1))
    largest = int(np.abs(products).max())
    if largest > _LARGEST:
        raise ModelError(
            f"Node {label} takes channels whose scales have no common unit that is large enough: its weights would "
            f"be whole numbers of up to {largest:,}, and at most {_LARGEST:,} is supported. Use one scale for all "
            "channels (offsets may differ), scales that are small multiples of one number, or quantise the input in "
            "the model."
        )
    return products.astype(np.int64), shared


def _edged(layer: Conv, lacks: Exacts, value: Fraction) -> tuple[Conv, Border | None]:
    """A convolution with the whole part of what its sums lack at the edges, and the rest."""
    whole = np.array([floor(number) for number in lacks.flat], object).reshape(lacks.shape)
    rest = lacks - whole
    if int(np.abs(whole).max()) >> 40:
        raise ModelError(f"its padding of {float(value):g} must be nearer to the values of its input")
    if whole.any():
        layer = replace(layer, edges=whole.astype(np.int64))
    return layer, Border(layer, value, rest) if rest.any() else None


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


def _slopes(alpha: Exacts, shared: Array, size: Fraction) -> Exacts:
    slopes: Exacts = alpha * shared.astype(object) * size
    return slopes


def _scaled(y: Signal, slopes: Exacts, offsets: Exacts) -> Signal:
    if (slopes != 1).any():
        y = y.then(scale(narrowed(slopes)))
    return y.then(shift(narrowed(offsets))) if (offsets != 0).any() else y


def _pad_value(
    operand: Operand, factors: Array, offsets: Exacts, value: Fraction, label: str
) -> tuple[int, Exacts | None]:
    """The integer that stands for `value` on the stream of an operand, and what taps of each channel lack then.

    None where it says all: it need not be that of a code.
    """
    wanted = (value - offsets) / operand.scale
    found = {number / factor for number, factor in zip(wanted, factors.tolist(), strict=True) if factor}
    nearest = round(min(found))
    if len(found) > 1 or nearest not in found or abs(nearest) >= 1 << 31:
        # A code, for which the window unit needs no care.
        form = operand.stream.map.format
        if form is None:
            raise ModelError(
                f"Node {label} pads with {float(value):g}, which no integer of its input means: put a quantiser "
                "between the two layers, or do not pad."
            )
        nearest = form.offset + form.step * min(max(round((nearest - form.offset) / form.step), 0), form.codes - 1)
    missing = wanted - factors * nearest
    return nearest, missing if missing.any() else None
