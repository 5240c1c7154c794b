"""Encoding: from frames, as a user has them, to the codes that the hardware takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import Format, Input, Stored
from numpy.typing import ArrayLike, NDArray

__all__ = ["Codes", "Encoded", "batches", "checked_codes", "encode", "encoded", "model_values"]

Array = NDArray[Any]
Floats = NDArray[np.float32]

_HELP = (
    "give images that the input rule allows (--input-scale and --input-range, in Python input_scale= and "
    "input_range=), give the rule of these images, or round them (--round-images, in Python rounding=True)"
)


@dataclass(frozen=True, eq=False)
class Codes:
    """Marks an array as codes, where images are expected.

    Parameters
    ----------
    array : array of integers, (N, K) or (N, *shape)
        (N, K) is in the order of the stream. Other shapes are in the order of the frame, and `Input.source`
        rearranges them.
    """

    array: ArrayLike


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """Frames as codes.

    Parameters
    ----------
    codes : array of unsigned integers, (N, K)
        In the order of the stream: uint8, or uint16 or uint32 where codes have more bits.
    rounded : int
        How many numbers of the frames were not what the input takes, and became the nearest that is.
    """

    codes: Array
    rounded: int


def encode(entry: Input, x: ArrayLike | Codes, *, rounding: bool = False) -> Array:
    """Return only the codes of `encoded`."""
    return encoded(entry, x, rounding=rounding).codes


def encoded(entry: Input, x: ArrayLike | Codes, *, rounding: bool = False) -> Encoded:
    """Encode frames in the order of the input stream.

    Parameters
    ----------
    entry : Input
        Of the network.
    x : array, or Codes
        The type decides how numbers are read:

        - floating point, (N, *shape): what the model file takes. Where the model quantises it, it is compared with
          the thresholds in float64. Else it must be what the rule of `entry.stored` makes of an integer, but for
          what float32 rounds (`Stored.tolerance`).
        - integers of any type, (N, *shape): those as which images are stored, such as pixels; `entry.stored` says
          which there are and what they mean.
        - `Codes`: taken as they are, after a check.
    rounding : bool
        Take the nearest number that the input takes in place of one that it does not.

    Raises
    ------
    NetworkError
        `x` is of another type or shape, or holds numbers that the input does not take; or the meaning of integers
        is not known.
    """
    if isinstance(x, Codes):
        return Encoded(codes=_given(entry, np.asarray(x.array)), rounded=0)
    frames = np.asarray(x)
    _check_frames(entry, frames)
    flat = frames.reshape(len(frames), -1) if len(frames) else frames.reshape(0, int(np.prod(entry.shape)))
    codes = np.empty((len(flat), entry.size), _code_type(entry.format))
    in_order = np.array_equal(entry.source, np.arange(flat.shape[1]))
    found = _Misfits(entry, frames.dtype)
    rule, count = _rule(entry, frames.dtype, found)
    for part in batches(len(flat), max(flat.shape[1], entry.size)):
        numbers = rule(flat[part], part.start)
        codes[part] = count(entry, numbers if in_order else numbers[:, entry.source])
    if found.count and not rounding:
        raise NetworkError(found.message(frames.size))
    return Encoded(codes=codes, rounded=found.count)


def model_values(entry: Input, x: ArrayLike, *, rounding: bool = False) -> Array:
    """Convert frames to the numbers that the model file takes.

    Integers become the float32 that is nearest to what the rule of `entry.stored` makes of them; floating point stays.

    Parameters
    ----------
    entry : Input
    x : array, (N, *shape)
        As `encoded` takes it, but no `Codes`.
    rounding : bool
        What `encoded` rounds is rounded here, too.

    Returns
    -------
    array of floating point, (N, *shape)

    Raises
    ------
    NetworkError
        As `encoded`.
    """
    frames = np.asarray(x)
    _check_frames(entry, frames)
    floats = frames.dtype.kind == "f"
    if floats and (entry.thresholds is not None or not rounding):
        return frames
    flat = frames.reshape(len(frames), -1) if len(frames) else frames.reshape(0, int(np.prod(entry.shape)))
    found = _Misfits(entry, frames.dtype)
    integers = _integers(entry, flat, found, 0)
    if found.count and not rounding:
        raise NetworkError(found.message(frames.size))
    values = _values(entry, integers)
    if floats:
        # What lies on the grid stays as it came: float32 may have rounded it on another way.
        values = np.where(found.last, values, flat)
    return values.reshape(frames.shape)


def _check_frames(entry: Input, frames: Array) -> None:
    if frames.dtype.kind not in "fiu":
        raise NetworkError(f"Frames must be floating point or integers, not {frames.dtype}.")
    if frames.shape[1:] != entry.shape or not frames.ndim:
        wanted = ", ".join(["N", *map(str, entry.shape)])
        raise NetworkError(f"Frames must have the shape ({wanted}), not {frames.shape}.")
    if frames.dtype.kind in "iu" and entry.stored is None:
        raise NetworkError(
            "Integers, such as pixels, need a rule by which they become what the model file takes: give one "
            "(--input-scale, such as 1/255, or --input-range; in Python input_scale= or input_range=). Codes go into "
            "an "
            "array named codes."
        )


# ---- numbers, by the element of the frame


class _Misfits:
    """Numbers of frames that the input does not take."""

    def __init__(self, entry: Input, dtype: np.dtype[Any]) -> None:
        self._entry, self._dtype = entry, dtype
        self.count = 0
        self.last: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._first: tuple[int, int, Any, float] | None = None

    def add(self, wrong: NDArray[np.bool_], numbers: Array, nearest: Array, start: int) -> None:
        """Add those of frames (n, E), the first of which has the number `start`."""
        self.last = wrong
        self.count += int(wrong.sum())
        if self._first is None and wrong.any():
            image, element = np.unravel_index(int(wrong.argmax()), wrong.shape)
            near = nearest[image, element]
            self._first = (start + int(image), int(element), numbers[image, element], near)

    def message(self, total: int) -> str:
        """The message for all of them, which names the first."""
        stored, first = self._entry.stored, self._first
        assert stored is not None and first is not None
        image, element, number, near = first
        place = ", ".join(map(str, np.unravel_index(element, self._entry.shape)))
        if self._dtype.kind == "f":
            wanted = f"what {stored.rule} makes of integers x from {stored.low} to {stored.high}"
            what, nearest = f"{float(number):.9g}", f"{float(near):.9g}"
        else:
            wanted = f"integers from {stored.low} to {stored.high}"
            what, nearest = str(int(number)), str(int(near))
        return (
            f"Frames must hold {wanted}, but {self.count:,} of {total:,} numbers are not, the first of them {what} "
            f"in image {image} at ({place}), where {nearest} is nearest: {_HELP}."
        )


Rule = Callable[[Array, int], Array]
Count = Callable[[Input, Array], Array]


def _rule(entry: Input, dtype: np.dtype[Any], found: _Misfits) -> tuple[Rule, Count]:
    """The two steps of encoding: one on frames (n, E) and the number of the first, one on elements of the stream."""
    stored, quantised = entry.stored, entry.thresholds is not None

    def floats(flat: Array, start: int) -> Array:
        _check_finite(entry, flat, start)
        return flat if quantised else integers(flat, start)

    def integers(flat: Array, start: int) -> Array:
        assert stored is not None
        whole = _integers(entry, flat, found, start)
        return _values(entry, whole) if quantised else whole - stored.low

    def octets(flat: Array, start: int) -> Array:
        bits = flat.view(np.uint8)
        if misfit.any():
            found.add(misfit[bits], flat, nearest[bits], start)
        return table[bits]

    if dtype.kind == "f":
        return floats, _count
    if dtype.itemsize > 1 or stored is None or stored.places > 1 or _rows(entry) > 1:
        return integers, _count
    # There are only 256 cases.
    cases = np.arange(256, dtype=np.uint8).view(dtype)[:, None]
    nearest = _integers(replace(entry, shape=(1,)), cases, _Misfits(entry, dtype), 0).ravel()
    misfit = nearest != cases.ravel()
    table = _values(entry, nearest[:, None]).ravel() if quantised else nearest - stored.low
    table = _count(entry, table).astype(_code_type(entry.format))
    return octets, lambda _, codes: codes


def _rows(entry: Input) -> int:
    """How many rows of thresholds there are; 1 where there are none."""
    return 1 if entry.thresholds is None else len(entry.thresholds)


def _check_finite(entry: Input, flat: Array, start: int) -> None:
    wrong = ~np.isfinite(flat)
    if wrong.any():
        image, element = np.unravel_index(int(wrong.argmax()), wrong.shape)
        place = ", ".join(map(str, np.unravel_index(element, entry.shape)))
        raise NetworkError(
            f"Frames must hold finite numbers, not {flat[image, element]}, as image {start + int(image)} does at "
            f"({place})."
        )


def _integers(entry: Input, flat: Array, found: _Misfits, start: int) -> NDArray[np.int64]:
    """The stored integers of frames (n, E); other numbers become the nearest one, and are added to `found`."""
    stored = entry.stored
    assert stored is not None
    if flat.dtype.kind != "f":
        # No range reaches the ends of int64, so larger numbers may be clipped.
        whole = np.minimum(flat, np.iinfo(np.int64).max).astype(np.int64) if flat.dtype == np.uint64 else flat
        near = np.clip(whole.astype(np.int64), stored.low, stored.high)
        found.add(near != whole, flat, near, start)
        return near
    scale, offset, tolerance = _affine(entry, stored)
    x = flat.astype(np.float64)
    with np.errstate(over="ignore"):
        near = np.clip(np.rint((x - offset) / scale), stored.low, stored.high).astype(np.int64)
    grid = scale * near + offset
    found.add(np.abs(x - grid) > tolerance, flat, grid, start)
    return near


def _places(entry: Input, stored: Stored) -> Array:
    """The index of the rule of each element of a frame: (E,), or (1,) where all have the same rule."""
    if stored.places == 1:
        return np.zeros(1, np.int64)
    lead = (1,) * (len(entry.shape) - 1 - stored.axis)
    return np.broadcast_to(np.arange(stored.places).reshape(-1, *lead), entry.shape).reshape(-1)


def _affine(entry: Input, stored: Stored) -> tuple[Array, Array, Array]:
    """Scale, offset and tolerance of each element, in float64, whose rounding is 2**-29 of that of float32."""
    where = _places(entry, stored)
    tolerances = [stored.tolerance(place) for place in range(stored.places)]
    scale, offset, tolerance = (
        np.array([float(number) for number in numbers])[where]
        for numbers in (stored.scales, stored.offsets, tolerances)
    )
    return scale, offset, tolerance


def _values(entry: Input, integers: NDArray[np.int64]) -> Floats:
    """The numbers that the model file takes for integers (n, E): by the exact rule, rounded once to float32."""
    stored = entry.stored
    assert stored is not None
    table = np.stack([stored.floats(place) for place in range(stored.places)])
    values: Floats = table[_places(entry, stored), integers - stored.low]
    return values


def _count(entry: Input, x: Array) -> Array:
    """Codes of elements (n, K) in the order of the stream: the number of thresholds that each reaches, or itself."""
    if entry.thresholds is None:
        return x
    x = x.astype(np.float64)
    rows, many = entry.thresholds.shape
    if rows == 1 and many > 8:
        # For many thresholds bisection is faster; "right" counts the thresholds t with t <= x.
        return np.searchsorted(entry.thresholds[0], x, side="right")
    counts = np.zeros(x.shape, np.int64)
    for threshold in entry.thresholds.T:
        counts += x >= threshold
    return counts


# ---- codes


def _given(entry: Input, codes: Array) -> Array:
    """Check given codes, and put them in the order of the stream."""
    if codes.dtype.kind in "iu" and codes.shape[1:] != (entry.size,) and codes.shape[1:] == entry.shape:
        codes = codes.reshape(len(codes), int(np.prod(entry.shape)))[:, entry.source]
    return checked_codes(entry, codes, entry.levels - 1).astype(_code_type(entry.format))


def checked_codes(entry: Input, codes: Array, maximum: int | None = None) -> Array:
    """Check that `codes` are integers (n, K) from 0 to `maximum`, by default the largest code of the format."""
    if codes.dtype.kind not in "iu" or codes.shape[1:] != (entry.size,):
        raise NetworkError(
            f"Codes must be integers of shape (N, {entry.size}), not {codes.dtype} of shape {codes.shape}."
        )
    maximum = entry.format.codes - 1 if maximum is None else maximum
    if codes.size:
        for end in (int(codes.min()), int(codes.max())):
            if not 0 <= end <= maximum:
                wrong = (codes < 0) | (codes > maximum)
                image, element = np.unravel_index(int(wrong.argmax()), wrong.shape)
                raise NetworkError(
                    f"Codes must be 0 to {maximum}, but {int(wrong.sum()):,} of {codes.size:,} are not, the first "
                    f"of them {codes[image, element]} in image {image} at {element}, where "
                    f"{0 if codes[image, element] < 0 else maximum} is nearest."
                )
    return codes


def _code_type(form: Format) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if form.bits <= 8 else np.uint16 if form.bits <= 16 else np.uint32


def batches(frames: int, width: int, largest: int = 1024) -> Iterator[slice]:
    """Split a batch into equal parts that take tens of megabytes at most, with `width` elements in a frame."""
    largest = max(1, min(largest, (1 << 22) // width))
    count = -(-frames // largest)
    for index in range(count):
        yield slice(frames * index // count, frames * (index + 1) // count)
