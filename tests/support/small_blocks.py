"""Block RAM of a few words, so that small memories fall into many banks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from bitweir_hw import memory

__all__ = ["small_block_rams"]


@contextmanager
def small_block_rams() -> Iterator[None]:
    """Let all memories of more than a few bits sit in block RAMs of 16 bits, within a ``with`` statement."""
    memory.layout.cache_clear()
    with (
        patch.object(memory, "EIGHTEEN", ((2, 8), (4, 4), (8, 2), (16, 1))),
        patch.object(memory, "LUT_DEPTH", 3),
        patch.object(memory, "LUT_BITS", 6),
        # What is left in LUTs, too, and two block RAMs are many.
        patch.object(memory, "_LUT_BANK", 2),
        patch.object(memory, "_LUT_RAM_BANK", 1),
        patch.object(memory, "_FAR", 2),
        patch.object(memory, "_NEAR", 1),
    ):
        yield
    memory.layout.cache_clear()
