"""Padding whose value lies between two integers of the input.

A window at the edge then lacks a fraction of an integer, the same in all windows of which the same taps lie
outside. Behind a quantiser that is exact: ``sum + fraction >= t`` is ``sum + edge >= T`` for integers that are found
here, one edge for each class of windows and filter. Nothing else may follow such sums.

Means that do not count their padding are such sums, too: those at the edge have another divisor. And so are sums that
a model scales or shifts in another way from pixel to pixel: each pixel is a class of its own then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor, lcm
from typing import Any

import numpy as np
from bitweir_hw.network import Conv
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Exacts, Step, scale, shift

__all__ = ["Border", "edge_sums", "refusal", "settled"]

#: Sums are multiplied with powers of two up to this, where several thresholds need it.
_MOST = 1 << 12
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Border:
    """What sums of a convolution lack.

    Parameters
    ----------
    layer : Conv
    value : Fraction
        Of the padding.
    fractions : Exacts, (R, C, M)
        In units of the sums: for each class of windows and filter. At least 0 and less than 1, but behind `factors`.
    factors : Exacts, (R, C) or (R, C, M), or None
        Positive: by what the sums of each class of windows (and filter) are multiplied, before the fractions are added:
        the divisor of the mean of a whole window by that of the class, or the scale of a pixel. None for 1.
    """

    layer: Conv
    value: Fraction
    fractions: Exacts
    factors: Exacts | None = None

    def steps(self, channel: int) -> list[tuple[tuple[Step, tuple[Fraction, ...]], ...]]:
        """What leads to the sums of a filter in each class of windows, row by row."""
        lacks = self.fractions[..., channel].reshape(-1).tolist()
        factors: list[Any] = [Fraction(1)] * len(lacks)
        if self.factors is not None:
            factors = (self.factors[..., channel] if self.factors.ndim > 2 else self.factors).reshape(-1).tolist()
        return [
            (*(((scale(one), (one,)),) if one != 1 else ()), (shift(lack), (lack,)))
            for one, lack in zip(factors, lacks, strict=True)
        ]


def edge_sums(weights: Integers, missing: Exacts, divisors: Integers, outside: NDArray[np.bool_]) -> Exacts:
    """What sums lack in each class of windows: (R, C, M).

    Parameters
    ----------
    weights : int64 array, (M, C, kh, kw)
        Of the model.
    missing : Exacts, (M, C)
        What a tap outside the map lacks.
    divisors : int64 array, (M,)
        What the sums of a filter were divided by.
    outside : bool array, (R, C, kh, kw)
    """
    taps = np.einsum("mcyx,rsyx->rsmc", weights, outside.astype(np.int64))
    under = lcm(*(number.denominator for number in missing.flat))
    whole = np.array([int(number * under) for number in missing.flat], object).reshape(missing.shape)
    sums = (taps.astype(object) * whole).sum(axis=3)
    result = np.empty(sums.size, object)
    result[:] = [
        Fraction(int(number), under * int(divisor))
        for number, divisor in zip(sums.flat, np.broadcast_to(divisors, sums.shape).flat, strict=True)
    ]
    return result.reshape(sums.shape)


def refusal(label: str, border: Border) -> ModelError:
    """What follows sums that are exact behind thresholds only."""
    if border.layer.by_pixel:
        return ModelError(
            f"{label} must follow a quantiser: the sums of {border.layer.name} have a scale or an offset of their own "
            "in each pixel, which is exact only where thresholds follow. Put a sign behind them, or use one parameter "
            "a channel."
        )
    if border.factors is not None:
        return ModelError(
            f"{label} must follow a quantiser: the means of {border.layer.name} have other divisors at the edges of "
            "the map, which is exact only where thresholds follow. Put a sign behind that pool, count the padding with "
            "count_include_pad=1, or pool without padding."
        )
    return ModelError(
        f"{label} must follow a quantiser: the padding of {border.layer.name} with {float(border.value):g} lies "
        "between two integers of its input, which is exact only where thresholds follow. Put a sign behind that layer, "
        "pad with a value that an integer of the input means, or leave out the padding."
    )


def settled(
    border: Border, thresholds: list[Integers], low: Integers, high: Integers, inverted: NDArray[np.bool_], label: str
) -> tuple[Conv, Integers]:
    """The convolution with its edges, and the thresholds behind it.

    Parameters
    ----------
    border : Border
    thresholds : list of int64 array, (M, T)
        For each class of windows, row by row, those of the sums without what they lack, which lie in `low` to `high`;
        of an inverted filter those of the negated sums.
    low, high : int64 array, (M,)
    inverted : bool array, (M,)
    label : str
        Of the node that quantises, for messages.

    Raises
    ------
    ModelError
        No integers do.
    """
    count = border.fractions.shape[2]
    fractions = border.fractions.reshape(-1, count)
    factor, most = 1, _MOST if border.factors is None else 1
    while factor <= most:
        found = [
            _solved(
                factor, list(fractions[:, m]), [[int(t) for t in rows[m]] for rows in thresholds],
                *((-int(high[m]), -int(low[m])) if inverted[m] else (int(low[m]), int(high[m]))), bool(inverted[m]),
            )
            for m in range(count)
        ]  # fmt: skip
        if all(found):
            break
        factor *= 2
    else:
        if border.layer.by_pixel:
            raise ModelError(
                f"Node {label} must quantise to one bit: the sums of {border.layer.name} have a scale of their own in "
                "each pixel, where start values of the sums can move one threshold only, not several. Use a sign, or "
                "one scale a channel."
            )
        if border.factors is not None:
            raise ModelError(
                f"Node {label} must quantise to one bit: the means of {border.layer.name} have other divisors at the "
                "edges of the map, where start values of the sums can move one threshold only, not several. Use a "
                "sign, count the padding with count_include_pad=1, or pool without padding."
            )
        raise ModelError(
            f"Node {label} has levels that lie too near to sums of {border.layer.name} at the padded edge: pad with a "
            "value that an integer of the input means, or leave out the padding."
        )
    solved: list[tuple[list[int], list[int]]] = [one for one in found if one]
    edges = np.array([one for one, _ in solved], np.int64).T.reshape(border.fractions.shape)
    layer = border.layer
    if layer.edges is not None:
        edges = edges + factor * layer.edges
    weights = layer.weights
    if factor > 1:
        signed = np.where(weights, 1, -1) if weights.dtype == np.bool_ else weights
        weights = signed.astype(np.int64) * factor
    kept = edges if edges.any() else None
    layer = replace(layer, weights=weights, edges=kept, by_pixel=layer.by_pixel and kept is not None)
    return layer, np.array([one for _, one in solved], np.int64)


def _solved(
    factor: int, fractions: list[Fraction], thresholds: list[list[int]], low: int, high: int, inverted: bool
) -> tuple[list[int], list[int]] | None:
    """Edges of the classes and thresholds of one filter, for sums that were multiplied with `factor`."""
    sign = -1 if inverted else 1
    tried: Iterator[list[int]] = iter([[floor(fraction * factor) for fraction in fractions]])
    if factor == 1:
        tried = _single(thresholds, sign)
    for edges in tried:
        chosen = []
        for level in range(len(thresholds[0])):
            ends = [
                _interval(factor, rows[level], sign * e, low, high) for rows, e in zip(thresholds, edges, strict=True)
            ]
            above = [end for end, _ in ends if end is not None]
            upto = [end for _, end in ends if end is not None]
            best = min(upto) if upto else max(above) + 1
            if above and best <= max(above):
                break
            chosen.append(best)
        else:
            return edges, sorted(chosen)
    return None


def _single(thresholds: list[list[int]], sign: int) -> Iterator[list[int]]:
    """Edges that bring one of the levels of all classes to that of the first."""
    for level in range(len(thresholds[0])):
        yield [sign * (thresholds[0][level] - rows[level]) for rows in thresholds]


def _interval(factor: int, threshold: int, edge: int, low: int, high: int) -> tuple[Any, Any]:
    """Where T may lie, above the first and up to the second: ``factor * sum + edge >= T`` is ``sum >= threshold``."""
    above = None if threshold <= low else factor * (threshold - 1) + edge
    upto = None if threshold > high else factor * threshold + edge
    return above, upto
