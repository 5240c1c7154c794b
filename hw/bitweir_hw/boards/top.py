"""What a bitstream is made of: the device, the clocks and the pins of a board."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, Const, Instance, IOPort, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .boards import Board
from .clocking import Clocking
from .pll import Pll
from .sdram_clock import SdramClock
from .sdram_io import SdramPins

__all__ = ["CLOCK_NETS", "INPUTS", "SDRAM_NET", "Top"]

#: Ports that are inputs; the others are outputs.
INPUTS = ("clk", "rx", "sck", "copi", "cs", "button")

#: The nets of the clocks, by domain.
CLOCK_NETS = {"sync": "accelerator_clk", "link": "link_clk"}
#: The net of an SDRAM chip's clock, which is no domain.
SDRAM_NET = "sdram_shifted_clk"


class Top(wiring.Component):
    """A device on a board.

    Latency and cycles are those of the device, resources those of the device and of `Clocking`.

    Parameters
    ----------
    device : Component
        With the members ``rx`` In(1), which need not be synchronous, ``tx`` Out(1), and ``busy`` Out(1), in the
        domains ``sync`` and ``link``; for a board with SPI ``sck``, ``copi`` and ``cs`` in place of ``rx``, and
        ``cipo`` of ``tx``.
    board : Board
        With a link.
    pll : Pll or None
        What makes the clock of ``sync`` from the oscillator; None: that is the oscillator, as ``link`` is.
    sdram : SdramClock, optional
        With a device that has the pins of an SDRAM chip, ``pins``: the clock of that of the board.

    Members
    -------
    clk : In(1)
    rx : In(1)
    tx : Out(1)
        With a UART.
    sck, copi, cs : In(1)
        With SPI; ``cipo``, which floats while ``cs`` is high, is a port beside these.
    button : In(1)
    led, activity : Out(1)
        These three as far as the board has them.
    highN : Out(1)
        1, for the pin N of ``board.high``.

    The pins of an SDRAM chip are ports beside these, see `SdramPins`.
    """

    def __init__(self, device: Any, *, board: Board, pll: Pll | None, sdram: SdramClock | None = None) -> None:
        self.device = device
        self.board = board
        self.pll = pll
        self.sdram = sdram
        super().__init__({name: In(1) if name in INPUTS else Out(1) for name in board.pins if name != "cipo"})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        board = self.board
        m.domains.sync = sync = ClockDomain()
        m.domains.link = link = ClockDomain()
        # Names by which constraints find them in the netlist.
        sync.clk = Signal(name=CLOCK_NETS["sync"], attrs={"keep": 1})
        link.clk = Signal(name=CLOCK_NETS["link"], attrs={"keep": 1})
        m.submodules.clocking = clocking = Clocking(
            pll=self.pll, frequency=board.oscillator, pad=board.pll_pad, device=board.chip, sdram=self.sdram
        )
        m.submodules.device = device = self.device
        m.d.comb += [
            clocking.oscillator.eq(self.clk),
            sync.clk.eq(clocking.clk),
            sync.rst.eq(clocking.rst),
            link.clk.eq(clocking.link_clk),
            link.rst.eq(clocking.link_rst),
            *([clocking.button.eq(self.button ^ board.button.inverted)] if board.button else []),
            *([device.rx.eq(self.rx), self.tx.eq(device.tx)] if board.rx else []),
            *(getattr(device, pin).eq(getattr(self, pin)) for pin in ("sck", "copi", "cs") if board.spi),
            *([self.led.eq(clocking.running ^ board.led.inverted)] if board.led else []),
            *([self.activity.eq(device.busy ^ board.activity.inverted)] if board.activity else []),
            *(getattr(self, f"high{index}").eq(1) for index in range(len(board.high))),
        ]
        if board.spi:
            # From the pin itself: another peripheral on the same wires may drive as soon as CS is high.
            m.submodules.cipo = _floating(board.family, "cipo", device.cipo, floats=self.cs)
        if self.sdram:
            assert board.sdram
            m.submodules.sdram = pins = SdramPins(board.sdram, inverted=self.sdram.steps is None)
            wiring.connect(m, device.pins, pins.pins)
            clock = Signal(name=SDRAM_NET, attrs={"keep": 1})
            m.d.comb += [clock.eq(clocking.sdram_clk), pins.clk.eq(clock)]
        return m


def _floating(family: str, port: str, value: Value, *, floats: Value) -> Instance:
    """A pin that drives a value, or nothing."""
    pad = IOPort(1, name=port)
    if family == "ecp5":
        return Instance("OBZ", i_I=value, i_T=floats, o_O=pad)
    if family == "gowin":
        return Instance("TBUF", i_I=value, i_OEN=floats, o_O=pad)
    # An output without a register, which has an enable (Lattice FPGA-TN-02026, SB_IO).
    return Instance(
        "SB_IO", p_PIN_TYPE=Const(0b1010_01, 6), i_D_OUT_0=value, i_OUTPUT_ENABLE=~floats, io_PACKAGE_PIN=pad
    )
