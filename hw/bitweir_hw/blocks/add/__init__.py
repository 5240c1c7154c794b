"""The weighted sum of several streams, element by element.

A frame takes a cycle for each beat of an input. A sum is written 1 cycle after its beats are taken.
"""

from ..base import Block
from .cost import cost, paths
from .gateware import Add
from .spec import AddSpec

__all__ = ["ADD", "AddSpec"]

ADD = Block(spec=AddSpec, component=Add, cost=cost, paths=paths, title="sum", group="sum")
