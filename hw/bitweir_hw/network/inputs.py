"""What the integers mean that images are stored as, such as pixels: ``x = scale * integer + offset``, exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import NetworkError

__all__ = ["MAX_LEVELS", "Stored"]

#: Integers that may arrive, as many as 16 bits tell apart.
MAX_LEVELS = 1 << 16
#: Integers times rules: each is calculated as a fraction.
_MAX_CASES = 1 << 20
#: So float32 leaves each number of the rule nearer to itself than to its neighbours; see `Stored.tolerance`.
_MAX_STEPS = 1 << 19
#: Roundings of float32 on the way from an integer to what the model takes, with those of the constants.
_ROUNDINGS = 8
_NUMBER = re.compile(r"-?[0-9]{1,60}(/[0-9]{1,60})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The integers in which images are stored, and the exact rule from them to what the model takes.

    Parameters
    ----------
    low, high : int
        Least and highest integer that may arrive; at most 16 bits tell them apart.
    scale, offset : tuple of str
        Fractions such as ``"1/255"``: ``x = scale * integer + offset``. One for all elements, or one for each
        place along an axis of the frame. No scale is 0.
    axis : int
        The axis of `bitweir_hw.network.Input.shape` along which they differ.
    """

    low: int = 0
    high: int = 255
    scale: tuple[str, ...] = ("1",)
    offset: tuple[str, ...] = ("0",)
    axis: int = 0

    @classmethod
    def of(cls, scales: tuple[Fraction, ...], offsets: tuple[Fraction, ...], low: int, high: int) -> Stored:
        """The rule of some fractions, as many scales as offsets; checked, in its shortest form."""
        if len({*scales}) == len({*offsets}) == 1:
            scales, offsets = scales[:1], offsets[:1]
        made = cls(low=low, high=high, scale=tuple(map(str, scales)), offset=tuple(map(str, offsets)))
        made.check()
        return made

    @property
    def scales(self) -> tuple[Fraction, ...]:
        """The scale at each place along the axis, or the one of all."""
        return tuple(map(Fraction, self.scale))

    @property
    def offsets(self) -> tuple[Fraction, ...]:
        """As `scales`."""
        return tuple(map(Fraction, self.offset))

    @property
    def places(self) -> int:
        """How many rules there are: 1, or the size of the axis."""
        return len(self.scale)

    @property
    def levels(self) -> int:
        """How many integers there are."""
        return self.high - self.low + 1

    @property
    def rule(self) -> str:
        """The rule in words of arithmetic, for the integer x, as ``--input-scale`` takes it: ``2/255*x-1``."""
        scale, offset = (
            parts[0] if len(set(parts)) == 1 else "[" + ",".join(parts) + "]" for parts in (self.scale, self.offset)
        )
        text = "x" if scale == "1" else "-x" if scale == "-1" else f"{scale}*x"
        if offset == "0":
            return text
        return f"{text}{offset}" if offset.startswith("-") else f"{text}+{offset}"

    def floats(self, place: int = 0) -> NDArray[np.float32]:
        """What the model takes for each integer, from the lowest on, rounded once to float32: (levels,)."""
        return _floats(self.scales[place], self.offsets[place], self.low, self.high)

    def tolerance(self, place: int = 0) -> Fraction:
        """How far float32 may be from the exact rule.

        Every usual order of operations, such as ``(x / 255 - m) / s``, ``x * (1 / (255 * s)) - m / s`` or
        ``(x - 255 * m) / (255 * s)``, has intermediate values that are, in units of the result, at most
        ``|scale| * Q + |offset|`` for integers up to Q in magnitude. Each rounding of a constant or a result brings
        an error of at most 2**-24 of that. Eight of them are more than any of these orders has.
        """
        most = max(abs(self.low), abs(self.high))
        return Fraction(_ROUNDINGS, 1 << 24) * (abs(self.scales[place]) * most + abs(self.offsets[place]))

    def along(self, shape: tuple[int, ...], first: int) -> Stored:
        """The rule for frames of a shape, whose channels are axis `first` (0 or -1), or else the other end.

        Raises
        ------
        NetworkError
            Neither has as many places as the rule.
        """
        if self.places == 1:
            return self
        for axis in (first % len(shape), (-1 - first) % len(shape)):
            if shape[axis] == self.places:
                return replace(self, axis=axis)
        raise NetworkError(
            f"Input rule {self.rule} must have one number, or one for each channel of frames of the shape {shape}; "
            f"it has {self.places}."
        )

    def check(self) -> None:
        """Refuse what is no rule.

        Raises
        ------
        NetworkError
            Names the rule and the value that breaks it.
        """
        if type(self.low) is not int or type(self.high) is not int or not 1 <= self.high - self.low < MAX_LEVELS:
            raise NetworkError(
                f"Input range must have a low end below its high end, and at most {MAX_LEVELS:,} integers, "
                f"not {self.low} to {self.high}."
            )
        if max(abs(self.low), abs(self.high)) >= 1 << 31:
            raise NetworkError(f"Input range must lie in 32 bits, not at {self.low} to {self.high}.")
        numbers = (*self.scale, *self.offset) if isinstance(self.scale, tuple) else ()
        if (
            not numbers or len(self.scale) != len(self.offset) or type(self.axis) is not int
            or any(type(number) is not str or not _NUMBER.fullmatch(number) for number in numbers)
            or any(number.partition("/")[2].strip("0") == "" for number in numbers if "/" in number)
        ):  # fmt: skip
            raise NetworkError("Input rule must be fractions, as many scales as offsets.")
        if self.levels * self.places > _MAX_CASES:
            raise NetworkError(
                f"Input rule must have at most {_MAX_CASES:,} cases, not {self.places:,} numbers for each of "
                f"{self.levels:,} integers."
            )
        most = max(abs(self.low), abs(self.high))
        for scale, offset in zip(self.scales, self.offsets, strict=True):
            if scale == 0:
                raise NetworkError("Input rule must not multiply with 0: all integers would mean the same.")
            if most + abs(offset / scale) > _MAX_STEPS:
                raise NetworkError(
                    f"Input rule {self.rule} must have numbers that float32 tells apart: its offset is at most "
                    f"{_MAX_STEPS - most:,} steps, not {float(abs(offset / scale)):,.0f}."
                )


@lru_cache(maxsize=64)
def _floats(scale: Fraction, offset: Fraction, low: int, high: int) -> NDArray[np.float32]:
    """A line at all integers of a range, rounded once to float32; kept, since each batch of frames asks for it."""
    numbers = np.array([float(scale * number + offset) for number in range(low, high + 1)]).astype(np.float32)
    numbers.setflags(write=False)
    return numbers
