"""What the cost model expects of each block, and how far that is from what synthesis measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from bitweir_hw.pipeline import Pipeline

from ..synthesis.flows import CLASSES

__all__ = ["ESTIMATED", "errors", "estimates"]

#: What is estimated of each block, and in total.
ESTIMATED = (*CLASSES, "sites")
_MODEL = "bitweir_hw.cost"


def estimates(pipeline: Pipeline, families: Iterable[str]) -> dict[str, Any]:
    """Estimated resources by family; without a cost model, of none."""
    estimate_pipeline = _model()
    if estimate_pipeline is None:
        return {}
    found = {}
    for family in families:
        costs, _ = estimate_pipeline(pipeline, family)
        rows = {name: _row(cost) for name, cost in costs.items()}
        total = {key: sum(row[key] for row in rows.values()) for key in ESTIMATED}
        found[family] = {"blocks": rows, "total": total}
    return found


def _model() -> Callable[..., Any] | None:
    try:
        return getattr(import_module(_MODEL), "estimate_pipeline", None)
    except ModuleNotFoundError as error:
        if error.name != _MODEL:
            raise
        return None


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


def _row(cost: Any) -> dict[str, int]:
    return {key: round(getattr(cost, key)) for key in ESTIMATED}


def _error(estimate: dict[str, int], measured: dict[str, int]) -> dict[str, float | None]:
    return {key: estimate[key] / measured[key] - 1 if measured[key] else None for key in ESTIMATED}
