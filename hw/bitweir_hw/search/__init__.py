"""Plans from a wish: the cheapest that is fast enough, or the fastest that fits."""

from .search import Budget, SearchResult, cheapest, fastest

__all__ = ["SearchResult", "Budget", "cheapest", "fastest"]
