"""Ways to a point of the network, and rules for which of them are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..lower.builder import Cursor
from ..plan import Folding
from .results import Budget

__all__ = ["AtPrice", "Costs", "Frontier", "Way", "Ways", "put", "unfold"]

#: Ways to a point that are kept, where none is best.
MOST_WAYS = 48


@dataclass(frozen=True)
class Way:
    """A way to get to a point of the network.

    Parameters
    ----------
    sites, rams : float
        Of all blocks on it.
    choices : tuple
        The foldings, as nested pairs (earlier, last).
    """

    sites: float = 0.0
    rams: float = 0.0
    choices: tuple[object, ...] = ()

    def longer(self, cost: tuple[float, float], *choices: object) -> Way:
        """With more blocks, and perhaps a choice."""
        return Way(self.sites + cost[0], self.rams + cost[1], (self.choices, *choices) if choices else self.choices)


Ways = dict[Cursor, list[Way]]
Costs = Iterable[tuple[list[Way], tuple[float, float]]]


@dataclass(frozen=True)
class AtPrice:
    """Keeps one way, the cheapest when a block RAM costs so many sites; of each layer, all foldings are tried."""

    price: float

    def score(self, way: Way) -> float:
        return way.sites + self.price * way.rams

    def tries(self, layer: str, folding: Folding) -> bool:
        return True

    def kept(self, ways: list[Way]) -> list[Way]:
        return [min(ways, key=self.score)]

    def longer(self, costs: Costs) -> list[Way]:
        """The best of ways that each become longer by a cost."""
        ways, cost = min(costs, key=lambda entry: self.score(entry[0][0]) + entry[1][0] + self.price * entry[1][1])
        return [ways[0].longer(cost)]


@dataclass(frozen=True)
class Frontier:
    """Keeps the ways that no other beats and that fit into a budget; of each layer, some foldings are tried."""

    budget: Budget
    among: dict[str, set[Folding]]

    def tries(self, layer: str, folding: Folding) -> bool:
        return folding in self.among[layer]

    def kept(self, ways: list[Way]) -> list[Way]:
        kept: list[Way] = []
        for way in sorted(ways, key=lambda way: (way.rams, way.sites)):
            if way.rams > self.budget.block_rams or way.sites > self.budget.sites:
                continue
            if not kept or way.sites < kept[-1].sites:
                kept.append(way)
        # A few along the front stand for those between.
        return (
            kept if len(kept) <= MOST_WAYS else [kept[n * (len(kept) - 1) // (MOST_WAYS - 1)] for n in range(MOST_WAYS)]
        )

    def longer(self, costs: Costs) -> list[Way]:
        """As `AtPrice.longer`."""
        return self.kept([way.longer(cost) for ways, cost in costs for way in ways])


def put(ways: Ways, end: Cursor, entries: list[Way]) -> None:
    """Add ways to a point; where its stream comes from does not matter to what follows."""
    ways.setdefault(replace(end, stream=0, window=None), []).extend(entries)


def unfold(choices: tuple[object, ...]) -> Iterable[tuple[str, Folding]]:
    """Names of layers and their foldings, from nested choices."""
    for entry in choices:
        if isinstance(entry, tuple):
            if len(entry) == 2 and isinstance(entry[0], str) and isinstance(entry[1], Folding):
                yield entry[0], entry[1]
            else:
                yield from unfold(entry)
