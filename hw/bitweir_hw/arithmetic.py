"""Small sums that all specifications need."""

from __future__ import annotations

__all__ = ["ceil_div", "divisors", "signed_bits", "signed_digits", "trailing_zeros"]


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
