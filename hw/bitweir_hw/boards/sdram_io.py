"""The pins of an SDRAM chip on an ECP5, each with its register beside it."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Const, Instance, IOPort, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ..offchip.sdram import sdram_pins
from .boards import BoardSdram

__all__ = ["SdramPins"]

#: Pins that are 1 before the first edge, so that the chip is asked for nothing; others are 0.
_ONES = ("cs_n", "ras_n", "cas_n", "we_n", "dqm")


class SdramPins(wiring.Component):
    """Leads an `SdramController` to the pins.

    What the controller drives goes through a register beside its pin, and so does what comes; the clock leaves through
    one of double data rate. Ports of the top module: those of `BoardSdram.pins`.

    Latency: one cycle in each direction, of which `boards.sdram_clock` knows.

    Parameters
    ----------
    chip : BoardSdram
    inverted : bool
        Whether the chip's clock is the opposite of `clk`.

    Members
    -------
    pins : In(sdram_pins(part))
    clk : In(1)
        For the chip.
    """

    clk: Signal

    def __init__(self, chip: BoardSdram, *, inverted: bool) -> None:
        self.chip, self.inverted = chip, inverted
        super().__init__({"pins": In(sdram_pins(chip.part)), "clk": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pins = self.pins
        early = Signal()
        m.submodules.clock = Instance(
            "ODDRX1F", i_SCLK=self.clk, i_RST=Const(0, 1), i_D0=Const(int(not self.inverted), 1),
            i_D1=Const(int(self.inverted), 1), o_Q=early,
        )  # fmt: skip
        m.submodules.clock_pin = Instance("OB", i_I=early, o_O=IOPort(1, name="sdram_clk"))
        for name, places in self.chip.places.items():
            if name == "dq":
                continue
            for bit in range(len(places)):
                sent = _register(m, f"{name}{bit}", "OFS1P3", getattr(pins, name)[bit], one=name in _ONES)
                port = IOPort(1, name=f"sdram_{name}{bit}")
                m.submodules[f"{name}{bit}_pin"] = Instance("OB", i_I=sent, o_O=port)
        for bit in range(len(self.chip.places["dq"])):
            sent = _register(m, f"dq{bit}_o", "OFS1P3", pins.dq_o[bit])
            floats = _register(m, f"dq{bit}_t", "OFS1P3", ~pins.dq_oe, one=True)
            came = Signal()
            m.submodules[f"dq{bit}_pin"] = Instance(
                "BB", i_I=sent, i_T=floats, o_O=came, io_B=IOPort(1, name=f"sdram_dq{bit}")
            )
            m.d.comb += pins.dq_i[bit].eq(_register(m, f"dq{bit}_i", "IFS1P3", came))
        return m


def _register(m: Module, name: str, kind: str, value: Value, *, one: bool = False) -> Signal:
    """A register beside a pin, and what it begins with."""
    # The cells that begin with 1 have a preset, the others a clear.
    held, clear = Signal(name=name), {"i_PD" if one else "i_CD": Const(0, 1)}
    m.submodules[name] = Instance(
        f"{kind}{'B' if one else 'D'}X", i_D=value, i_SP=Const(1, 1), i_SCLK=ClockSignal(), o_Q=held, **clear
    )
    return held
