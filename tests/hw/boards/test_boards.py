"""Boards: the same pins as another collection has, which others have used."""

from __future__ import annotations

import re

import pytest
from amaranth.hdl import Shape
from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform
from amaranth_boards.ecpix5 import ECPIX545Platform, ECPIX585Platform
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform
from amaranth_boards.tang_nano_9k import TangNano9kPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform
from amaranth_boards.upduino_v3 import UpduinoV3Platform
from bitweir_hw.boards import BOARDS, Board
from bitweir_hw.offchip.sdram import sdram_pins
from bitweir_hw.parts import PARTS

PLATFORMS = {
    "colorlight_5a75b": Colorlight_5A75B_R70Platform, "ecpix5_45": ECPIX545Platform, "ecpix5_85": ECPIX585Platform,
    "hx8k_breakout": ICE40HX8KBEVNPlatform, "icebreaker": ICEBreakerPlatform,
    "orangecrab_r0_2": OrangeCrabR0_2_25FPlatform, "tangnano9k": TangNano9kPlatform, "ulx3s_85f": ULX3S_85F_Platform,
    "upduino_v3": UpduinoV3Platform,
}  # fmt: skip
#: The collection does not have them.
OTHERS = {"colorlight_i5", "tangnano20k"}
COLLECTED = {name: BOARDS[name] for name in PLATFORMS}
#: Resources, or places on connectors, of the ports: (resource, number[, signal of it]) or (connector, number, pin).
#: Those that are not named here are `USUAL`.
USUAL = {
    "rx": ("uart", 0, "rx"), "tx": ("uart", 0, "tx"), "led": ("led", 0), "activity": ("led", 1),
}  # fmt: skip
OWN = {
    "colorlight_5a75b": {},
    "ecpix5_45": {"led": ("rgb_led", 0, "g"), "activity": ("rgb_led", 1, "r"), "button": ("rst", 0)},
    "ecpix5_85": {"led": ("rgb_led", 0, "g"), "activity": ("rgb_led", 1, "r"), "button": ("rst", 0)},
    "hx8k_breakout": {},
    "icebreaker": {"led": ("led_g", 0), "activity": ("led_r", 0), "button": ("button", 0)},
    "orangecrab_r0_2": {
        "rx": ("io", 0, "0"), "tx": ("io", 0, "1"), "led": ("rgb_led", 0, "g"), "activity": ("rgb_led", 0, "r"),
    },
    "tangnano9k": {"button": ("button", 0)},
    "ulx3s_85f": {"button": ("button_fire", 0)},
    # The serial lines are those of the flash memory, turned round: what it reads the FPGA writes.
    "upduino_v3": {
        "clk": ("clk12", 0), "rx": ("spi_flash_1x", 0, "clk"), "tx": ("spi_flash_1x", 0, "copi"),
        "led": ("rgb_led", 0, "g"), "activity": ("rgb_led", 0, "r"),
    },
}  # fmt: skip


def theirs(board: Board, port: str) -> tuple[str, bool]:
    """Place, and whether active when low, of a port."""
    platform = PLATFORMS[board.name]
    named = {"clk": (platform.default_clk, 0)} | USUAL | OWN[board.name]
    name, number, *rest = named[port]
    resources = {(resource.name, resource.number): resource for resource in platform.resources}
    for connector in platform.connectors:
        if (connector.name, connector.number) == (name, number):
            return connector.mapping[rest[0]], False
    ios = resources[name, number].ios
    io = next(signal.ios[0] for signal in ios if signal.name == rest[0]) if rest else ios[0]
    (place,) = io.names
    return place, io.invert


def test_all_boards_are_compared() -> None:
    assert set(BOARDS) == set(PLATFORMS) | OTHERS


@pytest.mark.parametrize("board", COLLECTED.values(), ids=COLLECTED)
def test_pins_are_those_of_amaranth_boards(board: Board) -> None:
    ours = {port: (pin.place, pin.inverted) for port, pin in board.pins.items() if not port.startswith("high")}
    assert ours == {port: theirs(board, port) for port in ours} and set(ours) >= {"clk", "rx", "tx"}


def test_boards_that_are_not_collected_have_the_pins_of_their_sources() -> None:
    """Written down once more, from the files that `Board.source` names."""
    pins = {name: {port: pin.place for port, pin in BOARDS[name].pins.items()} for name in sorted(OTHERS)}
    assert pins == {
        "colorlight_i5": {"clk": "P3", "rx": "H18", "tx": "J17", "led": "U16", "button": "K18"},
        "tangnano20k": {"clk": "4", "rx": "70", "tx": "69", "led": "15", "activity": "16"},
    }
    assert all(pin.inverted for name in OTHERS for port, pin in BOARDS[name].pins.items() if port in ("led", "button"))


@pytest.mark.parametrize("board", COLLECTED.values(), ids=COLLECTED)
def test_clock_and_part_are_those_of_amaranth_boards(board: Board) -> None:
    platform = PLATFORMS[board.name]
    name = OWN[board.name].get("clk", (platform.default_clk, 0))[0]
    (clock,) = [resource for resource in platform.resources if resource.name == name]
    assert clock.clock.frequency == board.oscillator
    assert board.part is PARTS[board.part_name]
    if board.family == "gowin":
        assert board.device == platform.part
    else:
        assert platform.device.replace("-", "").lower() in board.device.replace("-", "").lower()
        assert platform.package.lower() in board.device.lower()
    if board.family == "ecp5":
        assert board.grade == platform.speed and f"-{board.grade}{platform.package}" in board.device


def test_what_nextpnr_calls_a_chip_follows_from_its_order_code() -> None:
    """Lattice's codes of packages are the ends of Project Trellis' names: BG381 is CABGA381, MG285 is CSFBGA285."""
    for board in BOARDS.values():
        if board.family == "ecp5":
            kind, size, package = re.fullmatch(r"LFE5(UM5G|UM|U)-(\d\d)F-\d[BM]G(\d+)[CI]", board.device).groups()
            assert board.variant == ("" if kind == "U" else f"{kind.lower()}-") + f"{size}k"
            assert board.package.endswith(package)
        elif board.family == "ice40":
            assert board.device.lower() == f"ice40{board.variant}-{board.package}"


def test_pins_of_the_sdram_are_those_of_amaranth_boards() -> None:
    board = BOARDS["ulx3s_85f"]
    assert [name for name, other in BOARDS.items() if other.sdram] == ["ulx3s_85f"]
    assert board.sdram
    (chip,) = [resource for resource in ULX3S_85F_Platform.resources if resource.name == "sdram"]
    theirs = {signal.name: tuple(signal.ios[0].names) for signal in chip.ios if hasattr(signal.ios[0], "names")}
    names = {"cke": "clk_en", "cs_n": "cs", "ras_n": "ras", "cas_n": "cas", "we_n": "we"}
    ours = {names.get(name, name): places for name, places in board.sdram.places.items()}
    assert ours | {"clk": (board.sdram.clk,)} == theirs
    # As wide as the controller's pins.
    members = sdram_pins(board.sdram.part).members.items()
    widths = {name: Shape.cast(member.shape).width for name, member in members if name[:2] != "dq"}
    assert {name: len(places) for name, places in board.sdram.places.items()} == widths | {"dqm": 2, "dq": 16}
    assert len(board.sdram.pins) == 1 + sum(map(len, board.sdram.places.values())) == 39


def test_no_pin_is_used_twice() -> None:
    for board in BOARDS.values():
        places = [pin.place for pin in board.all_pins(sdram=True).values()]
        assert len(places) == len(set(places))
