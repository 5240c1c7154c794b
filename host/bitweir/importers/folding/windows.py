"""Windows of convolutions and pools: kernel, strides and pads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from ..errors import ModelError
from .symbols import Codes, Padded, Signal

__all__ = ["Pads", "Pair", "Window"]

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


@dataclass(frozen=True)
class Window:
    """What a layer sees at once, and how it moves.

    Parameters
    ----------
    kernel, strides : (int, int)
        Rows and columns.
    pads : (int, int, int, int)
        Above, left, below, right.
    """

    kernel: Pair
    strides: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)

    @property
    def padded(self) -> bool:
        """Whether it sees anything outside the map."""
        return any(self.pads)

    def merged(self, x: Signal | Codes | Padded, label: str) -> tuple[Signal | Codes, Window, Fraction]:
        """The map without its border, the window that has the border as pads, and the value there.

        Raises
        ------
        ModelError
            The layer pads the bordered map once more, with zeros where the border has none.
        """
        if not isinstance(x, Padded):
            return x, self, Fraction(0)
        if self.padded and x.value != 0:
            raise ModelError(f"Node {label} must not pad with zeros a map that has a border of {float(x.value):g}.")
        if len(x.pads) != 3 or any(x.pads[0]):
            raise ModelError(f"Node {label} must take maps that are padded in rows and columns only.")
        (above, below), (left, right) = x.pads[1:]
        more = (above, left, below, right)
        pads = [a + b for a, b in zip(self.pads, more, strict=True)]
        return x.inside, replace(self, pads=(pads[0], pads[1], pads[2], pads[3])), x.value
