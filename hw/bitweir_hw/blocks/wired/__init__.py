"""A wired layer: weights are constants in logic, all of a vector at once.

A vector takes a cycle, so a frame takes as many cycles as the map that it makes has pixels. From the beat to the write
of its result there are as many cycles as registers between the levels of sums.
"""

from ..base import Block
from .cost import cost, paths
from .gateware import Wired
from .spec import WiredSpec

__all__ = ["WIRED", "WiredSpec"]

WIRED = Block(
    spec=WiredSpec,
    component=Wired,
    cost=cost,
    paths=paths,
    title="wired",
    group="weights",
)
