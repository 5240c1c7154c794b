"""Which wirings of a layer are tried, and layers of a plan that are better wired."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..cost.model import estimate_pipeline
from ..lower.layers import lower
from ..network.layers import Conv, Dense
from ..network.network import Network
from ..parts import COUNTED_AS
from ..plan import Folding, Plan, cycles_of, step_counts, weighted, wired

__all__ = ["MOST_WIRED", "wirings", "with_wired_layers"]

#: Weights of a layer for which a search looks for shared sums: a second for so many, where 50,000 take ten.
MOST_WIRED = 8_192
#: Cycles a vector up to which a layer is tried wired whole, and for each step up to which one in steps is: where there
#: is more time, a folded layer was smaller (docs/wired.md).
_WHOLE, _STEP = 6, 2


def wirings(network: Network, layer: Dense | Conv, cycles: int) -> Iterator[Folding]:
    """Foldings of a layer, wired, that may take the fewest LUT sites where a vector may take so many cycles.

    All at once, and in the most steps that there is time for. None of layers of more than `MOST_WIRED` weights.
    """
    if layer.weights.size > MOST_WIRED or cycles < 1:
        return
    if cycles <= _WHOLE:
        yield wired(layer)
    most = max((count for count in step_counts(network, layer) if count <= cycles), default=1)
    if most > 1 and cycles <= _STEP * most:
        yield replace(wired(layer), steps=most)


def with_wired_layers(network: Network, plan: Plan, family: str) -> Plan:
    """The plan, with layers wired where that takes fewer LUT sites, whole or in steps.

    No more cycles a frame than before; what takes fewer is according to the cost model. Only layers of up to
    `MOST_WIRED` weights, as sums that neurons share are looked for.

    Parameters
    ----------
    network : Network
    plan : Plan
        With parameters that are constants.
    family : str
        Whose LUT sites count; those of ECP5 where it is none that is counted, such as ``"generic"``.
    """
    counted = family if family in COUNTED_AS else "ecp5"
    layers = weighted(network)
    most = max(
        (cycles_of(layer, made, own) for (layer, made), own in zip(layers, plan.foldings, strict=True)), default=1
    )
    least = None
    for number, (layer, result) in enumerate(layers):
        for folding in wirings(network, layer, most // result.pixels):
            other = replace(plan, foldings=(*plan.foldings[:number], folding, *plan.foldings[number + 1 :]))
            least = least or estimate_pipeline(lower(network, plan), counted)[1].sites
            sites = estimate_pipeline(lower(network, other), counted)[1].sites
            if sites < least:
                plan, least = other, sites
    return plan
