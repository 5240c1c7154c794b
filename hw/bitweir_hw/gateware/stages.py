"""Registers in a datapath that never stops: between levels of logic, and for what waits for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed

from ..arithmetic import signed_bits, signed_digits

__all__ = ["Stages", "delayed", "held", "staged_sum"]

T = TypeVar("T", bound=Value | int)


def held(m: Module, value: T) -> T:
    """A value a cycle later, from a register without reset; a constant needs none."""
    if isinstance(value, int | Const) or not len(value):
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


class Stages:
    """What becomes of one element, level by level of its logic.

    Parameters
    ----------
    m : Module or None
        None where nothing is made.
    registers : collection of int
        After which levels, counted from 1, a register stands.
    shared : dict
        Of all elements: what waits for several of them waits once.

    Attributes
    ----------
    level : int
        Levels that are done.
    """

    def __init__(self, m: Module | None, registers: Collection[int], shared: dict[Any, tuple[Value, Value]]) -> None:
        self._m, self._registers, self._shared = m, registers, shared
        self.level = 0

    def done(self, values: Sequence[T]) -> list[T]:
        """All that is needed from here on, at the end of a level: through a register if one stands here."""
        self.level += 1
        return [self._held(value) for value in values] if self.level in self._registers else list(values)

    def finish(self, value: Value, levels: int) -> Value:
        """A value that waits until so many levels are done."""
        while self.level < levels:
            (value,) = self.done([value])
        return value

    def _held(self, value: Any) -> Any:
        if isinstance(value, int | Const):
            return value
        assert self._m is not None
        key = self.level, id(value)
        if key not in self._shared:
            # The value is kept, too: its number must stay its own.
            self._shared[key] = value, held(self._m, value)
        return self._shared[key][1]


def staged_sum(stages: Stages, terms: Sequence[tuple[Value, Value | int]], bits: int, piece: int) -> Value:
    """The sum of values times factors, both signed, to so many bits: `arithmetic.sum_levels` tells its levels.

    Parameters
    ----------
    terms : sequence of (Value, Value or int)
    piece : int
        See `arithmetic.products`.
    """
    added: list[tuple[Value, int]] = []
    products = 0
    for value, factor in terms:
        if isinstance(factor, int) and len(signed_digits(factor)) <= 2:
            added += [(value.shift_left(at), sign) for at, sign in signed_digits(factor)]
            continue
        by = Const(factor, signed(signed_bits(factor, factor))) if isinstance(factor, int) else factor
        found = _products(value, by, piece)
        added, products = found + added, products + 1
    if products:
        added = _signs(stages, added)
    if all(sign < 0 for _, sign in added):
        added.append((Const(0, 1), 1))
    while len(added) > 1:
        pairs = [_merged(a, b, bits) for a, b in zip(added[::2], added[1::2], strict=False)]
        added = _signs(stages, pairs + added[2 * len(pairs) :])
    # A positive one is left, as there was one: sums of a positive and a negative one are positive.
    return added[0][0]


def _signs(stages: Stages, added: list[tuple[Value, int]]) -> list[tuple[Value, int]]:
    values = stages.done([value for value, _ in added])
    return list(zip(values, [sign for _, sign in added], strict=True))


def _merged(a: tuple[Value, int], b: tuple[Value, int], bits: int) -> tuple[Value, int]:
    """A sum or a difference of two numbers, of which no more than the low bits count."""
    (x, s), (y, t) = (a, b) if a[1] > 0 else (b, a)
    total = x + y if s == t else x - y
    return (total[:bits].as_signed() if len(total) > bits else total), s


def _products(a: Value, b: Value, piece: int) -> list[tuple[Value, int]]:
    """Products of pieces, whose sum is that of two signed numbers."""
    if not piece:
        return [(a * b, 1)]
    if piece > 2:
        return [((x * y).shift_left(n + k), 1) for n, x in _pieces(a, piece) for k, y in _pieces(b, piece)]
    a, b = sorted((a, b), key=len, reverse=True)
    found = []
    for at in range(0, len(b), 2):
        low = Mux(b[at], a, 0)
        if at + 1 == len(b):
            found.append(((0 - low).shift_left(at), 1))
            continue
        high = Mux(b[at + 1], a, 0).shift_left(1)
        found.append(((low - high if at + 2 == len(b) else low + high).shift_left(at), 1))
    return found


def _pieces(number: Value, piece: int) -> list[tuple[int, Value]]:
    """Unsigned low pieces of a signed number and a signed one of up to a bit more, each with its place."""
    found, at = [], 0
    while len(number) - at > piece + 1:
        found.append((at, number[at : at + piece]))
        at += piece
    return [*found, (at, number[at:].as_signed())]
