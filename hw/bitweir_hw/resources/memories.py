"""Memories: block RAM exactly as Yosys divides it, LUT RAM cells, ROMs in LUTs.

What Yosys makes of a memory was looked up in the netlists of some 40 of them for each family.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import ceil_div
from ..memory import EIGHTEEN, Layout, is_block, on_block_rams
from .terms import Terms, index_bits, stepped

__all__ = [
    "DEPTHS",
    "OUTPUT_REGISTERS",
    "WIDTHS",
    "Seen",
    "bits_seen",
    "block_rams",
    "different_columns",
    "lut_ram",
    "ram",
    "rom",
    "stored",
]

#: Of each bank of so many words, which bits are 0 in some words, and which are 1 in some, (banks, bits) each.
Seen = Callable[[int], tuple[NDArray[np.bool_], NDArray[np.bool_]]]

_THIRTY_SIX = ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))
_FOUR = ((256, 16), (512, 8), (1024, 4), (2048, 2))
#: By family, kinds of block RAM: what Yosys thinks that one costs, its shapes, bits that are written together, and how
#: many units of `parts.BLOCK_RAM` it takes.
_BLOCKS = {
    "ecp5": ((1, EIGHTEEN, 9, 1),),
    "gowin": ((1, EIGHTEEN, 9, 1),),
    "ice40": ((1, _FOUR, 1, 1),),
    # Two small ones cost one more than a large one, in whose place they fit (share/xilinx/brams_xc4v.txt).
    "xilinx": ((129, EIGHTEEN, 9, 1), (257, _THIRTY_SIX, 9, 2)),
}
#: Bits of a memory of constants from which none are looked at: no part holds half of them, and reading them takes time.
_MOST_READ = 1 << 24
#: Families whose block RAM has output registers that work, which registers behind it become after synthesis.
OUTPUT_REGISTERS = ("ecp5", "xilinx")
#: Words and bits of a cell of LUT RAM with a port to write and one to read.
_LUT_RAM = {"ecp5": ((16, 4),), "gowin": ((16, 4),), "xilinx": ((32, 6), (64, 3))}
#: LUT sites of one, on all families.
SITES_OF_CELL = 4
#: Without a word about its style, a memory of more cells of LUT RAM than so many for each block RAM becomes these.
_CELLS_OF_BLOCK = 24

#: From more words in registers on, a LUT of four inputs does not tell one of them from its address and whether it is
#: written: a LUT each, and those that they share.
_DECODED = 8

#: LUTs of four inputs for a bit of a ROM with random words, by width and depth (`benchmarks/rom_luts.py`, ECP5; iCE40
#: and Gowin differ by 3 %, and by 10 % for depths just above 16).
WIDTHS = (32, 128, 512, 2048, 8192)
DEPTHS = (17, 18, 20, 24, 28, 32, 36, 40, 48, 64, 96)
_LUTS = (
    (0.88, 1.56, 1.88, 2.63, 3.03, 2.94, 4.20, 4.90, 5.90, 7.80, 12.20),
    (0.98, 1.48, 2.09, 2.53, 2.86, 3.32, 4.27, 4.71, 5.42, 7.01, 10.62),
    (1.00, 1.51, 1.67, 2.04, 2.36, 2.70, 3.64, 3.95, 4.26, 5.65, 8.61),
    (0.99, 1.25, 1.39, 1.51, 1.83, 1.96, 2.96, 2.94, 3.20, 4.32, 6.83),
    (0.94, 1.10, 1.14, 1.16, 1.39, 1.61, 2.25, 2.40, 2.83, 3.79, 5.95),
)


def block_rams(depth: int, width: int, family: str, *, writable: bool) -> tuple[int, int]:
    """Block RAMs of a memory with one port to read, and perhaps one to write; and how many banks it falls into.

    Banks share block RAMs, side by side in their words: all bits of one that is only read, what is written
    together of others. Of equals, Yosys takes the one with the fewest banks, as these need multiplexers.

    Returns
    -------
    int, int
        Block RAMs in the unit of `parts.BLOCK_RAM`, a RAMB36 of Xilinx being two; and banks.
    """
    if not width:
        return 0, 1
    found = []
    for cost, shapes, together, units in _BLOCKS[family]:
        for count, banks in on_block_rams(depth, width, shapes, together=together if writable else 0):
            found.append((count * cost, banks, count * units))
    _, banks, count = min(found)
    return count, banks


def stored(layout: Layout, depth: int, width: int, family: str, *, columns: Sequence[int] | None = None) -> Terms:
    """`gateware.store`: the banks of a memory in block RAM, their multiplexers, and the registers behind.

    Parameters
    ----------
    layout : Layout
    depth, width : int
    family : str
    columns : sequence of int, optional
        Of a memory that is only read, for each bank how many bits are not the same in all words: Yosys leaves out the
        others.
    """
    sizes = _sizes(layout, depth)
    bits = [width] * layout.banks if columns is None else list(columns)
    parts = [(layout.depth, sum(bits))] if layout.shared else list(zip(sizes, bits, strict=True))
    found = [block_rams(*part, family, writable=columns is None) for part in parts]
    terms = Terms(rams=[sum(count for count, _ in found)])
    # Banks that Yosys makes by itself have multiplexers before the register.
    inner = max(banks for _, banks in found)
    terms.ff += index_bits(inner)
    split = sum((banks - 1) * part[1] for (_, banks), part in zip(found, parts, strict=True))
    if layout.registers:
        plain = family in OUTPUT_REGISTERS
        terms.ff += sum(part[1] for (_, banks), part in zip(found, parts, strict=True) if banks > 1 or not plain)
    if split:
        terms.luts["bank"] += split
    terms += _multiplexers(layout, width)
    return terms


def _multiplexers(layout: Layout, width: int) -> Terms:
    """What chooses among the outputs of banks, with its registers, and the number of the bank beside them."""
    terms = Terms()
    number, direct = index_bits(layout.banks), layout.direct and layout.registers > 0
    terms.ff += number * (1 + direct)
    words, waiting = layout.banks, layout.registers - direct
    for left, registered in layout.multiplexers():
        if words > left:
            terms.luts["bank"] += (words - left) * width
        words, number = left, max(0, number - 2)
        if registered:
            terms.ff += left * width + number
            waiting -= 1
    terms.ff += waiting * width
    return terms


def _sizes(layout: Layout, depth: int) -> list[int]:
    """Words of each bank."""
    return [min(layout.depth, depth - bank * layout.depth) for bank in range(layout.banks)]


def ram(depth: int, width: int, family: str, *, block: bool, layout: Layout | None = None) -> Terms:
    """A memory that is read in one cycle for the next: block RAM, or LUT RAM and a register."""
    layout = layout or Layout(depth=depth)
    if block:
        return stored(layout, depth, width, family)
    terms = _multiplexers(layout, width)
    rams = 0
    for words in _sizes(layout, depth):
        if _becomes_block(words, width, family):
            one = stored(Layout(depth=words), words, width, family)
        else:
            one = lut_ram(words, width, family)
            one.ff += width
            if words > _DECODED:
                one.luts["word"] = one.luts.pop("store", 0)
        rams += sum(one.rams)
        terms += one
    terms.rams = [rams]
    return terms


def _becomes_block(depth: int, width: int, family: str) -> bool:
    """Whether Yosys takes block RAM by itself."""
    if family == "ice40":
        # Instead of registers that cost more: of 46 memories, those of up to 66 bits a block RAM stay registers.
        return depth * width > 66 * block_rams(depth, width, family, writable=True)[0]
    count = lut_ram(depth, width, family).lutram
    return family == "ecp5" and count > _CELLS_OF_BLOCK * block_rams(depth, width, family, writable=True)[0]


def _registers(depth: int, width: int, family: str) -> bool:
    """Whether so few bits become registers."""
    bits = depth * width
    if family == "ecp5":
        return bits < 8
    if family == "xilinx":
        return bits <= 4 or (depth == 2 and bits <= 6)
    return family == "ice40" or (depth == 2 and bits <= 4)


def lut_ram(depth: int, width: int, family: str) -> Terms:
    """A memory that is read in the same cycle: LUT RAM, or registers where a family has none, or for a few bits."""
    if _registers(depth, width, family):
        return Terms(rams=[0], ff=depth * width, luts=Counter({"read": (depth - 1) * width, "store": depth}))
    shapes = _LUT_RAM[family]
    words, bits = shapes[0] if depth <= shapes[0][0] else shapes[-1]
    banks = ceil_div(depth, words)
    cells = banks * ceil_div(width, bits)
    terms = Terms(rams=[0], lutram=cells, ram_sites=SITES_OF_CELL * cells)
    if banks > 1:
        terms.luts.update({"bank": (banks - 1) * width, "write": banks})
    return terms


def rom(
    words: Callable[[], Sequence[int] | NDArray[np.uint8]],
    depth: int,
    width: int,
    family: str,
    *,
    style: str = "auto",
    layout: Layout | None = None,
    seen: Seen | None = None,
) -> Terms:
    """Words that come in a fixed order, see `gateware.rom`: a counter, and block RAM or LUTs.

    In LUTs, a bit of all words is a function of the address, and a register. What is the same in all words takes
    neither; bits that are alike in each word share both.

    Parameters
    ----------
    words : callable
        Gives the words, or their bytes, the lowest first.
    style : str
        One of `memory.STYLES`.
    layout : Layout, optional
        Its banks and registers; by default one bank without a register behind it.
    seen : Seen, optional
        What is seen in words, where to read them all takes time.
    """
    if depth == 1:
        return Terms(rams=[0])
    terms = Terms()
    layout = layout or Layout(depth=depth)
    if is_block(depth, width, style):
        # What is the same in all words, Yosys leaves out.
        if depth * width > _MOST_READ:
            bits = np.ones((ceil_div(depth, layout.depth), width), bool)
        else:
            zeros, ones = seen(layout.depth) if seen else bits_seen(_rows(words(), width), width, layout.depth)
            # What is missing in a bank that has registers in common with others is 0.
            zeros[-1] |= layout.shared and depth % layout.depth > 0
            bits = zeros & ones
        rams = 0
        for share in layout.shares(width):
            stepped(terms, depth, family)
            own = [some[share] for some in bits]
            changing = int(np.logical_or.reduce(own).sum())
            one = stored(layout, depth, changing, family, columns=[int(some.sum()) for some in own])
            rams += one.rams.pop()
            terms += one
        terms.rams.append(rams)
        return terms
    stepped(terms, depth, family)
    terms.rams.append(0)
    rows = _rows(words(), width)
    for first in range(0, depth, layout.depth):
        terms += _lut_rom(rows[first : first + layout.depth], width, family)
    terms += _multiplexers(layout, int(_changing(rows, width).sum()) if layout.banks > 1 else 0)
    return terms


def _lut_rom(rows: NDArray[np.uint8], width: int, family: str) -> Terms:
    """A bank of constants in LUTs, and its register."""
    columns = different_columns(rows, width)
    terms = Terms(ff=len(columns))
    at, inputs = index_bits(len(rows)), 6 if family == "xilinx" else 4
    if at <= 2:
        # Wires of the address, and what the reset of a register does for nothing.
        terms.luts["tiny rom"] += len(columns) if at > 1 else 0
    elif at <= inputs:
        terms.luts["rom"] += len(columns)
    else:
        terms.luts["deep rom"] += _deep_rom(columns, len(rows), family)
    return terms


def _deep_rom(columns: NDArray[np.uint8], depth: int, family: str) -> int:
    """LUTs of functions of an address that is too long for one.

    With six inputs, a LUT for each 64 values and a multiplexer for each third one behind the first. With four, what
    was measured: the more functions there are, the more they have in common.
    """
    count = len(columns)
    if family == "xilinx":
        parts = ceil_div(depth, 64)
        return count * (parts + ceil_div(parts - 1, 3))
    each = [np.interp(depth, DEPTHS, row) for row in _LUTS]
    # Deeper ones have more of the same parts.
    return round(count * float(np.interp(np.log(max(count, 1)), np.log(WIDTHS), each)) * max(1.0, depth / DEPTHS[-1]))


def _rows(words: Sequence[int] | NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """The bytes of words, (words, bytes)."""
    if isinstance(words, np.ndarray):
        return words
    size = ceil_div(width, 8)
    return np.frombuffer(b"".join(word.to_bytes(size, "little") for word in words), np.uint8).reshape(-1, size)


def _bits(rows: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.unpackbits(rows, axis=-1, count=width, bitorder="little")


def _changing(rows: NDArray[np.uint8], width: int) -> NDArray[np.bool_]:
    """Which bits are not the same in all words."""
    return _bits(np.bitwise_or.reduce(rows ^ rows[0], axis=0), width).astype(bool)


def bits_seen(rows: NDArray[np.uint8], width: int, depth: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What `Seen` gives for banks of so many words, from the bytes of all words."""
    starts = range(0, len(rows), depth)
    always = np.bitwise_and.reduceat(rows, starts, axis=0)
    ever = np.bitwise_or.reduceat(rows, starts, axis=0)
    return ~_bits(always, width).astype(bool), _bits(ever, width).astype(bool)


def different_columns(words: Sequence[int] | NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """The different bits that words have and that are not the same in all of them, (bits, bytes of eight words)."""
    rows = _rows(words, width)
    columns = np.packbits(_bits(rows, width)[:, _changing(rows, width)], axis=0).T
    found: NDArray[np.uint8] = np.unique(columns, axis=0)
    return found
