"""From frames, as a user has them, to the codes that the hardware takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import Format, Input
from numpy.typing import ArrayLike, NDArray

__all__ = ["batches", "checked_codes", "encode", "pixel_values"]

Array = NDArray[Any]
Floats = NDArray[np.float32]


def encode(entry: Input, x: ArrayLike) -> Array:
    """Codes of frames, in the order of the input stream.

    Parameters
    ----------
    entry : Input
        Of the network.
    x : array
        The type says what it holds:

        - floating point, (N, *shape): what the model file takes. Compared with the thresholds in float64.
        - uint8, (N, *shape): pixels, which `pixel_values` turns into what the model file takes.
        - signed integers: codes already. (N, K) is in the order of the stream and only checked;
          (N, *shape) with more axes is in the order of the frame, and `Input.source` rearranges it.

    Returns
    -------
    array, (N, K)
        uint8, or uint16 or uint32 where codes have more bits.

    Raises
    ------
    NetworkError
        `x` is of another type or shape, holds NaN or codes out of range, or holds pixels and nobody
        said what they are scaled with.
    """
    frames = np.asarray(x)
    if frames.dtype.kind not in "fi" and frames.dtype != np.uint8:
        raise NetworkError(
            f"Frames must be floating point, uint8 (pixels) or signed integers (codes), not {frames.dtype}."
        )
    if frames.dtype.kind == "i" and frames.shape[1:] == (entry.size,):
        return checked_codes(entry, frames).astype(_code_type(entry.format))
    if frames.shape[1:] != entry.shape:
        wanted = ", ".join(["N", *map(str, entry.shape)])
        raise NetworkError(f"Frames must have the shape ({wanted}), not {frames.shape}.")
    flat = frames.reshape(len(frames), int(np.prod(entry.shape)))
    rule = _rule(entry, frames.dtype)
    codes = np.empty((len(flat), entry.size), _code_type(entry.format))
    in_order = np.array_equal(entry.source, np.arange(flat.shape[1]))
    for part in batches(len(flat), max(flat.shape[1], entry.size)):
        codes[part] = rule(flat[part] if in_order else flat[part][:, entry.source])
    return codes


def pixel_values(scale: str | None) -> Floats:
    """What the model file takes for each value of a uint8 pixel.

    For the scale ``"a/b"`` this is ``float32(pixel) * float32(a) / float32(b)``, each step rounded to
    float32: ``"1/255"`` gives ``float32(pixel) / float32(255)`` as frameworks compute it.

    Parameters
    ----------
    scale : str or None
        As `Input.pixel_scale` has it.

    Returns
    -------
    float32 array, (256,)

    Raises
    ------
    NetworkError
        The scale is unknown or is no fraction.
    """
    if scale is None:
        raise NetworkError(
            "Pixels (uint8) need a scale to become what the model file takes; "
            "give it with --input-scale, such as 1/255."
        )
    try:
        over, _, under = scale.partition("/")
        a, b = np.float32(over), np.float32(under or 1)
    except ValueError:
        a, b = np.float32(np.nan), np.float32(1)
    if not np.isfinite([a, b]).all() or b == 0:
        raise NetworkError(f"Input scale must be a number or a fraction such as 1/255, not {scale!r}.")
    values: Floats = np.arange(256, dtype=np.float32) * a / b
    return values


def _rule(entry: Input, dtype: np.dtype[Any]) -> Callable[[Array], Array]:
    """How elements (n, K) in the order of the stream become codes (n, K)."""
    if dtype.kind == "i":
        return lambda x: checked_codes(entry, x)
    if dtype.kind == "f":
        return lambda x: _count(entry, x)
    values = pixel_values(entry.pixel_scale)
    if len(entry.thresholds) > 1:
        return lambda x: _count(entry, values[x])
    # One row of thresholds serves all elements, so there are only 256 cases.
    table = _count(entry, values[:, None]).ravel().astype(_code_type(entry.format))
    return lambda x: table[x]


def _count(entry: Input, x: Array) -> Array:
    """Number of thresholds that each element of x, (n, K), reaches."""
    if np.isnan(x).any():
        raise NetworkError("Frames must hold numbers, not NaN.")
    x = x.astype(np.float64)
    rows, many = entry.thresholds.shape
    if rows == 1 and many > 8:
        # For many thresholds bisection is faster; "right" counts the thresholds t with t <= x.
        return np.searchsorted(entry.thresholds[0], x, side="right")
    counts = np.zeros(x.shape, np.int64)
    for threshold in entry.thresholds.T:
        counts += x >= threshold
    return counts


def checked_codes(entry: Input, codes: Array) -> Array:
    """`codes`, an array of integers of shape (n, K), if the format has them all."""
    if codes.dtype.kind not in "iu" or codes.shape[1:] != (entry.size,):
        raise NetworkError(
            f"Codes must be integers of shape (N, {entry.size}), not {codes.dtype} of shape {codes.shape}."
        )
    if codes.size:
        for code in (int(codes.min()), int(codes.max())):
            if not 0 <= code < entry.format.codes:
                raise NetworkError(
                    f"Codes must be 0 to {entry.format.codes - 1} for {entry.format.bits} bits; one is {code}."
                )
    return codes


def _code_type(form: Format) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if form.bits <= 8 else np.uint16 if form.bits <= 16 else np.uint32


def batches(frames: int, width: int, largest: int = 1024) -> Iterator[slice]:
    """Equal parts of a batch, each small enough that `width` elements a frame take some tens of megabytes at most."""
    largest = max(1, min(largest, (1 << 22) // width))
    count = -(-frames // largest)
    for index in range(count):
        yield slice(frames * index // count, frames * (index + 1) // count)
