"""The clocks of a board: its oscillator, its PLL, and the reset that waits for it."""

from __future__ import annotations

from math import ceil
from typing import Any

from amaranth.hdl import ClockDomain, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from .pll import LIMITS, PLL_CORE, Pll, feedback
from .sdram_clock import STEPS, SdramClock

__all__ = ["RESET_SECONDS", "Clocking"]

#: How long reset lasts once the clock is steady: block RAM of iCE40 reads as zeros for some microseconds after
#: configuration (github.com/YosysHQ/icestorm issue 76, which measures less than 5).
RESET_SECONDS = 15e-6


class Clocking(wiring.Component):
    """Makes the two clocks of a design, and their resets.

    The link's clock is that of the oscillator, and the accelerator's that of the PLL. There is one reset, which each
    clock gets from a register of its own. It is counted in cycles of the oscillator, whose clock never stops.

    | what      | value                                                                              |
    |-----------|------------------------------------------------------------------------------------|
    | reset     | from power-up, and whenever the PLL is not locked or `button` is 1                 |
    | duration  | `RESET_SECONDS` * oscillator, rounded up to a power of two cycles, and 4 cycles;   |
    |           | for the accelerator it begins and ends up to 4 cycles of its clock later           |
    | resources | the PLL, log2(duration) + 7 FF, log2(duration) + 4 LUT                             |

    Parameters
    ----------
    pll : Pll or None
        None: the oscillator makes both clocks.
    frequency : float
        Hz, of the oscillator.
    pad : bool
        Whether the oscillator is at the pin of the PLL of an iCE40, `Board.pll_pad`.
    device : str
        What the PLL of Gowin is told of its chip.
    sdram : SdramClock, optional
        Where a chip needs a clock beside that of the accelerator.

    Members
    -------
    oscillator : In(1)
        From a pin, and connected to nothing else.
    button : In(1)
        Asynchronous.
    clk, rst : Out(1)
        For the accelerator.
    link_clk, link_rst : Out(1)
        For the link.
    running : Out(1)
        The opposite of reset, for a light.
    sdram_clk : Out(1)
        With `sdram`: that clock, or the accelerator's where it is to be inverted.
    """

    oscillator: Signal
    button: Signal
    clk: Signal
    rst: Signal
    link_clk: Signal
    link_rst: Signal
    running: Signal
    sdram_clk: Signal

    def __init__(
        self, *, pll: Pll | None, frequency: float, pad: bool = True, device: str = "", sdram: SdramClock | None = None
    ) -> None:
        self.pll, self.pad, self.device, self.sdram = pll, pad, device, sdram
        #: Cycles of the oscillator that reset lasts, a power of two.
        self.cycles = 1 << (ceil(RESET_SECONDS * frequency) - 1).bit_length()
        reset = Out(1, init=1)
        clocks = {"clk": Out(1), "rst": reset, "link_clk": Out(1), "link_rst": reset}
        if sdram:
            clocks["sdram_clk"] = Out(1)
        super().__init__({"oscillator": In(1), "button": In(1), **clocks, "running": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # What makes the resets has none.
        m.domains.early = early = ClockDomain(local=True, reset_less=True)
        m.domains.late = late = ClockDomain(local=True, reset_less=True)
        locked = Signal()
        if self.pll is None:
            m.d.comb += [self.clk.eq(self.oscillator), self.link_clk.eq(self.oscillator), locked.eq(1)]
            if self.sdram:
                m.d.comb += self.sdram_clk.eq(self.oscillator)
        else:
            shifted = _shifted(self.pll, self.sdram, self.sdram_clk) if self.sdram else {}
            cell = LIMITS[self.pll.kind].cell
            if cell == "EHXPLLL":
                m.submodules.pll = _ecp5(self.pll, self.oscillator, self.clk, locked, shifted)
            elif cell == "rPLL":
                m.submodules.pll = _gowin(self.pll, self.oscillator, self.clk, locked, self.device)
            else:
                m.submodules.pll = _ice40(
                    self.pll, self.oscillator, self.clk, locked, self.link_clk if self.pad else None
                )
            if cell != "SB_PLL40_2_PAD" or not self.pad:
                m.d.comb += self.link_clk.eq(self.oscillator)
        m.d.comb += [early.clk.eq(self.link_clk), late.clk.eq(self.clk)]

        steady = Signal()
        m.submodules.steady = FFSynchronizer(locked & ~self.button, steady, o_domain="early")
        count = Signal(range(self.cycles))
        with m.If(~steady):
            m.d.early += [count.eq(0), self.running.eq(0)]
        with m.Else():
            m.d.early += count.eq(count + 1)
            with m.If(count == self.cycles - 1):
                m.d.early += self.running.eq(1)
        # Registers of their own, so that the wire to all others begins at a register.
        m.d.early += self.link_rst.eq(~self.running)
        m.submodules.late = FFSynchronizer(self.link_rst, self.rst, o_domain="late", init=1, stages=3)
        return m


def _shifted(pll: Pll, sdram: SdramClock, clock: Signal) -> dict[str, Any]:
    """A third output of an EHXPLLL, as fast as the second and so much later."""
    assert sdram.steps is not None
    whole, part = divmod(sdram.steps, STEPS)
    return {
        "p_CLKOS2_ENABLE": "ENABLED", "p_CLKOS2_DIV": pll.post, "p_CLKOS2_CPHASE": pll.post - 1 + whole,
        "p_CLKOS2_FPHASE": part, "p_OUTDIVIDER_MUXC": "DIVC", "o_CLKOS2": clock,
    }  # fmt: skip


def _ecp5(pll: Pll, oscillator: Signal, clock: Signal, locked: Signal, shifted: dict[str, Any]) -> Instance:
    """An EHXPLLL; here as below, what is not told keeps the default of the vendor's library."""
    first, second = _dividers(pll)
    fed = Signal()
    return Instance(
        "EHXPLLL",
        # As Lattice's generator sets them for every clock.
        a_ICP_CURRENT="12", a_LPF_RESISTOR="8", a_MFG_ENABLE_FILTEROPAMP="1", a_MFG_GMCREF_SEL="2",
        p_CLKI_DIV=pll.divide, p_CLKFB_DIV=second, p_FEEDBK_PATH="CLKOP",
        p_CLKOP_ENABLE="ENABLED", p_CLKOP_DIV=first, p_CLKOP_CPHASE=first - 1, p_CLKOP_FPHASE=0,
        p_CLKOS_ENABLE="ENABLED", p_CLKOS_DIV=pll.post, p_CLKOS_CPHASE=pll.post - 1, p_CLKOS_FPHASE=0,
        p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED", p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB",
        i_CLKI=oscillator, i_CLKFB=fed, i_RST=Const(0, 1), i_STDBY=Const(0, 1), i_PLLWAKESYNC=Const(0, 1),
        i_PHASESEL0=Const(0, 1), i_PHASESEL1=Const(0, 1), i_PHASEDIR=Const(1, 1), i_PHASESTEP=Const(1, 1),
        i_PHASELOADREG=Const(1, 1), i_ENCLKOP=Const(0, 1), i_ENCLKOS=Const(0, 1),
        o_CLKOP=fed, o_CLKOS=clock, o_LOCK=locked, **shifted,
    )  # fmt: skip


def _ice40(pll: Pll, oscillator: Signal, clock: Signal, locked: Signal, link_clock: Signal | None) -> Instance:
    """An SB_PLL40_2_PAD, which makes `link_clock` of its pin, too; where that is None, an SB_PLL40_CORE.

    A pin that feeds the PLL reaches other logic through the PLL alone, and any other pin reaches the PLL through the
    global network.
    """
    _, second = _dividers(pll)
    same = {
        "p_FEEDBACK_PATH": "SIMPLE", "p_DIVR": Const(pll.divide - 1, 4), "p_DIVF": Const(second - 1, 7),
        "p_DIVQ": Const(pll.post.bit_length() - 1, 3), "p_FILTER_RANGE": Const(_filter_range(pll), 3),
    }  # fmt: skip
    if link_clock is None:
        return Instance(
            PLL_CORE, **same, p_PLLOUT_SELECT="GENCLK", i_REFERENCECLK=oscillator, i_RESETB=Const(1, 1),
            i_BYPASS=Const(0, 1), o_PLLOUTGLOBAL=clock, o_LOCK=locked,
        )  # fmt: skip
    return Instance(
        "SB_PLL40_2_PAD", **same, p_PLLOUT_SELECT_PORTB="GENCLK",
        i_PACKAGEPIN=oscillator, i_RESETB=Const(1, 1), i_BYPASS=Const(0, 1),
        # Port A is the pin.
        o_PLLOUTGLOBALA=link_clock, o_PLLOUTGLOBALB=clock, o_LOCK=locked,
    )  # fmt: skip


def _gowin(pll: Pll, oscillator: Signal, clock: Signal, locked: Signal, device: str) -> Instance:
    _, second = _dividers(pll)
    zeros = {f"i_{name}": Const(0, bits) for name, bits in _GOWIN_IDLE.items()}
    return Instance(
        "rPLL",
        p_FCLKIN=f"{pll.source / 1e6:g}", p_DEVICE=device,
        p_IDIV_SEL=pll.divide - 1, p_FBDIV_SEL=second - 1, p_ODIV_SEL=pll.post,
        p_DYN_IDIV_SEL="false", p_DYN_FBDIV_SEL="false", p_DYN_ODIV_SEL="false", p_DYN_DA_EN="false",
        p_CLKFB_SEL="internal", p_PSDA_SEL="0000", p_DUTYDA_SEL="1000",
        p_CLKOUT_BYPASS="false", p_CLKOUTP_BYPASS="false", p_CLKOUTD_BYPASS="false", p_DYN_SDIV_SEL=2,
        i_CLKIN=oscillator, **zeros,
        o_CLKOUT=clock, o_LOCK=locked,
    )  # fmt: skip


_GOWIN_IDLE = {
    "CLKFB": 1, "RESET": 1, "RESET_P": 1, "FBDSEL": 6, "IDSEL": 6, "ODSEL": 6, "DUTYDA": 4, "PSDA": 4, "FDLY": 4
}  # fmt: skip


def _dividers(pll: Pll) -> tuple[int, int]:
    dividers = feedback(pll.kind, pll.multiply, pll.post)
    assert dividers is not None
    return dividers


def _filter_range(pll: Pll) -> int:
    """Of the loop filter, by the frequency of the phase detector: Project IceStorm, icepll."""
    return 1 + sum(pll.reference >= bound * 1_000_000 for bound in (17, 26, 44, 66, 101))
