"""Windows over a padded map."""

from __future__ import annotations

from typing import Protocol

from ...errors import NetworkError
from ..formats import Map
from .checks import check_whole

__all__ = ["Windowed", "window_positions", "window_text"]


class Windowed(Protocol):
    """A layer with windows; see `Conv` for what the numbers are."""

    @property
    def name(self) -> str:
        """In reports and error texts."""

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of a window."""

    @property
    def stride(self) -> tuple[int, int]:
        """Rows and columns from window to window."""

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Rows above, columns on the left, rows below, columns on the right."""


def window_text(layer: Windowed) -> str:
    """Size and stride, as a reader sees them."""
    kernel, stride = ("x".join(map(str, pair)) for pair in (layer.kernel, layer.stride))
    return kernel if layer.stride == (1, 1) else f"{kernel} stride {stride}"


#: Where pads are, of rows and of columns.
_SIDES = (("above", "below"), ("on the left", "on the right"))


def _counted(count: int, what: str) -> str:
    return f"{count} {what.removesuffix('s') if count == 1 else what}"


def window_positions(layer: Windowed, source: Map) -> tuple[int, int]:
    """Rows and columns of windows that fit into the padded map."""
    check_whole(layer, "a kernel", layer.kernel, 1)
    check_whole(layer, "a stride", layer.stride, 1)
    check_whole(layer, "pads", layer.pads, 0)
    if len(layer.kernel) != 2 or len(layer.stride) != 2 or len(layer.pads) != 4:
        raise NetworkError(f"Layer {layer.name!r} must have a kernel and a stride of two numbers, and four pads.")
    counts = []
    for axis, what in enumerate(("rows", "columns")):
        size, kernel = source.shape[axis], layer.kernel[axis]
        before, after = layer.pads[axis], layer.pads[axis + 2]
        for side, pad in zip(_SIDES[axis], (before, after), strict=True):
            if pad >= kernel:
                raise NetworkError(
                    f"Layer {layer.name!r} pads {_counted(pad, what)} {side}, but its kernel has "
                    f"{_counted(kernel, what)}: at most {kernel - 1}."
                )
        count = (size + before + after - kernel) // layer.stride[axis] + 1
        if count < 1:
            raise NetworkError(
                f"Layer {layer.name!r} must have a kernel of at most {size + before + after} {what}, as many as its "
                f"padded map has, not {kernel}."
            )
        counts.append(count)
    return counts[0], counts[1]
