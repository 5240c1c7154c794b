"""What a value of the graph is, while the importer walks over it.

A constant is a NumPy array. All else depends on the frame, and is one of two:

- `Signal`: a chain of scalar operations on the frame, or on the sums of the last layer;
- `Codes`: what a quantiser makes of a signal: thresholds, and the value between each two.

Shapes are those of one frame, without the batch. Parameters broadcast against the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from bitweir_hw.network import BIPOLAR, Format
from numpy.typing import NDArray

from .errors import ModelError
from .fold import (
    Exacts,
    Quantiser,
    Step,
    columns,
    float_threshold,
    integer_thresholds,
    tie_distance,
)
from .surd import Surd, coefficients, sign

__all__ = ["Codes", "Coding", "Frame", "Signal", "Sums", "Ternary", "bounded", "coding", "quantise"]


#: More than any trained network has; hostile files would take memory and time.
_MAX_STEPS, _MAX_BITS, _MAX_VALUES = 64, 1 << 14, 1 << 22


@dataclass(frozen=True, eq=False)
class Frame:
    """The input of the model file.

    Parameters
    ----------
    shape : tuple of int
        Of one frame.
    pixels : float64 array, (256,), or None
        What a uint8 pixel becomes, rounded as float32, where the user or the file says so.
    step : Fraction or None
        The same without rounding: pixel p is ``p * step``.
    """

    shape: tuple[int, ...]
    pixels: NDArray[np.float64] | None
    step: Fraction | None


@dataclass(frozen=True, eq=False)
class Sums:
    """Accumulators of a layer.

    Parameters
    ----------
    name : str
        Of the layer.
    weights : bool array, (M, K)
    low, high : int64 array, (M,)
        What occurs is ``low, low + step, ..., high``.
    step : int
    """

    name: str
    weights: NDArray[np.bool_]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    step: int


@dataclass(frozen=True, eq=False)
class Signal:
    """A chain of scalar operations on elements of the origin.

    Parameters
    ----------
    origin : Frame or Sums
    shape : tuple of int
        Of one frame.
    index : int64 array
        Row-major: which element of the origin each element is made from.
    steps : tuple of Step
        In the order of computation.
    batch : int
        Size of axis 0 in the file; 1 where it is free.
    ended : str
        What came that nothing may follow, such as a softmax; else empty.
    """

    origin: Frame | Sums
    shape: tuple[int, ...]
    index: NDArray[np.int64]
    steps: tuple[Step, ...] = ()
    batch: int = 1
    ended: str = ""

    def then(self, step: Step) -> Signal:
        """The signal after one more operation."""
        if step.slope is None:
            raise ModelError(f"{step.name} is not monotone, and only monotone operations fold before a quantiser")
        if len(self.steps) >= _MAX_STEPS:
            raise ModelError(f"more than {_MAX_STEPS} operations in a row do not fold: merge them")
        return replace(self, steps=(*self.steps, step))

    def moved(self, shape: tuple[int, ...], move: Callable[[NDArray[Any]], NDArray[Any]]) -> Signal:
        """The elements in another order or shape, as `move` does it to an array of the frame."""
        change = _mover(self.shape, shape, move)
        steps = tuple(step.reshaped(change) for step in self.steps)
        index = move(self.index.reshape(self.shape)).reshape(-1)
        return replace(self, shape=shape, index=index, steps=steps)


@dataclass(frozen=True, eq=False)
class Ternary:
    """A Sign node, which hands on 0 where 0 arrives, and where that can happen."""

    node: str
    where: str
    remedy: str


@dataclass(frozen=True, eq=False)
class Codes:
    """A signal behind a quantiser: ``values[number of thresholds reached]``.

    Parameters
    ----------
    origin, shape, index, batch
        As in `Signal`.
    thresholds : int64 or float64 array, (T, *broadcasts against shape)
        Ascending along axis 0.
    values : tuple of Exacts
        T + 1 arrays that broadcast against shape.
    inverted : bool array
        Broadcasts against shape: the thresholds are for inverted weight rows.
    ternary : Ternary or None
        The quantiser was Sign, and 0 may arrive.
    distance : (float, bool)
        Least distance of a real threshold to an accumulator that occurs, and whether floats are rounded there.
    """

    origin: Frame | Sums
    shape: tuple[int, ...]
    index: NDArray[np.int64]
    thresholds: NDArray[Any]
    values: tuple[Exacts, ...]
    inverted: NDArray[np.bool_]
    batch: int = 1
    ternary: Ternary | None = None
    distance: tuple[float, bool] = (np.inf, False)

    def then(self, step: Step) -> Codes:
        """The codes after one more operation, which need not be monotone: it maps each value."""
        apply = np.frompyfunc(step.apply, 1 + len(step.params), 1)
        values = tuple(np.asarray(apply(value, *step.params), object) for value in self.values)
        if any(max(map(_bits, coefficients(x))) > _MAX_BITS for value in values for x in value.flat):
            raise ModelError("the values of a quantiser must be numbers of moderate size")
        return self._simplified(values)

    def quantised(self, quantiser: Quantiser) -> Codes:
        """The codes behind a further quantiser."""

        def pick(y: Any, *numbers: Any) -> Any:
            reached = 0
            for number, (_, strict) in zip(numbers, quantiser.cuts, strict=False):
                order = sign(y - number)
                reached += order > 0 or (order == 0 and not strict)
            return numbers[len(quantiser.cuts) + reached]

        numbers = [array for array, _ in quantiser.cuts] + list(quantiser.values)
        apply = np.frompyfunc(pick, 1 + len(numbers), 1)
        return self._simplified(tuple(np.asarray(apply(value, *numbers), object) for value in self.values))

    def moved(self, shape: tuple[int, ...], move: Callable[[NDArray[Any]], NDArray[Any]]) -> Codes:
        """The elements in another order or shape, as `move` does it to an array of the frame."""
        change = _mover(self.shape, shape, move)
        rows = [change(row) for row in self.thresholds]
        index = move(self.index.reshape(self.shape)).reshape(-1)
        values = tuple(map(change, self.values))
        return replace(
            self, shape=shape, index=index, thresholds=np.stack(rows), values=values, inverted=change(self.inverted)
        )

    def _simplified(self, values: tuple[Exacts, ...]) -> Codes:
        """Without the thresholds at which no value changes (except a last one)."""
        keep = [bool(np.any(np.not_equal(a, b))) for a, b in zip(values, values[1:], strict=False)]
        if not any(keep):
            keep[0] = True
        kept = (value for value, k in zip(values[1:], keep, strict=True) if k)
        return replace(self, thresholds=self.thresholds[np.array(keep)], values=(values[0], *kept))


def _bits(x: Fraction) -> int:
    return max(x.numerator.bit_length(), x.denominator.bit_length())


def _mover(
    before: tuple[int, ...], after: tuple[int, ...], move: Callable[[NDArray[Any]], NDArray[Any]]
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """How parameters that broadcast against a frame follow its elements."""

    def change(array: NDArray[Any]) -> NDArray[Any]:
        if array.size == 1:
            return array.reshape((1,) * len(after))
        return move(np.broadcast_to(array, before))

    return change


# ---- closing a signal


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
    origin, cuts = signal.origin, quantiser.cuts
    arrays = [array for array, _ in cuts]
    if isinstance(origin, Sums):
        arrays += [_narrowed(ends[signal.index].reshape(signal.shape)) for ends in (origin.low, origin.high)]
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
                _close_sums(origin, chain, numbers, *extra[-2:])
                if isinstance(origin, Sums)
                else _close_frame(origin, chain, numbers)
            )
        rows.append(known[key])
    thresholds = np.array([row.thresholds for row in rows]).T.reshape(-1, *shape)
    inverted = np.array([row.inverted for row in rows]).reshape(shape)
    values = quantiser.values
    if isinstance(origin, Frame) and inverted.any():
        # Falling chains meet the cuts from the other end.
        values = tuple(np.where(inverted, b, a) for a, b in zip(values, reversed(values), strict=True))
        inverted = np.zeros_like(inverted)
    ternary = None
    if sign_node:
        occurs = [row.zero for row in rows if row.zero is not None]
        if occurs:
            ternary = Ternary(sign_node, f"{occurs[0]} brings a 0", _REMEDY[type(origin)])
        else:
            thresholds, values = thresholds[:1], (values[0], values[2])
    distance = min((row.distance for row in known.values()), default=(np.inf, False))
    return Codes(origin, signal.shape, signal.index, thresholds, values, inverted, signal.batch, ternary, distance)


def bounded(shape: tuple[int, ...], levels: int) -> None:
    """Refuse thresholds that would take absurd memory.

    Raises
    ------
    ModelError
        The text is the end of a sentence.
    """
    if int(np.prod(shape, dtype=object)) * levels > _MAX_VALUES:
        raise ModelError(f"it needs more than {_MAX_VALUES} thresholds: use one scale for the whole tensor")


def _narrowed(array: NDArray[Any]) -> Exacts:
    """Integers as objects; a single one if they are all alike, so that one fold serves all."""
    if (array == array.flat[0]).all():
        array = array.reshape(-1)[:1].reshape((1,) * array.ndim)
    return array.astype(object)


_REMEDY: dict[type, str] = {
    Frame: "say what pixels bring with --input-scale if they never bring this value, or use x >= 0",
    Sums: "use x >= 0, or train with a batch norm before it",
}


@dataclass(frozen=True)
class _Closed:
    thresholds: list[Any]
    inverted: bool
    distance: tuple[float, bool]
    zero: str | None  # something at which the chain lies between the first two cuts


def _close_sums(origin: Sums, chain: Any, cuts: list[Any], low: int, high: int) -> _Closed:
    thresholds, inverted = integer_thresholds(chain, cuts, low, high)
    start = -high if inverted else low
    end = start + high - low
    # In terms of the accumulator that the chain takes, the boundary of an inverted row lies at 1 - threshold.
    bounds = [1 - t if inverted else t for t in thresholds]
    distance = min(tie_distance(chain, c, t, origin.step, (low, high)) for c, t in zip(cuts, bounds, strict=True))
    zero = None
    if len(cuts) > 1:
        inside = start + -(-(thresholds[0] - start) // origin.step) * origin.step
        if inside < thresholds[1] and inside <= end:
            zero = f"the sum {-inside if inverted else inside} in {origin.name}"
    return _Closed(thresholds, inverted, (distance, chain.rounded_in_float), zero)


def _close_frame(origin: Frame, chain: Any, cuts: list[Any]) -> _Closed:
    found = [float_threshold(chain, cut) for cut in cuts]
    inverted = chain.slope < 0
    if inverted:
        found.reverse()
    zero = None
    if len(cuts) > 1:
        if origin.pixels is None:
            zero = f"the input {found[0]:g}" if found[0] < found[1] else None
        else:
            inside = np.flatnonzero((origin.pixels >= found[0]) & (origin.pixels < found[1]))
            zero = f"the pixel {inside[0]}" if len(inside) else None
    return _Closed(found, inverted, (np.inf, False), zero)


# ---- from values to a number format


@dataclass(frozen=True, eq=False)
class Coding:
    """Codes as a stream carries them: ``value = scale * sign * format.values(code) + shift`` for each element.

    Parameters
    ----------
    format : Format
    scale : Fraction
        Positive.
    signs : int64 array
        -1 or 1; broadcasts against the frame.
    shift : Exacts
        Broadcasts against the frame.
    """

    format: Format
    scale: Fraction
    signs: NDArray[np.int64]
    shift: Exacts


def coding(codes: Codes) -> Coding:
    """The number format of codes.

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
    if any(isinstance(x, Surd) for value in codes.values for x in value.flat):
        raise ModelError("a batch norm follows a quantiser: move it before the quantiser")
    steps = [np.asarray(b - a, object) for a, b in zip(codes.values, codes.values[1:], strict=False)]
    size = abs(steps[0].flat[0])
    if size == 0:
        raise ModelError("the activation has one value only: train it again")
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
