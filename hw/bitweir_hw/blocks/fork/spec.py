"""The specification of a fork."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...memory import Memory
from ..machines import Level
from ..passing import PassingSpec

__all__ = ["ForkSpec"]


@dataclass(frozen=True, kw_only=True)
class ForkSpec(PassingSpec):
    """One stream to several that carry the same, see `blocks.fork.gateware`.

    Parameters
    ----------
    outputs : int
    """

    outputs: int

    #: Places for each output: one to fill while the other empties.
    fifo_depth = 2

    @property
    def machine(self) -> Level:
        """When it moves beats: how many wait at each output."""
        return Level(room=self.fifo_depth - 1, leave=1, amounts=np.ones(1, np.int64), outputs=self.outputs)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.fifo_depth, width=self.bits, copies=self.outputs, writable=True),)
