"""What a claim is: what is said, for which parameters, and the runs that decide it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bitweir_sim.formal import Verdict

__all__ = ["Case", "Claim"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run of a solver.

    Parameters
    ----------
    name : str
        The parameters, in some words.
    run : callable
        Makes the device and decides.
    quick : bool
        It is among the few that every run of the tests makes, too.
    thorough : bool
        It is among the many that only a run of all makes.
    """

    name: str
    run: Callable[[], Verdict]
    quick: bool = False
    thorough: bool = False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim about gateware.

    Parameters
    ----------
    name : str
        Some words.
    says : str
        What holds, in a sentence.
    parameters : str
        For what.
    method, tool : str
    fault : str
        What would break it: the faults that are planted, and must be refuted.
    cases : callable
        The runs that must prove it.
    faults : callable
        The runs that must refute it.
    """

    name: str
    says: str
    parameters: str
    method: str
    tool: str
    fault: str
    cases: Callable[[], Iterable[Case]]
    faults: Callable[[], Iterable[Case]]
