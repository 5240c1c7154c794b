"""Runs of claims, several at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from bitweir_sim.formal import Verdict
from joblib import Parallel, delayed

from .claim import Case, Claim
from .registry import CLAIMS

__all__ = ["Result", "results", "timed"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a case.

    Parameters
    ----------
    claim, case : str
    planted : bool
        Whether it must be refuted.
    verdict : Verdict
    seconds : float
        CPU seconds that it took, with those of tools; less where something was kept from an earlier run.
    """

    claim: str
    case: str
    planted: bool
    verdict: Verdict
    seconds: float

    @property
    def right(self) -> bool:
        """Whether it is as it must be; what is unknown never is."""
        return self.verdict.status == ("refuted" if self.planted else "proved")


def timed(case: Case) -> tuple[Verdict, float]:
    """Run a case; also how many CPU seconds it took."""
    before = sum(os.times()[:4])
    verdict = case.run()
    return verdict, sum(os.times()[:4]) - before


def results(
    *, only: str = "", quick: bool = False, thorough: bool = False, jobs: int = 1
) -> Iterator[tuple[Claim, list[Result]]]:
    """Run claims, one after the other, and planted faults with each.

    Parameters
    ----------
    only : str
        Part of the names of claims.
    quick : bool
        Only cases that are quick.
    thorough : bool
        Also those that a run of all makes.
    jobs : int
        Runs at once, of all claims together.
    """
    wanted = {claim.name: claim for claim in CLAIMS if only in claim.name}
    cases = [
        (claim.name, case, planted)
        for claim in wanted.values()
        for planted, some in ((False, claim.cases()), (True, claim.faults()))
        for case in some
        if (case.quick or not quick) and (thorough or not case.thorough)
    ]
    found = Parallel(n_jobs=jobs, return_as="generator")(delayed(timed)(case) for _, case, _ in cases)
    told = (
        Result(claim=name, case=case.name, planted=planted, verdict=verdict, seconds=seconds)
        for (name, case, planted), (verdict, seconds) in zip(cases, found, strict=True)
    )
    for name, group in groupby(told, key=lambda result: result.claim):
        yield wanted[name], list(group)
