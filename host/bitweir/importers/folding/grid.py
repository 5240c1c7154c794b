"""A first layer that takes the input as it is: the integers on the stream, and what they mean to the layer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from bitweir_hw.network import BIPOLAR, Format, Stored

from ..errors import ModelError
from ..exact.fold import Chain, Exacts, columns
from .positions import AFFINE
from .quantise import bounded
from .symbols import Frame, Signal

__all__ = ["Grid", "grid_of", "rounding_note"]


@dataclass(frozen=True, eq=False)
class Grid:
    """The integers as a stream carries them: ``value = slope * format.values(code) + offset`` for each element.

    Parameters
    ----------
    format : Format
        Code c stands for the integer ``stored.low + c``.
    slopes, offsets : Exacts
        Broadcast against the frame.
    """

    format: Format
    slopes: Exacts
    offsets: Exacts


def grid_of(x: Signal, label: str, taken: Format | None) -> Grid:
    """What a chain of scalar operations makes of the integers of a frame.

    Parameters
    ----------
    x : Signal
        On a frame.
    label : str
        Of the node that takes it, for messages.
    taken : Format or None
        That of the input stream, if there is one already.

    Raises
    ------
    ModelError
        Nobody said what the integers are, or the chain does not keep their even spacing.
    """
    assert isinstance(x.origin, Frame)
    stored = x.origin.stored
    if stored is None:
        raise ModelError(
            f"Node {label} takes the input of the model as it is, without a quantiser: say what a pixel "
            "becomes with --input-scale (8-bit inputs), or quantise the input in the model (1-bit inputs)."
        )
    shape, channels = columns(x.steps, x.origin.places(x).astype(object))
    shape = (1,) * (len(x.shape) - len(shape)) + shape
    straight = all(step.name in AFFINE for step in x.steps)
    bounded(shape, 2 if straight else stored.levels)
    known: dict[Any, tuple[Fraction, Fraction]] = {}
    lines = []
    for chain, (place,) in channels:
        key = (*(tuple(params) for _, params in chain.parts), place)
        if key not in known:
            known[key] = _line(chain, stored, place, 2 if straight else stored.levels)
        lines.append(known[key])
    slopes, firsts = (np.empty(len(lines), object) for _ in range(2))
    slopes[:], firsts[:] = zip(*lines, strict=True)
    if not any(slopes):
        raise ModelError("the activation has one value only: train it again")
    form = taken or _format(slopes, firsts, stored.levels)
    # code = (integer - form.offset) / form.step
    offsets = firsts - slopes * Fraction(form.offset, form.step)
    return Grid(form, (slopes / form.step).reshape(shape), offsets.reshape(shape))


def _line(chain: Chain, stored: Stored, place: int, levels: int) -> tuple[Fraction, Fraction]:
    """Step and first value of evenly spaced values, of which so many tell the line."""
    scale, offset = stored.scales[place], stored.offsets[place]
    values = [chain(scale * number + offset) for number in range(stored.low, stored.low + levels)]
    if not all(isinstance(value, Fraction) for value in values):
        raise ModelError(
            "an operation on the input, such as a batch norm or tanh, makes its levels irrational: put a quantiser "
            "before it"
        )
    step = values[1] - values[0]
    if any(b - a != step for a, b in zip(values, values[1:], strict=False)):
        raise ModelError(
            "activations must have one even spacing for all levels and channels, and these differ: "
            "use one scale for the whole tensor"
        )
    assert isinstance(step, Fraction) and isinstance(values[0], Fraction)
    return step, values[0]


def _format(slopes: Exacts, firsts: Exacts, levels: int) -> Format:
    """A format whose values need no offset behind them, if there is one of small numbers."""
    if levels == 2:
        return BIPOLAR
    bits, first = (levels - 1).bit_length(), firsts[0] / slopes[0] if slopes[0] else Fraction(1, 3)
    step = first.denominator
    alike = (slopes == slopes[0]).all() and (firsts == firsts[0]).all() and slopes[0] > 0
    if alike and step <= 2 and abs(first * step) < 1 << 24:
        return Format(bits=bits, offset=int(first * step), step=step)
    return Format(bits=bits)


def rounding_note(stored: Stored) -> str:
    """What float32 cannot do as the accelerator does; empty where both are exact."""
    if not any(number.denominator & (number.denominator - 1) for number in (*stored.scales, *stored.offsets)):
        return ""
    if (stored.low, stored.high) == (0, 255) and stored.offset == ("0",):
        return (
            f"Pixels of 8 bits feed the first layer; their scale {stored.scale[0]} is kept exactly, while float32 "
            "rounds it."
        )
    return (
        f"Integers from {stored.low} to {stored.high} feed the first layer; their rule {stored.rule} is kept exactly, "
        "while float32 rounds it."
    )
