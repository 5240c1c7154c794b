"""The target, the part, and whether the design fits it, in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ...schemas import Count, Positive, Rate, one_of
from ...synthesis.flows import FAMILIES

#: An FPGA family.
Family = Annotated[str, one_of(*FAMILIES)]


@dataclass(frozen=True, kw_only=True)
class TargetReport:
    """What the design was made for; null where nobody named it.

    Parameters
    ----------
    part, family, board : str or None
    clock_mhz : float
    overridden : tuple of str
        What this report takes in place of it: timing.clock_mhz and part.name.
    """

    part: str | None
    family: Family | None
    board: str | None
    clock_mhz: Rate
    overridden: tuple[Annotated[str, one_of("clock", "part")], ...]


@dataclass(frozen=True, kw_only=True)
class PartReport:
    """The part that the design is compared with.

    Parameters
    ----------
    name, family : str
    luts, ffs : int
    block_rams : int
        Of Xilinx in RAMB18: a RAMB36 is two.
    dsps : int
    memory_bits : int
        Of all block RAMs.
    source : str
        Where the figures are from.
    listed : bool
        Whether it is one of bitweir's own; else it is a user's.
    """

    name: str
    family: Family
    luts: Positive
    ffs: Positive
    block_rams: Positive
    dsps: Count
    memory_bits: Positive
    source: str
    listed: bool


# Not a dataclass, as JSON's key `from` is a word of Python.
class FitRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a design takes of a resource of a part.

    Parameters
    ----------
    resource : str
    used, available : int
    source : str
        How it is known; ``from`` in JSON.
    fits : bool
    """

    resource: Annotated[str, one_of("LUT sites", "flip-flops", "block RAMs", "DSPs", "LUT RAMs")]
    used: Count
    available: Count
    source: Literal["measured", "estimated"] = msgspec.field(name="from")
    fits: bool


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Whether the design fits the part that it is compared with.

    Parameters
    ----------
    fits : bool
    routed : bool
        Whether it was routed on a board with that part.
    resources : tuple of FitRow
    smallest : str or None
        Where it does not fit: the listed part with the fewest LUT sites, of any family that has its primitives, that
        holds it by count; null where none does.
    """

    fits: bool
    routed: bool
    resources: tuple[FitRow, ...]
    smallest: str | None | UnsetType = UNSET
