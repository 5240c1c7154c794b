"""Boards: the listed ones, and one's own from a file, for which everything works as for a listed one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import bitweir
import msgspec
import pytest
from bitweir.bitstreams import bitstream, build
from bitweir.bitstreams.bitstream import MANIFEST
from bitweir.bitstreams.program import program, read_manifest
from bitweir.board_list import board_toml, boards_schema, find_board, list_boards, read_board
from bitweir.cli import main
from bitweir.client.simulated import BAUD, CLOCK, rates
from bitweir.design import DesignFolder
from bitweir.planning import PlanRequest, choose
from bitweir.planning.limits import board_limits, part_limits
from bitweir.report.routed import routed
from bitweir.synthesis.nextpnr import constraints, device, missing
from bitweir.synthesis.pins import check_pins
from bitweir.target import TARGET_FILE, Target, load_target, target_text
from bitweir_hw.boards import BOARDS, Board, BoardSpi, Pin
from bitweir_hw.errors import FileError, PlanError, ToolError
from bitweir_hw.files import save_network
from bitweir_hw.parts import PARTS
from click.testing import CliRunner
from support.samples import dense_network
from support.schemas import validate

OWN = """
name = "mine"
title = "A board of mine"
part = "ecp5-25k"
device = "LFE5U-25F-6BG256C"
package = "CABGA256"
grade = "6"
oscillator = 50_000_000
baud = 3_000_000

[pins]
clk = "M1"
rx = { place = "K16", pull = "up" }
tx = "K15"
"""
BOARD = Board(
    name="mine", title="A board of mine", part=PARTS["ecp5-25k"], device="LFE5U-25F-6BG256C", package="CABGA256",
    grade="6", oscillator=50_000_000, baud=3_000_000, clock=Pin(place="M1"), rx=Pin(place="K16", pull="up"),
    tx=Pin(place="K15"),
)  # fmt: skip
#: In place of the UART.
SPI = """
[spi]
rate = 4_000_000
sck = "L1"
copi = "L2"
cipo = "K1"
cs = { place = "K2", pull = "up" }
"""
WITH_SPI = OWN.replace("baud = 3_000_000\n", "").split("rx =")[0] + SPI
#: A board like iCEBreaker with less on it: no PLL, no light, no button, and no name that openFPGALoader knows.
PLAIN = """
name = "plain"
title = "Plain"
device = "iCE40UP5K-SG48"
package = "sg48"
oscillator = 12_000_000
pll = false
baud = 1_000_000

[pins]
clk = "35"
rx = "6"
tx = "9"

[part]
name = "up5k-small"
family = "ice40"
speed = "up"
luts = 4_000
ffs = 4_000
block_rams = 20
source = "half of one"

[part.nextpnr]
devices = ["up5k"]
packages = ["sg48"]
pll_pads = ["sg48:35"]
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "my.toml").write_text(OWN)
    return tmp_path / "my.toml"


def test_a_board_from_a_file(own: Path) -> None:
    assert read_board(own) == read_board(str(own)) == find_board(own) == find_board(str(own)) == BOARD
    assert find_board(BOARD) is BOARD and find_board("icebreaker") is BOARDS["icebreaker"]
    with pytest.raises(PlanError, match=r"^The board must be one of colorlight_5a75b, .*, not 'z80'\.$"):
        find_board("z80")
    # 8 % of 56 block RAMs of 18 Kbit are 10,321 bytes.
    assert (BOARD.capacity, BOARD.first_clock, BOARD.variant) == (8_192, 150_000_000, "25k")
    assert set(BOARD.pins) == {"clk", "rx", "tx"}
    assert device(BOARD) == ["--25k", "--package", "CABGA256", "--speed", "6", "--lpf", "board.lpf"]
    assert 'LOCATE COMP "rx" SITE "K16";\nIOBUF PORT "rx" IO_TYPE=LVCMOS33 PULLMODE=UP;\n' in constraints(BOARD)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_listed_board_is_a_starting_point(board: Board, tmp_path: Path) -> None:
    """What is printed of it reads as the same board, but for its SDRAM chip."""
    text = CliRunner().invoke(main, ["boards", board.name, "--toml"]).stdout
    assert text == board_toml(board) and all(len(line) < 200 for line in text.splitlines())
    path = tmp_path / "copy.toml"
    path.write_text(text)
    with pytest.raises(FileError, match=f"has the name of a listed board, {board.name}: give it another"):
        read_board(path)
    path.write_text(text.replace(f'name = "{board.name}"', 'name = "other"'))
    assert read_board(path) == replace(board, name="other", sdram=None)


def test_an_own_part_stands_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "plain.toml"
    path.write_text(PLAIN)
    board = read_board(path)
    assert (board.part.luts, board.pll_cell, board.pll_pad, board.fastest(20e6)) == (4_000, "", True, None)
    assert (board.first_clock, board.capacity) == (12_000_000, 1_024)
    told = "Plain has no PLL, and an oscillator of 12 MHz; 11 MHz cannot be had."
    with pytest.raises(PlanError, match=f"^{re.escape(told)}$"):
        board.fastest(11e6)
    path.write_text(board_toml(board))
    assert read_board(path) == board


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (OWN, "", "it lacks the field"),
        ("name", "name = ", "Invalid"),
        ('name = "mine"', 'name = "../mine"', "The name of a board must be 1 to 40 lower-case letters"),
        ('name = "mine"', f'name = "{"a" * 41}"', "must be 1 to 40 lower-case letters"),
        ("A board of mine", "a\\nb", "The title of board mine must be one line of at most 200 characters"),
        ('"ecp5-25k"', '"ecp5-26k"', "The part must be one of ecp5-25k, "),
        ('"ecp5-25k"', '"xc7a35t"', "Nothing is known of how nextpnr calls part xc7a35t"),
        ('"ecp5-25k"', '"/etc/passwd"', "The part must be one of ecp5-25k, "),
        ("LFE5U-25F-6BG256C", "--help", "The device of board mine must be an order code, not '--help'"),
        ('"CABGA256"', '"CABGA255"', "must be one of CABGA381, CSFBGA285, CABGA256, not 'CABGA255'"),
        ('package = "CABGA256"', "", "must be one of CABGA381, CSFBGA285, CABGA256, not ''"),
        ('grade = "6"', 'grade = "9"', "The grade of board mine with part ecp5-25k must be one of 6, 7, 8, not '9'"),
        ('grade = "6"', "grade = 6", "grade must be a text, not an integer"),
        ('grade = "6"', 'grade = "6"\nvariant = "85k"', "must be one of 25k, um-25k, um5g-25k, not '85k'"),
        ("50_000_000", "50e6", "oscillator must be an integer, not a number"),
        ("50_000_000", "50", "The oscillator of board mine must be 1,000,000 to 400,000,000 Hz, not 50"),
        ("50_000_000", "9" * 5000, "limit"),
        ("50_000_000", "5_000_000", "must be 1,200 to 1,250,000 bits/s (a quarter of its oscillator, whose clock the"),
        ("= 3_000_000", "= 1", "The baud rate of board mine must be 1,200 to 12,000,000 bits/s, not 1"),
        ("= 3_000_000", "= 0", "must be a UART, with rx, tx and baud, or SPI, with spi and none of these, or none at"),
        ('tx = "K15"', "", "The link of board mine must be a UART, with rx, tx and baud, or SPI, with spi"),
        ('tx = "K15"', f'tx = "K15"\n{SPI}', "The link of board mine must be a UART, with rx, tx and baud, or"),
        ('tx = "K15"', 'tx = { place = "K15", inverted = true }', "Pin tx of board mine cannot be inverted: led, "),
        ("50_000_000\nbaud = 3_000_000", "9_000_000\nbaud = 9_600", "takes 10 MHz or more, and the"),
        ("= 3_000_000", "= 3_000_000\npll = 1", "pll must be true or false, not an integer"),
        ("= 3_000_000", "= 3_000_000\ncapacity = 3000", "must be a power of two, as 2,048 bytes, not 3,000"),
        ("= 3_000_000", "= 3_000_000\ncapacity = 1048576", "must be 256 to 65,536 bytes, not 1,048,576"),
        ("= 3_000_000", "= 3_000_000\nfirst_clock = 150", "must be 1,000,000 to 1,000,000,000 Hz, not 150"),
        ("= 3_000_000", '= 3_000_000\nloader = "-x"', "must be a name of a board of openFPGALoader, not '-x'"),
        ("= 3_000_000", "= 3_000_000\nprice = 3", "it has a field price"),
        ('clk = "M1"', "", "it lacks the field clk"),
        ('"M1"', '"M1\\nset_io"', "must be at a place of the package, as A12 or 35, not"),
        ('"M1"', '"K15"', "Pins clk and tx of board mine are both at 'K15'"),
        ('pull = "up"', 'pull = "left"', "The pull of pin rx of board mine must be none, up or down, as"),
        ('pull = "up"', 'io_standard = "SSTL15"', "The io_standard of pin rx of board mine must be LVCMOS33, "),
        ('pull = "up"', "fast = true", "it has a field fast"),
        ('tx = "K15"', 'tx = "K15"\nhigh = ["A1", "A1"]', "Pins high0 and high1 of board mine are both at 'A1'"),
        ('tx = "K15"', f'tx = "K15"\nhigh = {json.dumps([f"A{n}" for n in range(99)])}', "at most 16 pins that are"),
        ('tx = "K15"', "tx = " + "[" * 20_000, ""),
        ('tx = "K15"', 'tx = "K15"' + "#" * 70_000, "more than 65,536 bytes"),
        ('"mine"', '"ulx3s_85f"', "has the name of a listed board, ulx3s_85f"),
    ],
)  # fmt: skip
def test_what_is_no_board(own: Path, old: str, new: str, why: str) -> None:
    assert OWN.count(old) >= 1
    own.write_text(OWN.replace(old, new, 1))
    with pytest.raises(FileError) as error:
        read_board(own)
    told = str(error.value)
    assert why in told and str(own) in told and "\n" not in told and told.endswith(".") and len(told) < 900
    assert error.value.exit_code == 7


def test_a_board_with_spi(own: Path) -> None:
    own.write_text(WITH_SPI)
    board = read_board(own)
    pins = {name: Pin(place=place) for name, place in (("sck", "L1"), ("copi", "L2"), ("cipo", "K1"))}
    spi = BoardSpi(rate=4_000_000, cs=Pin(place="K2", pull="up"), **pins)
    assert board == replace(BOARD, rx=None, tx=None, baud=0, spi=spi)
    assert (board.bit_rate, board.byte_rate, board.has_link) == (4_000_000, 500_000, True)
    assert (BOARD.bit_rate, BOARD.byte_rate, BOARD.has_link) == (3_000_000, 300_000, True)
    assert set(board.pins) == {"clk", "sck", "copi", "cipo", "cs"}
    assert 'LOCATE COMP "cipo" SITE "K1";\n' in constraints(board)
    own.write_text(board_toml(board))
    assert read_board(own) == board
    (own.parent / TARGET_FILE).write_text(target_text(Target.of_board(board, clock=50e6)))
    assert load_target(own.parent / TARGET_FILE).platform == board


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        # 1 / (3 / 50 MHz + 25 ns)
        ("4_000_000", "11_764_706", "The rate of SCK of board mine must be 10,000 to 11,764,705 Hz (for the"),
        ("4_000_000", "9_999", "Hz (for the clock of its oscillator, which the link has), not 9,999"),
        ("rate = 4_000_000", "", "it lacks the field rate"),
        ('sck = "L1"', "", "it lacks the field sck"),
        ('copi = "L2"', 'mosi = "L2"', "it has a field mosi"),
        ('sck = "L1"', 'sck = "M1"', "Pins clk and sck of board mine are both at 'M1'"),
        ('pull = "up"', "inverted = true", "Pin cs of board mine cannot be inverted: led, activity or button can"),
    ],
)  # fmt: skip
def test_what_is_no_spi(own: Path, old: str, new: str, why: str) -> None:
    assert WITH_SPI.count(old) == 1
    own.write_text(WITH_SPI.replace(old, new))
    with pytest.raises(FileError, match=re.escape(why)):
        read_board(own)


def test_a_board_without_a_link_is_planned_for(own: Path, tmp_path: Path) -> None:
    """All of its part is there for the accelerator, and there is no bitstream."""
    own.write_text(WITH_SPI.split("[spi]")[0])
    board = read_board(own)
    assert (board.has_link, board.bit_rate, board.pins) == (False, 0, {"clk": Pin(place="M1")})
    assert read_board(own) == replace(BOARD, rx=None, tx=None, baud=0)
    own.write_text(board_toml(board))
    assert read_board(own) == board
    save_network(network := dense_network(64, 16, 4), tmp_path / "net.npz")
    assert board_limits(network, board) == part_limits(board.part)
    words = ["-o", tmp_path / "out", "--board", own, "--json"]
    result = CliRunner().invoke(main, ["generate", str(tmp_path / "net.npz"), *map(str, words)])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["search"]["goal"] == "fps"
    target = DesignFolder.open(tmp_path / "out")
    assert target.target.platform == board and rates(target) == (CLOCK, CLOCK, BAUD)
    result = CliRunner().invoke(main, ["report", str(tmp_path / "out")])
    assert result.exit_code == 0 and "mine, ecp5-25k at" in " ".join(result.stdout.split())
    with pytest.raises(PlanError) as told:
        bitweir.build(network, board=own, folder=tmp_path / "no", goal="link")
    assert told.value.exit_code == 5 and str(told.value) == (
        "Board mine has no link, so no frame could come to it: give it a UART (baud and pins rx and tx) or SPI (a "
        "table spi). Without one, generate --board plans for it and writes Verilog for a design of your own, with "
        "--axi behind a bus."
    )
    with pytest.raises(PlanError) as told:
        choose(network, PlanRequest(board=board, goal="link"))
    assert str(told.value) == (
        "Goal link needs a link, and board mine has none: take goal fps or a frame rate (--fps)."
    )


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('devices = ["up5k"]', "devices = []", "must have one device or more"),
        ('["up5k"]', '["--up5k"]', "without leading dashes, not '--up5k'"),
        ('["up5k"]', json.dumps(["a"] * 60), "must have at most 50 names, not 62"),
        ('name = "up5k-small"', 'name = "ice40-up5k"', "Its part has the name of a listed one, ice40-up5k"),
        ('family = "ice40"\nspeed = "up"', 'family = "xilinx"', "must have no table nextpnr, as designs are"),
        ('clk = "35"', 'clk = { place = "35", pull = "down" }', "must be none or up, as ice40 has no other, not"),
        ('clk = "35"', 'clk = { place = "35", io_standard = "LVCMOS18" }', "must be LVCMOS33, as ice40 has no other"),
    ],
)  # fmt: skip
def test_what_is_no_part_of_a_board(tmp_path: Path, old: str, new: str, why: str) -> None:
    assert old in PLAIN
    path = tmp_path / "plain.toml"
    path.write_text(PLAIN.replace(old, new))
    with pytest.raises(FileError, match=re.escape(why)):
        read_board(path)


def test_files_and_boards_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(FileError, match="Cannot read"):
            read_board(path)
    with pytest.raises(PlanError, match=r"^Board icebreaker differs from the listed board, .*: give it another\.$"):
        find_board(replace(BOARDS["icebreaker"], button=None))
    for words, told in (
        (["build", "digits", "-o", str(tmp_path / "out"), "--board", "z80"], "'z80' is not one of colorlight_5a75b"),
        (["boards", "--toml"], "--toml needs a board: bitweir boards NAME --toml."),
    ):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 2 and told in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "change", [{"name": 3}, {"title": None}, {"part": "ecp5-25k"}, {"pll": 1}, {"rx": "K16"}, {"spi": 3}]
)
def test_a_board_in_python_is_checked(change: dict[str, object]) -> None:
    with pytest.raises(PlanError):
        replace(BOARD, **change)


def test_the_card_of_one_board(tmp_path: Path) -> None:
    path = tmp_path / "plain.toml"
    path.write_text(PLAIN)
    result = CliRunner().invoke(main, ["boards", str(path), "--json"])
    tree = json.loads(result.stdout)
    validate(tree, boards_schema())
    (told,) = tree["boards"]
    board = read_board(path)
    assert (told["name"], told["part"], told["device"]) == (board.name, board.part_name, board.device)
    assert (told["link"], told["baud"]) == ("uart", 1_000_000)
    shown = CliRunner().invoke(main, ["boards", "icebreaker"]).stdout
    assert "1BitSquared iCEBreaker" in shown and "ulx3s" not in shown


@pytest.mark.parametrize(
    ("text", "link", "baud", "shown"),
    [(WITH_SPI, "spi", 4_000_000, "SPI 4,000,000"), (WITH_SPI.split("[spi]")[0], "none", 0, "none")],
)
def test_cards_tell_other_links(tmp_path: Path, text: str, link: str, baud: int, shown: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    words = ["boards", str(tmp_path / "own.toml")]
    tree = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    validate(tree, boards_schema())
    assert [(board["link"], board["baud"]) for board in tree["boards"]] == [(link, baud)]
    row = next(line for line in CliRunner().invoke(main, words).stdout.splitlines() if "mine" in line)
    assert row.split("50 ")[1].split() == shown.split()


def test_the_list() -> None:
    result = CliRunner().invoke(main, ["boards", "--json"])
    tree = json.loads(result.stdout)
    validate(tree, boards_schema())
    assert tree == list_boards().to_dict() == bitweir.boards().to_dict()
    assert {board["name"] for board in tree["boards"]} == set(BOARDS)
    shown = CliRunner().invoke(main, ["boards"]).stdout
    assert all(name in shown and board.source[:20] in shown for name, board in BOARDS.items())
    told = {board["name"]: board["pll"] for board in tree["boards"]}
    # The oscillators of these are not at the pin of the PLL.
    assert [name for name, cell in told.items() if cell == "SB_PLL40_CORE"] == ["upduino_v3", "hx8k_breakout"]


def test_a_target_keeps_the_board(tmp_path: Path) -> None:
    path = tmp_path / TARGET_FILE
    target = Target.of_board(BOARD, clock=50e6)
    assert (target.board, target.part, target.platform, target.usual_part) == ("mine", "ecp5-25k", BOARD, BOARD.part)
    path.write_text(target_text(target))
    assert load_target(path) == target and "custom" not in path.read_text()
    for old, new in (
        ("K16", "K15"),
        ('"mine"', '"icebreaker"'),
        ('"oscillator"', '"clock"'),
        ('"ecp5-25k"', '"gw1n-9"'),
    ):
        path.write_text(target_text(target).replace(old, new))
        with pytest.raises(FileError, match="is not a target of version 1"):
            load_target(path)
    assert "own_board" not in target_text(Target.of_board(BOARDS["ulx3s_85f"], clock=50e6))


def test_designs_for_it_are_generated(own: Path, tmp_path: Path) -> None:
    """The folder knows the board without the file."""
    save_network(dense_network(64, 16, 4), tmp_path / "net.npz")
    words = ["generate", tmp_path / "net.npz", "-o", tmp_path / "out", "--board", own]
    result = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    own.unlink()
    build = DesignFolder.open(tmp_path / "out")
    assert build.target.platform == BOARD and rates(build)[1:] == (50_000_000, 3_000_000)
    result = CliRunner().invoke(main, ["report", str(tmp_path / "out")])
    assert result.exit_code == 0 and "mine, ecp5-25k at" in " ".join(result.stdout.split())


needs_ice40 = pytest.mark.skipif(missing("ice40") is not None, reason=missing("ice40") or "")


@needs_ice40
def test_a_plain_board_of_ones_own_routes(tmp_path: Path) -> None:
    """Without a PLL the accelerator runs at the oscillator, as the link does."""
    path = tmp_path / "plain.toml"
    path.write_text(PLAIN)
    save_network(dense_network(16, 8, 4), tmp_path / "net.npz")
    words = ["build", tmp_path / "net.npz", "-o", tmp_path / "out", "--board", path, "--json"]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)["routed"]
    assert (told["board"], told["part"], told["baud"], told["pll"]) == ("plain", "up5k-small", 1_000_000, None)
    assert told["clock_mhz"] == told["link_clock_mhz"] == 12 and told["fmax_mhz"] > 12.6
    board, file = read_manifest(tmp_path / "out")
    assert board == read_board(path) and file.name == "net-plain.bin"
    assert list(routed(DesignFolder.open(tmp_path / "out"))) == ["plain"]
    report = CliRunner().invoke(main, ["report", str(tmp_path / "out")])
    assert report.exit_code == 0 and "Routed on plain" in report.stdout or "plain (iCE40UP5K-SG48)" in report.stdout
    wanted = f"openFPGALoader has no name for Plain: name its cable, as --cable ft2232, or load '{file}'"
    with pytest.raises(ToolError, match=f"^{re.escape(wanted)} with the tool of its maker\\.$"):
        program(tmp_path / "out", flash=False)
    # A bitstream of another board is not taken for one of this.
    manifest = tmp_path / "out" / MANIFEST
    manifest.write_text(manifest.read_text().replace('"board": "plain"', '"board": "other"'))
    with pytest.raises(FileError, match="is damaged"):
        read_manifest(tmp_path / "out")


@pytest.mark.long
@needs_ice40
def test_a_plain_board_with_spi_routes(tmp_path: Path) -> None:
    path = tmp_path / "plain.toml"
    spi = SPI.replace("4_000_000", "3_000_000").replace('"L1"', '"15"').replace('"L2"', '"17"').replace('"K1"', '"14"')
    pins = '[pins]\nclk = "35"\n' + spi.replace('"K2"', '"16"')
    text = PLAIN.replace("baud = 1_000_000\n", "")
    path.write_text(text[: text.index("[pins]")] + pins + text[text.index("[part]") :])
    save_network(dense_network(16, 8, 4), tmp_path / "net.npz")
    words = ["build", tmp_path / "net.npz", "-o", tmp_path / "out", "--board", path]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.output
    assert "Its link is SPI: bitweir run 'spi:PORT?baud=3000000'" in " ".join(result.stdout.split())
    told = routed(DesignFolder.open(tmp_path / "out"))["plain"]
    # 2 bytes a frame.
    assert (told.baud, told.link_fps, told.clock_mhz) == (3_000_000, 187_500, 12) and told.fmax_mhz > 12.6


@pytest.mark.parametrize(
    "family", [pytest.param("ecp5", marks=pytest.mark.long), "ice40", pytest.param("gowin", marks=pytest.mark.long)]
)
def test_nextpnr_takes_the_pins_of_spi(family: str) -> None:
    if told := missing(family):
        pytest.skip(told)
    # Pins of listed boards.
    board = BOARDS[{"ecp5": "colorlight_5a75b", "ice40": "icebreaker", "gowin": "tangnano9k"}[family]]
    places = {
        "ecp5": ("C4", "D4", "E4", "D3"), "ice40": ("15", "17", "14", "16"), "gowin": ("25", "26", "27", "28"),
    }[family]  # fmt: skip
    sck, copi, cipo, cs = (Pin(place=place) for place in places)
    spi = BoardSpi(sck=sck, copi=copi, cipo=cipo, cs=cs, rate=1_000_000)
    check_pins(replace(board, name="other", rx=None, tx=None, baud=0, spi=spi, led=None, activity=None, button=None))


@needs_ice40
def test_a_pin_that_the_package_has_not_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(build, "choose", never)
    (tmp_path / "plain.toml").write_text(PLAIN.replace('tx = "9"', 'tx = "999"'))
    save_network(dense_network(16, 8, 4), tmp_path / "net.npz")
    words = ["build", tmp_path / "net.npz", "-o", tmp_path / "out", "--board", tmp_path / "plain.toml"]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 5 and not (tmp_path / "out").exists()
    told = (
        "bitweir: nextpnr does not take board plain: package does not have a pin named '999' (on line 3). What the "
        f"tools said is in '{tmp_path}/out.failed'."
    )
    assert result.stderr.splitlines()[-1] == told
    output = (tmp_path / "out.failed" / "nextpnr-ice40-output.log").read_text()
    assert output.startswith("$ nextpnr-ice40 --") and "'999'" in output
    assert (tmp_path / "out.failed" / "yosys.log").stat().st_size and (tmp_path / "out.failed" / "board.pcf").is_file()


def test_the_file_of_a_board_is_read_before_anything_else(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(bitstream, "route", never)
    own.write_text(OWN.replace('"M1"', '"K15"'))
    save_network(dense_network(16, 8, 4), tmp_path / "net.npz")
    result = CliRunner().invoke(
        main, ["build", str(tmp_path / "net.npz"), "-o", str(tmp_path / "out"), "--board", str(own)]
    )
    assert result.exit_code == 7 and "are both at 'K15'" in result.stderr and not (tmp_path / "out").exists()


def test_annotated_example_of_the_docs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "boards.md").read_text()
    (text,) = re.findall(r"^    # my\.toml\n((?:    .*\n|\n)+)", page, re.MULTILINE)
    lines = [line.removeprefix("    ") for line in text.splitlines()]
    (tmp_path / "my.toml").write_text("\n".join(lines))
    board = read_board(tmp_path / "my.toml")
    # It names every field that there is.
    fields = {"name", "title", "part", "device", "variant", "package", "grade", "oscillator", "pll", "baud", "capacity"}
    fields |= {"first_clock", "loader", "source", "pins"}
    assert set(msgspec.toml.decode("\n".join(lines))) == fields and set(board.pins) >= {"clk", "button", "high0"}
    # In place of the UART.
    (spi,) = re.findall(r"^      (\[spi\]\n(?:      .*\n)+)", page, re.MULTILINE)
    kept = [line for line in lines if not re.match(r"(baud|rx|tx) =", line)]
    (tmp_path / "my.toml").write_text("\n".join([*kept, spi]))
    assert set(read_board(tmp_path / "my.toml").pins) >= {"sck", "copi", "cipo", "cs"}
