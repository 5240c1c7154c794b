"""What stands on the lanes of a stream, as numbers."""

from __future__ import annotations

from collections.abc import Callable
from operator import add
from typing import TypeVar

from amaranth.hdl import Cat, Const, Value, signed

from ..arithmetic import signed_bits, signed_digits

__all__ = ["elements", "number", "tree", "weighted_sum"]

T = TypeVar("T")


def elements(payload: Value, bits: int) -> list[Value]:
    """The elements of a beat, `bits` each, from the lowest on."""
    return [payload[at : at + bits] for at in range(0, len(payload), bits)]


def number(code: Value, offset: int, step: int) -> Value:
    """``offset + step * code`` of an unsigned code, signed, as wide as its range asks.

    No adder is needed where the size of `step` is a power of two, and numbers lie from 0 on or evenly
    about 0: bipolar codes are ``{~code, 1}``.
    """
    top = (1 << len(code)) - 1
    if step < 0:
        # The complement counts from the other end.
        code, offset, step = ~code, offset + step * top, -step
    # The lowest bits are those of the offset, always; the step adds above them.
    shift = (step & -step).bit_length() - 1
    rest, base, odd = offset & ((1 << shift) - 1), offset >> shift, step >> shift
    if odd == 1 and base == -(1 << (len(code) - 1)):
        high = Cat(code[:-1], ~code[-1])
    elif odd == 1 and base == 0:
        high = Cat(code, Const(0, 1))
    else:
        bits = signed_bits(base, base + odd * top)
        high = weighted_sum([(code, odd), (Const(base, signed(bits)), 1)])[:bits]
    return Cat(Const(rest, shift), high).as_signed()


def weighted_sum(terms: list[tuple[Value, int]]) -> Value:
    """The sum of values times constants, exact.

    Factors of one or two signed digits (2, -4, 3, 7, 10, ...) need no multiplier, and no negation.
    """
    added: list[Value] = []
    taken: list[Value] = []
    for value, factor in terms:
        digits = signed_digits(factor)
        if len(digits) > 2:
            added.append(value * factor)
            continue
        for at, digit in digits:
            (added if digit > 0 else taken).append(value.shift_left(at))
    total = tree([*added] or [Const(0)], add)
    return total - tree(taken, add) if taken else total


def tree(values: list[T], merge: Callable[[T, T], T]) -> T:
    """All values merged, neighbours first, in a tree of the least depth."""
    while len(values) > 1:
        pairs = [merge(a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[2 * len(pairs) :]
    return values[0]
