"""What streams carry: number formats, and feature maps."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NetworkError

__all__ = ["BIPOLAR", "VALUE_BITS", "Format", "Integers", "Map", "Shape"]

Integers = NDArray[np.int64]
#: Rows, columns and channels of a map.
Shape = tuple[int, int, int]

#: Bits of what a layer multiplies with weights, or compares.
VALUE_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Format:
    """What the codes on a stream mean: ``value = offset + step * code``.

    Parameters
    ----------
    bits : int
        Bits of a code.
    offset, step : int
        Value of code 0, and the distance between the values of neighbouring codes.
    """

    bits: int
    offset: int = 0
    step: int = 1

    def __post_init__(self) -> None:
        if type(self.bits) is not int or not 1 <= self.bits <= VALUE_BITS:
            raise NetworkError(f"Format bits must be 1 to {VALUE_BITS}, not {self.bits}.")
        if self.step == 0:
            raise NetworkError("Format step must not be 0: every code would mean the same value.")
        for number in (self.offset, self.step):
            if type(number) is not int or abs(number) >> VALUE_BITS:
                raise NetworkError(f"Format offset and step must be integers of {VALUE_BITS} bits, not {number}.")

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return 1 << self.bits

    def values(self, codes: ArrayLike) -> Integers:
        """Values of codes; same shape."""
        return self.offset + self.step * np.asarray(codes, np.int64)


#: One bit that means -1 or +1.
BIPOLAR = Format(bits=1, offset=-1, step=2)


@dataclass(frozen=True, kw_only=True)
class Map:
    """What a layer hands on.

    Parameters
    ----------
    shape : (int, int, int)
        H, W, C.
    low, high : int
        Lowest and highest value that can occur.
    format : Format or None
        Of codes; None where the stream carries the values themselves, as accumulators.
    """

    shape: Shape
    low: int
    high: int
    format: Format | None = None

    @classmethod
    def of_codes(cls, shape: Shape, form: Format) -> Map:
        """A map of codes."""
        ends = sorted((form.offset, form.offset + form.step * (form.codes - 1)))
        return cls(shape=shape, low=ends[0], high=ends[1], format=form)

    @property
    def size(self) -> int:
        """Elements of a frame."""
        return prod(self.shape)

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.shape[0] * self.shape[1]

    @property
    def channels(self) -> int:
        """Elements of a pixel."""
        return self.shape[2]
