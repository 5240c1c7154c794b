"""What blocks store, and where: block RAM, LUT RAM or registers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from math import ceil

from .arithmetic import ceil_div

__all__ = [
    "EIGHTEEN",
    "STREAM",
    "STYLES",
    "WIRED",
    "Layout",
    "Memory",
    "in_luts",
    "is_block",
    "layout",
    "on_block_rams",
    "too_wide",
]

#: Where a memory sits: by its size, in block RAM, or in LUTs.
STYLES = ("auto", "block", "lut")
#: Where the weights of a layer are that sit in no memory of the accelerator: they come over a stream.
STREAM = "stream"
#: Where they are that sit in no memory at all: constants in logic, which the neurons of the layer share.
WIRED = "wired"
#: Words and bits that a block RAM of 18 kilobits can have: that of ECP5, Gowin and Xilinx.
EIGHTEEN = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
#: Bits of theirs that are written together.
_BYTE = 9
#: Banks that a multiplexer takes which is two LUTs of four inputs deep.
_MUX = 4
#: Up to this depth LUTs serve better: a block RAM is 256 to 1024 words deep on all families.
LUT_DEPTH = 32
#: Fewer bits than this would leave a block RAM, which has 4 to 18 thousand, almost empty.
LUT_BITS = 1024
#: Words so wide are in block RAM where there are more of them than one LUT reads: two layers of 32 words of 2,048
#: weights in LUTs, whose addresses reach 1,700 places, did not route on an ECP5 in 26 minutes.
LUT_WIDTH = 1024
#: Words that a LUT of four inputs reads.
_LUT_WORDS = 16
#: Words of a bank in LUTs, where it is only read and where it is written: LUTs of four inputs read 16 words in one
#: level, and multiplexers of four take two. Addresses of LUT RAM have long wires beside.
_LUT_BANK, _LUT_RAM_BANK = 64, 32
#: Block RAMs of a memory of which some are far from what takes their words, or from their address: wires from 57 of
#: them to carry chains took 4.6 of 7.1 ns on ECP5, and those of the address 6.3 of 7.
_FAR = 12
#: Of them, so many have an address of their own.
_NEAR = 8


def is_block(depth: int, width: int, style: str = "auto") -> bool:
    """Whether so many words of so many bits sit in block RAM; one word never does."""
    if style == "auto":
        return (depth > LUT_DEPTH and depth * width > LUT_BITS) or too_wide(depth, width)
    return style == "block" and depth > 1


def too_wide(depth: int, width: int) -> bool:
    """Whether a memory in LUTs would have too many wires to route."""
    return depth > _LUT_WORDS and width >= LUT_WIDTH


def on_block_rams(
    depth: int, width: int, shapes: tuple[tuple[int, int], ...], *, together: int = 1
) -> list[tuple[int, int]]:
    """For each shape that block RAMs can have: how many a memory takes, and how many banks it falls into.

    Banks share block RAMs, side by side in their words.

    Parameters
    ----------
    depth, width : int
    shapes : tuple of (int, int)
        Words and bits of a block RAM.
    together : int
        Bits that are written together where banks are written; 0 for a memory that is only read.
    """
    found = []
    for words, bits in shapes:
        banks = ceil_div(depth, words)
        unit = min(together, bits) if together and banks > 1 else 1
        count = ceil_div(banks * ceil_div(width, unit) * unit, bits)
        found.append((max(count, ceil_div(width, bits)) if together else count, banks))
    return found


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a memory lies in block RAM or in LUTs, and what follows its outputs.

    Parameters
    ----------
    depth : int
        Words of a bank.
    banks : int
        How many; the last one may have fewer words.
    shared : bool
        Whether banks are side by side in the words of one memory; else each is a memory of its own.
    registers : int
        How many stand behind each other at the output, beyond the one that every memory has.
    direct : bool
        Whether the first of them stands directly behind each bank, where block RAMs of most families have one; the
        others stand behind multiplexers of banks.
    share : int
        Bits of a word that have an address of their own, near their block RAMs; 0 for one address in all.
    """

    depth: int
    banks: int = 1
    shared: bool = False
    registers: int = 0
    direct: bool = True
    share: int = 0

    def shares(self, width: int) -> list[slice]:
        """The bits of a word that each address is for."""
        each = self.share or width
        return [slice(first, min(first + each, width)) for first in range(0, width, each)]

    @property
    def levels(self) -> int:
        """Levels of multiplexers, each of at most four."""
        return _levels(self.banks)

    def multiplexers(self) -> list[tuple[int, bool]]:
        """For each level of multiplexers how many words are left, and whether a register follows it."""
        left = self.registers - self.direct
        each = ceil(self.levels / left) if left > 0 else 0
        return [
            (ceil_div(self.banks, _MUX**level), bool(each) and (level % each == 0 or level == self.levels))
            for level in range(1, self.levels + 1)
        ]


def _levels(banks: int) -> int:
    """Levels of multiplexers, each of at most four."""
    return next(level for level in range(16) if _MUX**level >= banks)


@cache
def layout(depth: int, width: int, *, writable: bool, levels: int) -> Layout:
    """The layout of a memory in block RAM that takes the fewest block RAMs, and of equal ones has the fewest banks.

    Banks have as many words as a block RAM of one of the shapes that ECP5, Gowin and Xilinx have in common, whatever
    the family: so Verilog is the same for all, and takes the same cycles. Synthesis finds one block RAM or some side by
    side for each bank. A memory that is only read takes no more than synthesis alone would find; banks that are written
    share none, and so now and then take a few more. Block RAMs of iCE40 are smaller and have no registers: plans for it
    leave banks to synthesis, with `levels` of 0.

    Parameters
    ----------
    depth, width : int
    writable : bool
    levels : int
        Levels of multiplexers between registers; 0 leaves all to synthesis, with one register behind.
    """
    if not levels:
        return Layout(depth=depth, registers=1)
    found = []
    for words, _ in EIGHTEEN:
        banks = ceil_div(depth, words)
        rest = depth - (banks - 1) * words
        counts = [_least(part, width, writable=writable) for part in (words, rest)]
        # Synthesis would split a bank for which there is a better shape.
        if all(one for _, one in counts):
            found.append(((banks - 1) * counts[0][0] + counts[1][0], banks, False, words))
    if not writable:
        shapes = zip(on_block_rams(depth, width, EIGHTEEN), EIGHTEEN, strict=True)
        found += [(count, banks, banks > 1, words) for (count, banks), (words, _) in shapes]
    _, banks, shared, words = min(found)
    last = Layout(depth=min(words, depth), banks=banks, shared=shared)
    return Layout(depth=last.depth, banks=banks, shared=shared, registers=1 + ceil_div(last.levels, levels))


def in_luts(depth: int, *, writable: bool, levels: int) -> Layout:
    """The layout of a memory in LUTs: banks that are read in as few levels of logic as the rest of a block.

    Parameters
    ----------
    depth : int
    writable : bool
    levels : int
        As for `layout`; 0 leaves all to synthesis, with no register more.
    """
    words = (_LUT_RAM_BANK if writable else _LUT_BANK) * _MUX ** (levels - 1) if levels else depth
    last = Layout(depth=min(words, depth), banks=ceil_div(depth, words), direct=False)
    return last if last.banks == 1 else replace(last, registers=ceil_div(last.levels, levels))


def _least(depth: int, width: int, *, writable: bool) -> tuple[int, bool]:
    """The fewest block RAMs of so many words, and whether they make one bank."""
    count, banks = min(on_block_rams(depth, width, EIGHTEEN, together=_BYTE if writable else 0))
    return count, banks == 1


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
    levels : int
        Levels of multiplexers of banks between registers, see `layout` and `in_luts`.
    riding : int
        Of the bits of a word of weights, those that are not: thresholds that came with them.
    landing : bool
        Whether the words of many block RAMs side by side take a cycle for their way, and have an address for each few
        of them, where no multiplexer follows.
    """

    role: str
    depth: int
    width: int
    copies: int = 1
    writable: bool = False
    style: str = "auto"
    levels: int = 0
    riding: int = 0
    landing: bool = False

    @property
    def bits(self) -> int:
        """Bits in all copies."""
        return self.depth * self.width * self.copies

    @property
    def block(self) -> bool:
        """Whether it sits in block RAM."""
        return is_block(self.depth, self.width, self.style)

    @property
    def layout(self) -> Layout:
        """How it lies in block RAM or in LUTs."""
        if not self.block:
            return in_luts(self.depth, writable=self.writable, levels=self.levels)
        found = layout(self.depth, self.width, writable=self.writable, levels=self.levels)
        if self.landing and found.banks == 1 and _least(self.depth, self.width, writable=self.writable)[0] >= _FAR:
            bits = next(bits for words, bits in EIGHTEEN if words >= found.depth)
            return replace(found, registers=found.registers + 1, share=_NEAR * bits)
        return found

    @property
    def inner_levels(self) -> int:
        """In block RAMs of 18 kilobits, levels of multiplexers of banks that are left to synthesis."""
        layout = self.layout
        if layout.banks > 1:
            return 0
        shapes = on_block_rams(self.depth, self.width, EIGHTEEN, together=_BYTE if self.writable else 0)
        return _levels(min(shapes)[1])
