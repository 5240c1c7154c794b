"""The cheapest trees that count bits with the carry chains of a family, where bits are there already.

A position of a carry chain adds two bits, and a LUT in front of it may compute them. What fits in there counts a few
bits for nothing:

| style | position                                   | so an adder takes                                              |
|-------|--------------------------------------------|----------------------------------------------------------------|
| ecp5  | CCU2C: a LUT4 and a LUT2 of its first two  | pairs of bits for both operands: 5 bits in 3 sites, carry too  |
| xc7   | a LUT6, one operand is a wire              | up to 5 bits for one operand: 6 + 5 + 1 bits in 3 + 4 sites    |
| lut6  | the same, from portable operators          | the same, but a carry takes a position more                    |
| lut4  | a LUT4 of two wires and the carry          | numbers                                                        |

With pairs in both operands n bits tend to 1.25 sites each, where whole bits tend to 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

__all__ = ["STYLES", "Bits", "Node", "Plus", "Style", "best_count", "count_cost"]


@dataclass(frozen=True)
class Style:
    """What a family offers.

    Parameters
    ----------
    lut : int
        Inputs of a LUT.
    pairs : tuple of int
        Bits that an adder counts for nothing in its first and in its second operand.
    leaves : tuple of int
        LUTs that count 1, 2, ... bits.
    chain : int
        Positions of the longest carry chain that several adders share; 0: each has its own.
    """

    name: str
    lut: int
    pairs: tuple[int, int]
    leaves: tuple[int, ...]
    chain: int = 0


STYLES = {
    "ecp5": Style("ecp5", 4, (2, 2), (0, 2, 2, 3), 64),
    "lut4": Style("lut4", 4, (1, 1), (0, 2, 2, 3)),
    "fused": Style("fused", 4, (1, 1), (0, 2, 2, 3), 63),
    "lut6": Style("lut6", 6, (1, 5), (0, 2, 2, 3, 3, 3)),
    "xc7": Style("xc7", 6, (1, 5), (0, 2, 2, 3, 3, 3), 64),
}


@dataclass(frozen=True)
class Bits:
    """Some bits, counted in LUTs of their own, or (`free`) in front of the adder that takes the count."""

    size: int
    free: bool

    @property
    def width(self) -> int:
        return self.size.bit_length()


@dataclass(frozen=True)
class Plus:
    """``a + b``, and perhaps one bit as carry-in."""

    a: Node
    b: Node
    carry: bool

    @property
    def size(self) -> int:
        """Bits that are counted."""
        return self.a.size + self.b.size + self.carry

    @property
    def width(self) -> int:
        return self.size.bit_length()


Node = Bits | Plus


def _split(bits: int) -> list[int]:
    """Sizes of the larger operand that are worth trying."""
    low = (bits + 1) // 2
    if bits <= 64:
        return list(range(low, bits))
    full = [
        size for k in range(5, bits.bit_length()) for size in ((1 << k) - 1, (3 << k - 1) - 1) if low <= size < bits
    ]
    return sorted({*range(low, low + 4), *full})


@cache
def _best(style: str, bits: int, height: int) -> tuple[int, Node] | None:
    """Cheapest tree of at most `height` adders on top of each other."""
    kind = STYLES[style]
    best: tuple[int, Node] | None = None
    if bits <= len(kind.leaves):
        best = kind.leaves[bits - 1], Bits(bits, bits == 1)
    if not height:
        return best
    for carry in (False, True):
        for size in _split(bits - carry):
            rest = bits - carry - size
            for first, second in {(size, rest), (rest, size)}:
                a, b = _operand(style, first, height - 1, 0), _operand(style, second, height - 1, 1)
                if a is None or b is None:
                    continue
                # A bit that enters a chain of its own takes a position there.
                enters = carry and not kind.chain
                cost = a[0] + b[0] + max(a[1].width, b[1].width) + 1 + enters
                if best is None or cost < best[0]:
                    best = cost, Plus(a[1], b[1], carry)
    return best


def _operand(style: str, bits: int, height: int, place: int) -> tuple[int, Node] | None:
    if bits <= STYLES[style].pairs[place]:
        return 0, Bits(bits, free=True)
    return _best(style, bits, height)


@cache
def best_count(style: str, bits: int) -> tuple[int, Node]:
    """LUT sites and tree that count so many bits, of those with at most one level more than the fewest.

    Parameters
    ----------
    style : str
        A key of `STYLES`.
    bits : int
        At least 1.
    """
    height = 0
    while (found := _best(style, bits, height)) is None:
        height += 1
    return _best(style, bits, height + 1) or found


@cache
def count_cost(style: str, bits: int) -> int:
    """LUT sites of a count."""
    return best_count(style, bits)[0] if bits else 0
