"""The driver of proofs: what is proved, what is refuted and how, and what stays unknown."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from bitweir_sim.formal import Bench, bounded, circuit_of, equivalent, prove, prove_by_induction
from bitweir_sim.formal.pdr import checked, model
from bitweir_sim.formal.solver import replayed


def counting(end, limit, *, kept_to=True):
    """A counter from 0 to `end` and round, which steps when asked, is claimed to stay below `limit`."""
    bench = Bench()
    count, step = Signal(4), bench.free(1, "step")
    with bench.m.If(step):
        bench.m.d.sync += count.eq(count + 1)
        with bench.m.If(count == end):
            bench.m.d.sync += count.eq(0)
    if not kept_to:
        bench.assume("still", ~step)
    bench.require("below", count < limit)
    bench.show("count", count)
    return bench.circuit()


def test_an_invariant_is_found_and_checked():
    verdict = prove(counting(9, 11))
    assert (verdict.status, verdict.trace) == ("proved", None)
    assert "invariant" in verdict.told


@pytest.mark.parametrize("method", [prove, lambda circuit: prove_by_induction(circuit, 12)])
def test_a_refutation_shows_the_shortest_run(method):
    verdict = method(counting(9, 9))
    assert verdict.status == "refuted"
    # The cycle of reset, in which it may be anything, then 0 to 9.
    assert verdict.trace.signals["count"][1:] == tuple(range(10))
    assert verdict.trace.signals["step"][1:-1] == (1,) * 9
    assert verdict.trace.broken == ("below",)
    assert "below" in verdict.trace.table().splitlines()[0]


def test_induction_does_not_close_where_states_out_of_reach_break_it():
    # From 10 and 11, which are never reached, it goes on to 12.
    circuit = counting(9, 12)
    assert prove_by_induction(circuit, 3).status == "unknown"
    assert prove(circuit).status == "proved"
    assert prove_by_induction(counting(9, 10), 1).status == "proved"


def test_a_bounded_search_proves_nothing_of_registers():
    circuit = counting(9, 9)
    assert bounded(circuit, 5).status == "unknown"
    assert bounded(circuit, 11).status == "refuted"


def test_what_is_assumed_counts():
    assert prove(counting(9, 1, kept_to=False)).status == "proved"
    assert prove(counting(9, 1)).status == "refuted"


def test_registers_without_reset_begin_with_anything():
    bench = Bench()
    data, held = Signal(2, reset_less=True), bench.chosen(2, "held")
    bench.m.submodules.memory = store = memory.Memory(shape=2, depth=2, init=[1, 1])
    read, write = store.read_port(domain="comb"), store.write_port()
    bench.m.d.comb += [read.addr.eq(0), write.en.eq(bench.free(1, "write")), write.data.eq(bench.free(2, "word"))]
    bench.m.d.sync += data.eq(data ^ bench.free(2, "change"))
    bench.require("register", data == 0)
    bench.require("memory", read.data == 1)
    bench.require("chosen", held == 0)
    for name in ("register", "memory", "chosen"):
        assert prove_by_induction(bench.circuit().cone([f"require_{name}"]), 1).status == "refuted", name


def test_words_of_a_memory_that_nobody_writes_are_constants():
    bench = Bench()
    bench.m.submodules.memory = store = memory.Memory(shape=4, depth=4, init=[3, 5, 9, 5])
    read = store.read_port(domain="comb")
    bench.m.d.comb += read.addr.eq(bench.free(2, "address"))
    bench.require("odd", read.data[0])
    assert prove_by_induction(bench.circuit(), 1).status == "proved"


def test_the_check_believes_no_invariant_that_is_none():
    circuit = counting(9, 11)
    below = circuit.cone(["require_below"])
    assert not checked(below, [], 10)
    # Claims that the lowest bit never gets 1.
    posed = model(below)
    lowest = posed.registers.index(next(bit for bit in posed.registers if bit[1] == 0 and "count" in bit[0]))
    assert not checked(below, [(2 * (posed.first_register + lowest),)], 10)


def test_a_run_is_run_again():
    circuit = counting(9, 9)
    assert replayed(circuit, [[0] * len(circuit.inputs)] * 20, [0] * len(circuit.registers)) is None


class Sum(wiring.Component):
    """Adds three numbers in one order or the other; with a fault, it forgets a carry."""

    a: In(4)
    b: In(4)
    c: In(4)
    total: Out(6)

    def __init__(self, *, left, fault=False):
        super().__init__()
        self.left, self.fault = left, fault

    def elaborate(self, platform):
        m = Module()
        first = self.a + self.b if self.left else self.b + self.c
        if self.fault:
            first = first[:4]
        m.d.comb += self.total.eq(first + (self.c if self.left else self.a))
        return m


def test_equal_circuits_are_equal_for_all_inputs():
    one = circuit_of(Sum(left=True))
    assert equivalent(one, circuit_of(Sum(left=False))).status == "proved"
    verdict = equivalent(one, circuit_of(Sum(left=False, fault=True)))
    assert verdict.status == "refuted"
    signals = {name: words[-1] for name, words in verdict.trace.signals.items()}
    assert signals["b"] + signals["c"] > 15


def test_a_claim_without_a_requirement_is_refused():
    bench = Bench()
    bench.show("nothing", bench.free(1, "anything"))
    with pytest.raises(ValueError, match="nothing is required"):
        prove(bench.circuit())


def test_what_is_not_decided_in_time_is_unknown():
    factors = Bench()
    a, b = factors.free(24, "a"), factors.free(24, "b")
    factors.require("prime", (a * b != 15485863 * 16777213) | (a == 1) | (b == 1))
    verdict = bounded(factors.circuit(), 2, seconds=0.3)
    assert verdict.status == "unknown"
    assert "time" in verdict.told
