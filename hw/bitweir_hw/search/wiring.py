"""Layers of a plan that are better wired."""

from __future__ import annotations

from dataclasses import replace

from ..cost.model import estimate_pipeline
from ..lower.layers import lower
from ..memory import WIRED
from ..network.network import Network
from ..parts import COUNTED_AS
from ..plan import Plan, weighted, wired
from .prices import MOST_WIRED

__all__ = ["with_wired_layers"]


def with_wired_layers(network: Network, plan: Plan, family: str) -> Plan:
    """The plan, with layers wired whose weights all serve in each cycle, where that takes fewer LUT sites.

    As many cycles a frame as before; what takes fewer is according to the cost model. Only layers of up to
    `prices.MOST_WIRED` weights, as sums that neurons share are looked for.

    Parameters
    ----------
    network : Network
    plan : Plan
        With parameters that are constants.
    family : str
        Whose LUT sites count; those of ECP5 where it is none that is counted, such as ``"generic"``.
    """
    counted = family if family in COUNTED_AS else "ecp5"
    least = None
    for number, (layer, _) in enumerate(weighted(network)):
        if replace(plan.foldings[number], memory=WIRED) != wired(layer) or layer.weights.size > MOST_WIRED:
            continue
        foldings = [*plan.foldings[:number], wired(layer), *plan.foldings[number + 1 :]]
        other = replace(plan, foldings=tuple(foldings))
        least = least or estimate_pipeline(lower(network, plan), counted)[1].sites
        sites = estimate_pipeline(lower(network, other), counted)[1].sites
        if sites < least:
            plan, least = other, sites
    return plan
