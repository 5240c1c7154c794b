"""Weights that come from outside the chip."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

__all__ = ["Outside"]


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A memory outside the chip, and the layers whose weights come from it.

    Parameters
    ----------
    layers : frozenset of str
    bits_per_cycle : float
        What it gives all of them.
    shares : tuple of (str, int)
        Of layers, how many pixels share each word, where that is more than one.
    known : int or None
        Cycles a frame of a plan that was found to fit.
    """

    layers: frozenset[str] = frozenset()
    bits_per_cycle: float = inf
    shares: tuple[tuple[str, int], ...] = ()
    known: int | None = None

    def share(self, layer: str) -> int:
        """Pixels of a layer that share each word."""
        return dict(self.shares).get(layer, 1)

    def cycles(self, bits: int) -> int:
        """Cycles in which so many bits come."""
        return ceil(bits / self.bits_per_cycle)
