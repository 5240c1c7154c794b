"""Boards: their FPGA, the oscillator, and the pins that an accelerator with a serial link needs."""

from __future__ import annotations

from dataclasses import dataclass

from ..offchip import SDRAM_PARTS, SdramPart
from ..parts import PARTS, FpgaPart

__all__ = ["BOARDS", "Board", "BoardSdram", "Pin"]


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A pin of the package.

    Parameters
    ----------
    place : str
        Its name on the package.
    inverted : bool
        Whether it is active when low.
    pull : str
        ``"up"``, ``"down"`` or ``"none"``: the resistor inside the FPGA.
    volts : str
        ``"33"`` or ``"18"``: supply of its bank, in tenths.
    fast : bool
        Whether its output has steep edges.
    """

    place: str
    inverted: bool = False
    pull: str = "none"
    volts: str = "33"
    fast: bool = False


@dataclass(frozen=True, kw_only=True)
class BoardSdram:
    """An SDRAM chip of a board.

    Parameters
    ----------
    part_name : str
        A key of `offchip.SDRAM_PARTS`.
    clk : str
        Place of the pin of the chip's clock.
    places : dict of str to tuple of str
        Places of its other pins, by their names in `offchip.sdram.sdram_pins` and ``"dq"``, from bit 0 on.
    """

    part_name: str
    clk: str
    places: dict[str, tuple[str, ...]]

    @property
    def part(self) -> SdramPart:
        """The chip."""
        return SDRAM_PARTS[self.part_name]

    @property
    def pins(self) -> dict[str, Pin]:
        """Pins by the name of the port of `boards.top.Top`, one for each bit."""
        pins = {"sdram_clk": self.clk} | {
            f"sdram_{name}{bit}": place for name, places in self.places.items() for bit, place in enumerate(places)
        }
        return {port: Pin(place=place, fast=True) for port, place in pins.items()}


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board.

    Parameters
    ----------
    name : str
        As the command line calls it.
    title : str
        What its maker calls it.
    part_name : str
        A key of `parts.PARTS`.
    device : str
        Order code of the FPGA.
    package, speed : str
        As nextpnr calls them; the order code says it all for Gowin.
    oscillator : int
        Hz.
    clock, rx, tx : Pin
        `rx` is an input of the FPGA, `tx` an output.
    led, activity : Pin
        Lights: one while the design runs, one while it computes.
    button : Pin
        Resets it.
    high : tuple of Pin
        Outputs that must be high.
    bauds : tuple of int
        Rates that the serial chip reaches, the best one first.
    capacity : int
        Bytes of requests that wait in block RAM: enough to keep the link busy while USB answers, or what there is.
    first_clock : int
        Hz of the accelerator to aim at before anything is routed.
    loader : str
        What openFPGALoader calls it.
    sdram : BoardSdram or None
        Its memory for streamed weights; designs without these leave it alone.
    """

    name: str
    title: str
    part_name: str
    device: str
    package: str = ""
    speed: str = ""
    oscillator: int
    clock: Pin
    rx: Pin
    tx: Pin
    led: Pin
    activity: Pin
    button: Pin
    high: tuple[Pin, ...] = ()
    bauds: tuple[int, ...]
    capacity: int
    first_clock: int
    loader: str
    sdram: BoardSdram | None = None

    @property
    def part(self) -> FpgaPart:
        """What its FPGA holds."""
        return PARTS[self.part_name]

    @property
    def family(self) -> str:
        """Of its FPGA."""
        return self.part.family

    @property
    def pins(self) -> dict[str, Pin]:
        """Pins by the name of the port of `boards.top.Top`."""
        pins = {
            "clk": self.clock, "rx": self.rx, "tx": self.tx, "led": self.led, "activity": self.activity,
            "button": self.button,
        }  # fmt: skip
        return pins | {f"high{index}": pin for index, pin in enumerate(self.high)}

    def all_pins(self, *, sdram: bool) -> dict[str, Pin]:
        """The same, and those of its SDRAM chip where a design has them."""
        return self.pins | (self.sdram.pins if sdram and self.sdram else {})


# 12 Mbaud and 3 Mbaud divided by small numbers; all FTDI chips below and the BL702 make these exactly.
_BAUDS = (3_000_000, 2_000_000, 1_000_000)

_BOARDS = (
    Board(
        # Pins: constraint file ulx3s_v20.lpf of github.com/emard/ulx3s. FT231X: FTDI DS_FT231X, 300 baud to 3 Mbaud.
        name="ulx3s_85f",
        title="Radiona ULX3S-85F",
        part_name="ecp5-85k",
        device="LFE5U-85F-6BG381C",
        package="CABGA381",
        speed="6",
        oscillator=25_000_000,
        clock=Pin(place="G2"),
        rx=Pin(place="M1", pull="up"),
        tx=Pin(place="L4"),
        led=Pin(place="B2"),
        activity=Pin(place="C2"),
        button=Pin(place="R1", pull="down"),
        # GPIO0 of the ESP32 beside it, which may take over the board when that is low.
        high=(Pin(place="L2", pull="up"),),
        bauds=_BAUDS,
        capacity=16_384,
        first_clock=150_000_000,
        loader="ulx3s",
        # The same file, section SDRAM.
        sdram=BoardSdram(
            part_name="ulx3s-32mb",
            clk="F19",
            places={
                "cke": ("F20",),
                "cs_n": ("P20",),
                "ras_n": ("R20",),
                "cas_n": ("T19",),
                "we_n": ("T20",),
                "ba": ("P19", "N20"),
                "a": (
                    "M20",
                    "M19",
                    "L20",
                    "L19",
                    "K20",
                    "K19",
                    "K18",
                    "J20",
                    "J19",
                    "H20",
                    "N19",
                    "G20",
                    "G19",
                ),
                "dqm": ("U19", "E20"),
                "dq": (
                    "J16",
                    "L18",
                    "M18",
                    "N18",
                    "P18",
                    "T18",
                    "T17",
                    "U20",
                    "E19",
                    "D20",
                    "D19",
                    "C20",
                    "E18",
                    "F18",
                    "J18",
                    "J17",
                ),
            },
        ),
    ),
    Board(
        # Pins: icebreaker.pcf of github.com/icebreaker-fpga/icebreaker-examples. FT2232H: FTDI DS_FT2232H, 183 baud
        # to 12 Mbaud; more than 3 leaves too few clock cycles for a bit.
        name="icebreaker",
        title="1BitSquared iCEBreaker",
        part_name="ice40-up5k",
        device="iCE40UP5K-SG48",
        package="sg48",
        oscillator=12_000_000,
        clock=Pin(place="35"),
        rx=Pin(place="6", pull="up"),
        tx=Pin(place="9"),
        led=Pin(place="37", inverted=True),
        activity=Pin(place="11", inverted=True),
        button=Pin(place="10", inverted=True, pull="up"),
        bauds=_BAUDS,
        capacity=1_024,
        first_clock=42_000_000,
        loader="ice40_generic",
    ),
    Board(
        # Pins: wiki.sipeed.com, Tang Nano 9K schematic; LEDs and buttons are in a bank of 1.8 V. BL702: clean at
        # 3 Mbaud, github.com/sipeed/TangNano-9K-example issue 7.
        name="tangnano9k",
        title="Sipeed Tang Nano 9K",
        part_name="gw1n-9",
        device="GW1NR-LV9QN88PC6/I5",
        oscillator=27_000_000,
        clock=Pin(place="52"),
        rx=Pin(place="18", pull="up"),
        tx=Pin(place="17"),
        led=Pin(place="10", inverted=True, volts="18"),
        activity=Pin(place="11", inverted=True, volts="18"),
        # The other button is on a pin that also tells whether JTAG pins are pins for JTAG.
        button=Pin(place="3", inverted=True, pull="up", volts="18"),
        bauds=_BAUDS,
        capacity=4_096,
        first_clock=108_000_000,
        loader="tangnano9k",
    ),
)

#: By name.
BOARDS: dict[str, Board] = {board.name: board for board in _BOARDS}
