"""Sums in fixed point, with fewer bits before a layer that multiplies them.

A sum has up to 30 bits, so that what its real scales are rounded to costs little. A linear layer adds bits, and the
sum behind it has room for 31 in all. Making the first sum coarser would round its scales, too; a shift behind it only
costs half of a new unit.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from bitweir_hw.network import Piecewise

from ..exact.fold import scale
from .accuracy import Accuracy, rounded_up
from .network_builder import NetworkBuilder
from .symbols import Moving, Signal, Stream

__all__ = ["shifted"]

#: Magnitude bits that are left: a linear layer has a plane for each.
_BITS = 15


def shifted(builder: NetworkBuilder, x: Moving, label: str) -> Moving:
    """A value with fewer low bits, if the plan says so and it is a sum in fixed point with more than a layer needs.

    Parameters
    ----------
    builder : NetworkBuilder
    x : Signal or Codes
    label : str
        Of the node that takes it, for messages.
    """
    if not builder.plan.shifts or not isinstance(x, Signal):
        return x
    stream = x.origin
    if not isinstance(stream, Stream) or stream.map.format is not None or stream.accuracy is None or stream.exact:
        return x
    shift = int(max(abs(stream.low).max(), abs(stream.high).max())).bit_length() - _BITS
    if shift <= 0:
        return x
    if stream.point not in builder.shifted:
        builder.shifted[stream.point] = _layer(builder, stream, stream.accuracy, shift, label)
    return replace(
        x, origin=builder.shifted[stream.point], steps=(scale(np.array(Fraction(1 << shift), object)), *x.steps)
    )


def _layer(builder: NetworkBuilder, stream: Stream, known: Accuracy, shift: int, label: str) -> Stream:
    channels = stream.map.channels
    # One piece for all: the other begins behind all integers.
    layer = Piecewise(
        name=builder.name("shift"),
        thresholds=np.full((channels, 1), int(stream.high.max()) + 1, np.int64),
        scale=np.ones((channels, 2), np.int64),
        offset=np.full((channels, 2), 1 << shift - 1, np.int64),
        shift=shift,
    )
    error = np.array([rounded_up(one / (1 << shift) + Fraction(1, 2)) for one in known.error], object)
    accuracy = replace(known, unit=known.unit * Fraction(1 << shift), error=error, leaves=())
    low, high = ((ends + (1 << shift - 1)) >> shift for ends in (stream.low, stream.high))
    return builder.append(stream.point, layer, low, high, 1, label, accuracy=accuracy)
