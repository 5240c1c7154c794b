"""Boards: the same pins as another collection has, which others have used."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Shape
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.tang_nano_9k import TangNano9kPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform
from bitweir_hw.boards import BOARDS, Board
from bitweir_hw.offchip.sdram import sdram_pins
from bitweir_hw.parts import PARTS

PLATFORMS = {"icebreaker": ICEBreakerPlatform, "tangnano9k": TangNano9kPlatform, "ulx3s_85f": ULX3S_85F_Platform}
#: Which LED, and which button: (resource, number, inverted).
LEDS = {"icebreaker": [("led_g", 0), ("led_r", 0)], "tangnano9k": [("led", 0), ("led", 1)]}
BUTTONS = {"icebreaker": ("button", 0), "tangnano9k": ("button", 0), "ulx3s_85f": ("button_fire", 0)}


def found(board: Board) -> dict[str, tuple[str, bool]]:
    """Place, and whether active when low, of each port."""
    resources = {(resource.name, resource.number): resource for resource in PLATFORMS[board.name].resources}

    def pins(io: Any) -> tuple[str, bool]:
        (name,) = io.names
        return name, io.invert

    uart = {signal.name: signal.ios[0] for signal in resources["uart", 0].ios}
    led, activity = LEDS.get(board.name, [("led", 0), ("led", 1)])
    return {
        "clk": pins(resources[PLATFORMS[board.name].default_clk, 0].ios[0]),
        "rx": pins(uart["rx"]),
        "tx": pins(uart["tx"]),
        "led": pins(resources[led].ios[0]),
        "activity": pins(resources[activity].ios[0]),
        "button": pins(resources[BUTTONS[board.name]].ios[0]),
    }


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_pins_are_those_of_amaranth_boards(board: Board) -> None:
    ours = {port: (pin.place, pin.inverted) for port, pin in board.pins.items() if not port.startswith("high")}
    assert ours == found(board)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_clock_and_part_are_those_of_amaranth_boards(board: Board) -> None:
    platform = PLATFORMS[board.name]
    (clock,) = [resource for resource in platform.resources if resource.name == platform.default_clk]
    assert clock.clock.frequency == board.oscillator
    assert board.part is PARTS[board.part_name]
    if board.family == "gowin":
        assert board.device == platform.part
    else:
        assert platform.device.replace("-", "").lower() in board.device.replace("-", "").lower()
        assert platform.package.lower() in board.device.lower()


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


def test_bauds_are_the_best_first() -> None:
    for board in BOARDS.values():
        assert list(board.bauds) == sorted(board.bauds, reverse=True) and board.bauds[0] >= 1_000_000
