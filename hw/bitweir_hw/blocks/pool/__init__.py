"""Pooling: the largest or the sum of the elements in each window; windows do not overlap.

A frame takes a cycle for each input beat. A result is written in the cycle in which its last beat is taken.
"""

from ..base import Block
from .cost import cost, paths
from .gateware import Pool
from .spec import PoolSpec

__all__ = ["POOL", "PoolSpec"]

POOL = Block(spec=PoolSpec, component=Pool, cost=cost, paths=paths, title="pool", group="map")
