"""The specification of a FIFO between blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...memory import Memory
from ..machines import Level
from ..passing import PassingSpec

__all__ = ["FifoSpec"]


@dataclass(frozen=True, kw_only=True)
class FifoSpec(PassingSpec):
    """A buffer between two blocks, see `gateware.fifo`.

    Parameters
    ----------
    depth : int
        Beats, at least 2.
    """

    depth: int

    @property
    def machine(self) -> Level:
        """When it moves beats: how many it holds."""
        return Level(room=self.depth - 1, leave=1, amounts=np.ones(1, np.int64))

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.depth, width=self.bits, writable=True),)
