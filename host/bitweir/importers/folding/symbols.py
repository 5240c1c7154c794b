"""What a value of the graph is, while the importer walks over it.

A constant is a NumPy array. All else depends on the frame, and is one of three:

- `Signal`: a chain of scalar operations on the frame, or on what a layer hands on;
- `Codes`: what a quantiser makes of a signal: thresholds, and the value between each two;
- `Padded`: one of these with a constant border, which the next layer takes up.

Shapes are those of one frame, without the batch. Parameters broadcast against the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from bitweir_hw.network import Layer, Map, Stored
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Exacts, Quantiser, Step, exact
from ..exact.surd import coefficients, sign
from .accuracy import Accuracy, Margin
from .borders import Border

__all__ = [
    "AnyMoving",
    "Codes",
    "Frame",
    "Move",
    "Moving",
    "Padded",
    "Point",
    "Signal",
    "Stream",
    "Ternary",
    "along_channels",
    "by_channel",
    "narrowed",
    "unpadded",
    "whole",
]

Array = NDArray[Any]
Move = Callable[[Array], Array]

#: More than any trained network has; hostile files would take memory and time.
_MAX_STEPS, _MAX_BITS = 64, 1 << 14


@dataclass(frozen=True, eq=False)
class Frame:
    """The input of the model file.

    Parameters
    ----------
    shape : tuple of int
        Of one frame.
    stored : Stored or None
        Which integers occur and what they mean, where the user or the file says so.
    """

    shape: tuple[int, ...]
    stored: Stored | None = None

    def places(self, x: Signal | Codes) -> Array:
        """The place in the rule of `stored` of each element of a signal; broadcasts against its shape."""
        flat = np.zeros((1,) * len(x.shape), np.int64)
        if self.stored is None or self.stored.places == 1:
            return flat
        return narrowed(np.unravel_index(x.index, self.shape)[self.stored.axis].reshape(x.shape))


@dataclass(frozen=True, eq=False)
class Point:
    """A place in the network: behind `layer`, which follows `before`. The first point is the input stream.

    `border` says what the sums there lack, if they do.
    """

    map: Map
    layer: Layer | None = None
    before: Point | None = None
    border: Border | None = None

    @property
    def path(self) -> list[Point]:
        """All points from the first one to this one."""
        path: list[Point] = []
        point: Point | None = self
        while point is not None:
            path.append(point)
            point = point.before
        return path[::-1]


@dataclass(frozen=True, eq=False)
class Stream:
    """The integers that arrive at a point: accumulators, or the values of codes.

    Parameters
    ----------
    name : str
        Of the layer that makes them.
    point : Point
    low, high : int64 array, (C,)
        What occurs in a channel is among ``low, low + step, ..., high``.
    step : int
    accuracy : Accuracy or None
        Behind sums: what the integers stand for, and how far they may be off; None where they are exact.
    """

    name: str
    point: Point
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    step: int
    accuracy: Accuracy | None = None

    @property
    def exact(self) -> bool:
        """Whether the integers are what they stand for, without any error."""
        return self.accuracy is None or self.accuracy.exact

    @property
    def sums(self) -> frozenset[str]:
        """Sums behind which the stream is, up to the last quantiser."""
        return frozenset() if self.accuracy is None else self.accuracy.sums

    @property
    def last(self) -> str:
        """The sum that chose the unit; empty if none did."""
        return "" if self.accuracy is None else self.accuracy.last

    @property
    def map(self) -> Map:
        """What is there."""
        return self.point.map


@dataclass(frozen=True, eq=False)
class Signal:
    """A chain of scalar operations on elements of the origin.

    Parameters
    ----------
    origin : Frame or Stream
    shape : tuple of int
        Of one frame.
    index : int64 array
        Row-major: which element of the origin each element is made from; those of a stream count
        pixel by pixel, channels innermost.
    steps : tuple of Step
        In the order of computation.
    batch : int
        Size of axis 0 in the file; 1 where it is free.
    ended : str
        What came that nothing may follow, such as a softmax; else empty.
    end : str
        Its kind, one of `endings.ENDS`.
    resumes : Step or None
        What ended it, where something may follow after all.
    summands : tuple of (Signal or Codes), or None
        The first step is the sum of these two, which are straight functions of the origin and codes of it. A quantiser
        folds that. What cannot takes the sum of the streams that they become.
    """

    origin: Frame | Stream
    shape: tuple[int, ...]
    index: NDArray[np.int64]
    steps: tuple[Step, ...] = ()
    batch: int = 1
    ended: str = ""
    end: str = ""
    resumes: Step | None = None
    summands: tuple[Signal | Codes, Signal | Codes] | None = None

    def resumed(self) -> Signal:
        """The signal behind what ended it, where that can be one more operation; else itself."""
        return replace(self, ended="", end="", resumes=None).then(self.resumes) if self.resumes else self

    def then(self, step: Step) -> Signal:
        """The signal after one more operation."""
        if not step.folds:
            raise ModelError(
                f"{step.name} is not monotone, and only monotone operations fold before a quantiser: use ReLU or Clip"
            )
        if len(self.steps) >= _MAX_STEPS:
            raise ModelError(f"more than {_MAX_STEPS} operations in a row do not fold: merge them")
        return replace(self, steps=(*self.steps, step))

    def moved(self, shape: tuple[int, ...], move: Move) -> Signal:
        """The elements in another order or shape, as `move` does it to an array of the frame."""
        steps = tuple(step.reshaped(lambda array: _moved(array, self.shape, move)) for step in self.steps)
        index = move(self.index.reshape(self.shape)).reshape(-1)
        one, other = (None, None) if self.summands is None else (x.moved(shape, move) for x in self.summands)
        summands = None if one is None or other is None else (one, other)
        return replace(self, shape=shape, index=index, steps=steps, summands=summands)


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
        Broadcasts against shape: the thresholds are for the negated elements of the origin.
    ternary : Ternary or None
        The quantiser was Sign, and 0 may arrive.
    distance : (float, bool)
        Least distance of a real threshold to an accumulator that occurs, and whether floats are rounded there.
    border : tuple of int64 array
        The thresholds in each class of windows, row by row, where the sums lack something at the edges of a map.
    margins : dict
        Of a quantiser behind sums that are not exact: by channel, how its thresholds lie to their error.
    """

    origin: Frame | Stream
    shape: tuple[int, ...]
    index: NDArray[np.int64]
    thresholds: Array
    values: tuple[Exacts, ...]
    inverted: NDArray[np.bool_]
    batch: int = 1
    ternary: Ternary | None = None
    distance: tuple[float, bool] = (np.inf, False)
    border: tuple[Array, ...] = ()
    margins: dict[int, Margin] = field(default_factory=dict)

    def then(self, step: Step) -> Codes:
        """The codes after one more operation, which need not be monotone: it maps each value."""
        apply = np.frompyfunc(step.apply, 1 + len(step.params), 1)
        values = tuple(np.asarray(apply(value, *step.params), object) for value in self.values)
        if any(max(map(_bits, coefficients(x)), default=0) > _MAX_BITS for value in values for x in value.flat):
            raise ModelError("the values of a quantiser must be numbers of moderate size")
        return self.simplified(values)

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
        return self.simplified(tuple(np.asarray(apply(value, *numbers), object) for value in self.values))

    def moved(self, shape: tuple[int, ...], move: Move) -> Codes:
        """The elements in another order or shape, as `move` does it to an array of the frame."""

        def moved(thresholds: Array) -> Array:
            return np.stack(np.broadcast_arrays(*(_moved(row, self.shape, move) for row in thresholds)))

        return replace(
            self, shape=shape, index=move(self.index.reshape(self.shape)).reshape(-1),
            thresholds=moved(self.thresholds), border=tuple(map(moved, self.border)),
            values=tuple(_moved(value, self.shape, move) for value in self.values),
            inverted=_moved(self.inverted, self.shape, move),
        )  # fmt: skip

    def simplified(self, values: tuple[Exacts, ...]) -> Codes:
        """The same codes with other values, without the thresholds at which none changes (except a last one)."""
        keep = [bool(np.any(np.not_equal(a, b))) for a, b in zip(values, values[1:], strict=False)]
        if not any(keep):
            keep[0] = True
        kept = (value for value, k in zip(values[1:], keep, strict=True) if k)
        kept_ones = np.array(keep)
        border = tuple(rows[kept_ones] for rows in self.border)
        return replace(self, thresholds=self.thresholds[kept_ones], values=(values[0], *kept), border=border)


@dataclass(frozen=True, eq=False)
class Padded:
    """A map with a border of one constant.

    Parameters
    ----------
    inside : Signal or Codes
    pads : tuple of (int, int)
        For each axis of the frame, how much lies before and after it.
    value : Fraction
    """

    inside: Signal | Codes
    pads: tuple[tuple[int, int], ...]
    value: Fraction

    @property
    def batch(self) -> int:
        """As in `Signal`."""
        return self.inside.batch

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one frame, with the border."""
        return tuple(before + size + after for size, (before, after) in zip(self.inside.shape, self.pads, strict=True))


Moving = Signal | Codes


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


AnyMoving = TypeVar("AnyMoving", Signal, Codes)


def _bits(x: Fraction) -> int:
    return max(x.numerator.bit_length(), x.denominator.bit_length())


def _moved(array: Array, shape: tuple[int, ...], move: Move) -> Array:
    """A parameter that broadcasts against a frame, as it follows the elements; still as small as may be."""
    if array.size == 1:
        return array.reshape((1,) * move(np.empty(shape, np.bool_)).ndim)
    which = np.arange(array.size).reshape(array.shape)
    return array.reshape(-1)[narrowed(move(np.broadcast_to(which, shape)))]


def narrowed(array: Array) -> Array:
    """An array of numbers without repetition: size 1 along each axis along which it does not change."""
    for axis in range(array.ndim):
        first = array.take([0], axis)
        if (array == first).all():
            array = first
    return array


def by_channel(x: Moving, array: Array) -> Array:
    """What an array that broadcasts against a frame holds for each channel of the stream behind it: (C,).

    Raises
    ------
    ModelError
        Pixels of a channel differ; the text is the end of a sentence.
    """
    assert isinstance(x.origin, Stream)
    channels = x.origin.map.channels
    if array.size == 1:
        return np.broadcast_to(array.reshape(1), (channels,))
    place = np.broadcast_to(np.arange(array.size).reshape(array.shape), x.shape).reshape(-1)
    owner = x.index % channels
    chosen = np.zeros(channels, np.int64)
    chosen[owner] = place
    flat = array.reshape(-1)
    other = np.flatnonzero(place != chosen[owner])
    if len(other) and np.any(flat[place[other]] != flat[chosen[owner[other]]]):
        raise ModelError(
            f"all pixels of a channel must be treated alike, but its parameters differ from pixel to pixel of the map "
            f"that {x.origin.name} hands on: use one parameter a channel"
        )
    return flat[chosen]


def along_channels(x: Moving, axis: int) -> bool:
    """Whether the elements along an axis of a frame are the channels of one pixel of a stream, in order."""
    if not isinstance(x.origin, Stream) or not -len(x.shape) <= axis < len(x.shape):
        return False
    index, channels = np.moveaxis(x.index.reshape(x.shape), axis, -1), x.origin.map.channels
    if index.shape[-1] != channels:
        return False
    pixel, channel = np.divmod(index, channels)
    return bool((channel == np.arange(channels)).all() and (pixel == pixel[..., :1]).all())


def whole(x: Moving, number: int | Fraction) -> Exacts:
    """One number for all elements."""
    return exact(np.array([Fraction(number)], object).reshape((1,) * len(x.shape)))
