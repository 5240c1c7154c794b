"""Counters whose ends are registers, so that nothing is compared on the way to what they decide."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["SHIFTED", "FillLevel", "counter", "sum_and_one"]

#: Most of a fill level that is kept as so many bits, of which the lowest ones are 1; more are two numbers.
SHIFTED = 8


def counter(m: Module, name: str, step: Value, end: int, init: int = 0) -> tuple[Signal, Value]:
    """Count from 0 to ``end - 1`` and round; the number, and whether it is the last one, both from registers."""
    at = Signal(range(end), name=name, init=init)
    if end == 1:
        return at, Const(1, 1)
    last = at if end == 2 else Signal(name=f"{name}_is_last", init=init == end - 1)
    with m.If(step):
        m.d.sync += at.eq((at + 1)[: len(at)] if end & (end - 1) == 0 else Mux(last, 0, at + 1))
        if end > 2:
            m.d.sync += last.eq(at == end - 2)
    return at, last


def sum_and_one(number: Signal, addend: Value, one: Value) -> Value:
    """The number, a signed addend and perhaps one more, in one carry chain: 1 + 1 in a place below carries."""
    bits = [addend[min(at, len(addend) - 1)] for at in range(len(number))]
    return (Cat(Const(1, 1), number) + Cat(one, *bits))[1 : len(number) + 1]


class FillLevel:
    """A number from 0 to `most` that goes up or down by 1.

    Up to `SHIFTED`, a bit for each; else two numbers with a sign, of which each says one thing. What is not asked
    for costs nothing.

    Attributes
    ----------
    some : Value
        It is more than 0. From a register.
    space : Value
        It is less than `most`. From a register.
    one : Value
        It is 1.
    """

    def __init__(self, m: Module, name: str, most: int, *, change: Value, down: Value) -> None:
        """Let it change in cycles with `change`: down by 1, or else up."""
        if most <= SHIFTED:
            # Whether there is space often leaves a block, as its `ready`: as a register without a gate behind it.
            space = Signal(name=f"{name}_space", init=1)
            lower = Signal(most - 1, name=name)
            level = Cat(lower, ~space)
            following = Mux(down, level[1:], Cat(Const(1, 1), level[:-1]))[:most]
            with m.If(change):
                m.d.sync += [lower.eq(following[:-1]), space.eq(~following[-1])]
            self.some: Value = level[0]
            self.space: Value = space
            self.one: Value = level[0] & ~level[1] if most > 1 else level[0]
            return
        there = Signal(range(-1, most), name=name, init=-1)
        beyond = Signal(range(-most, 1), name=f"{name}_beyond", init=-most)
        one = Signal(name=f"{name}_one")
        with m.If(change):
            for number in (there, beyond):
                # 1 or -1, as the bits of an addend.
                addend = Cat(Const(1, 1), down.replicate(len(number) - 1))
                m.d.sync += number.eq((number + addend)[: len(number)])
            m.d.sync += one.eq(Mux(down, there == 1, there[-1]))
        self.some, self.space, self.one = ~there[-1], beyond[-1], one
