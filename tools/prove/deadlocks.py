"""Accelerators never jam: the certificates of the networks that ship, and of one whose FIFO is too shallow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.deadlock import certificate, check_certificate
from bitweir_sim.formal import Verdict
from bitweir_sim.time.sizing import fit_depths
from support.residuals import fifo_names, residual_network

from .claim import Case, Claim

__all__ = ["CLAIMS"]


def certified(branches: tuple[int, ...], folded: int, depth: int | None = None) -> Verdict:
    """Whether a network of residual sums has a certificate, with depths that are fitted or given."""
    pipeline = _pipeline(branches, folded, depth)
    start = time.process_time()
    try:
        check_certificate(pipeline, certificate(pipeline))
        status, told = "proved", ""
    except PlanError as error:
        status, told = "refuted", str(error)
    return Verdict(
        status=status, method="a certificate, replayed", tool="bitweir", seconds=time.process_time() - start, told=told
    )


def _pipeline(branches: tuple[int, ...], folded: int, depth: int | None) -> Pipeline:
    network = residual_network(*branches)
    sizes = [(18, 2)] * sum(branches) + [(network.layers[-1].weights.shape[1], 2)]
    plan = Plan(foldings=tuple(Folding(simd=max(1, simd // folded), pe=max(1, pe // folded)) for simd, pe in sizes))
    if depth is None:
        return lower(network, fit_depths(network, plan))
    names = fifo_names(network, plan)
    return lower(network, Plan(foldings=plan.foldings, depths=tuple((name, depth) for name in names)))


def _cases() -> Iterator[Case]:
    for branches in ((1,), (2,), (1, 2)):
        for folded in (1, 2, 18):
            name = f"sums of {' and '.join(map(str, branches))} convolutions, folded by {folded}"
            yield Case(name=name, run=partial(certified, branches, folded), quick=folded == 2)


def _faults() -> Iterator[Case]:
    yield Case(name="FIFOs of two beats", run=partial(certified, (2,), 1, 2), quick=True)


CLAIMS = (
    Claim(
        name="no deadlock",
        says="An accelerator takes all beats of each frame and gives all of its result, whatever stalls.",
        parameters="networks of residual sums with fitted depths; any pipeline has its own certificate",
        method="a certificate of the state between two frames, replayed",
        tool="bitweir",
        fault="FIFOs that are too shallow",
        cases=_cases,
        faults=_faults,
    ),
)
