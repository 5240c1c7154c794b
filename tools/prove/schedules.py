"""Blocks move beats when the cycle model says so, whatever their neighbours do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from bitweir_hw.blocks import BlockSpec, Buffered, Collect, Level
from bitweir_hw.blocks.machines import Machine
from bitweir_sim.formal import Verdict, compare_states
from bitweir_sim.time.machines import stepped

from .around import Around
from .claim import Case, Claim
from .specs import SAMPLED, sampled

__all__ = ["CLAIMS", "large"]

#: Words of a buffer times steps, of which a unit with more is among the cases of a long run.
LARGE = 20_000
#: States after which a comparison is given up.
MOST = 1_000_000


def decide(spec: BlockSpec, machine: Machine | None = None) -> Verdict:
    """Compare a block with its machine, or with another one."""
    around = Around.of(spec, payloads=False)
    told = spec if machine is None else _Told(machine)
    return compare_states(around.bench.circuit(), around.handshakes(), stepped(told), most=MOST)  # type: ignore[arg-type]


class _Told:
    """A block that tells this machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine


def large(spec: BlockSpec) -> bool:
    """Whether there are very many states: words that may be held in each of many steps."""
    machine = spec.machine
    return isinstance(machine, Buffered) and machine.room * int(machine.programme[:, 0].sum()) > LARGE


def _cases() -> Iterator[Case]:
    kinds = set[type]()
    for name, spec in sampled():
        many = large(spec)
        yield Case(name=name, run=partial(decide, spec), quick=type(spec) not in kinds and not many, thorough=many)
        if not many:
            kinds.add(type(spec))


def _wrong(machine: Any) -> Machine:
    """A machine that is wrong by one cycle, or by one place."""
    match machine:
        case Level():
            return replace(machine, room=machine.room + 1)
        case Buffered() | Collect():
            return replace(machine, latency=machine.latency + 1)
    raise TypeError(machine)


def _faults() -> Iterator[Case]:
    kinds = set[type]()
    for name, spec in sampled():
        if type(spec) not in kinds:
            kinds.add(type(spec))
            yield Case(name=name, run=partial(decide, spec, _wrong(spec.machine)), quick=True)


CLAIMS = (
    Claim(
        name="schedules",
        says="A block takes and offers each beat in the cycle in which its machine in the cycle model does.",
        parameters=f"{SAMPLED}, those of more than {LARGE:,} steps times words of buffer with `--all`; all stalls, all "
        "data",
        method="all states of block and model side by side",
        tool="bitweir",
        fault="a block that is one cycle later, or has one place less, than its machine",
        cases=_cases,
        faults=_faults,
    ),
)
