"""The boards that are known by name, with where their pins are from."""

from __future__ import annotations

from ..errors import PlanError
from ..parts import PARTS
from .boards import Board, BoardSdram, Pin

__all__ = ["BOARDS", "board_of"]

#: Bits a second that all FTDI chips below and the BL702 make exactly.
_FAST = 3_000_000
#: What serial bridges of which nothing more is known were used with.
_SAFE = 115_200

_BOARDS = (
    Board(
        # FT231X: FTDI DS_FT231X, 300 baud to 3 Mbaud.
        name="ulx3s_85f",
        source="ulx3s_v20.lpf of github.com/emard/ulx3s",
        title="Radiona ULX3S-85F",
        part=PARTS["ecp5-85k"],
        device="LFE5U-85F-6BG381C",
        package="CABGA381",
        grade="6",
        oscillator=25_000_000,
        clock=Pin(place="G2"),
        rx=Pin(place="M1", pull="up"),
        tx=Pin(place="L4"),
        led=Pin(place="B2"),
        activity=Pin(place="C2"),
        button=Pin(place="R1", pull="down"),
        # GPIO0 of the ESP32 beside it, which may take over the board when that is low.
        high=(Pin(place="L2", pull="up"),),
        baud=_FAST,
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
        # FT2232H: FTDI DS_FT2232H, 183 baud to 12 Mbaud; more than 3 leaves too few clock cycles for a bit.
        name="icebreaker",
        source="icebreaker.pcf of github.com/icebreaker-fpga/icebreaker-examples",
        title="1BitSquared iCEBreaker",
        part=PARTS["ice40-up5k"],
        device="iCE40UP5K-SG48",
        package="sg48",
        oscillator=12_000_000,
        clock=Pin(place="35"),
        rx=Pin(place="6", pull="up"),
        tx=Pin(place="9"),
        led=Pin(place="37", inverted=True),
        activity=Pin(place="11", inverted=True),
        button=Pin(place="10", inverted=True, pull="up"),
        baud=_FAST,
        loader="ice40_generic",
    ),
    Board(
        # LEDs and buttons are in a bank of 1.8 V. BL702: clean at 3 Mbaud, as users report in
        # https://github.com/sipeed/TangNano-9K-example/issues/7
        name="tangnano9k",
        source="Tang Nano 9K schematic, wiki.sipeed.com",
        title="Sipeed Tang Nano 9K",
        part=PARTS["gw1n-9"],
        device="GW1NR-LV9QN88PC6/I5",
        oscillator=27_000_000,
        clock=Pin(place="52"),
        rx=Pin(place="18", pull="up"),
        tx=Pin(place="17"),
        led=Pin(place="10", inverted=True, io_standard="LVCMOS18"),
        activity=Pin(place="11", inverted=True, io_standard="LVCMOS18"),
        # The other button is on a pin that also tells whether JTAG pins are pins for JTAG.
        button=Pin(place="3", inverted=True, pull="up", io_standard="LVCMOS18"),
        baud=_FAST,
        loader="tangnano9k",
    ),
    Board(
        # The one rgb LED lights green and red. The USB connector leads to pins of the FPGA, so a serial adapter is
        # needed at the header: its pins 0 (rx) and 1 (tx). The button is in the bank of the DDR3 memory.
        name="orangecrab_r0_2",
        title="Greg Davill OrangeCrab r0.2, 25F",
        source="amaranth-boards 0.0.21, orangecrab_r0_2.py; serial: pins 0 and 1 of the header, as of Feather boards",
        part=PARTS["ecp5-25k"],
        device="LFE5U-25F-8MG285C",
        package="CSFBGA285",
        grade="8",
        oscillator=48_000_000,
        clock=Pin(place="A9"),
        rx=Pin(place="N17", pull="up"),
        tx=Pin(place="M18"),
        led=Pin(place="M3", inverted=True),
        activity=Pin(place="K4", inverted=True),
        baud=_FAST,
        loader="orangeCrab",
    ),
    Board(
        # A LED controller: serial lines are those of its only LED and its button, at connector J19.
        name="colorlight_5a75b",
        title="Colorlight 5A-75B, version 7.0",
        source="amaranth-boards 0.0.21, colorlight_5a75b_r7_0.py",
        part=PARTS["ecp5-25k"],
        device="LFE5U-25F-6BG256C",
        package="CABGA256",
        grade="6",
        oscillator=25_000_000,
        clock=Pin(place="P6"),
        rx=Pin(place="M13", pull="up"),
        tx=Pin(place="P11"),
        baud=_SAFE,
        loader="colorlight",
    ),
    Board(
        name="colorlight_i5",
        title="Colorlight i5, version 7.0, with the extension board",
        source="github.com/wuxx/Colorlight-FPGA-Projects, and colorlight_i5.py of github.com/litex-hub/litex-boards",
        part=PARTS["ecp5-25k"],
        device="LFE5U-25F-6BG381C",
        package="CABGA381",
        grade="6",
        oscillator=25_000_000,
        clock=Pin(place="P3"),
        rx=Pin(place="H18", pull="up"),
        tx=Pin(place="J17"),
        led=Pin(place="U16", inverted=True),
        button=Pin(place="K18", inverted=True, pull="up"),
        baud=_SAFE,
        loader="colorlight-i5",
    ),
    *(
        Board(
            name=f"ecpix5_{size}",
            title=f"LambdaConcept ECPIX-5 {size}F",
            source="amaranth-boards 0.0.21, ecpix5.py",
            part=PARTS[f"ecp5-{size}k"],
            device=f"LFE5UM5G-{size}F-8BG554I",
            variant=f"um5g-{size}k",
            package="CABGA554",
            grade="8",
            oscillator=100_000_000,
            clock=Pin(place="K23"),
            rx=Pin(place="R26", pull="up"),
            tx=Pin(place="R24"),
            led=Pin(place="R21", inverted=True),
            activity=Pin(place="U21", inverted=True),
            button=Pin(place="AB1", inverted=True, pull="up"),
            baud=_FAST,
            loader="ecpix5",
        )
        for size in (45, 85)
    ),
    Board(
        name="hx8k_breakout",
        title="Lattice iCE40-HX8K Breakout Board",
        source="amaranth-boards 0.0.21, ice40_hx8k_b_evn.py",
        part=PARTS["ice40-hx8k"],
        device="iCE40HX8K-CT256",
        package="ct256",
        oscillator=12_000_000,
        clock=Pin(place="J3"),
        rx=Pin(place="B10", pull="up"),
        tx=Pin(place="B12"),
        led=Pin(place="C3"),
        activity=Pin(place="B3"),
        baud=_FAST,
        loader="ice40_generic",
    ),
    Board(
        # The oscillator is at pin 20 only if jumper R16 (OSC) is closed. Serial lines are those of the flash memory,
        # which pin 16 keeps silent.
        name="upduino_v3",
        title="tinyVision UPduino v3",
        source="RTL/common/upduino.pcf of github.com/tinyvision-ai-inc/UPduino-v3.0",
        part=PARTS["ice40-up5k"],
        device="iCE40UP5K-SG48",
        package="sg48",
        oscillator=12_000_000,
        clock=Pin(place="20"),
        rx=Pin(place="15", pull="up"),
        tx=Pin(place="14"),
        led=Pin(place="39", inverted=True),
        activity=Pin(place="41", inverted=True),
        high=(Pin(place="16"),),
        baud=_FAST,
    ),
    Board(
        # Its buttons are at pins that also choose how it is configured.
        name="tangnano20k",
        title="Sipeed Tang Nano 20K",
        source="sipeed_tang_nano_20k.py of github.com/litex-hub/litex-boards",
        part=PARTS["gw2a-18"],
        device="GW2AR-LV18QN88C8/I7",
        oscillator=27_000_000,
        clock=Pin(place="4"),
        rx=Pin(place="70", pull="up"),
        tx=Pin(place="69"),
        led=Pin(place="15", inverted=True),
        activity=Pin(place="16", inverted=True),
        baud=_SAFE,
        loader="tangnano20k",
    ),
)

#: By name.
BOARDS: dict[str, Board] = {board.name: board for board in _BOARDS}


def board_of(board: Board | str) -> Board:
    """A board, or the listed one of a name.

    Raises
    ------
    PlanError
        No listed board has the name.
    """
    if isinstance(board, Board):
        return board
    if board not in BOARDS:
        raise PlanError(f"The board must be one of {', '.join(sorted(BOARDS))}, not {board!r}.")
    return BOARDS[board]
