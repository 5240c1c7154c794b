"""The channels of several maps, one after the other in each pixel.

A frame takes a cycle for each beat that leaves, which holds elements of one map, or a whole pixel. A beat is written
in the cycle in which it is taken.
"""

from ..base import Block
from .cost import cost, paths
from .gateware import Concat
from .spec import ConcatSpec

__all__ = ["CONCAT", "ConcatSpec"]

CONCAT = Block(spec=ConcatSpec, component=Concat, cost=cost, paths=paths, title="concatenation", group="sum")
