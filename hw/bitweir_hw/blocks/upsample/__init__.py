"""Each pixel of a map several times.

A frame takes a cycle for each beat that leaves: the words of the map, times both factors. A word can leave 1 cycle
after it has come, and `UpsampleSpec.latency` later it is written.
"""

from ..base import Block
from .cost import cost, paths
from .gateware import Upsample
from .spec import UpsampleSpec

__all__ = ["UPSAMPLE", "UpsampleSpec"]

UPSAMPLE = Block(spec=UpsampleSpec, component=Upsample, cost=cost, paths=paths, title="upsampling", group="map")
