"""The largest element of each window along one axis: windows may share a pixel with the next one.

A frame takes a cycle for each input beat. A result is written in the cycle in which its last beat is taken.
"""

from ..base import Block
from ..pool.spec import PoolSpec
from .cost import cost, paths
from .gateware import RunningMax
from .spec import RunningMaxSpec

__all__ = ["RUNNING_MAX", "RunningMaxSpec"]

RUNNING_MAX = Block(
    spec=RunningMaxSpec, component=RunningMax, cost=cost, paths=paths, title="running maximum", group="map",
    cost_as=PoolSpec,
)  # fmt: skip
