"""Equality of two circuits with registers: what is proved, what is refuted, what stays unknown."""

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from bitweir_sim.formal.begun import begun_circuit
from bitweir_sim.formal.correspondence import correspond


class Device(wiring.Component):
    """Has its logic from a function."""

    def __init__(self, build, **ports):
        self.build = build
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        self.build(m, self)
        return m


def circuit(build, **ports):
    text = rtlil.convert(Device(build, **ports), name="top", emit_src=False)
    return begun_circuit({"design.il": text}, ["read_rtlil design.il"])


COUNTER = {"step": In(1), "o": Out(4)}


def counter(end=9, first=0, late=False):
    def build(m, device):
        count = Signal(4, init=first)
        with m.If(device.step):
            m.d.sync += count.eq(Mux(count == end, 0, count + 1) if not late else count + 1)
            if late:
                with m.If(count == end):
                    m.d.sync += count.eq(0)
        m.d.comb += device.o.eq(count)

    return circuit(build, **COUNTER)


def doubled(m, device):
    """Two registers for each bit, one of them inverted."""
    plain, other = Signal(4), Signal(4, init=15)
    following = Mux(~other == 9, 0, plain + 1)
    with m.If(device.step):
        m.d.sync += [plain.eq(following), other.eq(~following)]
    m.d.comb += device.o.eq(plain & ~other)


def test_other_logic_and_other_registers_are_proved_equal():
    assert correspond(counter(), counter(late=True)).status == "proved"
    assert correspond(counter(), circuit(doubled, **COUNTER)).status == "proved"


@pytest.mark.parametrize(("end", "first"), [(10, 0), (9, 1)])
def test_a_difference_is_shown_with_the_inputs_that_lead_to_it(end, first):
    verdict = correspond(counter(), counter(end=end, first=first))
    assert verdict.status == "refuted"
    # Played again by hand.
    one, other, outputs = 0, first, []
    for reset, step in zip(verdict.trace.signals["rst"], verdict.trace.signals["step"], strict=True):
        outputs.append(one == other)
        one = 0 if reset or step and one == 9 else one + step
        other = first if reset else 0 if step and other == end else other + step
    assert outputs == [True] * (len(outputs) - 1) + [False]


def fifo_words(outside):
    """A memory of five words, of which a counter reads one after the other; behind them may be anything."""

    def build(m, device):
        at = Signal(3)
        m.submodules.memory = store = memory.Memory(shape=4, depth=5, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        m.d.sync += at.eq(Mux(at == 4, 0, at + 1))
        m.d.comb += [read.addr.eq(at), write.addr.eq(at), write.data.eq(device.step.replicate(4)), write.en.eq(1)]
        m.d.comb += device.o.eq(Mux(at > 4, outside, read.data))

    return circuit(build, **COUNTER)


def test_what_counters_never_reach_does_not_matter():
    assert correspond(fifo_words(0), fifo_words(15)).status == "proved"


def test_what_rarely_happens_is_not_proved():
    def build(rare):
        def inner(m, device):
            seen = Signal(24)
            m.d.sync += seen.eq(seen + device.step)
            m.d.comb += device.o.eq(device.step & ~(seen == (1 << 24) - 1) if rare else device.step)

        return circuit(inner, **COUNTER)

    assert correspond(build(True), build(False)).status == "unknown"
    assert correspond(build(True), build(True)).status == "proved"


def test_outputs_are_the_same_ones():
    with pytest.raises(ValueError, match="only one of two circuits has"):
        correspond(counter(), circuit(lambda m, device: None, step=In(1), p=Out(4)))


def test_time_is_a_limit():
    assert correspond(counter(), counter(late=True), seconds=-1).told.startswith("time is up")
