"""Paths between registers, of which the longest decides the clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..memory import Memory

__all__ = ["Path", "passing"]


@dataclass(frozen=True, kw_only=True)
class Path:
    """What a clock cycle must suffice for.

    Parameters
    ----------
    block : bool
        Whether it starts at a block RAM.
    adders : tuple of int
        Positions of the carry chain of each adder or comparison.
    luts, multipliers : int
    """

    block: bool = False
    adders: tuple[int, ...] = ()
    luts: int = 0
    multipliers: int = 0


def passing(memories: Iterable[Memory]) -> list[Path]:
    """The paths of a block that lets beats pass, from what it stores."""
    return [Path(block=any(memory.block for memory in memories), luts=2)]
