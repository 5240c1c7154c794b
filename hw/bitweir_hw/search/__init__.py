"""Plans from a wish: the cheapest that is fast enough, or the fastest that fits."""

from .search import Found, Limits, cheapest, fastest

__all__ = ["Found", "Limits", "cheapest", "fastest"]
