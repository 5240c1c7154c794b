"""A FIFO between two blocks.

It moves a beat in each cycle; the latency is 1 cycle.
"""

from ..base import Block
from .cost import cost
from .gateware import Buffer
from .spec import FifoSpec

__all__ = ["FIFO", "FifoSpec"]

FIFO = Block(spec=FifoSpec, component=Buffer, cost=cost, title="fifo", group="move")
