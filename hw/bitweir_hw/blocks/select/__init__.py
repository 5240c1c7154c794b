"""Some channels of a map, in any order.

A frame takes a cycle for each beat that arrives. One that holds nothing that is wanted is dropped; each other one
leaves as a beat, its elements chosen by wires, or by a multiplexer where the beats of a pixel differ. A beat is written
in the cycle in which it is taken.
"""

from ..base import Block
from ..concat.spec import ConcatSpec
from .cost import cost, paths
from .gateware import Select
from .spec import SelectSpec

__all__ = ["SELECT", "SelectSpec"]

SELECT = Block(
    spec=SelectSpec,
    component=Select,
    cost=cost,
    paths=paths,
    title="selection of channels",
    group="move",
    cost_as=ConcatSpec,
)
