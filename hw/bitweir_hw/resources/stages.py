"""Flip-flops between levels of logic, counted where the gateware puts them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amaranth.hdl import Const, Signal, Value

from ..gateware.stages import Stages

__all__ = ["CountedStages"]


class CountedStages(Stages):
    """Makes no registers, but counts their bits.

    Parameters
    ----------
    registers : collection of int
    shared : dict
        As for `Stages`.
    sizes : dict
        By the `id` of a value, how many of its bits no other value has; of values that are not there, all.

    Attributes
    ----------
    bits : int
        Of all registers so far.
    """

    def __init__(
        self, registers: Collection[int], shared: dict[Any, tuple[Value, Value]], sizes: dict[int, int]
    ) -> None:
        super().__init__(None, registers, shared)
        self._sizes, self.bits = sizes, 0

    def _held(self, value: Any) -> Any:
        if isinstance(value, int | Const):
            return value
        key = self.level, id(value)
        if key not in self._shared:
            register = Signal(value.shape())
            size = self._sizes.get(id(value), len(value))
            self._sizes[id(register)] = size
            self._shared[key] = value, register
            self.bits += size
        return self._shared[key][1]
