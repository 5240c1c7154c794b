"""What numbers the input of a model holds, where the user or the file says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from bitweir_sim.encoding import pixel_values
from numpy.typing import NDArray

from .errors import ModelError, shown

__all__ = ["InputRange", "input_range"]


@dataclass(frozen=True, eq=False)
class InputRange:
    """The numbers that occur.

    Parameters
    ----------
    levels : float64 array, (L,)
        Ascending, as float32 has them.
    exact : tuple of Fraction
        The same without rounding.
    pixel_scale : str or None
        As in `bitweir_hw.network.Input`; None where the numbers are no scaled pixels.
    """

    levels: NDArray[np.float64]
    exact: tuple[Fraction, ...]
    pixel_scale: str | None


def input_range(text: str) -> InputRange:
    """The numbers that a user names.

    Parameters
    ----------
    text : str
        ``"1/255"``, ``"0.0625"`` or ``"1"``: what a uint8 pixel is multiplied with. ``"int8"`` or
        narrower: signed whole numbers of so many bits.

    Raises
    ------
    ModelError
        It is neither.
    """
    plain = text.strip().lower()
    signed = re.fullmatch(r"int([2-8])", plain, re.ASCII)
    if signed:
        half = 1 << int(signed[1]) - 1
        numbers = range(-half, half)
        return InputRange(np.array(numbers, np.float64), tuple(map(Fraction, numbers)), None)
    # The pattern keeps Fraction away from exponents, which can be astronomical.
    if re.fullmatch(r"\d{1,9}(/\d{1,9}|\.\d{1,9})?|\.\d{1,9}", plain, re.ASCII):
        over, _, under = plain.partition("/")
        if not under or int(under):
            value = Fraction(over) / Fraction(under or 1)
            if value > 0:
                levels = pixel_values(str(value)).astype(np.float64)
                return InputRange(levels, tuple(value * pixel for pixel in range(256)), str(value))
    raise ModelError(
        f"Input scale must be a positive number or fraction such as 1/255, or int8 for signed whole numbers, "
        f"not {shown(text)}."
    )
