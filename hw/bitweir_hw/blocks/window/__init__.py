"""The sliding window: a map goes in pixel by pixel, its windows come out.

A frame takes ``max(input beats, output beats)`` cycles.
"""

from ..base import Block
from .cost import cost, paths
from .gateware import Window
from .spec import WindowSpec

__all__ = ["WINDOW", "WindowSpec"]

WINDOW = Block(spec=WindowSpec, component=Window, cost=cost, paths=paths, title="sliding window", group="window")
