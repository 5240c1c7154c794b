"""Exact real numbers: fractions, sums of fractions times square roots of fractions, and what `curves` makes of them.

Batch normalisation divides by a square root, so what follows it is ``p + q * sqrt(v)`` with fractions
p, q and v. Where two such numbers meet (two classes, or two normalisations in a row), p and q hold the
roots of the smaller v. The sign of every such number is decided by squaring, without rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf, isqrt

from ..errors import ModelError

__all__ = ["Exact", "Real", "Surd", "approximate", "between", "coefficients", "nearly", "root", "sign"]


@dataclass(frozen=True, slots=True, eq=False)
class Surd:
    """``p + q * sqrt(v)``, where p and q hold roots of fractions smaller than v only."""

    p: Exact
    q: Exact
    v: Fraction

    def __add__(self, other: Exact | int) -> Exact:
        if isinstance(other, Real):
            return other + self
        v = _largest(self, other)
        (p, q), (r, s) = _split(self, v), _split(other, v)
        return _make(p + r, q + s, v)

    def __mul__(self, other: Exact | int) -> Exact:
        if isinstance(other, Real):
            return other * self
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


class Real:
    """A number of which bounds are known that come as close as is wanted, and which is no fraction and no root."""

    __slots__ = ()

    def between(self, bits: int) -> tuple[Fraction, Fraction]:
        """Two fractions between which it lies; the more bits, the closer."""
        raise NotImplementedError

    def __add__(self, other: Exact | int) -> Exact:
        return _Linear(self, Fraction(1), _exact(other))

    def __mul__(self, other: Exact | int) -> Exact:
        return _Linear(self, _exact(other), Fraction(0)) if sign(other) else Fraction(0)

    def __neg__(self) -> Exact:
        return self * -1

    def __sub__(self, other: Exact | int) -> Exact:
        return self + (-other)

    def __rsub__(self, other: Exact | int) -> Exact:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__


@dataclass(frozen=True, slots=True, eq=False)
class _Linear(Real):
    """``x * factor + offset``."""

    x: Exact
    factor: Exact
    offset: Exact

    def between(self, bits: int) -> tuple[Fraction, Fraction]:
        ends, factors, offsets = (between(part, bits) for part in (self.x, self.factor, self.offset))
        products = [a * b for a in ends for b in factors]
        return min(products) + offsets[0], max(products) + offsets[1]


Exact = Fraction | Surd | Real
#: Bits with which bounds of a `Real` begin, and at which a comparison gives up.
_FIRST_BITS, _LAST_BITS = 64, 1 << 13
#: Bits behind the point with which the sign of a sum of roots is tried before it is decided by squaring.
_SIGN_BITS = 192


def root(v: Fraction) -> Exact:
    """Square root of a positive fraction: a fraction where there is one."""
    over, under = isqrt(v.numerator), isqrt(v.denominator)
    if over * over == v.numerator and under * under == v.denominator:
        return Fraction(over, under)
    return Surd(Fraction(0), Fraction(1), v)


def sign(x: Exact | int) -> int:
    """-1, 0 or 1.

    Raises
    ------
    ModelError
        A `Real` is so near 0 that it cannot be told; the text is the end of a sentence.
    """
    if isinstance(x, Real):
        bits = _FIRST_BITS
        while bits <= _LAST_BITS:
            low, high = x.between(bits)
            if low >= 0 or high <= 0:
                return 1 if low >= 0 else -1
            bits *= 2
        raise ModelError("a tanh, sigmoid or erf comes so near to a threshold that nothing tells on which side it lies")
    if not isinstance(x, Surd):
        return (x > 0) - (x < 0)
    bounds = _scaled(x)
    if bounds[0] > 0 or bounds[1] < 0:
        return 1 if bounds[0] > 0 else -1
    p, q = sign(x.p), sign(x.q)
    if q == 0 or p == q:
        return p
    if p == 0:
        return q
    # Of opposite signs: the term with the larger square wins.
    return p * sign(x.p * x.p - x.q * x.q * x.v)


def _scaled(x: Exact) -> tuple[int, int]:
    """Two integers between which a fraction or a sum of roots lies, times ``2**_SIGN_BITS``.

    They tell the sign of nearly every number in a small part of the time that squaring takes.
    """
    if not isinstance(x, Surd):
        assert isinstance(x, Fraction)
        low, rest = divmod(x.numerator << _SIGN_BITS, x.denominator)
        return low, low + bool(rest)
    whole = isqrt((x.v.numerator << 2 * _SIGN_BITS) // x.v.denominator)
    (low, high), factors = _scaled(x.p), _scaled(x.q)
    products = [factor * end for factor in factors for end in (whole, whole + 1)]
    return low + (min(products) >> _SIGN_BITS), high - (-max(products) >> _SIGN_BITS)


def nearly(x: Exact) -> Fraction:
    """A fraction so close that only a comparison with another number could tell."""
    if isinstance(x, Real):
        low, high = x.between(512)
        return (low + high) / 2
    if not isinstance(x, Surd):
        return x
    bits = 256
    return nearly(x.p) + nearly(x.q) * Fraction(isqrt((x.v.numerator << 2 * bits) // x.v.denominator), 1 << bits)


def between(x: Exact, bits: int = 256) -> tuple[Fraction, Fraction]:
    """Two fractions between which a number lies; they are equal for a fraction, and closer the more bits there are."""
    if isinstance(x, Real):
        return x.between(bits)
    if not isinstance(x, Surd):
        return x, x
    whole = isqrt((x.v.numerator << 2 * bits) // x.v.denominator)
    ends = [Fraction(whole, 1 << bits), Fraction(whole + 1, 1 << bits)]
    (low, high), factors = between(x.p, bits), between(x.q, bits)
    products = [factor * end for factor in factors for end in ends]
    return low + min(products), high + max(products)


def coefficients(x: Exact) -> list[Fraction]:
    """The fractions that a number is made of, roots left out; none of a `Real`."""
    if isinstance(x, Real):
        return []
    return [*coefficients(x.p), *coefficients(x.q)] if isinstance(x, Surd) else [x]


def approximate(x: Exact) -> float:
    """`nearly`, as a float; infinite beyond its range."""
    try:
        return float(nearly(x))
    except OverflowError:
        return inf * sign(x)


def _exact(x: Exact | int) -> Exact:
    return Fraction(x) if isinstance(x, int) else x


def _largest(*numbers: Exact | int) -> Fraction:
    return max(x.v for x in numbers if isinstance(x, Surd))


def _split(x: Exact | int, v: Fraction) -> tuple[Exact, Exact]:
    if isinstance(x, Surd):
        return (x.p, x.q) if x.v == v else (x, Fraction(0))
    assert not isinstance(x, Real)
    return Fraction(x), Fraction(0)


def _make(p: Exact, q: Exact, v: Fraction) -> Exact:
    return p if not isinstance(q, Surd) and q == 0 else Surd(p, q, v)
