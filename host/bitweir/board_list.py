"""Boards: the listed ones, and one's own from a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from bitweir_hw.boards import BOARDS, Board, BoardSpi, Pin, board_of
from bitweir_hw.checked import shown
from bitweir_hw.errors import FileError, PlanError
from bitweir_hw.parts import PARTS, FpgaPart, part_of
from msgspec import Meta

from .part_list import PartFile, own_part, toml_of, toml_trouble
from .report.model import Family
from .schemas import Count, Json, schema, to_dict

__all__ = [
    "BoardInfo",
    "BoardList",
    "board_info",
    "board_toml",
    "boards_schema",
    "find_board",
    "list_boards",
    "read_board",
]

#: Bytes of a file of a board, at most.
_LIMIT_BYTES = 1 << 16
_TAKES = (
    "it takes name, title, part, device, oscillator, and a table pins with clk; for a UART baud and the pins rx and "
    "tx, for SPI a table spi with rate, sck, copi, cipo and cs; and perhaps variant, package, grade, pll, capacity, "
    "first_clock, loader, source, and the pins led, activity, button and high"
)


class _PinFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file says of a pin: the fields of `Pin` that may be chosen."""

    place: str
    inverted: bool = False
    pull: str = "none"
    io_standard: str = "LVCMOS33"


class _PinsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table of pins; a text is the place of one."""

    clk: str | _PinFile
    rx: str | _PinFile | None = None
    tx: str | _PinFile | None = None
    led: str | _PinFile | None = None
    activity: str | _PinFile | None = None
    button: str | _PinFile | None = None
    high: list[str | _PinFile] = []


class _SpiFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table of SPI: the fields of `BoardSpi`."""

    rate: int
    sck: str | _PinFile
    copi: str | _PinFile
    cipo: str | _PinFile
    cs: str | _PinFile


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file of a board says: the fields of `Board`."""

    name: str
    title: str
    part: str | PartFile
    device: str
    variant: str = ""
    package: str = ""
    grade: str = ""
    oscillator: int
    pll: bool = True
    baud: int = 0
    capacity: int = 0
    first_clock: int = 0
    loader: str = ""
    source: str = ""
    pins: _PinsFile
    spi: _SpiFile | None = None


def read_board(path: Path | str) -> Board:
    """Read a board from a file in TOML.

    Parameters
    ----------
    path : path

    Returns
    -------
    Board

    Raises
    ------
    FileError
        The file cannot be read, is not TOML, lacks a field, has one that is not possible or one too many, or has the
        name of a listed board; the text says which.
    """
    path = Path(path)
    try:
        board = _board(toml_of(path, _File, _LIMIT_BYTES))
    except (msgspec.MsgspecError, ValueError, RecursionError, PlanError) as error:
        takes = "" if isinstance(error, PlanError) else f": {_TAKES}"
        raise FileError(f"{str(path)!r} is no board ({toml_trouble(error)}){takes}.") from error
    if board.name in BOARDS:
        raise FileError(f"{str(path)!r} has the name of a listed board, {board.name}: give it another.")
    return board


def _board(file: _File) -> Board:
    pins = file.pins
    part = part_of(file.part) if isinstance(file.part, str) else own_part(file.part)
    if isinstance(file.part, PartFile) and part.name in PARTS:
        raise PlanError(f"Its part has the name of a listed one, {part.name}: give it another.")
    return Board(
        name=file.name, title=file.title, part=part, device=file.device, variant=file.variant, package=file.package,
        grade=file.grade, oscillator=file.oscillator, pll=file.pll, baud=file.baud, capacity=file.capacity,
        first_clock=file.first_clock, loader=file.loader, source=file.source,
        clock=_pin(pins.clk), rx=_perhaps(pins.rx), tx=_perhaps(pins.tx), led=_perhaps(pins.led),
        activity=_perhaps(pins.activity), button=_perhaps(pins.button), high=tuple(map(_pin, pins.high)),
        spi=None if file.spi is None else _spi(file.spi),
    )  # fmt: skip


def _spi(told: _SpiFile) -> BoardSpi:
    return BoardSpi(
        rate=told.rate, sck=_pin(told.sck), copi=_pin(told.copi), cipo=_pin(told.cipo), cs=_pin(told.cs)
    )  # fmt: skip


def _perhaps(told: str | _PinFile | None) -> Pin | None:
    return None if told is None else _pin(told)


def _pin(told: str | _PinFile) -> Pin:
    return Pin(place=told) if isinstance(told, str) else Pin(**msgspec.structs.asdict(told))


def find_board(board: Board | Path | str) -> Board:
    """A board as a user names it.

    Parameters
    ----------
    board : Board or path or str
        A board; a file in TOML, whose name ends so; or the name of a listed board.

    Raises
    ------
    PlanError
        No listed board has the name, or one of one's own has it.
    FileError
        As of `read_board`.
    """
    if isinstance(board, Path) or (isinstance(board, str) and board.endswith(".toml")):
        return read_board(board)
    if not isinstance(board, str | Board):
        raise PlanError(
            f"A board must be the name of a listed one, such as 'ulx3s_85f', a file in TOML, or a Board, not "
            f"{shown(board)}."
        )
    found = board_of(board)
    if BOARDS.get(found.name, found) != found or PARTS.get(found.part.name, found.part) != found.part:
        raise PlanError(
            f"Board {found.name} differs from the listed board, or its part from the listed part, of the same name: "
            "give it another."
        )
    return found


def board_toml(board: Board) -> str:
    """A board as a file, from which another one can be made.

    Its SDRAM chip, and how steep edges are, cannot be told in a file.
    """
    return "\n".join(_lines(board)) + "\n"


def _lines(board: Board) -> Iterator[str]:
    if board.sdram:
        yield "# The board has an SDRAM chip for streamed weights, which a file cannot describe."
    yield f'name = "{board.name}"'
    yield f"title = {_text(board.title)}"
    if PARTS.get(board.part_name) == board.part:
        yield f'part = "{board.part_name}"'
    yield f'device = "{board.device}"'
    assert board.part.nextpnr
    if board.variant != board.part.nextpnr.devices[0]:
        yield f'variant = "{board.variant}"'
    for what in ("package", "grade"):
        if value := getattr(board, what):
            yield f'{what} = "{value}"'
    yield f"oscillator = {board.oscillator:_}"
    yield f"pll = {str(board.pll).lower()}"
    if board.baud:
        yield f"baud = {board.baud:_}"
    yield f"capacity = {board.capacity:_}"
    yield f"first_clock = {board.first_clock:_}"
    for what in ("loader", "source"):
        if value := getattr(board, what):
            yield f"{what} = {_text(value)}"
    yield "\n[pins]"
    spi = board.spi.pins if board.spi else {}
    for port, pin in board.pins.items():
        if not port.startswith("high") and port not in spi:
            yield f"{port} = {_pin_toml(pin)}"
    if board.high:
        yield f"high = [{', '.join(map(_pin_toml, board.high))}]"
    if board.spi:
        yield from ("\n[spi]", f"rate = {board.spi.rate:_}")
        yield from (f"{port} = {_pin_toml(pin)}" for port, pin in spi.items())
    if PARTS.get(board.part_name) != board.part:
        yield from ("", *_part_lines(board.part))


def _pin_toml(pin: Pin) -> str:
    told = [f'place = "{pin.place}"']
    told += ["inverted = true"] if pin.inverted else []
    told += [f'pull = "{pin.pull}"'] if pin.pull != "none" else []
    told += [f'io_standard = "{pin.io_standard}"'] if pin.io_standard != Pin(place="").io_standard else []
    return f"{{ {', '.join(told)} }}" if told[1:] else f'"{pin.place}"'


def _part_lines(part: FpgaPart) -> Iterator[str]:
    yield "[part]"
    for what in ("name", "family", "speed", "source"):
        yield f"{what} = {_text(getattr(part, what))}"
    for what in ("luts", "ffs", "block_rams", "dsps", "lut_rams"):
        if (value := getattr(part, what)) is not None:
            yield f"{what} = {value:_}"
    assert part.nextpnr
    yield "\n[part.nextpnr]"
    for what in ("devices", "packages", "grades", "pll_pads"):
        if value := getattr(part.nextpnr, what):
            yield f"{what} = [{', '.join(map(_text, value))}]"


def _text(value: str) -> str:
    """A text in TOML: as in JSON, as it is printable."""
    return msgspec.json.encode(value).decode()


@dataclass(frozen=True, kw_only=True)
class BoardInfo:
    """A listed board.

    Parameters
    ----------
    name : str
        As --board takes it.
    title : str
        What its maker calls it.
    part : str
        Name of its part.
    family : str
        Of its part.
    device : str
        Order code of its FPGA.
    oscillator_mhz : float
        What the link runs at.
    pll : str
        The cell that makes the clock of the accelerator; empty where it is that of the oscillator.
    link : str
        "uart", "spi", or "none".
    baud : int
        Bits/s on a wire of the link: of SPI the rate of SCK; 0 for none.
    memory_bytes : int
        Bytes of its memory for streamed weights; 0 for none.
    loader : str
        What openFPGALoader calls it; empty where it does not know it.
    source : str
        Where its pins are from.
    """

    name: str
    title: str
    part: str
    family: Family
    device: str
    oscillator_mhz: Annotated[float, Meta(gt=0)]
    pll: str
    link: Literal["uart", "spi", "none"]
    baud: Count
    memory_bytes: Count
    loader: str
    source: str


@dataclass(frozen=True, kw_only=True)
class BoardList:
    """The listed boards.

    Parameters
    ----------
    boards : tuple of BoardInfo
        By family and size of their parts.
    """

    boards: tuple[BoardInfo, ...]

    def to_dict(self) -> Json:
        """What ``bitweir boards --json`` prints."""
        return to_dict(self)


def list_boards() -> BoardList:
    """List the boards that are known.

    Returns
    -------
    BoardList

    Examples
    --------
    >>> import bitweir
    >>> [board.name for board in bitweir.boards().boards if board.memory_bytes]
    ['ulx3s_85f']
    """
    ordered = sorted(BOARDS.values(), key=lambda board: (board.family, board.part.luts, board.name))
    return BoardList(boards=tuple(map(board_info, ordered)))


def board_info(board: Board) -> BoardInfo:
    """What a list tells of a board."""
    return BoardInfo(
        name=board.name, title=board.title, part=board.part_name, family=board.family, device=board.device,
        oscillator_mhz=board.oscillator / 1e6, pll=board.pll_cell,
        link="spi" if board.spi else "uart" if board.has_link else "none", baud=board.bit_rate,
        memory_bytes=board.sdram.part.bytes if board.sdram else 0, loader=board.loader, source=board.source,
    )  # fmt: skip


def boards_schema() -> Json:
    """The JSON schema of the listed boards."""
    return schema(BoardList, title="bitweir boards", description="Printed by bitweir boards --json.")
