"""What the cost model expects of each block, and how far that is from what synthesis measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.cost import Cost, drawn, error_bands, estimate_pipeline, extrapolated, fmax, fmax_error
from bitweir_hw.parts import PARTS

from ..synthesis.flows import CLASSES

__all__ = ["ESTIMATED", "errors", "estimates"]

#: What is estimated of each block, and in total.
ESTIMATED = (*CLASSES, "sites")


def estimates(pipeline: Pipeline, parts: Iterable[str]) -> dict[str, Any]:
    """Estimated resources by family, as `schema.json` describes them, for a part of each."""
    found = {}
    for part in parts:
        family = PARTS[part].family
        costs, total = estimate_pipeline(pipeline, family)
        found[family] = {
            "blocks": {name: _row(cost) for name, cost in costs.items()},
            "total": _row(total),
            "bands": bands(pipeline, family),
            "fmax": _fmax(pipeline, part),
        }
    return found


def bands(pipeline: Pipeline, family: str) -> dict[str, Any]:
    """How far estimates were off when the cost model was measured, as shares: see `bitweir_hw.cost`."""
    blocks = {}
    for block in pipeline.blocks:
        each = error_bands(family, block)
        blocks[block.name] = (
            {key: _shares(("median", "most", "worst"), each[key]) for key in ESTIMATED} if each else None
        )
    known = drawn(family)
    return {
        "blocks": blocks,
        "total": {key: _shares(("median", "most", "worst"), known.errors[key]) for key in ESTIMATED},
        "designs": known.count,
        "extrapolated": extrapolated(pipeline, family),
    }


def _fmax(pipeline: Pipeline, part: str) -> dict[str, Any] | None:
    clock = fmax(pipeline, part)
    return None if clock is None else {"part": part, "mhz": round(clock, 1), "error": fmax_error()}


def _shares(names: Iterable[str], percents: Iterable[float]) -> dict[str, float]:
    return {name: percent / 100 for name, percent in zip(names, percents, strict=True)}


def errors(estimated: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    """For families with both, ``estimate / measurement - 1`` of each block and in total; None if nothing is measured.

    Parameters
    ----------
    estimated, measured : dict
        By family, with ``blocks`` and ``total``.
    """
    return {
        family: {
            "blocks": {
                name: _error(row, measured[family]["blocks"][name])
                for name, row in estimate["blocks"].items()
                if name in measured[family]["blocks"]
            },
            "total": _error(estimate["total"], measured[family]["total"]),
        }
        for family, estimate in estimated.items()
        if family in measured
    }


def _row(cost: Cost) -> dict[str, int]:
    return {key: getattr(cost, key) for key in ESTIMATED}


def _error(estimate: dict[str, int], measured: dict[str, int]) -> dict[str, float | None]:
    return {key: estimate[key] / measured[key] - 1 if measured[key] else None for key in ESTIMATED}
