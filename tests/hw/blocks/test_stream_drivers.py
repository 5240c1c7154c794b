"""The drivers of the tests themselves: a component that breaks a rule of streams is found out."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from support.streams import Sink, Source, drive


class Register(wiring.Component):
    """One place for a beat; or with a fault."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, fault=None):
        self.fault = fault
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid | (self.o.ready if self.fault == "path" else 0))
        if self.fault == "changes":
            m.d.sync += self.o.payload.eq(self.o.payload + 1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
            if self.fault == "twice":
                m.d.sync += self.o.valid.eq(self.o.payload == 9)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [self.o.payload.eq(self.i.payload + (self.fault == "wrong")), self.o.valid.eq(1)]
            if self.fault == "loses":
                m.d.sync += self.o.valid.eq(self.i.payload != 9)
        return m


BEATS = [5, 6, 3, 9]
STALLS = [False, True, True, False, True]


def run(fault, masks=None):
    dut = Register(fault)
    source, sink = Source(dut.i, BEATS, STALLS), Sink(dut.o, BEATS, [False, True, True, True], masks=masks)
    cycles = drive(dut, [source], [sink], limit=200)
    assert sink.beats == BEATS or masks
    return cycles, source.cycles, sink.cycles


def test_a_right_one():
    cycles, sent, came = run(None)
    assert len(sent) == len(came) == 4
    assert all(first < second for first, second in zip(sent, came, strict=True))
    assert cycles == came[-1] + 11


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("wrong", "beat 0 in cycle"),
        ("path", "a path through the block in cycle"),
        ("changes", "what waits changed in cycle"),
        ("twice", "a beat too many in cycle"),
        ("loses", "nothing moves any more"),
    ],
)
def test_faults(fault, told):
    with pytest.raises(AssertionError, match=told):
        run(fault)


def test_bits_that_do_not_count():
    run("wrong", masks=[0, 0, 0, 0])
    with pytest.raises(AssertionError, match="beat 2 in cycle"):
        run("wrong", masks=[0, 0, 7, 0])
