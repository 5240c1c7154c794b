"""What the input of a network takes, and what becomes of it, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby

import numpy as np
from bitweir_hw.network import Format, Input, Stored
from bitweir_sim.values.encoding import encode
from numpy.typing import NDArray

__all__ = ["counted", "input_rule", "stored_rule", "stored_values", "told_shape"]

#: More runs of integers than this are told by their number.
_MAX_RUNS = 6
#: More integers than this are not listed.
_MAX_VALUES = 256


def stored_values(entry: Input) -> NDArray[np.int64] | None:
    """The value that each stored integer becomes on the stream, from the lowest on.

    None where that is not known, not the same for all elements, or too much to list.
    """
    stored = entry.stored
    if stored is None or stored.levels > _MAX_VALUES or stored.places > 1:
        return None
    if entry.thresholds is not None and len(entry.thresholds) > 1:
        return None
    integers = np.arange(stored.low, stored.high + 1)[:, None]
    one = Input(
        shape=(1,), format=entry.format, thresholds=entry.thresholds, source=np.zeros(1, np.int64), stored=stored
    )
    return entry.format.values(encode(one, integers).ravel())


def stored_rule(stored: Stored) -> str:
    """The rule from a stored integer q to x, what the model file takes."""
    return f"x = {stored.rule.replace('x', 'q')}"


def input_rule(entry: Input) -> Iterator[str]:
    """Yield the rules by which a frame becomes codes, a sentence each."""
    shape = " x ".join(map(str, entry.shape))
    yield f"The model takes frames of {shape} numbers x; the stream carries {told_shape(entry.map.shape)}."
    used = np.bincount(entry.source, minlength=int(np.prod(entry.shape)))
    if (used != 1).any():
        yield (
            f"Each number makes {used[0]} elements."
            if (used == used[0]).all()
            else f"A number makes {used.min()} to {used.max()} elements."
        )
    elif (entry.source != np.arange(entry.size)).any():
        yield "The elements are in another order than in the file" + (
            ": pixel by pixel, row by row, channels innermost." if entry.map_shape else "."
        )
    stored = entry.stored
    if entry.thresholds is not None:
        yield _thresholds(entry, entry.thresholds)
    if stored is None:
        yield (
            "The meaning of stored integers, such as uint8 pixels, is not known: give floats, or a rule "
            "(--input-scale, in Python input_scale=)."
        )
        return
    if (stored.low, stored.high, stored.offset, stored.places) == (0, 255, ("0",), 1):
        scale = stored.scale[0]
        yield "A uint8 pixel is x." if scale == "1" else f"A uint8 pixel is multiplied by {scale} to become x."
    else:
        yield f"Images stored as integers q from {stored.low} to {stored.high} become {stored_rule(stored)}."
        if stored.places > 1:
            yield f"The numbers in brackets are those of axis {stored.axis} of a frame."
    if entry.thresholds is None:
        low = stored.low
        yield (
            f"The stream carries these integers, as the code q{f'{-low:+d}' if low else ''}; floats must be such an x, "
            "but for the rounding of float32."
        )
    values = stored_values(entry)
    if values is not None:
        yield f"So {_runs(values, stored)}."


def _thresholds(entry: Input, thresholds: NDArray[np.float64]) -> str:
    rows, many = thresholds.shape
    low, high = (entry.format.values([0, many])).tolist()
    cuts, counts = np.unique(thresholds, return_counts=True)
    if rows > 1 and many == 1 and len(cuts) <= _MAX_RUNS:
        told = ", ".join(f"{cut:.9g} in {count}" for cut, count in zip(cuts, counts, strict=True))
        return f"x becomes {high:+d} where x >= a threshold, else {low:+d}; the threshold is {told} elements."
    if rows > 1:
        return (
            f"Each element has {counted(many, 'threshold')} of its own: x becomes {_levels(entry.format, low, high)}."
        )
    if many == 1:
        return f"x becomes {high:+d} where x >= {thresholds[0, 0]:.9g}, else {low:+d}."
    first, last = thresholds[0, [0, -1]]
    return (
        f"x becomes {_levels(entry.format, low, high)}, one more at each of {many} thresholds "
        f"from {first:.9g} to {last:.9g}."
    )


def _runs(values: NDArray[np.int64], stored: Stored) -> str:
    """The values that stored integers become, in words."""
    one, many = ("a pixel", "pixels") if (stored.low, stored.high) == (0, 255) else ("an integer", "integers")
    shift = int(values[0]) - stored.low
    if np.array_equal(values, np.arange(stored.low, stored.high + 1) + shift):
        return f"{one} is its value" if not shift else f"{one} is its value {shift:+d}"
    runs = [
        (value, [stored.low + place for place, _ in group])
        for value, group in groupby(enumerate(values.tolist()), lambda p: p[1])
    ]
    if len(runs) > _MAX_RUNS:
        return f"the {stored.levels} {many} become {len(runs)} values from {runs[0][0]} to {runs[-1][0]}"
    parts = [
        f"{places[0]} to {places[-1]} become {value:+d}" if len(places) > 1 else f"{places[0]} becomes {value:+d}"
        for value, places in runs
    ]
    return f"{many if len(runs[0][1]) > 1 else one.split()[1]} " + ", ".join(parts)


def _levels(form: Format, low: int, high: int) -> str:
    by = "" if abs(form.step) == 1 else f" by {abs(form.step)}"
    return f"a number from {low} to {high}{by}"


def told_shape(shape: Sequence[int]) -> str:
    """Rows x columns x channels."""
    return "x".join(map(str, shape))


def counted(number: int | Fraction, what: str) -> str:
    """A number of things in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
