"""Exact real numbers: fractions, and sums of fractions times square roots of fractions.

Batch normalisation divides by a square root, so what follows it is ``p + q * sqrt(v)`` with fractions
p, q and v. Where two such numbers meet (two classes, or two normalisations in a row), p and q hold the
roots of the smaller v. The sign of every such number is decided by squaring, without rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf, isqrt

__all__ = ["Exact", "Surd", "approximate", "between", "coefficients", "nearly", "root", "sign"]


@dataclass(frozen=True, slots=True, eq=False)
class Surd:
    """``p + q * sqrt(v)``, where p and q hold roots of fractions smaller than v only."""

    p: Exact
    q: Exact
    v: Fraction

    def __add__(self, other: Exact | int) -> Exact:
        v = _largest(self, other)
        (p, q), (r, s) = _split(self, v), _split(other, v)
        return _make(p + r, q + s, v)

    def __mul__(self, other: Exact | int) -> Exact:
        v = _largest(self, other)
        (p, q), (r, s) = _split(self, v), _split(other, v)
        return _make(p * r + q * s * v, p * s + q * r, v)

    def __neg__(self) -> Exact:
        return self * -1

    def __sub__(self, other: Exact | int) -> Exact:
        return self + (-other)

    def __rsub__(self, other: Exact | int) -> Exact:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__


Exact = Fraction | Surd


def root(v: Fraction) -> Exact:
    """Square root of a positive fraction: a fraction where there is one."""
    over, under = isqrt(v.numerator), isqrt(v.denominator)
    if over * over == v.numerator and under * under == v.denominator:
        return Fraction(over, under)
    return Surd(Fraction(0), Fraction(1), v)


def sign(x: Exact | int) -> int:
    """-1, 0 or 1."""
    if not isinstance(x, Surd):
        return (x > 0) - (x < 0)
    p, q = sign(x.p), sign(x.q)
    if q == 0 or p == q:
        return p
    if p == 0:
        return q
    # Of opposite signs: the term with the larger square wins.
    return p * sign(x.p * x.p - x.q * x.q * x.v)


def nearly(x: Exact) -> Fraction:
    """A fraction so close that only a comparison with another number could tell."""
    if not isinstance(x, Surd):
        return x
    bits = 256
    return nearly(x.p) + nearly(x.q) * Fraction(isqrt((x.v.numerator << 2 * bits) // x.v.denominator), 1 << bits)


def between(x: Exact, bits: int = 256) -> tuple[Fraction, Fraction]:
    """Two fractions between which a number lies; they are equal for a fraction, and closer the more bits there are."""
    if not isinstance(x, Surd):
        return x, x
    whole = isqrt((x.v.numerator << 2 * bits) // x.v.denominator)
    ends = [Fraction(whole, 1 << bits), Fraction(whole + 1, 1 << bits)]
    (low, high), factors = between(x.p, bits), between(x.q, bits)
    products = [factor * end for factor in factors for end in ends]
    return low + min(products), high + max(products)


def coefficients(x: Exact) -> list[Fraction]:
    """The fractions that a number is made of, roots left out."""
    return [*coefficients(x.p), *coefficients(x.q)] if isinstance(x, Surd) else [x]


def approximate(x: Exact) -> float:
    """`nearly`, as a float; infinite beyond its range."""
    try:
        return float(nearly(x))
    except OverflowError:
        return inf * sign(x)


def _largest(*numbers: Exact | int) -> Fraction:
    return max(x.v for x in numbers if isinstance(x, Surd))


def _split(x: Exact | int, v: Fraction) -> tuple[Exact, Exact]:
    if isinstance(x, Surd):
        return (x.p, x.q) if x.v == v else (x, Fraction(0))
    return Fraction(x), Fraction(0)


def _make(p: Exact, q: Exact, v: Fraction) -> Exact:
    return p if not isinstance(q, Surd) and q == 0 else Surd(p, q, v)
