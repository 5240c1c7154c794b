"""The protocol of the link: no wrong answer is ever taken, and all answers come once nothing goes wrong any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from bitweir_sim.formal import Verdict
from bitweir_sim.link_model import Faults, Job, Sizes, System, explore

from .claim import Case, Claim

__all__ = ["CLAIMS"]

_TWO_FRAMES = System((Job((1, 2)),), Sizes(capacity=40), most=2, rounds=1)
_TWO_CALLS = System((Job((1,)), Job((2,))), Sizes(capacity=32), most=1, rounds=0)
_FEW_NUMBERS = System((Job((1,)), Job((2,))), Sizes(capacity=32), most=1, rounds=0, numbers=4)


def explored(system: System, faults: Faults) -> Verdict:
    """All states that a system reaches."""
    start = time.process_time()
    found = explore(system, faults)
    broken = found.wrong or found.stuck
    told = f"{broken}: {', '.join(found.trace)}" if broken else f"{found.states:,} states"
    return Verdict(
        status="refuted" if broken else "proved", method="all states", tool="bitweir",
        seconds=time.process_time() - start, told=told,
    )  # fmt: skip


def _cases() -> Iterator[Case]:
    for name, system, faults, quick in (
        ("lost packets and resets", _TWO_FRAMES, Faults(lose=True, reset=True), True),
        ("a host that asks too early", _TWO_FRAMES, Faults(lose=True, reset=True, hasty=True), False),
        ("another device", _TWO_FRAMES, Faults(lose=True, exchange=True), True),
        ("packets that come twice, late, and out of order", _TWO_CALLS, Faults(late=1), False),
        ("another program, interrupted calls", _TWO_CALLS, Faults(lose=True, restart=True, interrupt=True), True),
    ):
        yield Case(name=name, run=partial(explored, system, faults), quick=quick)


def _faults() -> Iterator[Case]:
    faults = Faults(lose=True, late=1)
    yield Case(name="numbers of 2 bits", run=partial(explored, _FEW_NUMBERS, faults), quick=True)


CLAIMS = (
    Claim(
        name="link",
        says="No answer that the host takes is wrong; and from wherever faults have led, each run without further ones "
        "ends with all answers, or with the error that another device answers.",
        parameters="one or two calls of one or two frames, 64-bit numbers, any number of losses, resets, copies that "
        "come late, restarts and interrupts; see [link.md](link.md#the-model)",
        method="all states of host, wires and device",
        tool="bitweir",
        fault="numbers that come twice",
        cases=_cases,
        faults=_faults,
    ),
)
