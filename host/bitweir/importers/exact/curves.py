"""Tanh and sigmoid of exact numbers: real numbers that are no fractions and no roots, known to any precision.

Except at 0, the tanh and the sigmoid of an algebraic number are transcendental (Lindemann and Weierstrass), so neither
they nor what scales, shifts and roots make of them ever equals an algebraic number. So a comparison with a threshold
ends: the bounds get closer until the threshold lies outside of them. The exponential function is that of `decimal`,
which rounds correctly to any number of digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

from .surd import Exact, Real, between, sign

__all__ = ["sigmoid", "tanh"]

#: Arguments beyond this give 0 or 1, but for less than 2**-_SPARE.
_FAR, _SPARE = 4096, 5000
_ONE = Fraction(1)
Bounds = tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True, eq=False)
class _Sigmoid(Real):
    """The sigmoid of a number other than 0."""

    argument: Exact

    def between(self, bits: int) -> Bounds:
        low, high = between(self.argument, bits)
        return _sigmoid(low, bits)[0], _sigmoid(high, bits)[1]


def sigmoid(y: Exact) -> Exact:
    """``1 / (1 + exp(-y))``."""
    return _Sigmoid(y) if sign(y) else Fraction(1, 2)


def tanh(y: Exact) -> Exact:
    """``2 * sigmoid(2 * y) - 1``."""
    return sigmoid(y * 2) * 2 - 1


def _sigmoid(y: Fraction, bits: int) -> Bounds:
    if abs(y) > _FAR:
        tiny = Fraction(1, 1 << _SPARE)
        return (_ONE - tiny, _ONE) if y > 0 else (Fraction(0), tiny)
    low, high = _exp(-y, bits)
    return _ONE / (1 + high), _ONE / (1 + low)


def _exp(x: Fraction, bits: int) -> Bounds:
    digits = bits * 3 // 10 + 20
    ends = []
    for rounding, next_one in ((ROUND_FLOOR, Decimal.next_minus), (ROUND_CEILING, Decimal.next_plus)):
        context = _context(digits, rounding)
        argument = context.divide(Decimal(x.numerator), Decimal(x.denominator))
        ends.append(Fraction(next_one(context.exp(argument), context)))
    return ends[0], ends[1]


def _context(digits: int, rounding: str) -> Context:
    return Context(prec=digits, rounding=rounding, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
