"""What most blocks end in: FIFOs, and outputs whose places are lent before."""

from __future__ import annotations

from collections import Counter

from ..memory import is_block
from .memories import lut_ram, ram
from .terms import Terms, fill_level, index_bits, stepped

__all__ = ["credited", "fifo", "ordered", "prefetch"]


def fifo(width: int, depth: int, family: str) -> Terms:
    """`gateware.fifo`: the output register, its mark and the fill level; then places to wait by depth.

    One place is a register. More are a LUT RAM of ``depth - 1`` words, or a block RAM of ``depth - 2`` and
    a register; either with two addresses. A LUT a bit chooses what the output takes.
    """
    terms = Terms(ff=width + 1, luts=Counter({"select": width, "fifo": 1}))
    block = is_block(depth, width)
    fill_level(terms, depth - 1, family, ends=2, one=block)
    if depth == 2:
        terms.ff += width
        terms.rams.append(0)
        return terms
    words = depth - 1 - block
    for _ in range(2):
        stepped(terms, words, family)
    if not block:
        terms += lut_ram(words, width, family)
        return terms
    terms += ram(words, width, family, block=True)
    terms.ff += width + 1
    terms.luts["select"] += width
    return terms


def credited(width: int, depth: int, family: str) -> Terms:
    """`gateware.credits`: a FIFO, how many places are lent, and whether one is free."""
    terms = fifo(width, depth, family)
    fill_level(terms, depth, family)
    terms.luts["credits"] += 1
    return terms


def prefetch(width: int, depth: int, room: int, family: str) -> Terms:
    """`gateware.prefetch`: a RAM of `depth` words and a register behind it, two addresses and a fill level."""
    terms = ram(depth, width, family, block=False)
    fill_level(terms, room, family, ends=2)
    for _ in range(2):
        stepped(terms, depth, family)
    terms.luts["fifo"] += 1
    return terms


def ordered(width: int, pixels: int, each: int, batches: int, family: str) -> Terms:
    """`gateware.ordered`: a memory of some batches with a register behind it, addresses and fill levels."""
    words = batches * pixels * each
    terms = ram(words, width, family, block=is_block(words, width))
    for _ in range(2):
        fill_level(terms, batches, family, ends=2)
    for end in (pixels * each, words, pixels * each, pixels, each):
        stepped(terms, end, family, last=True)
    # The address to write; whether a result waits, and is the last one.
    terms.ff += index_bits(words) + 2
    terms.luts["wrap"] += 2 * index_bits(words)
    terms.luts["credits"] += 2
    return terms
