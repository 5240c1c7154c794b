"""The end of a chain: a quantiser folds it into thresholds, and its values become a number format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from bitweir_hw.network import BIPOLAR, Format
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Chain, Cut, Exacts, Quantiser, columns, float_threshold, integer_thresholds, nearest
from ..exact.surd import Exact, Surd, nearly, sign
from .accuracy import Margin, margin
from .borders import Border
from .curves import quantised_curve, real_crossings, turning_values
from .phases import channels_of_pixels, phases, pixels
from .positions import AFFINE, positioned
from .symbols import Codes, Frame, Signal, Stream, Ternary, narrowed

__all__ = [
    "Coding",
    "bounded",
    "channel_scales",
    "coding",
    "ends",
    "even",
    "quantise",
    "ranges",
    "resolved",
]

_MAX_VALUES = 1 << 22
_ONE = Fraction(1)
#: Where a chain meets a number is told up to this, in integers of its stream.
_CLOSE = Fraction(1, 1 << 40)


def quantise(signal: Signal, quantiser: Quantiser, *, sign_node: str = "") -> Codes:
    """Fold the chain of a signal into thresholds, exactly.

    Parameters
    ----------
    signal : Signal
    quantiser : Quantiser
        Its arrays broadcast against the frame.
    sign_node : str
        Label of the Sign node that this is; its middle value goes away where it proves out of reach.
    """
    block = phases(signal)
    if block is not None:
        # In the smaller map, all pixels of a channel have the same thresholds.
        return _quantised_phases(signal, quantiser, block, sign_node)
    signal = positioned(signal)
    if any(step.slope is None for step in signal.steps):
        codes = quantised_curve(signal, quantiser, ranges(signal)[:2])
        return replace(codes, margins=_margins(signal, quantiser.cuts))
    origin, cuts = signal.origin, quantiser.cuts
    arrays = [array for array, _ in cuts] + ranges(signal)
    shape, channels = columns(signal.steps, *arrays)
    shape = (1,) * (len(signal.shape) - len(shape)) + shape
    bounded(shape, len(cuts))
    known: dict[Any, _Closed] = {}
    rows = []
    for chain, extra in channels:
        key = (*(tuple(params) for _, params in chain.parts), extra)
        if key not in known:
            numbers = [(number, strict) for number, (_, strict) in zip(extra, cuts, strict=False)]
            known[key] = (
                _close_border(origin, chain, numbers, *extra[len(cuts) :])
                if isinstance(origin, Stream)
                else _close_frame(origin, chain, numbers, extra[-1])
            )
        rows.append(known[key])
    thresholds = np.array([row.thresholds for row in rows]).T.reshape(-1, *shape)
    border = tuple(
        np.array([row.border[place] for row in rows]).T.reshape(-1, *shape) for place in range(len(rows[0].border))
    )
    inverted = np.array([row.inverted for row in rows]).reshape(shape)
    values = quantiser.values
    if isinstance(origin, Frame) and inverted.any():
        # Falling chains meet the cuts from the other end.
        values = tuple(np.where(inverted, b, a) for a, b in zip(values, reversed(values), strict=True))
        inverted = np.zeros_like(inverted)
    ternary = None
    margins = _margins(signal, cuts)
    if sign_node:
        occurs = [row.zero for row in rows if row.zero is not None]
        if occurs and not _never_zero(origin, margins):
            ternary = Ternary(sign_node, f"{occurs[0]} brings a 0", _REMEDY[type(origin)])
        else:
            thresholds, values = thresholds[:1], (values[0], values[2])
            border = tuple(one[:1] for one in border)
    distance = min((row.distance for row in known.values()), default=(np.inf, False))
    return Codes(
        origin,
        signal.shape,
        signal.index,
        thresholds,
        values,
        inverted,
        signal.batch,
        ternary,
        distance,
        border,
        margins,
    )


def _quantised_phases(signal: Signal, quantiser: Quantiser, block: tuple[int, int], sign_node: str) -> Codes:
    """`quantise`, in the map whose channels became pixels."""

    def small(array: Exacts) -> Exacts:
        return narrowed(channels_of_pixels(np.broadcast_to(array, signal.shape), block))

    def shaped(frame: NDArray[Any]) -> NDArray[Any]:
        return channels_of_pixels(frame, block)

    after = (signal.shape[0] * block[0] * block[1], signal.shape[1] // block[0], signal.shape[2] // block[1])
    inner = Quantiser(
        tuple((small(array), strict) for array, strict in quantiser.cuts), tuple(small(v) for v in quantiser.values)
    )
    codes = quantise(signal.moved(after, shaped), inner, sign_node=sign_node)
    return codes.moved(signal.shape, lambda frame: pixels(frame, block))


def _never_zero(origin: Stream | Frame, margins: Mapping[int, Margin]) -> bool:
    """Whether an integer 0 only stands for what is nearly 0: sums that are off in all channels, and never 0."""
    if not isinstance(origin, Stream) or origin.accuracy is None or not all(origin.accuracy.error):
        return False
    return bool(margins) and all(one.closest for one in margins.values() if one.error)


def _margins(signal: Signal, cuts: Sequence[tuple[Exacts, bool]]) -> dict[int, Margin]:
    """Of a quantiser behind sums that are not exact: for each channel how its thresholds lie to the error."""
    stream = signal.origin
    if not isinstance(stream, Stream) or stream.accuracy is None or stream.exact:
        return {}
    channel = narrowed((signal.index % stream.map.channels).reshape(signal.shape)).astype(object)
    seen: set[Any] = set()
    found: dict[int, Margin] = {}
    for chain, (*numbers, place) in columns(signal.steps, *(array for array, _ in cuts), channel)[1]:
        key = (*(tuple(params) for _, params in chain.parts), *numbers, place)
        if key in seen:
            continue
        seen.add(key)
        low, high = int(stream.low[place]), int(stream.high[place])
        slack = int(stream.accuracy.error[place]) + 2
        marks = crossings(chain, list(dict.fromkeys(numbers)), low - slack, high + slack)
        one = margin(stream.accuracy, place, sorted(marks), low, high)
        found[place] = found[place] | one if place in found else one
    return found


def crossings(chain: Chain, numbers: Sequence[Exact], low: int, high: int) -> list[Fraction]:
    """Where a chain meets some numbers, if that is between two integers; close to the real place."""
    if not chain.monotone:
        return real_crossings(chain, numbers, low, high)
    if not chain.slope:
        return []
    if all(step.name in AFFINE for step, _ in chain.parts):
        start = nearly(chain(0))
        rise = nearly(chain(1)) - start
        places = [(nearly(number) - start) / rise for number in numbers]
        return [place for place in places if low <= place <= high]
    # Where no clip holds, the chain is that without it.
    straight = Chain(tuple((step, params) for step, params in chain.parts if step.name in AFFINE))
    places = []
    for number in numbers:
        guesses = crossings(straight, [number], low, high)
        if guesses:
            sides = [sign(chain(guesses[0] + off) - number) < 0 for off in (-_CLOSE, _CLOSE)]
            if sides[0] != sides[1]:
                places += guesses
                continue
        ends = [Fraction(low), Fraction(high)]
        below = [sign(chain(end) - number) < 0 for end in ends]
        if below[0] == below[1]:
            continue
        while ends[1] - ends[0] > _CLOSE:
            middle = (ends[0] + ends[1]) / 2
            ends[(sign(chain(middle) - number) < 0) == below[1]] = middle
        places.append(ends[1])
    return places


def ranges(signal: Signal | Codes) -> list[Exacts]:
    """Lowest and highest element of a stream, as arrays that broadcast against the frame; of a frame the place."""
    if isinstance(signal.origin, Frame):
        return [signal.origin.places(signal).astype(object)]
    stream = signal.origin
    channel = (signal.index % stream.map.channels).reshape(signal.shape)
    limits = [narrowed(ends[channel]).astype(object) for ends in (stream.low, stream.high)]
    return limits if stream.point.border is None else [*limits, narrowed(channel).astype(object)]


def ends(signal: Signal) -> list[Exact]:
    """The values of a signal at both ends of the range of each of its channels, and where it turns between them."""
    origin = signal.origin
    if any(step.slope is None for step in signal.steps):
        return turning_values(signal, ranges(signal)[:2])
    # Means that have other divisors at the edges lie within the range of all others.
    if isinstance(origin, Stream) and origin.point.border is not None and origin.point.border.layer.by_pixel:
        return _ends_of_classes(signal, origin.point.border)
    if isinstance(origin, Stream):
        limits = ranges(signal)[:2]
    elif origin.stored is None:
        top = Fraction(float(np.finfo(np.float32).max))
        limits = [np.array(end, object) for end in (-top, top)]
    else:
        stored, places = origin.stored, origin.places(signal)
        limits = [
            np.array([a * end + b for a, b in zip(stored.scales, stored.offsets, strict=True)], object)[places]
            for end in (stored.low, stored.high)
        ]
    _, channels = columns(signal.steps, *limits)
    return [chain(end) for chain, pair in channels for end in pair]


def _ends_of_classes(signal: Signal, border: Border) -> list[Exact]:
    """`ends` in each class of windows."""
    found = []
    for chain, (low, high, channel) in columns(signal.steps, *ranges(signal))[1]:
        for steps in {tuple(params for _, params in one): one for one in border.steps(channel)}.values():
            each = Chain((*steps, *chain.parts))
            found += [each(int(end)) for end in (low, high)]
    return found


def bounded(shape: tuple[int, ...], levels: int) -> None:
    """Refuse thresholds that would take absurd memory.

    Raises
    ------
    ModelError
        The text is the end of a sentence.
    """
    if int(np.prod(shape, dtype=object)) * levels > _MAX_VALUES:
        raise ModelError(f"it needs more than {_MAX_VALUES} thresholds: use one scale for the whole tensor")


_REMEDY: dict[type, str] = {
    Frame: "say what pixels bring with --input-scale if they never bring this value, or use x >= 0",
    Stream: "use x >= 0, or train with a batch norm before it",
}


@dataclass(frozen=True)
class _Closed:
    thresholds: list[Any]
    inverted: bool
    distance: tuple[float, bool]
    zero: str | None  # something at which the chain lies between the first two cuts
    border: tuple[list[int], ...] = ()  # thresholds in each class of windows


def _close_border(
    origin: Stream, chain: Chain, cuts: list[Cut], low: int, high: int, channel: int | None = None
) -> _Closed:
    """As `_close_stream`, in each class of windows at the edge of a map where the sums lack a fraction."""
    border = origin.point.border
    if border is None or channel is None:
        return _close_stream(origin, chain, cuts, low, high)
    classes = [(tuple(params for _, params in steps), steps) for steps in border.steps(channel)]
    plain = _close_stream(origin, chain, cuts, low, high)
    found = {
        key: _close_stream(origin, Chain((*steps, *chain.parts)), cuts, low, high)
        for key, steps in dict(classes).items()
    }
    zero = next((one.zero for one in (plain, *found.values()) if one.zero is not None), None)
    distance = min(one.distance for one in (plain, *found.values()))
    return replace(plain, distance=distance, zero=zero, border=tuple(found[key].thresholds for key, _ in classes))


def _close_stream(origin: Stream, chain: Chain, cuts: list[Cut], low: int, high: int) -> _Closed:
    thresholds, inverted = integer_thresholds(chain, cuts, low, high)
    start = -high if inverted else low
    end = start + high - low
    # In terms of the accumulator that the chain takes, the boundary of an inverted row lies at 1 - threshold.
    bounds = [1 - t if inverted else t for t in thresholds]
    distance = nearest(chain, cuts, bounds, origin.step, (low, high))
    zero = None
    if len(cuts) > 1:
        inside = start + -(-(thresholds[0] - start) // origin.step) * origin.step
        if inside < thresholds[1] and inside <= end:
            zero = f"the sum {-inside if inverted else inside} in {origin.name}"
    return _Closed(thresholds, inverted, (distance, chain.rounded_in_float), zero)


def _close_frame(origin: Frame, chain: Chain, cuts: list[Cut], place: int) -> _Closed:
    found = [float_threshold(chain, cut) for cut in cuts]
    inverted = chain.slope < 0
    if inverted:
        found.reverse()
    zero = None
    if len(cuts) > 1:
        if origin.stored is None:
            zero = f"the input {found[0]:g}" if found[0] < found[1] else None
        else:
            levels = origin.stored.floats(place)
            inside = np.flatnonzero((levels >= found[0]) & (levels < found[1]))
            zero = f"the integer {origin.stored.low + inside[0]}" if len(inside) else None
    return _Closed(found, inverted, (np.inf, False), zero)


# ---- from values to a number format


@dataclass(frozen=True, eq=False)
class Coding:
    """Codes as a stream carries them: ``value = scale * sign * format.values(code) + shift`` for each element.

    Parameters
    ----------
    format : Format
    scale : Fraction or Exacts
        Positive; or one for each element, not negative, which broadcasts against the frame.
    signs : int64 array
        -1 or 1; broadcasts against the frame.
    shift : Exacts
        Broadcasts against the frame.
    """

    format: Format
    scale: Fraction | Exacts
    signs: NDArray[np.int64]
    shift: Exacts


def resolved(codes: Codes) -> Codes:
    """Codes in which constant elements have levels as evenly spaced as those of the others have.

    A constant is one of those levels where it can be, since then all elements mean the same by a code; else a level
    that is shifted. Thresholds out of reach choose it.
    """
    if any(not isinstance(x, Fraction) for value in codes.values for x in value.flat):
        return codes
    values = np.broadcast_arrays(*codes.values)
    same = np.logical_and.reduce([np.asarray(value == values[0], bool) for value in values])
    if not same.any():
        return codes
    constants = sorted(set(values[0][same].tolist()))
    if same.all():
        # Levels of the choice: zero, where there is one constant, and where there are two, both.
        levels = constants if len(constants) == 2 else sorted((Fraction(0), constants[0] or _ONE))
    else:
        place = tuple(np.argwhere(~same)[0])
        levels = [value[place] for value in values]
    # How many thresholds each constant passes, and how far it lies from the level there.
    chosen = {number: levels.index(number) if number in levels else 0 for number in constants}
    code = np.frompyfunc(lambda number: chosen.get(number, 0), 1, 1)(values[0]).astype(np.int64)
    always, never = _limits(codes)

    def chosen_ones(table: NDArray[Any]) -> NDArray[Any]:
        rows = table if not same.all() else table[:1]
        return np.stack([np.where(same, np.where(code > k, always, never), row) for k, row in enumerate(rows)])

    shift = np.frompyfunc(lambda number: number - levels[chosen.get(number, 0)], 1, 1)(values[0])
    ended = [np.where(same, shift + level, values[min(k, len(values) - 1)]) for k, level in enumerate(levels)]
    return replace(
        codes, thresholds=chosen_ones(codes.thresholds), border=tuple(map(chosen_ones, codes.border)),
        values=tuple(np.asarray(v, object) for v in ended),
    )  # fmt: skip


def _limits(codes: Codes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Thresholds that every, and that no, element of the origin reaches; they broadcast against the frame."""
    if isinstance(codes.origin, Frame):
        return np.array(-np.inf), np.array(np.inf)
    low, high = ranges(codes)[:2]
    low, high = (end.astype(np.int64) for end in (low, high))
    return np.where(codes.inverted, -high, low), np.where(codes.inverted, -low, high) + 1


def coding(codes: Codes, *, varied: bool = False) -> Coding:
    """The number format of codes.

    Parameters
    ----------
    codes : Codes
    varied : bool
        Whether the scale may be another one for each element, as in a sum, and no fraction.

    Raises
    ------
    ModelError
        The values are not evenly spaced, or not alike for all elements; the text is the end of a sentence.
    """
    if codes.ternary and len(codes.values) > 2:
        t = codes.ternary
        raise ModelError(
            f"Node {t.node} must not see 0, because sign(0) is 0 and one bit holds only -1 and +1, "
            f"but {t.where}: {t.remedy}."
        )
    if varied:
        return _varied(codes)
    numbers = [x for value in codes.values for x in value.flat if not isinstance(x, Fraction)]
    if numbers:
        what = "batch norm" if isinstance(numbers[0], Surd) else "tanh or sigmoid"
        raise ModelError(f"a {what} follows a quantiser and makes its levels irrational: move it before the quantiser")
    steps = [np.asarray(b - a, object) for a, b in zip(codes.values, codes.values[1:], strict=False)]
    size = abs(steps[0].flat[0])
    if size == 0:
        raise ModelError("the first channel of the activation has one value only, and the others have more")
    if any((np.abs(step) != size).any() or (step != steps[0]).any() for step in steps):
        raise ModelError(
            "activations must have one even spacing for all levels and channels, and these differ: "
            "use one scale for the whole tensor"
        )
    signs = np.where(np.asarray(steps[0] > 0, bool), 1, -1)
    first = codes.values[0]
    if len(codes.values) == 2:
        return Coding(BIPOLAR, size / 2, signs, first + steps[0] / 2)
    bits = (len(codes.values) - 1).bit_length()
    offset = first.flat[0] / size
    if (signs == 1).all() and (first == first.flat[0]).all() and (2 * offset).denominator == 1:
        step = offset.denominator
        return Coding(Format(bits=bits, offset=int(offset * step), step=step), size / step, signs, first * 0)
    return Coding(Format(bits=bits), size, signs, first)


def even(codes: Codes) -> bool:
    """Whether the levels of codes have one distance, in all elements."""
    try:
        coding(resolved(codes))
    except ModelError:
        return False
    return True


def channel_scales(codes: Codes) -> list[Fraction]:
    """The distances of the levels of codes that are evenly spaced for each element; none where they are not."""
    if any(not isinstance(x, Fraction) for value in codes.values for x in value.flat):
        return []
    try:
        code = coding(resolved(codes), varied=True)
    except ModelError:
        return []
    return list(np.asarray(code.scale, object).flat)


def _varied(codes: Codes) -> Coding:
    """Codes whose levels are evenly spaced for each element, be it at another distance for each."""
    steps = [np.asarray(b - a, object) for a, b in pairwise(codes.values)]
    rises = np.frompyfunc(sign, 1, 1)(steps[0]).astype(np.int64)
    if any(np.frompyfunc(sign, 1, 1)(step - steps[0]).any() for step in steps[1:]):
        raise ModelError(
            "activations must have one even spacing for all levels of a channel, and these differ: use even levels"
        )
    signs, size = np.where(rises < 0, -1, 1), np.asarray(steps[0] * rises, object)
    if len(codes.values) == 2:
        half = Fraction(1, 2)
        return Coding(BIPOLAR, size * half, signs, np.asarray(codes.values[0] + steps[0] * half, object))
    return Coding(Format(bits=(len(codes.values) - 1).bit_length()), size, signs, codes.values[0])
