"""Memories: block RAM exactly as Yosys divides it, LUT RAM cells, ROMs in LUTs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..blocks.arithmetic import ceil_div
from ..blocks.memories import is_block
from .terms import Terms, counter, index_bits

__all__ = ["LUT_RAM", "block_rams", "lut_ram", "ram", "rom"]

#: Words and bits of a cell of LUT RAM with a port to write and one to read.
LUT_RAM = {"ecp5": (16, 4), "gowin": (16, 4), "xilinx": (32, 6)}

_EIGHTEEN = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
_SHAPES = {
    "ecp5": _EIGHTEEN,
    "gowin": _EIGHTEEN,
    "xilinx": _EIGHTEEN,
    "ice40": ((256, 16), (512, 8), (1024, 4), (2048, 2)),
}


def block_rams(depth: int, width: int, family: str, *, writable: bool) -> int:
    """Block RAMs of a memory with one port to read, and perhaps one to write."""
    return min(ceil_div(width, w) * ceil_div(depth, d) for d, w in _SHAPES[family])


def _block(depth: int, width: int, family: str, *, writable: bool) -> Terms:
    return Terms(bram=block_rams(depth, width, family, writable=writable))


def ram(depth: int, width: int, family: str, *, block: bool) -> Terms:
    """A memory that is read in one cycle for the next: block RAM, or LUT RAM and a register."""
    if block or family == "ice40":
        return _block(depth, width, family, writable=True)
    terms = lut_ram(depth, width, family)
    terms.ff += width
    return terms


def lut_ram(depth: int, width: int, family: str) -> Terms:
    """A memory that is read in the same cycle: LUT RAM, or registers where a family has none."""
    if family not in LUT_RAM:
        return Terms(ff=depth * width, luts=Counter(select=depth * width, decode=depth))
    words, bits = LUT_RAM[family]
    banks = ceil_div(depth, words)
    terms = Terms(lutram=banks * ceil_div(width, bits))
    if banks > 1:
        terms.luts.update(select=(banks - 1) * width, decode=banks)
    return terms


def rom(words: Sequence[int], width: int, family: str) -> Terms:
    """Words that come in a fixed order, see `gateware.rom`: a counter, and block RAM or LUTs.

    In LUTs, a bit of all words is a function of the address, and a register. What is the same in all words takes
    neither; bits that are alike in each word share both.
    """
    depth = len(words)
    if depth == 1:
        return Terms()
    at = index_bits(depth)
    terms = Terms(ff=at)
    counter(terms, depth, family)
    if is_block(depth, width):
        terms += _block(depth, width, family, writable=False)
        return terms
    columns = distinct_columns(words, width)
    terms.ff += columns
    limit = 6 if family == "xilinx" else 4
    if at <= 1:
        return terms
    if at <= limit:
        terms.luts["rom"] += columns
    else:
        terms.luts["deep rom"] += columns * ceil_div(depth, 1 << limit)
    return terms


def distinct_columns(words: Sequence[int], width: int) -> int:
    """How many different bits words have that are not the same in all of them."""
    columns = {tuple(word >> at & 1 for word in words) for at in range(width)}
    return sum(len(set(column)) > 1 for column in columns)
