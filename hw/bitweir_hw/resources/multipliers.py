"""Multipliers: how Yosys divides a product over the multipliers of a family, and what is left to LUTs."""

from __future__ import annotations

from dataclasses import dataclass

from ..arithmetic import ceil_div
from .terms import Terms, adder

__all__ = ["multiply"]


@dataclass(frozen=True, kw_only=True)
class Multiplier:
    """One of the sizes into which products are divided, as ``share/mul2dsp.v`` of Yosys is called for a family.

    Parameters
    ----------
    most : (int, int)
        Bits of the wider and of the narrower factor that one takes.
    part : int
        Bits of a piece of a wider factor, where there are several pieces.
    least : (int, int)
        Fewer bits than these go into LUTs.
    product : int
        As do products of fewer bits.
    signed : bool
        Whether pieces lose a bit to the sign.
    """

    most: tuple[int, int]
    part: int = 18
    least: tuple[int, int] = (2, 2)
    product: int = 0
    signed: bool = False

    def pieces(self, bits: int, most: int) -> list[int]:
        """Bits of each piece of a factor."""
        if bits <= most:
            return [bits]
        step = self.part - self.signed
        count = ceil_div(bits - most, step)
        return [self.part] * count + [bits - count * step]


#: By family, in the order in which Yosys tries them.
_SIZES = {
    "ecp5": (Multiplier(most=(18, 18)),),
    "xilinx": (Multiplier(most=(25, 18), product=9, signed=True),),
    "gowin": (Multiplier(most=(18, 18), least=(10, 4)), Multiplier(most=(9, 9), part=9, least=(4, 4))),
    "ice40": (),
}


def multiply(terms: Terms, a: int, b: int, family: str, count: int = 1) -> int:
    """Add the logic of so many products of two signed numbers.

    Parameters
    ----------
    a, b : int
        Bits of the factors.

    Returns
    -------
    int
        Multipliers of one product; what they leave to LUTs is a feature.
    """
    before = terms.dsp
    _divided(terms, max(a, b), min(a, b), family, count, _SIZES[family])
    return (terms.dsp - before) // count


def _divided(terms: Terms, a: int, b: int, family: str, count: int, sizes: tuple[Multiplier, ...]) -> None:
    if not sizes:
        terms.luts["multiply"] += a * b * count
        if family == "gowin":
            # A row of adders.
            terms.carry += a * max(b - 1, 0) * count
        return
    size = sizes[0]
    if a < size.least[0] or b < size.least[1] or a + b < size.product:
        # Only here does Yosys look which factor is wider: pieces keep their order.
        _divided(terms, max(a, b), min(a, b), family, count, sizes[1:])
        return
    wide = size.pieces(a, size.most[0])
    if len(wide) > 1:
        for piece in wide:
            _divided(terms, piece, b, family, count, sizes)
        _sums(terms, a + b, len(wide) - 1, size, family, count)
        return
    narrow = size.pieces(b, size.most[1])
    if len(narrow) > 1:
        for piece in narrow:
            _divided(terms, a, piece, family, count, sizes)
        _sums(terms, a + b, len(narrow) - 1, size, family, count)
        return
    terms.dsp += count


def _sums(terms: Terms, bits: int, many: int, size: Multiplier, family: str, count: int) -> None:
    """The sum of pieces: above the bits of those before. Multipliers of Xilinx add by themselves."""
    for n in range(1, many + 1) if family != "xilinx" else ():
        adder(terms, max(bits - n * size.part, 1), family, count)
