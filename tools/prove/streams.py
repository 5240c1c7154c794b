"""The rules of streams, for each kind of block."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from bitweir_hw.blocks import BlockSpec, component_of
from bitweir_sim.formal import Circuit, Verdict, prove, prove_by_induction

from .around import Around
from .claim import Case, Claim
from .specs import SAMPLED, sampled

__all__ = ["CLAIMS"]


def ruled(component: wiring.Component) -> Circuit:
    """A block, and the rules that its outputs keep to."""
    around = Around(component)
    bench, m = around.bench, around.bench.m
    after_reset = Signal(init=1)
    m.d.sync += after_reset.eq(0)
    for name, output in around.outputs.items():
        waited, payload = Signal(name=f"{name}_waited"), Signal(len(output.payload), name=f"{name}_was")
        m.d.sync += [waited.eq(output.valid & ~output.ready), payload.eq(output.payload)]
        bench.require(f"{name}_stays_valid", output.valid | ~waited)
        bench.require(f"{name}_holds_its_payload", (output.payload == payload) | ~waited)
        bench.require(f"{name}_is_empty_after_reset", ~(output.valid & after_reset))
    return bench.circuit()


def decide(component: wiring.Component) -> Verdict:
    """Prove the rules: by induction of a step or two, else with an invariant."""
    circuit = ruled(component)
    verdict = prove_by_induction(circuit, 2, seconds=300)
    return prove(circuit, seconds=300) if verdict.status == "unknown" else verdict


def _of(spec: BlockSpec) -> Verdict:
    return decide(component_of(spec))


def _cases() -> Iterator[Case]:
    kinds = set[type]()
    for name, spec in sampled():
        quick = type(spec) not in kinds
        kinds.add(type(spec))
        yield Case(name=name, run=partial(_of, spec), quick=quick)


class Faulty(wiring.Component):
    """A register between two streams, with a fault.

    Parameters
    ----------
    fault : str
        ``"changes"``: it takes a beat while another waits; ``"drops"``: what is not taken at once is lost;
        ``"begins"``: there is a beat after reset.
    """

    i: Any
    o: Any

    def __init__(self, fault: str) -> None:
        self.fault = fault
        super().__init__({"i": In(stream.Signature(2)), "o": Out(stream.Signature(2))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        valid, payload = Signal(init=self.fault == "begins"), Signal(2, reset_less=True)
        m.d.comb += [
            self.o.valid.eq(valid),
            self.o.payload.eq(payload),
            self.i.ready.eq(self.o.ready | ~valid | (self.fault == "changes")),
        ]
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), payload.eq(self.i.payload)]
        if self.fault == "drops":
            m.d.sync += valid.eq(self.i.valid & self.i.ready)
        return m


def _faulty(fault: str) -> Verdict:
    return decide(Faulty(fault))


def _faults() -> Iterator[Case]:
    for fault in ("changes", "drops", "begins"):
        yield Case(name=f"a register that {fault}", run=partial(_faulty, fault), quick=True)


CLAIMS = (
    Claim(
        name="stream rules",
        says="A beat that is offered stays, with its payload, until it moves; after a reset at any time, nothing is "
        "offered.",
        parameters=f"{SAMPLED}, whole payloads",
        method="induction of up to 2 steps, else an invariant by PDR",
        tool="Glucose (python-sat); ABC",
        fault="a register that changes or drops a beat that waits, or begins with one",
        cases=_cases,
        faults=_faults,
    ),
)
