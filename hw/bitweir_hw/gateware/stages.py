"""Registers in a datapath that never stops: between levels of logic, and for what waits for them."""

from __future__ import annotations

from typing import TypeVar

from amaranth.hdl import Module, Signal, Value

__all__ = ["delayed", "held"]

T = TypeVar("T", bound=Value | int)


def held(m: Module, value: T) -> T:
    """A value a cycle later, from a register without reset; a constant needs none."""
    if isinstance(value, int) or not len(value):
        return value
    register = Signal(value.shape(), name="held", reset_less=True)
    m.d.sync += register.eq(value)
    return register


def delayed(m: Module, flag: Value, cycles: int) -> Value:
    """A flag some cycles later; 0 after reset."""
    for _ in range(cycles):
        later = Signal(name="delayed")
        m.d.sync += later.eq(flag)
        flag = later
    return flag
