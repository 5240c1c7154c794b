"""From features to cells: coefficients of each family, fitted to what Yosys makes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ..accelerator.parameters import image_bytes
from ..blocks import BlockSpec, MatVecSpec, WiredSpec, block_of
from ..blocks.pipeline import Pipeline
from ..parts import COUNTED_AS
from ..resources.terms import Cost, Terms
from .loader import loader

__all__ = [
    "Drawn",
    "coefficients",
    "cost_of",
    "drawn",
    "error_bands",
    "estimate",
    "estimate_loader",
    "estimate_pipeline",
    "estimated_rams",
    "extrapolated",
    "group_of",
    "network_errors",
]

#: LUTs of a feature that no measurement has weighed.
DEFAULT = 1.0


@cache
def coefficients() -> dict[str, Any]:
    """The file of coefficients and error bands, which ``tools/calibrate_cost`` writes."""
    file = resources.files(__package__) / "coefficients.json"
    result: dict[str, Any] = json.loads(file.read_text())
    return result


def group_of(block: BlockSpec) -> str:
    """What shares coefficients: a kind of block, and for units with weights a style of popcount."""
    style = block.built if isinstance(block, MatVecSpec) else block.popcount if isinstance(block, WiredSpec) else None
    kind = (block_of(block).cost_as or type(block)).__name__
    return f"{kind} {'carry4' if style.carry4 else style.style}" if style else kind


def cost_of(terms: Terms, weights: dict[str, dict[str, float]], family: str) -> Cost:
    """Cells, from counts and what each feature takes of LUTs and of further sites."""
    lut = sum(weights.get("lut", {}).get(name, DEFAULT) * value for name, value in terms.luts.items())
    lone = sum(weights.get("lone", {}).get(name, 0.0) * value for name, value in terms.luts.items())
    carry = {"ecp5": 2, "gowin": 1}.get(family, 0) * terms.carry
    return Cost(
        lut=round(lut), ff=terms.ff, carry=terms.carry, bram=terms.bram, lutram=terms.lutram, dsp=terms.dsp,
        sites=round(lut + carry + lone) + terms.ram_sites,
    )  # fmt: skip


def estimate(block: BlockSpec, family: str) -> Cost:
    """What a block takes of a family.

    Parameters
    ----------
    block : BlockSpec
    family : str
        A key of `parts.COUNTED_AS`.
    """
    family = COUNTED_AS[family]
    fitted = coefficients()["coefficients"][family]
    # A style of another family is built of the same operators as the portable one.
    weights = fitted.get(group_of(block), fitted.get(f"{type(block).__name__} fused", {}))
    return cost_of(block_of(block).cost(block, family), weights, family)


def estimated_rams(block: BlockSpec, family: str) -> tuple[int, ...]:
    """Block RAMs of each of the block's ``memories()``, all copies together; 0 for those that sit elsewhere."""
    return tuple(block_of(block).cost(block, COUNTED_AS[family]).rams)


def estimate_pipeline(pipeline: Pipeline, family: str) -> tuple[dict[str, Cost], Cost]:
    """What each block takes, by name, and all together, with what loads parameters."""
    blocks = {block.name: estimate(block, family) for block in pipeline.blocks}
    return blocks, sum(blocks.values(), estimate_loader(pipeline, family))


def estimate_loader(pipeline: Pipeline, family: str) -> Cost:
    """What loads parameters, beside their memories; nothing where they are fixed."""
    family = COUNTED_AS[family]
    return cost_of(loader(pipeline, family), {}, family)


def error_bands(family: str, block: BlockSpec) -> dict[str, list[float]]:
    """How far estimates of such blocks were off in the benchmark's sweep: median, 95 % and worst, in per cent.

    By resource; each error is that of coefficients fitted without the block. Empty for a style of popcount that
    is not for the family, and for a family that is counted as another one.
    """
    result: dict[str, list[float]] = coefficients()["errors"].get(family, {}).get(group_of(block), {})
    return result


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Accelerators that were drawn to tell how far estimates are off; no coefficient was fitted to any of them.

    Parameters
    ----------
    count : int
        How many.
    most_sites : int
        LUT sites of the largest.
    kinds : frozenset of str
        Names of the specifications of their blocks.
    errors : dict
        By resource, how far totals were off: median, 95 % and worst, in per cent.
    """

    count: int
    most_sites: int
    kinds: frozenset[str]
    errors: dict[str, list[float]]


def drawn(family: str) -> Drawn:
    """What ``tools/calibrate_cost/drawn.py`` found for a family."""
    found = dict(coefficients()["drawn"][family])
    count, most, kinds = (found.pop(key) for key in ("count", "most_sites", "kinds"))
    return Drawn(count=count, most_sites=most, kinds=frozenset(kinds), errors=found)


def extrapolated(pipeline: Pipeline, family: str) -> list[str]:
    """What a design has that no drawn accelerator had, so that its errors may be larger; empty where there is nothing.

    Returns
    -------
    list of str
        What it is: "more than 2,063 LUT sites".
    """
    known, total = drawn(family), estimate_pipeline(pipeline, family)[1]
    reasons = []
    if total.sites > known.most_sites:
        reasons.append(f"more than {known.most_sites:,} LUT sites")
    if others := sorted(
        {
            type(block).__name__.removesuffix("Spec").lower()
            for block in pipeline.blocks
            if type(block).__name__ not in known.kinds
        }
    ):
        reasons.append(f"blocks of the kind {', '.join(others)}")
    if any(isinstance(block, MatVecSpec) and block.parts > 1 for block in pipeline.blocks):
        reasons.append("several groups of channels at once")
    if total.dsp and family == "gw5a":
        # Its multipliers are other ones, of 27 x 18 bits, which Yosys does not take.
        reasons.append("multipliers, of which synthesis makes logic")
    if image_bytes(pipeline):
        reasons.append("parameters in RAM")
    if pipeline.weight_streams:
        reasons.append("streamed weights")
    return reasons


def network_errors(family: str) -> dict[str, list[float]]:
    """How far totals of drawn accelerators were off: median, 95 % and worst, in per cent, by resource. See `Drawn`."""
    return drawn(family).errors
