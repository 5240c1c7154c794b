"""Equality of two circuits with registers: what is proved, what is refuted, what stays unknown."""

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from bitweir_sim.formal.begun import begun_circuit
from bitweir_sim.formal.bounds import Held
from bitweir_sim.formal.correspondence import correspond
from bitweir_sim.formal.graph import Graph


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


def steps_around(outside, wrong=0):
    """Ten words, read at steps of 3 or 7 that go round: two registers tell the step, and the step less ten."""

    def build(m, device):
        at, onward, beyond = Signal(4, init=9), Signal(4), Signal(5, init=-10 & 31)
        m.submodules.memory = store = memory.Memory(shape=4, depth=10, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        step = Mux(device.step, 3 + wrong, 7)
        m.d.sync += [onward.eq(step), beyond.eq(step - 10)]
        around = Signal(5)
        m.d.comb += around.eq(at + beyond)
        m.d.sync += at.eq(Mux(around[-1], at + onward, around))
        m.d.comb += [read.addr.eq(at), write.addr.eq(at), write.data.eq(device.step.replicate(4)), write.en.eq(1)]
        m.d.comb += device.o.eq(Mux(at > 9, outside, read.data))

    return circuit(build, **COUNTER)


def test_words_that_are_loaded_together_keep_a_counter_inside():
    assert correspond(steps_around(0), steps_around(15)).status == "proved"
    assert correspond(steps_around(0), steps_around(0, wrong=1)).status == "refuted"


def constants(read):
    """A word of six that come one after the other: from a memory, or from logic that has the second bit inverted."""
    words = [0b0001, 0b0110, 0b0010, 0b0101, 0b0001, 0b0010]

    def build(m, device):
        at, inverted = Signal(3), Signal(init=1, reset_less=True)
        with m.If(device.step):
            m.d.sync += at.eq(Mux(at == 5, 0, at + 1))
        if read:
            m.submodules.memory = store = memory.Memory(shape=4, depth=6, init=words)
            port = store.read_port()
            m.d.comb += [port.addr.eq(at), device.o.eq(port.data)]
            return
        # The lowest bit is always the opposite of the second one, and the highest one is 0.
        found = Signal(4)
        third = Signal(reset_less=True)
        with m.Switch(at):
            for place, word in enumerate(words):
                with m.Case(place):
                    m.d.comb += found.eq(word)
        m.d.sync += [inverted.eq(~found[1]), third.eq(found[2])]
        m.d.comb += device.o.eq(Cat(inverted, ~inverted, third, 0))

    return circuit(build, **COUNTER)


def test_a_register_may_begin_with_what_the_other_one_begins_with():
    # The design does not say what the memory gives before the first clock edge.
    one, other = constants(read=True), constants(read=False)
    assert None in one.initial and None not in other.initial
    assert correspond(one, other).status == "proved"
    # What the second one does not say is 0, as an FPGA loads it.
    assert correspond(other, one).status == "refuted"


def test_a_word_says_less_with_more_numbers():
    word = Held((2, 4, 6), 5)
    assert word.wider(6).most == 6 and word.wider(7) is None
    few = Held((2, 4), 2, frozenset({0, 2}))
    assert few.wider(1).values == {0, 1, 2} and few.wider(1).wider(3) is None
    graph = Graph()
    bits = [graph.leaf() for _ in range(2)]
    for number, fits in enumerate((1, 0, 1, 0)):
        values = {bit >> 1: number >> place & 1 for place, bit in enumerate(bits)}
        literal = few.fits(graph, bits)
        assert graph.simulate(values, 1)[literal >> 1] ^ literal & 1 == fits


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
