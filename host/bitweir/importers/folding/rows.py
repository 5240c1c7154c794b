"""Maps of one dimension as maps of one row, which is what all layers take."""

from __future__ import annotations

from collections.abc import Callable

from .network_builder import NetworkBuilder
from .symbols import Codes, Moving, Padded, Signal

__all__ = ["over_rows"]


def over_rows(builder: NetworkBuilder, x: Moving | Padded, rule: Callable[[Moving | Padded], Signal]) -> Signal:
    """What a rule for maps (C, H, W) makes of a map; that of one dimension, (C, L), is one of one row meanwhile."""
    if len(x.shape) != 2:
        return rule(x)
    y = rule(_as_row(builder, x))
    channels, _, length = y.shape
    return y.moved((channels, length), lambda frame: frame.reshape(channels, length))


def _as_row(builder: NetworkBuilder, x: Moving | Padded) -> Moving | Padded:
    if isinstance(x, Padded):
        inside = _as_row(builder, x.inside)
        assert not isinstance(inside, Padded)
        return Padded(inside, (x.pads[0], (0, 0), x.pads[1]), x.value)
    channels, length = shape = x.shape
    y = x.moved((channels, 1, length), lambda frame: frame.reshape(channels, 1, length))
    if builder.taps is not None and isinstance(x, Codes) and isinstance(y, Codes):
        builder.taps.moved(x, y, lambda frame: frame.reshape(shape))
    return y
