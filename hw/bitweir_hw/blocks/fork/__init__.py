"""The fork: one stream becomes several that carry the same.

A frame takes a cycle for each beat, if no output stalls; the latency is 1 cycle.
"""

from ..base import Block
from .cost import cost
from .gateware import Fork
from .spec import ForkSpec

__all__ = ["FORK", "ForkSpec"]

FORK = Block(spec=ForkSpec, component=Fork, cost=cost, title="fork", group="move")
