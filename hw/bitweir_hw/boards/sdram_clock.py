"""When the clock of an SDRAM chip comes, so that both sides sample what the other one sends.

All pins have their registers beside them, and the chip's clock leaves through such a register, too. So from a clock
edge inside to any pin it takes much the same time, and what counts is by how much the chip's clock is shifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..errors import PlanError
from ..offchip import SdramPart
from .pll import Pll

__all__ = ["HIGHEST", "SdramClock", "Window", "sdram_clock", "window"]

#: Hz, from which on no shift is sure to serve.
HIGHEST = 125_000_000
#: Nanoseconds, at least and at most, of an ECP5 of speed grade 6: from a clock edge inside to a pin (LVCMOS33, fast);
#: before and behind it, in which an input must hold; by how much two outputs differ; of the wires to the chip and back.
#: These are assumptions, wider than the vendor's figures for a clock through a PLL (Lattice FPGA-DS-02012, external
#: switching characteristics), which tell no least delays.
_TO_PIN, _SETUP, _HOLD, _SKEW, _WIRES = (2.0, 4.6), 0.9, 0.9, 1.0, (0.1, 0.5)
#: Parts of a cycle of the VCO by which an output of an EHXPLLL can be late: Lattice FPGA-TN-02200.
STEPS = 8


@dataclass(frozen=True, kw_only=True)
class Window:
    """Shifts of the chip's clock that serve.

    Parameters
    ----------
    late : int
        Of `offchip.SdramSpec`: edges behind the one at which the chip itself would sample, at which the FPGA does.
    low, high : float
        Nanoseconds behind the FPGA's clock.
    """

    late: int
    low: float
    high: float


def window(part: SdramPart, clock: float) -> Window:
    """The widest range of shifts at a clock.

    | what                                 | the shift is                                              |
    |--------------------------------------|-----------------------------------------------------------|
    | the chip samples what the FPGA sends | from tIS + skew to T - tIH - skew                         |
    | the FPGA samples what the chip sends | at most late T - (to pin + tAC + wires + setup) at most;  |
    |                                      | at least (late - 1) T - (to pin + tOH + wires - hold)     |

    Parameters
    ----------
    part : SdramPart
    clock : float
        Hz.

    Raises
    ------
    PlanError
        There is none.
    """
    period = 1e9 / clock
    access = part.t_ac[0 if period >= part.t_ck[0] else 1]
    found = [
        Window(
            late=late,
            low=max(part.t_is + _SKEW, (late - 1) * period - (_TO_PIN[0] + part.t_oh + _WIRES[0] - _HOLD)),
            high=min(period - part.t_ih - _SKEW, late * period - (_TO_PIN[1] + access + _WIRES[1] + _SETUP)),
        )
        for late in (1, 2, 3)
    ]
    best = max(found, key=lambda one: one.high - one.low)
    if best.high <= best.low or clock > HIGHEST:
        raise PlanError(
            f"The clock of an SDRAM chip on a board must be at most {HIGHEST / 1e6:g} MHz, not {clock / 1e6:g}: above "
            "that, no shift of its clock is sure to serve."
        )
    return best


@dataclass(frozen=True, kw_only=True)
class SdramClock:
    """The clock of a chip.

    Parameters
    ----------
    late : int
        See `Window`.
    steps : int or None
        Shift in `STEPS` of a cycle of the VCO; None: half a cycle of the clock, where there is no PLL.
    """

    late: int
    steps: int | None


def sdram_clock(part: SdramPart, pll: Pll | None, oscillator: int) -> SdramClock:
    """The clock of a chip beside that of an accelerator.

    Parameters
    ----------
    part : SdramPart
    pll : Pll or None
        None: the oscillator, in Hz, makes both.

    Raises
    ------
    PlanError
        No shift is sure to serve.
    """
    found = window(part, float(pll.clock) if pll else oscillator)
    if pll is None:
        shift, steps = 0.5e9 / oscillator, None
    else:
        unit = Fraction(10**9) / (pll.vco * STEPS)
        steps = round((found.low + found.high) / 2 / float(unit))
        shift = float(steps * unit)
    if not found.low <= shift <= found.high:
        raise PlanError(
            f"The clock of the SDRAM chip must be {found.low:.2f} to {found.high:.2f} ns late, and the PLL makes "
            f"{shift:.2f} ns: take another clock (--clock)."
        )
    return SdramClock(late=found.late, steps=steps)
