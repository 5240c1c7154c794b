"""Tanh, sigmoid and error function of exact numbers: real numbers, known to any precision.

Except at 0, the tanh and the sigmoid of an algebraic number are transcendental (Lindemann and Weierstrass), so neither
they nor what scales, shifts and roots make of them ever equals an algebraic number. So a comparison with a threshold
ends: the bounds get closer until the threshold lies outside of them. The exponential function is that of `decimal`,
which rounds correctly to any number of digits. Of the error function, whose values are transcendental as well but not
known to be so in all combinations, a comparison that has not ended after many digits is given up.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import cache, lru_cache
from math import isqrt

from .surd import Exact, Real, between, sign

__all__ = ["erf", "sigmoid", "tanh"]

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


@dataclass(frozen=True, slots=True, eq=False)
class _Erf(Real):
    """The error function of a number other than 0."""

    argument: Exact

    def between(self, bits: int) -> Bounds:
        low, high = between(self.argument, bits)
        return _erf(low, bits)[0], _erf(high, bits)[1]


def erf(y: Exact) -> Exact:
    """``2 / sqrt(pi)`` times the integral of ``exp(-t * t)`` from 0 to `y`."""
    return _Erf(y) if sign(y) else Fraction(0)


@lru_cache(1 << 14)
def _erf(y: Fraction, bits: int) -> Bounds:
    """Bounds of the error function by its alternating series, in whole numbers of ``2**-places``."""
    if y < 0:
        low, high = _erf(-y, bits)
        return -high, -low
    if y * y > bits:  # 1 - erf(y) < exp(-y * y)
        return _ONE - Fraction(1, 1 << bits), _ONE
    places = 2 * bits + 64  # terms are less than exp(y * y)
    ends = []
    for above in (0, 1):
        # Rounded to a place, so that the numbers stay short; the function rises.
        x = -((-y.numerator << places) // y.denominator) if above else (y.numerator << places) // y.denominator
        ends.append(_series(x, places)[above])
    roots = _root_of_pi(places)
    return Fraction(2 * ends[0], roots[1]), Fraction(2 * ends[1], roots[0])


def _series(x: int, places: int) -> tuple[int, int]:
    """Bounds of the sum over n of ``(-1)**n * x**(2n + 1) / (n! * (2n + 1))``; x is 0 or more."""
    square = x * x
    term, total = (x, x), [0, 0]
    n = 0
    while term[1] > 1 or n * (1 << 2 * places) < square:
        part = term[0] // (2 * n + 1), -(-term[1] // (2 * n + 1))
        low, high = part if n % 2 == 0 else (-part[1], -part[0])
        total = [total[0] + low, total[1] + high]
        n += 1
        divisor = n << 2 * places
        term = term[0] * square // divisor, -(-term[1] * square // divisor)
    # Terms of other signs that get smaller: what is left is less than the first of them.
    return total[0] - term[1], total[1] + term[1]


@cache
def _root_of_pi(places: int) -> tuple[int, int]:
    """Bounds of the square root of pi, by Machin's formula, in whole numbers of ``2**-places``."""
    one = 1 << 2 * places + 32

    def arctan(inverse: int) -> int:
        power, total, n = one // inverse, 0, 0
        while power:
            total += (power if n % 2 == 0 else -power) // (2 * n + 1)
            power //= inverse * inverse
            n += 1
        return total

    # Each of some thousand terms is off by 3 at most, which is far less than 2**32.
    pi = 4 * (4 * arctan(5) - arctan(239)) >> 32
    return isqrt(pi - 1), isqrt(pi + 2) + 1


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
