"""What the result of a network is: a class, labels, scores or codes, alone or for each pixel, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NetworkError
from .formats import Format, Integers, Map

__all__ = ["LABEL", "READOUTS", "Readout", "check_readout"]

#: One bit that means no or yes.
LABEL = Format(bits=1)
#: Kinds of results, each with what a frame gives.
READOUTS = {
    "class": "the lowest index with the highest score",
    "labels": "one bit an output",
    "scores": "the integers of the last layer",
    "codes": "the codes of the last layer's quantiser",
    "classes": "a class for each pixel",
}
#: More characters than the exact fraction of any trained network has.
_MOST_CHARACTERS = 4096
_FRACTION = re.compile(r"-?[0-9]+(/[1-9][0-9]*)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Readout:
    """What the integers that leave the last layer are.

    Parameters
    ----------
    kind : str
        One of `READOUTS`:

        - ``"class"``: the lowest index with the highest score;
        - ``"labels"``: one bit an output, 1 for yes; the last layer hands on codes of the format `LABEL`;
        - ``"scores"``: accumulators that mean ``scale * integer + offset``;
        - ``"codes"``: codes that mean ``scale * format.values(code) + offset``;
        - ``"classes"``: the codes of the one channel of a map, which are the classes of its pixels.

        Labels, scores and codes may be those of a map of several pixels, too.
    scale, offset : tuple of str
        Exact fractions, ``"a/b"`` or ``"a"`` in lowest terms, one for all channels or one for each. Labels and classes
        of pixels have none. For a class they are there where one rising map is common to all scores, which then have a
        meaning.
    rounded : bool
        They are irrational, and the nearest fractions of 64 significant bits or more stand for them.
    parts : tuple of (str, int)
        Where the result is several outputs of a model, their names, and how many channels each has, in order.
    """

    kind: str = "class"
    scale: tuple[str, ...] = ()
    offset: tuple[str, ...] = ()
    rounded: bool = False
    parts: tuple[tuple[str, int], ...] = ()

    @property
    def scales(self) -> tuple[Fraction, ...]:
        """`scale` as numbers."""
        return tuple(map(Fraction, self.scale))

    @property
    def offsets(self) -> tuple[Fraction, ...]:
        """`offset` as numbers."""
        return tuple(map(Fraction, self.offset))

    def exact(self, values: Sequence[int]) -> list[Fraction]:
        """What the integers (M,) of one frame mean: the values of its codes, or its scores; channels innermost."""
        scales, offsets = (part * (len(values) // len(part)) for part in (self.scales, self.offsets))
        return [scale * int(value) + offset for scale, value, offset in zip(scales, values, offsets, strict=True)]

    def numbers(self, values: Integers) -> NDArray[np.float64]:
        """The same for integers (N, M), in float64."""
        count = values.shape[1]
        scales, offsets = (
            np.tile([float(number) for number in part], count // len(part)) for part in (self.scales, self.offsets)
        )
        result: NDArray[np.float64] = values * scales + offsets
        return result


def check_readout(readout: Readout, name: str, end: Map) -> None:
    """Refuse a readout that does not go with what leaves the last layer, of this name.

    Raises
    ------
    NetworkError
        Names the rule and the value that breaks it.
    """
    if readout.kind not in READOUTS:
        raise NetworkError(f"The result of a network must be one of {', '.join(READOUTS)}, not {readout.kind!r}.")
    what = {"class": "a class", "scores": "scores"}.get(readout.kind)
    if what and end.format is not None:
        raise NetworkError(
            f"The last layer {name!r} must output scores, not codes, where the result is {what}: "
            "leave out its thresholds."
        )
    if not what and end.format is None:
        raise NetworkError(
            f"The last layer {name!r} must output codes, not scores, where the result is {readout.kind}: "
            "give it thresholds."
        )
    if readout.kind == "labels" and end.format != LABEL:
        raise NetworkError(f"The last layer {name!r} must output one bit, 0 or 1, as a label, not {end.format}.")
    if readout.kind == "class" and end.channels < 2:
        raise NetworkError(
            f"The last layer {name!r} must have two outputs or more where the result is a class, because that of one "
            "output is always 0: let the result be labels or scores."
        )
    if readout.kind == "class" and end.pixels > 1:
        raise NetworkError(
            f"The last layer {name!r} must output one vector of scores where the result is a class, not a map of shape "
            f"{end.shape}: end with a dense layer or a pool over the whole map, or let the result be scores, or, "
            "behind an argmax, classes of pixels."
        )
    if readout.kind == "classes":
        _check_classes(name, end)
    _check_map(readout, end.channels)
    if readout.parts and sum(count for _, count in readout.parts) != end.channels:
        raise NetworkError(
            f"The parts of a result must have {end.channels} channels in all, as many as leave the last layer, not "
            f"{', '.join(str(count) for _, count in readout.parts)}."
        )


def _check_classes(name: str, end: Map) -> None:
    form = end.format
    if end.channels != 1 or form is None or (form.offset, form.step) != (0, 1):
        raise NetworkError(
            f"The last layer {name!r} must output one channel of codes from 0 in steps of 1 where the result is the "
            f"classes of pixels, not {end.channels} channels: end with an argmax."
        )


def _check_map(readout: Readout, outputs: int) -> None:
    counts = {"labels": (0,), "class": (0, 1), "classes": (0,)}.get(readout.kind, (1, outputs))
    for what, numbers in (("scale", readout.scale), ("offset", readout.offset)):
        if not isinstance(numbers, tuple) or len(numbers) not in counts:
            told = " or ".join(map(str, dict.fromkeys(counts)))
            raise NetworkError(f"A result of kind {readout.kind} must have {told} numbers as {what}, not {numbers!r}.")
        for number in numbers:
            _check_fraction(number, what)
    if len(readout.scale) != len(readout.offset) and readout.kind == "class":
        raise NetworkError("A result of kind class must have both scale and offset, or neither.")
    if readout.kind == "class" and any(scale <= 0 for scale in readout.scales):
        raise NetworkError(f"A result of kind class must have a positive scale, not {readout.scale[0]}.")
    if type(readout.rounded) is not bool:
        raise NetworkError(f"Whether a result is rounded must be true or false, not {readout.rounded!r}.")


def _check_fraction(number: Any, what: str) -> None:
    if not isinstance(number, str) or len(number) > _MOST_CHARACTERS or not _FRACTION.fullmatch(number):
        told = repr(number) if len(repr(number)) < 80 else repr(number)[:80] + "..."
        raise NetworkError(f"The {what} of a result must be a fraction such as -3/64, not {told}.")
    if str(Fraction(number)) != number:
        raise NetworkError(f"The {what} of a result must be a fraction in lowest terms, not {number}.")
