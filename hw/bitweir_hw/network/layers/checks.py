"""What layers have in common: the rules that their parameters keep, and the ranges of what they make."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import NetworkError
from ..formats import Format, Integers, Map

__all__ = ["SUM_BITS", "Named", "Quantised", "check_rising", "check_whole", "falls", "in_reach", "thresholded"]

#: Bits of anything that arithmetic makes, so that int64 always holds it.
SUM_BITS = 62


class Named(Protocol):
    """What error texts tell of a layer."""

    @property
    def name(self) -> str:
        """In reports and error texts."""


class Quantised(Named, Protocol):
    """A layer that may end in thresholds; see `Dense`."""

    @property
    def thresholds(self) -> Integers | None:
        """Ascending in each row, (M, T)."""

    @property
    def output(self) -> Format | None:
        """Of the codes."""


def falls(thresholds: NDArray[Any]) -> bool:
    """Whether a row goes down anywhere; a difference could overflow, so none is made."""
    return bool((thresholds[:, 1:] < thresholds[:, :-1]).any())


def check_whole(layer: Named, what: str, numbers: tuple[int, ...], least: int) -> None:
    """Refuse numbers that are no integers, or less than `least`."""
    if any(type(number) is not int or number < least for number in numbers):
        raise NetworkError(f"Layer {layer.name!r} must have {what} of {least} or more, not {numbers}.")


def check_rising(layer: Named, source: Map) -> None:
    """Refuse codes that fall where their values rise, for a layer that compares."""
    if source.format is not None and source.format.step < 0:
        raise NetworkError(
            f"Layer {layer.name!r} must take codes that rise with their values: reverse the sign of the step."
        )


def in_reach(layer: Named, result: Map) -> Map:
    """The map, refused if its values have more than `SUM_BITS` bits."""
    if max(abs(result.low), abs(result.high)) >> SUM_BITS:
        raise NetworkError(
            f"Layer {layer.name!r} must output values of at most {SUM_BITS} bits, not {result.low} to {result.high}."
        )
    return result


def thresholded(layer: Quantised, sums: Map) -> Map:
    """What is handed on after the thresholds, if there are any."""
    thresholds, output = layer.thresholds, layer.output
    if (thresholds is None) != (output is None):
        raise NetworkError(f"Layer {layer.name!r} must have both thresholds and an output format, or neither.")
    if thresholds is None or output is None:
        return sums
    if thresholds.dtype != np.int64 or thresholds.ndim != 2 or thresholds.shape[0] != sums.channels:
        raise NetworkError(
            f"Layer {layer.name!r} must have int64 thresholds, a row for each of its {sums.channels} neurons, "
            f"not {thresholds.dtype} of shape {thresholds.shape}."
        )
    if not 1 <= thresholds.shape[1] < output.codes:
        raise NetworkError(
            f"Layer {layer.name!r} must have 1 to {output.codes - 1} thresholds a neuron for "
            f"{output.bits} bits, not {thresholds.shape[1]}."
        )
    if falls(thresholds):
        raise NetworkError(f"Layer {layer.name!r} must have ascending thresholds for each neuron.")
    return Map.of_codes(sums.shape, output)
