"""Delays from routed designs: those with which the longest path of each is about as long as it was routed.

A design tells one number, the period of its clock, and in which block the longest path lies. The delays are positive
numbers near those that were there before, so that one of which the designs say nothing stays as it is. Errors are those
of designs that were left out of the fit, one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import log

import numpy as np
from bitweir_hw.cost.speed import Delays, hops
from bitweir_hw.resources.paths import Path
from numpy.typing import NDArray

__all__ = ["Case", "NAMES", "case_of", "fit", "left_out", "predicted"]

NAMES = tuple(entry.name for entry in fields(Delays))
#: What a delay counts from that was 0 before, in ns.
_LEAST = 0.05
#: Relative error from which a design counts no more than in proportion, so that one alone cannot bend the fit.
_ROBUST = 0.1
#: How much it costs to leave the delays that were there, beside the errors.
_STIFF = 0.001
#: Random directions to try for each step.
_DIRECTIONS = 40
#: How much the block that was longest counts, beside the clock.
_BLOCK = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A routed design.

    Parameters
    ----------
    name : str
    mhz : float
        Routed.
    paths : float array, (paths, delays)
        How often each path has each delay.
    own : bool array, (paths,)
        Those of the blocks that the longest path lies in; all False where it lies elsewhere.
    """

    name: str
    mhz: float
    paths: NDArray[np.float64]
    own: NDArray[np.bool_]


def case_of(record: dict[str, object]) -> Case:
    """A design from what `harness` keeps of it."""
    kept, routed = record["paths"], record["routed"]
    assert isinstance(kept, dict) and isinstance(routed, dict)
    rows, own = [], []
    known = {entry.name for entry in fields(Path)}
    for block, paths in kept["blocks"].items():
        for told in paths:
            values = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
            path = Path(**{key: value for key, value in values.items() if key in known})
            counts = hops(path, kept["block_rams"])
            rows.append([float(counts.get(name, 0)) for name in NAMES])
            own.append(block in (routed["start"], routed["end"]))
    return Case(
        name=str(record["name"]), mhz=float(routed["mhz"]), paths=np.array(rows), own=np.array(own, bool)
    )  # fmt: skip


def predicted(delays: NDArray[np.float64], case: Case) -> float:
    """MHz that some delays promise."""
    return float(1e3 / (case.paths @ delays).max())


def fit(cases: Sequence[Case], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """The delays that suit some designs best: pattern search on their logarithms, along axes and in random directions.

    Parameters
    ----------
    cases : sequence of Case
    before : float array
        Delays to start from, and to stay near to.
    """
    start = np.where(before > 0, before, _LEAST)
    used = np.array([any(case.paths[:, at].any() for case in cases) for at in range(len(start))], bool)

    def loss(change: NDArray[np.float64]) -> float:
        delays = start * np.exp(change)
        total = _STIFF * float(change @ change) * len(cases)
        for case in cases:
            times = case.paths @ delays
            period = 1e3 / case.mhz
            total += _robust(log(times.max() / period))
            if case.own.any():
                total += _BLOCK * _robust(log(times[case.own].max() / period))
        return total

    change = np.zeros(len(start))
    best = loss(change)
    rng, step = np.random.default_rng(0), 0.5
    axes = np.eye(len(start))[used]
    while step > 0.01:
        moved = False
        # The loss has edges where another path becomes the longest: only some directions lead along them.
        others = rng.standard_normal((_DIRECTIONS, len(start))) * used / np.sqrt(max(used.sum(), 1))
        for way in (*axes, *-axes, *others):
            if (found := loss(tried := change + step * way)) < best - 1e-9:
                change, best, moved = tried, found, True
        if not moved:
            step /= 2
    result: NDArray[np.float64] = np.where(used, start * np.exp(change), before)
    return result


def left_out(cases: Sequence[Case], before: NDArray[np.float64]) -> list[float]:
    """By how much Fmax is off for each design when the fit has not seen it: estimate / routed - 1."""
    errors = []
    for at, case in enumerate(cases):
        others = [*cases[:at], *cases[at + 1 :]]
        errors.append(predicted(fit(others, before), case) / case.mhz - 1)
    return errors


def _robust(error: float) -> float:
    """Half its square, and beyond `_ROBUST` no more than in proportion (Huber 1964)."""
    size = abs(error)
    return size * size / 2 if size <= _ROBUST else _ROBUST * (size - _ROBUST / 2)
