"""Numbers, texts and paths as users give them, each checked by one rule with one sentence.

Integers may be of any integral type, such as those of NumPy; what is returned is a plain `int` or `float`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from math import inf, isfinite
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BitweirError, FileError, PlanError

__all__ = [
    "HIGHEST_CLOCK",
    "LOWEST_CLOCK",
    "array",
    "chosen",
    "hertz",
    "items",
    "place",
    "real",
    "shown",
    "text",
    "whole",
]

#: Hz. A clock of MHz that is given in Hz, or the other way round, lies outside: no FPGA runs at 10 GHz.
LOWEST_CLOCK, HIGHEST_CLOCK = 10e3, 10e9


def whole(
    value: object, what: str, *, low: int | None = 1, high: int | None = None, error: type[BitweirError] = PlanError
) -> int:
    """An integer in a range.

    Parameters
    ----------
    value : object
    what : str
        The beginning of the sentence, as ``"The limit"``.
    low, high : int
        The range, both included; None for no end.
    error : type
        What is raised.

    Raises
    ------
    BitweirError
        It is no integer, or not in the range.
    """
    ends = "" if low is None else f" of {low:,} or more" if high is None else f" from {low:,} to {high:,}"
    try:
        found = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        found = None
    if found is None or (low is not None and found < low) or (high is not None and found > high):
        told = repr(value) if isinstance(value, float) else shown(value)
        raise error(f"{what} must be a whole number{ends}, not {told}.")
    return found


def real(
    value: object,
    what: str,
    *,
    low: float = 0.0,
    high: float = inf,
    over: bool = False,
    unit: str = "",
    error: type[BitweirError] = PlanError,
) -> float:
    """A finite number in a range.

    Parameters
    ----------
    value : object
    what : str
        The beginning of the sentence, as ``"The frame rate"``.
    low, high : float
        The range, both included.
    over : bool
        Whether `low` itself is refused, where that is 0.
    unit : str
        Behind the number.
    error : type
        What is raised.

    Raises
    ------
    BitweirError
        It is no number, not finite, or not in the range.
    """
    found = float(value) if isinstance(value, Real) and not isinstance(value, bool) else inf
    if not isfinite(found) or not low <= found <= high or (over and found == low):
        if high < inf:
            rule = f"{low:,g} to {high:,g}{unit and f' {unit}'}"
        elif over and low == 0:
            rule = f"a positive number{unit and f' of {unit}'}"
        else:
            rule = f"{low:,g}{unit and f' {unit}'} or more"
        raise error(f"{what} must be {rule}, not {shown(value)}.")
    return found


def hertz(value: object, what: str = "The clock") -> float:
    """A clock in Hz.

    Raises
    ------
    PlanError
        It is no number, or less than `LOWEST_CLOCK` or more than `HIGHEST_CLOCK`.
    """
    found = float(value) if isinstance(value, Real) and not isinstance(value, bool) else inf
    if not LOWEST_CLOCK <= found <= HIGHEST_CLOCK:
        raise PlanError(
            f"{what} must be {LOWEST_CLOCK / 1e6:g} to {HIGHEST_CLOCK / 1e6:,g} MHz, in Python in Hz, such as 100e6, "
            f"not {shown(value)}."
        )
    return found


def chosen(value: object, what: str, known: Iterable[str], *, error: type[BitweirError] = PlanError) -> str:
    """One of some words.

    Raises
    ------
    BitweirError
        It is none of them.
    """
    words = tuple(known)
    if not isinstance(value, str) or value not in words:
        raise error(f"{what} must be one of {', '.join(words)}, not {shown(value)}.")
    return value


def array(value: object, what: str, error: type[BitweirError]) -> NDArray[Any]:
    """An array of numbers or text, of what NumPy makes one of; `what` is in the plural, as ``"Images"``.

    Raises
    ------
    BitweirError
        It is none: its rows have different lengths, or it holds other objects.
    """
    try:
        found = np.asarray(value)
    except Exception as problem:  # whatever an object does that is no array, such as a tensor of another device
        told = "rows of different lengths" if "inhomogeneous" in str(problem) else shown(value)
        raise error(f"{what} must be an array of numbers, not {told}.") from problem
    if found.dtype.hasobject:
        raise error(f"{what} must be an array of numbers, not {shown(value)}.")
    return found


def items(value: object, what: str, like: str, *, error: type[BitweirError] = PlanError) -> tuple[Any, ...]:
    """Several things; one text or path stands for itself.

    Raises
    ------
    BitweirError
        It is something else; `like` is an example.
    """
    if isinstance(value, str | Path):
        return (value,)
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise error(f"{what} must be a list, such as {like}, not {shown(value)}.")
    return tuple(value)


def text(value: object, what: str, like: str, *, error: type[BitweirError] = PlanError) -> str:
    """A text; `like` is an example of one.

    Raises
    ------
    BitweirError
        It is something else.
    """
    if not isinstance(value, str):
        raise error(f"{what} must be a text, such as {like!r}, not {shown(value)}.")
    return value


def place(value: object, what: str = "The folder") -> Path:
    """A path, as a text or a `Path`.

    Raises
    ------
    FileError
        It is something else, is empty, or holds a character that no path has.
    """
    if not isinstance(value, str | Path):
        raise FileError(f"{what} must be a path, such as 'build/net', not {shown(value)}.")
    if not str(value):
        raise FileError(f"{what} must have a name, such as 'build/net'; it is empty.")
    if "\0" in str(value):
        raise FileError(f"{what} must have a name without the character NUL, not {shown(str(value))}.")
    return Path(value)


def shown(value: object) -> str:
    """A value in a sentence, as the user wrote it, and short."""
    plain = value.item() if isinstance(value, np.generic) else value
    told = f"{plain:,}" if type(plain) is int else f"{plain:,.10g}" if type(plain) is float else repr(plain)
    told = " ".join(told.split())
    return told if len(told) <= 60 else f"{told[:57]}..."
