"""Values that all depend on the frame, one after the other along an axis: the channels of a DenseNet, or of a U-Net.

The ways from their nearest common point become branches of a `Concat`. A frame that is made of several streams is one
on the stream behind it, whose pixels hold the channels of all; so the axis may be any one, as long as what follows
takes the elements in that order. Values of one stream need no layer, if they are different elements of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd

import numpy as np
from bitweir_hw.network import Affine, Concat, Format, Layer, Pool, Threshold, Upsample
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Exacts, Step, scale, shift
from .accuracy import Accuracy
from .borders import refusal
from .network_builder import NetworkBuilder
from .positions import AFFINE, affine
from .shortcuts import after, common, worded
from .symbols import Moving, Padded, Point, Signal, Stream, narrowed, unpadded, whole

__all__ = ["concat"]


@dataclass(frozen=True, eq=False)
class _Branch:
    """A stream, and which of its elements are in the frame already."""

    stream: Stream
    used: NDArray[np.bool_]


def concat(
    builder: NetworkBuilder, values: Sequence[Moving | Padded], axis: int, label: str, *, made_of: Sequence[object] = ()
) -> Signal:
    """Values one after the other along an axis of the frame.

    Parameters
    ----------
    builder : NetworkBuilder
    values : sequence of Signal, Codes or Padded
        Maps have the shape (C, H, W).
    axis : int
        Of the frame, from 0 on.
    label : str
        Of the node, for messages.
    made_of : sequence, optional
        What stands for each value when it comes again, if not the value itself.
    """
    made_of = made_of or values
    shapes = {(*value.shape[:axis], *value.shape[axis + 1 :]) for value in values}
    if len(shapes) > 1 or axis >= len(values[0].shape):
        raise ModelError(
            f"Node {label} must join values whose shapes differ along its axis alone, not "
            f"{', '.join(str(value.shape) for value in values)}."
        )
    parts = builder.rejoined(made_of, values, axis)
    signals = [_signal(builder, part, label) for part in parts]
    result = _joined(builder, signals, axis, label)
    builder.joined[axis, tuple(map(id, made_of))] = (made_of, result)
    return result


def _signal(builder: NetworkBuilder, value: Moving | Padded, label: str) -> Signal:
    inside = worded(builder, unpadded(value), label)
    signal = builder.signal(inside, label, as_map=len(inside.shape) == 3, varied=True)
    assert isinstance(signal.origin, Stream)
    if signal.origin.point.border is not None:
        raise refusal(f"Node {label}", signal.origin.point.border)
    return signal


def _joined(builder: NetworkBuilder, signals: list[Signal], axis: int, label: str) -> Signal:
    signals = _alike(builder, signals, label)
    branches: list[_Branch] = []
    owners = []
    for signal in signals:
        assert isinstance(signal.origin, Stream)
        owners.append(_owner(branches, signal, signal.origin))
    signals, branches = _narrowed(builder, signals, branches, owners, label)
    streams = [branch.stream for branch in branches]
    stream = streams[0] if len(streams) == 1 else _concat(builder, streams, label)
    first = np.cumsum([0, *(one.map.channels for one in streams)])
    index = []
    for signal, owner in zip(signals, owners, strict=True):
        pixel, channel = np.divmod(signal.index, streams[owner].map.channels)
        index.append((pixel * stream.map.channels + first[owner] + channel).reshape(signal.shape))
    places = np.concatenate(index, axis)
    steps = _merged(signals, axis, label)
    return Signal(stream, places.shape, places.reshape(-1), steps, signals[0].batch)


def _owner(branches: list[_Branch], signal: Signal, stream: Stream) -> int:
    """The branch that has the elements of a signal, which no signal has before it; a new one if there is none."""
    for place, branch in enumerate(branches):
        if branch.stream.point is stream.point and not branch.used[signal.index].any():
            branch.used[signal.index] = True
            return place
    used = np.zeros(stream.map.size, np.bool_)
    used[signal.index] = True
    branches.append(_Branch(stream, used))
    return len(branches) - 1


def _narrowed(
    builder: NetworkBuilder, signals: list[Signal], branches: list[_Branch], owners: list[int], label: str
) -> tuple[list[Signal], list[_Branch]]:
    """The same without the channels of each branch that no signal has."""
    signals = [*signals]
    narrow = []
    for place, branch in enumerate(branches):
        stream = branch.stream
        used = branch.used.reshape(stream.map.pixels, -1)
        kept = used.any(axis=0)
        if not kept.all():
            rank = np.cumsum(kept) - 1
            stream = builder.select(stream, np.flatnonzero(kept), label)
            for at in [at for at, owner in enumerate(owners) if owner == place]:
                pixel, channel = np.divmod(signals[at].index, used.shape[1])
                signals[at] = replace(signals[at], origin=stream, index=pixel * stream.map.channels + rank[channel])
        narrow.append(_Branch(stream, branch.used))
    return signals, narrow


def _concat(builder: NetworkBuilder, streams: list[Stream], label: str) -> Stream:
    """The stream behind a `Concat`."""
    sizes = list(dict.fromkeys(stream.map.shape[:2] for stream in streams))
    if len(sizes) > 1:
        raise ModelError(
            f"Node {label} must join what comes from maps of the same rows and columns, not of "
            f"{' and '.join(f'{rows} x {columns}' for rows, columns in sizes)}: pool or upsample one of them, or give "
            "each a dense layer of its own and add the results, since dense(concat(a, b)) = dense_a(a) + dense_b(b)."
        )
    start = common([stream.point for stream in streams])
    layer = Concat(
        name=builder.name("concat"), branches=tuple(after(start, stream.point) for stream in streams)
    )  # fmt: skip
    low, high = (np.concatenate([getattr(stream, end) for stream in streams]) for end in ("low", "high"))
    step = gcd(*(stream.step for stream in streams))
    return builder.append(start, layer, low, high, step, label, accuracy=_accuracy(streams))


def _accuracy(streams: list[Stream]) -> Accuracy | None:
    """What is known of the channels of all; those that are exact stand for themselves."""
    if all(stream.accuracy is None for stream in streams):
        return None
    known = [stream.accuracy or _exact(stream.map.channels) for stream in streams]
    unit, error = (np.concatenate([getattr(one, name) for one in known]) for name in ("unit", "error"))
    sums = frozenset[str]().union(*(one.sums for one in known))
    return Accuracy(unit, error, (), sums, mixed=sums)


def _exact(channels: int) -> Accuracy:
    return Accuracy(np.full(channels, Fraction(1), object), np.full(channels, Fraction(0), object))


# ---- what the streams carry


def _alike(builder: NetworkBuilder, signals: list[Signal], label: str) -> list[Signal]:
    """The same values, on streams that all carry accumulators, or codes of one offset and step."""
    forms = [signal.origin.map.format for signal in signals if isinstance(signal.origin, Stream)]
    kinds = {None if form is None else (form.offset, form.step) for form in forms}
    if len(kinds) == 1:
        return signals
    if None in kinds:
        return [_as_integers(builder, signal, label) for signal in signals]
    points = [signal.origin.point for signal in signals if isinstance(signal.origin, Stream)]
    start = common(points)
    for form in dict.fromkeys(form for form in forms if form is not None):
        found = [_recoded(builder, signal, form, start) for signal in signals]
        if None not in found:
            return [signal for signal in found if signal is not None]
    raise ModelError(
        f"Node {label} must join codes that count alike, but the formats of its values differ, and more than one of "
        "them is that of something that other layers take, too: quantise them alike, or quantise behind the node."
    )


def _as_integers(builder: NetworkBuilder, signal: Signal, label: str) -> Signal:
    """Codes as the integers that they mean."""
    stream = signal.origin
    assert isinstance(stream, Stream)
    if stream.map.format is None:
        return signal
    channels = stream.map.channels
    layer = Affine(name="affine", scale=np.ones(channels, np.int64), offset=np.zeros(channels, np.int64))
    origin = builder.append(stream.point, layer, stream.low, stream.high, stream.step, label, accuracy=stream.accuracy)
    return replace(signal, origin=replace(origin, name=stream.name))


def _recoded(builder: NetworkBuilder, signal: Signal, form: Format, start: Point) -> Signal | None:
    """The same values by codes with the offset and step of a format; None where the codes cannot change."""
    stream = signal.origin
    assert isinstance(stream, Stream) and stream.map.format is not None
    old = stream.map.format
    if (old.offset, old.step) == (form.offset, form.step):
        return signal
    point = _renamed(builder, stream.point, form, start)
    if point is None:
        return None
    ends = [form.offset + form.step * ((end - old.offset) // old.step) for end in (stream.low, stream.high)]
    low, high = np.minimum(*ends), np.maximum(*ends)
    recoded = Stream(stream.name, point, low, high, abs(form.step), stream.accuracy)
    ratio = Fraction(old.step, form.step)
    rest = old.offset - form.offset * ratio
    steps: tuple[Step, ...] = (scale(whole(signal, ratio)),) if ratio != 1 else ()
    steps += (shift(whole(signal, rest)),) if rest else ()
    return replace(signal, origin=recoded, steps=(*steps, *signal.steps))


def _renamed(builder: NetworkBuilder, point: Point, form: Format, start: Point) -> Point | None:
    """The same place, whose codes have another offset and step: as the thresholds before it hand them on."""
    layer, before = point.layer, point.before
    if point is start or layer is None or before is None:
        return None
    new: Layer
    if isinstance(layer, Threshold):
        new = replace(layer, output=Format(bits=layer.output.bits, offset=form.offset, step=form.step))
        if builder.taps is not None:
            builder.taps.replaced(layer, new)
    elif isinstance(layer, Upsample) or (isinstance(layer, Pool) and layer.kind == "max"):
        found = _renamed(builder, before, form, start)
        if found is None:
            return None
        new, before = layer, found
    else:
        return None
    return Point(new.output_map(before.map), new, before)


# ---- the operations behind them


def _merged(signals: list[Signal], axis: int, label: str) -> tuple[Step, ...]:
    """The chains of all signals as one, whose parameters differ along the axis."""
    names = {tuple(step.name for step in signal.steps) for signal in signals}
    if len(names) == 1:
        steps = zip(*(signal.steps for signal in signals), strict=True)
        return tuple(_step([*one], signals, axis) for one in steps)
    others = [step.name for signal in signals for step in signal.steps if step.name not in AFFINE]
    if others:
        raise ModelError(
            f"Node {label} must join values behind the same operations, but only some come out of a {others[0]}: put "
            "a quantiser before the node."
        )
    pairs = [affine(signal) for signal in signals]
    slopes, offsets = (_along([pair[place] for pair in pairs], signals, axis) for place in (0, 1))
    return scale(slopes), shift(offsets)


def _step(steps: list[Step], signals: list[Signal], axis: int) -> Step:
    params = zip(*(step.params for step in steps), strict=True)
    return replace(steps[0], params=tuple(_along([*arrays], signals, axis) for arrays in params))


def _along(arrays: list[Exacts], signals: list[Signal], axis: int) -> Exacts:
    """Parameters, each of which broadcasts against its frame, as one that does against all frames."""
    full = [np.broadcast_to(array, signal.shape) for array, signal in zip(arrays, signals, strict=True)]
    return narrowed(np.concatenate(full, axis))
