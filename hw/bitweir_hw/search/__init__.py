"""Plans from a wish: the cheapest that is fast enough, or the fastest that fits."""

from .prices import Pace
from .results import Budget, Outside, SearchResult, Streaming, TooLargeError
from .search import Search, cheapest, fastest
from .streaming import few_streamed, sharing
from .wiring import MOST_WIRED, wirings, with_wired_layers

__all__ = [
    "MOST_WIRED",
    "Budget",
    "Outside",
    "Pace",
    "Search",
    "SearchResult",
    "Streaming",
    "TooLargeError",
    "cheapest",
    "fastest",
    "few_streamed",
    "sharing",
    "wirings",
    "with_wired_layers",
]
