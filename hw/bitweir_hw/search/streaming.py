"""Which layers' weights come from outside the chip, and how many pixels share them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..arithmetic import divisors
from ..blocks.matvec.planes import weight_planes
from ..memory import STREAM
from ..network.layers import Conv, Dense, Map
from .outside import Outside
from .results import Budget, SearchResult, Streaming

if TYPE_CHECKING:
    from .search import Search

__all__ = ["few_streamed", "frame_bits", "sharing"]

#: Pixels that share weights, at most, where the search lets them.
MOST_SHARE = 8


def few_streamed(search: Search, cycles: int, limits: Budget) -> Streaming | None:
    """Few layers whose weights come from outside the chip, so that a plan fits; None if no such plan was found.

    Those of the fewest pixels first: they need the fewest bits a frame for each bit that they do not store.
    """
    if search.plan.weights != "rom" or search.outside.layers:
        return None
    order = sorted(search.layers, key=lambda entry: (entry[1].pixels, -entry[0].weights.size))
    names = [layer.name for layer, _ in order]

    def first(count: int) -> tuple[Outside, SearchResult | None]:
        outside = Outside(layers=frozenset(names[:count]))
        return outside, search.streaming_from(outside).within(cycles, limits)[0]

    # More layers take more off, almost always.
    low, high, best = 1, len(names), None
    while low <= high:
        middle = (low + high) // 2
        outside, found = first(middle)
        if found is not None:
            best, high = Streaming(outside=outside, found=found, network=search.network), middle - 1
        else:
            low = middle + 1
    return best


def sharing(search: Search, outside: Outside, limits: Budget) -> Outside:
    """The same layers, of which pixels share weights: so many that a plan fits which is as fast as the memory.

    Layers share in the order of what they save for each block RAM, from few to many pixels. More of them need
    fewer bits and more block RAM, so that the last of this order with which a plan fits is found by halving.

    Parameters
    ----------
    search : Search
        Without weights from outside.
    outside : Outside
        Which layers, and what the memory gives in a cycle.
    limits : Budget
    """
    alone = search.streaming_from(outside)
    cycles = min(alone.least, alone.slowest)
    found, _ = alone.within(cycles, limits)
    if found is None or search.plan.parallel_frames > 1:
        return outside
    ways = []
    for at, (layer, result) in enumerate(search.layers):
        folding = found.plan.foldings[at]
        if folding.memory != STREAM or layer.groups > 1:
            continue
        rams, bits = found.block_rams, frame_bits(layer, result)
        before = 1
        for share in [count for count in divisors(result.shape[1]) if 1 < count <= MOST_SHARE]:
            shared = search.streaming_from(replace(outside, shares=((layer.name, share),)))
            foldings = list(found.plan.foldings)
            foldings[at] = replace(folding, share=share)
            more = shared.costed(tuple(foldings)).block_rams
            ways.append((max(more - rams, 0.5) / (bits / before - bits / share), layer.name, share))
            rams, before = max(more, rams), share
    ways.sort()

    def first(count: int) -> Outside:
        shares: dict[str, int] = {}
        for _, name, share in ways[:count]:
            shares[name] = max(share, shares.get(name, 1))
        return replace(outside, shares=tuple(sorted(shares.items())))

    low, high, best = 1, len(ways), replace(outside, known=cycles)
    while low <= high:
        middle = (low + high) // 2
        shared = search.streaming_from(first(middle))
        if shared.within(shared.least, limits)[0] is not None:
            best, low = replace(first(middle), known=shared.least), middle + 1
        else:
            high = middle - 1
    return best


def frame_bits(layer: Dense | Conv, result: Map) -> int:
    """Bits of weights that come in a frame at least, where no pixels share them."""
    planes = 1
    if layer.weights.dtype != bool:
        # Those of negated weights, where a format counts down.
        planes = min(len(weight_planes(layer.weights)), len(weight_planes(-layer.weights.astype(np.int64))))
    return int(layer.weights.size) * planes * result.pixels
