"""Small sums that all specifications need."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ceil_div", "divisors", "products", "signed_bits", "signed_digits", "sum_levels", "trailing_zeros"]


def ceil_div(a: int, b: int) -> int:
    """The quotient, rounded up."""
    return -(-a // b)


def signed_bits(low: int, high: int) -> int:
    """Bits of the two's complement number that holds `low` to `high`."""
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1


def divisors(number: int) -> list[int]:
    """All divisors, ascending."""
    return [d for d in range(1, number + 1) if number % d == 0]


def signed_digits(number: int) -> list[tuple[int, int]]:
    """The fewest pairs of an exponent and -1 or 1 that make up a number."""
    digits, at = [], 0
    while number:
        if number & 1:
            # 1 or -1, whichever leaves a number that can be halved twice.
            digit = 2 - (number & 3)
            digits.append((at, digit))
            number -= digit
        number >>= 1
        at += 1
    return digits


def trailing_zeros(number: int) -> int:
    """Zeros at the end of a number, which is not 0."""
    return (number & -number).bit_length() - 1


def products(a: int, b: int, piece: int) -> int:
    """Products of pieces of two signed numbers of so many bits.

    Parameters
    ----------
    piece : int
        Bits of a piece that go into a multiplier beside a sign; 2 where there are none, so that products are sums of
        two numbers, one for two bits of the narrower factor. 0 leaves the product whole.
    """
    if piece > 2:
        return max(1, ceil_div(a - 1, piece)) * max(1, ceil_div(b - 1, piece))
    return ceil_div(min(a, b), 2) if piece else 1


def sum_levels(terms: Sequence[tuple[int, int | None, int]], piece: int) -> int:
    """Levels of logic of a sum of products, see `gateware.stages.staged_sum`: one for products, and a tree of adders.

    Parameters
    ----------
    terms : sequence of (int, int or None, int)
        Bits of a value, its factor if that is fixed, and the factor's bits.
    piece : int
        See `products`.
    """
    count, multiplies, positive = 0, False, False
    for bits, factor, size in terms:
        digits = signed_digits(factor) if factor is not None else []
        if factor is not None and len(digits) <= 2:
            count += len(digits)
            positive |= any(digit > 0 for _, digit in digits)
        else:
            count, multiplies, positive = count + products(bits, size, piece), True, True
    return multiplies + (count - positive).bit_length() if count else 0
