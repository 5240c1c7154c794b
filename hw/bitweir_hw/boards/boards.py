"""Boards: their FPGA, the oscillator, and the pins that an accelerator with its link needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import PlanError
from ..link.spi import highest_rate
from ..offchip import SDRAM_PARTS, SdramPart
from ..parts import BLOCK_RAM, ROUTED, FpgaPart
from .pll import LIMITS, PLL_CORE, Pll, highest, works_with

__all__ = ["IO_STANDARDS", "PULLS", "Board", "BoardSdram", "BoardSpi", "Pin"]

#: I/O standards of pins, by family. Where there is one, constraints name none: the supply of the bank decides.
IO_STANDARDS = {
    "ecp5": ("LVCMOS33", "LVCMOS25", "LVCMOS18", "LVCMOS15", "LVCMOS12"),
    "ice40": ("LVCMOS33",),
    "gowin": ("LVCMOS33", "LVCMOS25", "LVCMOS18", "LVCMOS15", "LVCMOS12"),
}
#: Resistors inside the FPGA at a pin, by family.
PULLS = {"ecp5": ("none", "up", "down"), "ice40": ("none", "up"), "gowin": ("none", "up", "down")}
#: Hz to aim at first, by `FpgaPart.speed`: what a design with its link usually reaches.
_FIRST_CLOCK = {"ecp5": 150_000_000, "hx": 96_000_000, "up": 42_000_000, "gw1n": 108_000_000, "gw2a": 162_000_000}

_NAME, _CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}"), re.compile(r"[A-Za-z0-9][A-Za-z0-9/_-]{0,39}")
_PLACE, _LOADER = re.compile(r"[A-Z]{0,2}[0-9]{1,3}"), re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
#: Hz of an oscillator, and bits a second of a link, lowest and highest.
_OSCILLATOR, _BAUD = (1_000_000, 400_000_000), (1_200, 12_000_000)
#: Cycles of the oscillator that a bit of the link lasts at least; see `link.uart`.
_BIT_CYCLES = 4
#: Bytes of requests that wait: lowest and highest, and what is taken of all block RAM unless told.
_CAPACITY, _SHARE, _MOST_SHARE = (256, 65_536), 0.08, 16_384
_MOST_HIGH = 16
#: Lowest rate of SCK, in Hz.
_SLOWEST_SCK = 10_000
#: Ports that may be inverted: lights and buttons. The levels of the others are those of their protocols.
_INVERTIBLE = ("led", "activity", "button")


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
    io_standard : str
        One of `IO_STANDARDS` of the family.
    fast : bool
        Whether its output has steep edges.
    """

    place: str
    inverted: bool = False
    pull: str = "none"
    io_standard: str = "LVCMOS33"
    fast: bool = False


@dataclass(frozen=True, kw_only=True)
class BoardSpi:
    """Pins of an SPI peripheral, by the names of the Open Source Hardware Association.

    Parameters
    ----------
    sck, copi, cs : Pin
        Inputs of the FPGA: the clock, data from the controller, and the select, which is active when low.
    cipo : Pin
        Data to the controller; driven while CS is low.
    rate : int
        Hz of SCK, at most: see `link.spi.highest_rate` of the oscillator.
    """

    sck: Pin
    copi: Pin
    cipo: Pin
    cs: Pin
    rate: int

    @property
    def pins(self) -> dict[str, Pin]:
        """Pins by the name of the port of `boards.top.Top`."""
        return {"sck": self.sck, "copi": self.copi, "cipo": self.cipo, "cs": self.cs}


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
        As the command line calls it: up to 40 lower-case letters, digits, hyphens and underscores.
    title : str
        What its maker calls it.
    part : FpgaPart
        A part of which nextpnr knows something.
    device : str
        Order code of the FPGA.
    variant : str
        One of ``part.nextpnr.devices``; the first if empty.
    package, grade : str
        As nextpnr calls them, one of ``part.nextpnr.packages`` and ``grades``; the order code says it all for Gowin.
    oscillator : int
        Hz.
    pll : bool
        Whether the accelerator has a clock from a PLL; else it has that of the oscillator.
    clock : Pin
        At the oscillator.
    rx, tx : Pin or None
        Of a UART: `rx` is an input of the FPGA, `tx` an output.
    led, activity : Pin or None
        Lights: one while the design runs, one while it computes.
    button : Pin or None
        Resets it.
    high : tuple of Pin
        Outputs that must be high.
    baud : int
        Bits a second of the UART: what the serial chip reaches, and at most a quarter of the oscillator. 0 without one.
    spi : BoardSpi or None
        SPI in place of the UART. With neither, there is no link: a design can be planned and not built.
    capacity : int
        Bytes of requests that wait in block RAM, a power of two: enough to keep the link busy while USB answers, or
        what there is. 0: 8 % of the block RAM, from 1,024 to 16,384.
    first_clock : int
        Hz of the accelerator to aim at before anything is routed; 0: what is usual for the part, or the oscillator.
    loader : str
        What openFPGALoader calls it; empty where it does not know it.
    source : str
        Where the pins are from.
    sdram : BoardSdram or None
        Its memory for streamed weights; designs without these leave it alone.

    Raises
    ------
    PlanError
        A field is not possible; the text says what would be.
    """

    name: str
    title: str
    part: FpgaPart
    device: str
    variant: str = ""
    package: str = ""
    grade: str = ""
    oscillator: int
    pll: bool = True
    clock: Pin
    rx: Pin | None = None
    tx: Pin | None = None
    led: Pin | None = None
    activity: Pin | None = None
    button: Pin | None = None
    high: tuple[Pin, ...] = ()
    baud: int = 0
    spi: BoardSpi | None = None
    capacity: int = 0
    first_clock: int = 0
    loader: str = ""
    source: str = ""
    sdram: BoardSdram | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PlanError(
                "The name of a board must be 1 to 40 lower-case letters, digits, hyphens and underscores, not "
                f"{self.name!r}."
            )
        self._check_types()
        self._check_chip()
        self._check_numbers()
        self._check_pins()
        for what, text in (("title", self.title), ("source", self.source)):
            if len(text) > 200 or not text.isprintable() or (what == "title" and not text):
                raise PlanError(f"The {what} of board {self.name} must be one line of at most 200 characters.")
        if self.loader and not _LOADER.fullmatch(self.loader):
            raise PlanError(
                f"The loader of board {self.name} must be a name of a board of openFPGALoader, not {self.loader!r}."
            )

    def _check_types(self) -> None:
        for what in ("title", "device", "variant", "package", "grade", "loader", "source"):
            if not isinstance(getattr(self, what), str):
                raise PlanError(f"The {what} of board {self.name} must be a text, not {getattr(self, what)!r:.60}.")
        if not isinstance(self.part, FpgaPart) or type(self.pll) is not bool:
            raise PlanError(f"Board {self.name} must have an FpgaPart as its part, and pll True or False.")
        if not isinstance(self.spi, BoardSpi | None):
            raise PlanError(f"The spi of board {self.name} must be a BoardSpi, not {self.spi!r:.60}.")
        if not all(isinstance(pin, Pin) for pin in self.pins.values()):
            raise PlanError(f"Each pin of board {self.name} must be a Pin.")

    def _check_chip(self) -> None:
        """Whether nextpnr knows the chip, as far as that is known of the part."""
        known = self.part.nextpnr
        if known is None:
            raise PlanError(
                f"Nothing is known of how nextpnr calls part {self.part.name}, and so it cannot be on a board: a part "
                f"of {_choice(ROUTED)} may have a table nextpnr."
            )
        if not self.variant:
            object.__setattr__(self, "variant", known.devices[0])
        self._one_of("variant", self.variant, known.devices)
        if not _CODE.fullmatch(self.device):
            raise PlanError(f"The device of board {self.name} must be an order code, not {self.device!r}.")
        self._one_of("package", self.package, known.packages or ("",))
        self._one_of("grade", self.grade, known.grades or ("",))

    def _one_of(self, what: str, value: str, known: Iterable[str]) -> None:
        known = tuple(known)
        if value not in known:
            legal = "left out" if known == ("",) else f"one of {', '.join(known)}" if known[1:] else known[0]
            raise PlanError(
                f"The {what} of board {self.name} with part {self.part.name} must be {legal}, not {value!r}."
            )

    def _check_numbers(self) -> None:
        _within(f"The oscillator of board {self.name}", self.oscillator, _OSCILLATOR, "Hz")
        self._check_link()
        if self.pll and not works_with(self.part.speed, self.oscillator):
            limits = LIMITS[self.part.speed]
            raise PlanError(
                f"The {limits.cell} of {self.part.name} takes {limits.reference[0] / 1e6:g} MHz or more, and the "
                f"oscillator of board {self.name} makes {self.oscillator / 1e6:g}: let it have no PLL (pll = false)."
            )
        if self.capacity == 0:
            whole = self.part.block_rams * BLOCK_RAM[self.part.family].bits // 8
            size = 1 << max(int(_SHARE * whole), 1).bit_length() - 1
            object.__setattr__(self, "capacity", min(max(size, 1_024), _MOST_SHARE))
        _within(f"The capacity of board {self.name}", self.capacity, _CAPACITY, "bytes")
        if self.capacity & self.capacity - 1:
            raise PlanError(
                f"The capacity of board {self.name} must be a power of two, as {1 << self.capacity.bit_length() - 1:,} "
                f"bytes, not {self.capacity:,}."
            )
        if self.first_clock == 0:
            clock = _FIRST_CLOCK[self.part.speed] if self.pll else self.oscillator
            object.__setattr__(self, "first_clock", clock)
        _within(f"The first clock of board {self.name}", self.first_clock, (1_000_000, 1_000_000_000), "Hz")

    def _check_link(self) -> None:
        uart = (self.rx is not None, self.tx is not None, self.baud != 0)
        if any(uart) and (self.spi or not all(uart)):
            raise PlanError(
                f"The link of board {self.name} must be a UART, with rx, tx and baud, or SPI, with spi and none of "
                "these, or none at all."
            )
        if self.spi:
            limits, of = (
                (_SLOWEST_SCK, highest_rate(self.oscillator)),
                "for the clock of its oscillator, which the link has",
            )
            _within(f"The rate of SCK of board {self.name}", self.spi.rate, limits, f"Hz ({of})")
        elif any(uart):
            low, high = _BAUD[0], min(_BAUD[1], self.oscillator // _BIT_CYCLES)
            of = " (a quarter of its oscillator, whose clock the link has)" if high < _BAUD[1] else ""
            _within(f"The baud rate of board {self.name}", self.baud, (low, high), f"bits/s{of}")

    def _check_pins(self) -> None:
        if len(self.high) > _MOST_HIGH:
            raise PlanError(
                f"Board {self.name} may have at most {_MOST_HIGH} pins that are high, not {len(self.high)}."
            )
        taken: dict[str, str] = {}
        for port, pin in self.all_pins(sdram=True).items():
            if not _PLACE.fullmatch(pin.place):
                raise PlanError(
                    f"Pin {port} of board {self.name} must be at a place of the package, as A12 or 35, not "
                    f"{pin.place!r:.60}."
                )
            if pin.place in taken:
                raise PlanError(f"Pins {taken[pin.place]} and {port} of board {self.name} are both at {pin.place!r}.")
            taken[pin.place] = port
            if pin.inverted and port not in _INVERTIBLE:
                raise PlanError(f"Pin {port} of board {self.name} cannot be inverted: {_choice(_INVERTIBLE)} can.")
            for what, value, known in (
                ("pull", pin.pull, PULLS[self.family]),
                ("io_standard", pin.io_standard, IO_STANDARDS[self.family]),
            ):
                if value not in known:
                    raise PlanError(
                        f"The {what} of pin {port} of board {self.name} must be {_choice(known)}, as {self.family} has "
                        f"no other, not {value!r}."
                    )

    @property
    def part_name(self) -> str:
        """Of its part."""
        return self.part.name

    @property
    def family(self) -> str:
        """Of its FPGA."""
        return self.part.family

    @property
    def pll_pad(self) -> bool:
        """Whether the oscillator is at the pin of an iCE40's PLL, and reaches other logic through that alone."""
        return f"{self.package}:{self.clock.place}" in (self.part.nextpnr.pll_pads if self.part.nextpnr else ())

    @property
    def pll_cell(self) -> str:
        """The cell that makes the clock of the accelerator; empty where the oscillator does."""
        if not self.pll:
            return ""
        return PLL_CORE if self.family == "ice40" and not self.pll_pad else LIMITS[self.part.speed].cell

    @property
    def chip(self) -> str:
        """The chip as Gowin's PLL is told of it: GW2AR-18C, of an order code GW2AR-LV18... and a variant GW2A-18C."""
        return f"{self.device.partition('-')[0]}-{self.variant.partition('-')[2]}"

    @property
    def has_link(self) -> bool:
        """Whether it has a UART or SPI."""
        return self.bit_rate > 0

    @property
    def bit_rate(self) -> int:
        """Bits a second on a wire of the link: the baud rate of a UART, the rate of SCK of SPI; 0 without a link."""
        return self.spi.rate if self.spi else self.baud

    @property
    def byte_rate(self) -> float:
        """Bytes a second that the link carries each way: 10 bits each on a UART, 8 on SPI."""
        return self.bit_rate / (8 if self.spi else 10)

    @property
    def pins(self) -> dict[str, Pin]:
        """Pins by the name of the port of `boards.top.Top`."""
        pins = {
            "clk": self.clock, "rx": self.rx, "tx": self.tx, "led": self.led, "activity": self.activity,
            "button": self.button, **(self.spi.pins if self.spi else {}),
        }  # fmt: skip
        high = {f"high{index}": pin for index, pin in enumerate(self.high)}
        return {port: pin for port, pin in pins.items() if pin} | high

    def all_pins(self, *, sdram: bool) -> dict[str, Pin]:
        """The same, and those of its SDRAM chip where a design has them."""
        return self.pins | (self.sdram.pins if sdram and self.sdram else {})

    def fastest(self, limit: float) -> Pll | None:
        """What makes the fastest clock of the accelerator that is not above a limit in Hz; None: the oscillator is it.

        Raises
        ------
        PlanError
            Nothing is so slow.
        """
        if self.pll:
            return highest(self.part.speed, self.oscillator, limit)
        if self.oscillator > limit:
            raise PlanError(
                f"{self.title} has no PLL, and an oscillator of {self.oscillator / 1e6:g} MHz; {limit / 1e6:.4g} MHz "
                "cannot be had."
            )
        return None


def _choice(known: Iterable[str]) -> str:
    *others, last = known
    return f"{', '.join(others)} or {last}" if others else last


def _within(what: str, value: int, limits: tuple[int, int], unit: str) -> None:
    """Refuse a number that is no integer between two."""
    low, high = limits
    if type(value) is not int or not low <= value <= high:
        told = f"{value:,}" if type(value) is int and abs(value) < 1e15 else repr(value)[:40]
        raise PlanError(f"{what} must be {low:,} to {high:,} {unit}, not {told}.")
