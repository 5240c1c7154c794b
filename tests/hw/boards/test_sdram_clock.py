"""The clock of an SDRAM chip: both sides sample what is there at each clock of a PLL, with all delays within bounds."""

from __future__ import annotations

import re

import pytest
from bitweir_hw.boards import BOARDS
from bitweir_hw.boards.clocking import Clocking
from bitweir_hw.boards.pll import Pll, settings
from bitweir_hw.boards.sdram_clock import HIGHEST, sdram_clock, window
from bitweir_hw.errors import PlanError
from bitweir_hw.offchip import SDRAM_PARTS
from bitweir_hw.tools import convert

PART = SDRAM_PARTS["ulx3s-32mb"]
OSCILLATOR = BOARDS["ulx3s_85f"].oscillator
#: That the memory is refreshed in time needs more.
PLLS = [pll for pll in settings("ecp5", OSCILLATOR) if 30e6 <= pll.clock <= HIGHEST]


def samples(shift: float, period: float, late: int, to_pin: tuple[float, float], wires: float) -> bool:
    """Whether all is sampled right, with delays to the clock's pin and to others, a chip of any delay, and wires."""
    clock, others = to_pin
    # What the FPGA sends changes at `others`, and the chip samples half of the wires later than the clock's pin.
    sampled = shift + clock
    right = others + PART.t_is <= sampled <= period + others - PART.t_ih
    access = PART.t_ac[0 if period >= PART.t_ck[0] else 1]
    # The chip sends with the edge before the one at which it could be sampled, which `late` counts from.
    valid, over = sampled + access + wires, sampled + period + PART.t_oh + wires
    return right and valid + 0.9 <= late * period and over - 0.9 >= late * period


def test_every_clock_of_the_pll_has_a_shift() -> None:
    for pll in PLLS:
        found = sdram_clock(PART, pll, OSCILLATOR)
        assert found.steps is not None and pll.post - 1 + found.steps // 8 <= 127
        shift, period = found.steps / 8 * 1e9 / float(pll.vco), 1e9 / float(pll.clock)
        for early in (2.0, 3.0, 4.6):
            for later in (early - 1.0, early, early + 1.0):
                for wires in (0.1, 0.5):
                    assert samples(shift, period, found.late, (early, later), wires), pll


def test_the_oscillator_alone_is_inverted() -> None:
    found = sdram_clock(PART, None, OSCILLATOR)
    assert found.steps is None and samples(0.5e9 / OSCILLATOR, 1e9 / OSCILLATOR, found.late, (3.0, 3.0), 0.3)


def test_clocks_that_are_too_fast_are_refused() -> None:
    for clock in (HIGHEST + 1e6, 140e6, 200e6):
        with pytest.raises(PlanError, match="at most 125 MHz"):
            window(PART, clock)


def test_a_window_of_late_edges_is_as_wide_as_it_says() -> None:
    """At 100 MHz, by hand: from T - (2 + 2.5 + 0.1 - 0.9) to 2 T - (4.6 + 6 + 0.5 + 0.9)."""
    found = window(PART, 100e6)
    assert found.late == 2 and (found.low, found.high) == (pytest.approx(6.3), pytest.approx(8.0))


def parameters(pll: Pll) -> dict[str, int]:
    clocking = Clocking(pll=pll, frequency=OSCILLATOR, sdram=sdram_clock(PART, pll, OSCILLATOR))
    text = convert(clocking, name="clocking")
    return {name: int(value) for name, value in re.findall(r"parameter \\(\w+) (\d+)$", text, re.MULTILINE)}


def test_the_third_output_of_the_pll_is_the_second_one_shifted() -> None:
    for pll in PLLS[:: len(PLLS) // 7]:
        found, steps = parameters(pll), sdram_clock(PART, pll, OSCILLATOR).steps
        assert found["CLKOS2_DIV"] == found["CLKOS_DIV"] == pll.post
        assert 8 * (found["CLKOS2_CPHASE"] - found["CLKOS_CPHASE"]) + found["CLKOS2_FPHASE"] == steps
