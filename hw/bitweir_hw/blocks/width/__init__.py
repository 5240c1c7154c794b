"""The width converter: from beats of one width to beats of another, vector by vector.

A frame takes ``max(input beats, output beats)`` cycles; a beat leaves 1 cycle after the one that completes it.
"""

from ..base import Block
from .cost import cost, paths
from .gateware import WidthConverter
from .spec import WidthSpec

__all__ = ["WIDTH", "WidthSpec"]

WIDTH = Block(spec=WidthSpec, component=WidthConverter, cost=cost, paths=paths, title="width converter", group="move")
