"""Maps of one dimension as maps of one row, which is what all layers take."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

from .network_builder import NetworkBuilder
from .symbols import AnyMoving, Codes, Moving, Padded, Signal

__all__ = ["as_row", "flattened", "over_rows"]


def over_rows(builder: NetworkBuilder, x: Moving | Padded, rule: Callable[[Moving | Padded], Signal]) -> Signal:
    """What a rule for maps (C, H, W) makes of a map; that of one dimension, (C, L), is one of one row meanwhile."""
    return flattened(rule(as_row(builder, x, 1)), 1) if len(x.shape) == 2 else rule(x)


def as_row(builder: NetworkBuilder, x: Moving | Padded, axis: int) -> Moving | Padded:
    """A map with one axis more, of size 1."""
    if isinstance(x, Padded):
        inside = as_row(builder, x.inside, axis)
        assert not isinstance(inside, Padded)
        return Padded(inside, (*x.pads[:axis], (0, 0), *x.pads[axis:]), x.value)
    before, after = x.shape, (*x.shape[:axis], 1, *x.shape[axis:])
    y = x.moved(after, lambda frame: frame.reshape(after))
    if builder.taps is not None and isinstance(x, Codes) and isinstance(y, Codes):
        builder.taps.moved(x, y, lambda frame: frame.reshape(before))
    return y


@overload
def flattened(x: AnyMoving, axis: int) -> AnyMoving: ...
@overload
def flattened(x: Moving | Padded, axis: int) -> Moving | Padded: ...
def flattened(x: Moving | Padded, axis: int) -> Moving | Padded:
    """A map without an axis of size 1."""
    if isinstance(x, Padded):
        return Padded(flattened(x.inside, axis), (*x.pads[:axis], *x.pads[axis + 1 :]), x.value)
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return x.moved(shape, lambda frame: frame.reshape(shape))
