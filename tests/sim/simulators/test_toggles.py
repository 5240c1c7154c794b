"""Bits of registers that change, counted in compiled simulation."""

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from bitweir_hw.errors import ToolError
from bitweir_sim.simulators.compiled import compile_design, compiler_missing

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


class Counter(wiring.Component):
    """Counts cycles, in binary or with one bit that changes in each."""

    def __init__(self, bits: int, *, gray: bool) -> None:
        self.bits, self.gray = bits, gray
        super().__init__({"value": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(self.bits)
        m.d.sync += count.eq(count + 1)
        after = Signal(self.bits)
        m.d.comb += after.eq(count + 1)
        if self.gray:
            m.d.sync += self.value.eq(after ^ (after >> 1))
        else:
            m.d.comb += self.value.eq(count)
        return m


class Counters(wiring.Component):
    """A stream through a register, beside counters."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    seen: Out(40)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.binary = binary = Counter(20, gray=False)
        m.submodules.gray = gray = Counter(20, gray=True)
        m.d.comb += [self.i.ready.eq(~self.o.valid | self.o.ready), self.seen.eq(binary.value ^ gray.value)]
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        return m


def changes(start: int, cycles: int) -> int:
    """Bits that change in a binary counter."""
    return sum(((n + 1) ^ n).bit_count() for n in range(start, start + cycles))


def test_changes_are_those_of_the_registers() -> None:
    built = compile_design(rtlil.convert(Counters(), name="counters"), top="counters", backend="toggles", optimise=1)
    assert set(built.units) == {"", "binary", "gray"}
    beats = [0x00, 0xFF, 0xF0, 0xF0] * 25
    trace = built.run(beats, expected_outputs=100, max_cycles=1000)
    assert trace.o.integers() == beats
    cycles = trace.cycles_run
    # Reset has ended before the first cycle.
    assert trace.toggles["binary"] == changes(0, cycles)
    # Of its two counters, one changes by a bit a cycle.
    assert trace.toggles["gray"] == changes(0, cycles) + cycles
    # valid rises, and falls behind the last beat; payloads change by 8, 4 and 0 bits, and by 4 from group to group.
    assert trace.toggles[""] == 2 + (8 + 4) * 25 + 4 * 24


def test_others_count_nothing() -> None:
    text = rtlil.convert(Counters(), name="counters")
    built = compile_design(text, top="counters", optimise=1)
    assert built.run([1, 2], expected_outputs=2, max_cycles=1000).toggles == {} and built.units == ()
    with pytest.raises(ToolError, match=r"^Toggles cannot be counted, as the design has waveforms, or is in Verilog"):
        compile_design(text, top="counters", backend="toggles", optimise=1, waves=True)
