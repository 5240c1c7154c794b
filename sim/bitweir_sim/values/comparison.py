"""Results beside those of the golden model: which frames differ, and the first difference in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .golden import Result

__all__ = ["ELEMENTS", "Differences", "compare"]

#: What one element of a result is called, by the kind of result.
ELEMENTS = {
    "class": "score of class",
    "labels": "label",
    "scores": "score",
    "codes": "code",
    "classes": "class of pixel",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Differences:
    """The frames whose results differ.

    Parameters
    ----------
    frames : bool array, (N,)
    first : str or None
        The first difference: image, element, expected and found; None if all results are equal.
    """

    frames: NDArray[np.bool_]
    first: str | None

    @property
    def count(self) -> int:
        """How many frames differ."""
        return int(self.frames.sum())


def compare(
    found: Result, expected: Result, kind: str, *, late: NDArray[np.bool_] | None = None, start: int = 0
) -> Differences:
    """Compare every score, label, code and class.

    Parameters
    ----------
    found, expected : Result
        Of the same N frames.
    kind : str
        Of both results; see `Readout`.
    late : bool array, (N,), optional
        Frames whose result did not come in the cycle in which it must; they count as different, too.
    start : int
        What the first of these frames is called.
    """
    wrong: NDArray[np.bool_] = (found.scores != expected.scores).any(axis=1)
    for have, want in ((found.classes, expected.classes), (found.labels, expected.labels)):
        if (have is None) != (want is None):
            wrong = np.ones(len(found.scores), bool)
        elif have is not None and want is not None:
            wrong = wrong | (have != want).any(axis=tuple(range(1, have.ndim)))
    if late is not None:
        wrong = wrong | late
    if not wrong.any():
        return Differences(frames=wrong, first=None)
    image = int(wrong.argmax())
    return Differences(frames=wrong, first=f"image {start + image}{_described(image, found, expected, kind)}")


def _described(image: int, found: Result, expected: Result, kind: str) -> str:
    """What differs in an image that is wrong, as the end of a sentence."""
    sides = ((ELEMENTS[kind], found.scores, expected.scores), (ELEMENTS["labels"], found.labels, expected.labels))
    for name, have, want in sides:
        if have is not None and want is not None and len(channels := np.flatnonzero(have[image] != want[image])):
            channel = int(channels[0])
            return f", {name} {channel}: expected {want[image, channel]}, found {have[image, channel]}"
    if (found.classes is None) != (expected.classes is None) or (found.labels is None) != (expected.labels is None):
        return ": its result is of another kind than expected"
    if found.classes is not None and expected.classes is not None and found.classes[image] != expected.classes[image]:
        return f", class: expected {expected.classes[image]}, found {found.classes[image]}"
    return ": its result comes in another cycle than expected"
