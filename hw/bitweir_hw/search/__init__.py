"""Plans from a wish: the cheapest that is fast enough, or the fastest that fits."""

from .prices import Pace
from .search import Budget, Outside, Search, SearchResult, Streaming, cheapest, fastest

__all__ = ["Budget", "Outside", "Pace", "Search", "SearchResult", "Streaming", "cheapest", "fastest"]
