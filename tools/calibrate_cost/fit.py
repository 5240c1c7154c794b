"""Fits coefficients to measurements, and finds the errors of each group of blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bitweir_hw.blocks import block_of
from bitweir_hw.cost.model import coefficients, cost_of, group_of
from bitweir_hw.resources.terms import Cost, Terms

from tools.calibrate_cost.measure import RESOURCES, measure
from tools.calibrate_cost.sweep import sweep

__all__ = ["calibrate", "refine"]

#: Pull of the coefficients of a group towards those of all blocks of its family, in measurements of the group.
PULL = 3.0
#: Features of layers that are unrolled, see `bitweir_hw.blocks.matvec.unrolled`.
CONSTANT = ("constant count", "constant position", "thin position", "inverse", "unrolled")
#: Where only features of constant weights are fitted: carry cells hold the positions, so LUTs may take none of them.
FREE: dict[str, dict[str, float]] = {"lut": {"constant position": 0.0, "thin position": 0.0}}
FREE_PULL = 0.2
#: Of wired layers, where LUTs of the circuit stay what they are.
WIRED = {"gate": 1.0, "position": 0.0, "inverted": 0.0, "fixed": 1.0}


Weights = dict[str, dict[str, float]]


def _non_negative(matrix: Any, target: Any, prior: Any, strength: float) -> Any:
    """Least squares without negative coefficients and with a pull to a prior, by coordinate descent."""
    square, right = matrix.T @ matrix, matrix.T @ target
    # A feature that never occurs keeps its prior.
    pull = strength * np.maximum(np.diag(square) / len(matrix), 1e-9)
    square, right = square + np.diag(pull), right + pull * prior
    found = prior.copy()
    for _ in range(3000):
        before = found.copy()
        for n in range(len(found)):
            found[n] = max(0.0, found[n] + (right[n] - square[n] @ found) / square[n, n])
        if np.abs(found - before).max() < 1e-6:
            break
    return found


def fit(
    terms: Sequence[Terms], rows: Sequence[Mapping[str, Any]], family: str, prior: Weights, *, strength: float = PULL
) -> Weights:
    """What each feature takes of LUTs, and of sites beyond LUTs and carry cells; errors count relative."""
    names = sorted({name for entry in terms for name in entry.luts})
    matrix = np.array([[entry.luts[name] for name in names] for entry in terms], float)
    weights: Weights = {}
    for kind, scaled, usual in (("lut", "lut", 1.0), ("lone", "sites", 0.0)):
        if kind == "lone" and family not in ("ice40", "xilinx"):
            continue
        # LUT RAM is counted, not weighed.
        target = np.array(
            [
                row["lut"] if kind == "lut" else row["sites"] - row["lut"] - entry.ram_sites
                for row, entry in zip(rows, terms, strict=True)
            ],
            float,
        )
        scale = 1 / np.maximum([row.get("whole", row)[scaled] for row in rows], 10)
        start = np.array([prior.get(kind, {}).get(name, usual) for name in names])
        found = _non_negative(matrix * scale[:, None], target * scale, start, strength)
        weights[kind] = {name: round(float(value), 4) for name, value in zip(names, found, strict=True)}
    return weights


def errors(costs: Sequence[Cost], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Of each resource the median, the 95th percentile and the worst of relative errors, in per cent."""
    bands = {}
    for resource in RESOURCES:
        off = [
            abs(getattr(cost, resource) - row[resource]) / max(row[resource], 1)
            for cost, row in zip(costs, rows, strict=True)
        ]
        bands[resource] = [round(100 * float(value), 1) for value in (*np.percentile(off, (50, 95)), max(off))]
    return bands


def refine(family: str, parts: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Coefficients and error bands of what parts of the sweep have.

    Without the part "weights", groups of blocks with weights keep all coefficients but those of `CONSTANT`, and their
    bands where these are wider; other groups are fitted anew, pulled to what they have.
    """
    weights = dict(coefficients()["coefficients"][family])
    bands = dict(coefficients()["errors"][family])
    blocks = sweep(family, parts=parts)
    rows = measure(blocks, family)
    for group in dict.fromkeys(map(group_of, blocks)):
        chosen = [n for n, block in enumerate(blocks) if group_of(block) == group]
        own = [block_of(blocks[n]).cost(blocks[n], family) for n in chosen]
        kept = "weights" not in parts and group.startswith("MatVecSpec")
        wired = group.startswith("WiredSpec")
        # What wired layers end in is what others end in; carry cells hold positions, as far as they can.
        before = {"lut": weights["ThresholdSpec"]["lut"] | WIRED} if wired else weights.get(group, {})
        strength = FREE_PULL if wired else PULL
        weights[group], found = _refined(own, [rows[n] for n in chosen], family, before, kept=kept, strength=strength)
        for name, each in found.items() if kept else ():
            found[name] = [max(pair) for pair in zip(each, bands[group][name], strict=True)]
        bands[group] = found
    return weights, bands


def _refined(
    own: Sequence[Terms],
    measured: Sequence[Mapping[str, Any]],
    family: str,
    before: Weights,
    *,
    kept: bool,
    strength: float = PULL,
) -> tuple[Weights, dict[str, list[float]]]:
    """Coefficients of a group, those it has being `kept` or a prior; and the bands, as `calibrate` finds them."""
    free, rest = list(own), list(measured)
    for n, entry in enumerate(own) if kept else ():
        new = Counter({name: value for name, value in entry.luts.items() if name in CONSTANT})
        known = cost_of(Terms(luts=entry.luts - new), before, family)
        row = measured[n]
        free[n] = Terms(luts=new, ram_sites=entry.ram_sites)
        rest[n] = {**row, "lut": row["lut"] - known.lut, "sites": row["sites"] - known.sites, "whole": row}

    def fitted(at: Sequence[int]) -> Weights:
        some = [free[n] for n in at], [rest[n] for n in at]
        found = fit(*some, family, FREE, strength=FREE_PULL) if kept else fit(*some, family, before, strength=strength)
        return {kind: {**before[kind], **found[kind]} for kind in found} if kept else found

    every = range(len(own))
    costs = [cost_of(own[n], fitted([m for m in every if m != n]), family) for n in every]
    return fitted(every), errors(costs, measured)


def calibrate(family: str, *, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Coefficients and error bands of each group of blocks; each error is that of a fit without its block."""
    blocks = sweep(family, quick=quick)
    rows = measure(blocks, family)
    terms = [block_of(block).cost(block, family) for block in blocks]
    prior = fit(terms, rows, family, {})
    weights, bands = {}, {}
    for group in dict.fromkeys(map(group_of, blocks)):
        chosen = [n for n, block in enumerate(blocks) if group_of(block) == group]
        own, measured = [terms[n] for n in chosen], [rows[n] for n in chosen]
        weights[group] = fit(own, measured, family, prior)
        costs = [
            cost_of(own[n], fit(own[:n] + own[n + 1 :], measured[:n] + measured[n + 1 :], family, prior), family)
            for n in range(len(own))
        ]
        bands[group] = errors(costs, measured)
    return weights, bands
