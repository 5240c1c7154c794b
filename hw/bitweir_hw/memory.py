"""What blocks store, and where: block RAM, LUT RAM or registers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STYLES", "Memory", "is_block"]

#: Where a memory sits: by its size, in block RAM, or in LUTs.
STYLES = ("auto", "block", "lut")
#: Up to this depth LUTs serve better: a block RAM is 256 to 1024 words deep on all families.
LUT_DEPTH = 32
#: Fewer bits than this would leave a block RAM, which has 4 to 18 thousand, almost empty.
LUT_BITS = 1024


def is_block(depth: int, width: int, style: str = "auto") -> bool:
    """Whether so many words of so many bits sit in block RAM; one word never does."""
    if style == "auto":
        return depth > LUT_DEPTH and depth * width > LUT_BITS
    return style == "block" and depth > 1


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A memory of a block.

    Parameters
    ----------
    role : str
        ``"weights"``, ``"thresholds"`` or ``"buffer"``.
    depth, width : int
        Words, and bits of a word.
    copies : int
        How many of them there are.
    writable : bool
    style : str
        One of `STYLES`.
    """

    role: str
    depth: int
    width: int
    copies: int = 1
    writable: bool = False
    style: str = "auto"

    @property
    def bits(self) -> int:
        """Bits in all copies."""
        return self.depth * self.width * self.copies

    @property
    def block(self) -> bool:
        """Whether it sits in block RAM."""
        return is_block(self.depth, self.width, self.style)
