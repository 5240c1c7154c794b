"""Paths between registers, of which the longest decides the clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..arithmetic import ceil_div
from ..gateware.counters import SHIFTED
from ..memory import Memory
from .terms import index_bits

__all__ = ["HANDSHAKE", "Path", "behind", "joined", "level_path", "passing", "rom_path"]


@dataclass(frozen=True, kw_only=True)
class Path:
    """What a clock cycle must suffice for.

    Parameters
    ----------
    block : bool
        Whether it starts at a block RAM.
    registered : bool
        Whether a register stands behind the block RAM before all else: inside it, where the family has one.
    adders : tuple of int
        Positions of the carry chain of each adder or comparison.
    luts, multipliers : int
    area : int
        LUT sites over which its wires may spread, where they lead from any of a datapath to any other.
    """

    block: bool = False
    registered: bool = False
    adders: tuple[int, ...] = ()
    luts: int = 0
    multipliers: int = 0
    area: int = 0


#: From the register of one block through its handshake with another to what the beat changes there: one LUT says that
#: a beat is taken, where that depends on what it completes, and two what follows.
HANDSHAKE = Path(luts=3)


def level_path(most: int) -> Path:
    """To a `gateware.counters.FillLevel`: a LUT that says which way, and a carry chain, where it is a number."""
    return Path(luts=2) if most <= SHIFTED else Path(adders=(index_bits(most) + 1,), luts=1)


def rom_path(depth: int) -> Path:
    """To the register of a ROM in LUTs: 16 words each, and a level for each factor of two beyond.

    Of 32 words, Yosys makes as many levels as of 64.
    """
    return Path(luts=max(3, index_bits(depth) - 3) if depth > 16 else 1)


def joined(levels: Sequence[Path], registers: Collection[int]) -> list[Path]:
    """The paths between registers, from those of levels of logic; after some, counted from 1, a register stands."""
    ends = [0, *registers, len(levels)]
    return [
        Path(
            block=any(path.block for path in levels[first:last]),
            registered=any(path.registered for path in levels[first:last]),
            adders=tuple(bits for path in levels[first:last] for bits in path.adders),
            luts=sum(path.luts for path in levels[first:last]),
            multipliers=sum(path.multipliers for path in levels[first:last]),
        )
        for first, last in pairwise(ends)
    ]


def passing(memories: Iterable[Memory]) -> list[Path]:
    """The paths of a block that lets beats pass, from what it stores; FIFOs choose between a new and an old beat."""
    stored = list(memories)
    buffers = [memory for memory in stored if memory.role == "buffer"]
    levels = [level_path(memory.depth) for memory in buffers if memory.depth > SHIFTED]
    luts = max([1, *(_lut_path(memory.depth, writable=True).luts for memory in buffers if not memory.block)])
    return [Path(block=any(memory.block for memory in stored), luts=2), Path(luts=luts + 1), *levels]


def behind(memory: Memory) -> list[Path]:
    """The paths to and from the registers of a memory's `memory.Layout`."""
    layout = memory.layout
    if not memory.block:
        found = [_lut_path(layout.depth, writable=memory.writable)] if memory.depth > 1 else []
    elif layout.banks == 1:
        # Banks that are left to synthesis come before the register.
        luts = 0 if layout.registers > 1 else 1 + 2 * memory.inner_levels
        return [Path(block=True, registered=not memory.inner_levels, luts=luts)]
    else:
        found = []
    luts = 0
    block = memory.block
    for _, registered in layout.multiplexers():
        luts += 2
        if registered:
            found.append(Path(block=block, registered=block, luts=luts))
            luts, block = 0, False
    return found


def _lut_path(depth: int, *, writable: bool) -> Path:
    """To the register of a memory in LUTs that is written, or of constants."""
    return Path(luts=1 + index_bits(ceil_div(depth, 16))) if writable else rom_path(depth)
