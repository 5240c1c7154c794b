"""Plans from a wish: the cheapest that is fast enough, or the fastest that fits."""

from .prices import Pace
from .search import Budget, Search, SearchResult, cheapest, fastest

__all__ = ["Budget", "Pace", "Search", "SearchResult", "cheapest", "fastest"]
