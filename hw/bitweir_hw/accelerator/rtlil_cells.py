"""Operands of cells as wide as their results: in RTLIL a cell extends them, in Verilog that is a warning of linters."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["same_widths"]

#: Cells whose operands count as far as their result is wide.
_MODULAR = {"$add", "$sub", "$mul", "$and", "$or", "$xor", "$xnor", "$neg", "$not"}
#: Cells that shift to the right, of whose result the lowest bits count.
_SHIFTING = {"$shr", "$sshr", "$shift", "$shiftx"}
#: Cells that compare their operands, the narrower one extended.
_COMPARING = {"$eq", "$ne", "$lt", "$le", "$gt", "$ge"}
_PIECE = re.compile(
    r"(?P<const>\d+)'(?P<sign>s?)(?P<bits>[01x-]+)|(?P<wire>[\\$]\S+)(?: \[(?P<high>\d+)(?::(?P<low>\d+))?\])?"
)
_PARAMETER = re.compile(r"    parameter \\(\w+) (\d+)")
_OPERAND = re.compile(r"    connect \\([AB]) (.+)")

#: A constant (its bits), or some bits of a wire: its name, the highest and the lowest.
_Piece = str | tuple[str, int, int]


def same_widths(cell: list[str], widths: Mapping[str, int]) -> list[str]:
    """The lines of a cell in which operands are as wide as its result, or as each other where it compares them.

    Of a shift, the result is as wide as its operand; wires and connections may stand beside the cell.

    Parameters
    ----------
    cell : list of str
        As Amaranth writes them, from ``cell`` to ``end``.
    widths : mapping
        Bits of the module's wires.
    """
    _, kind, name = cell[0].split()
    numbers = {match[1]: int(match[2]) for line in cell if (match := _PARAMETER.fullmatch(line))}
    if kind in _SHIFTING and numbers["Y_WIDTH"] < numbers["A_WIDTH"]:
        return _whole_shift(cell, name, numbers["A_WIDTH"], numbers["Y_WIDTH"])
    if kind not in _MODULAR and kind not in _COMPARING:
        return cell
    operands = [name for name in "AB" if f"{name}_WIDTH" in numbers]
    signed = all(numbers[f"{name}_SIGNED"] for name in operands)
    width = numbers["Y_WIDTH"] if kind in _MODULAR else max(numbers[f"{name}_WIDTH"] for name in operands)

    def changed(line: str) -> str:
        if match := _OPERAND.fullmatch(line):
            pieces = _resized(_pieces(match[2], widths), width, signed)
            return f"    connect \\{match[1]} {_text(pieces, widths)}"
        if (match := _PARAMETER.fullmatch(line)) and match[1] in ("A_WIDTH", "B_WIDTH"):
            return f"    parameter \\{match[1]} {width}"
        return line

    return [changed(line) for line in cell]


def _whole_shift(cell: list[str], name: str, width: int, kept: int) -> list[str]:
    """A shift whose result is as wide as what is shifted, in a wire of its own, of which the lowest bits go on."""
    wire, place = f"{name}_shifted", next(at for at, line in enumerate(cell) if line.startswith("    connect \\Y "))
    result = cell[place].removeprefix("    connect \\Y ")
    lines = [f"    parameter \\Y_WIDTH {width}" if "\\Y_WIDTH" in line else line for line in cell]
    lines[place] = f"    connect \\Y {wire}"
    return [f"  wire width {width} {wire}", *lines, f"  connect {result} {wire} [{kept - 1}:0]"]


def _pieces(text: str, widths: Mapping[str, int]) -> list[_Piece]:
    """What a signal is made of, the highest first."""
    pieces: list[_Piece] = []
    for match in _PIECE.finditer(text):
        if match["const"]:
            pieces.append(match["bits"].rjust(int(match["const"]), "0"))
        elif match["high"] is None:
            pieces.append((match["wire"], widths[match["wire"]] - 1, 0))
        else:
            high = int(match["high"])
            pieces.append((match["wire"], high, high if match["low"] is None else int(match["low"])))
    return pieces


def _size(piece: _Piece) -> int:
    return len(piece) if isinstance(piece, str) else piece[1] - piece[2] + 1


def _resized(pieces: list[_Piece], width: int, signed: bool) -> list[_Piece]:
    """The same signal with so many bits: without the highest ones, or with more of them."""
    size = sum(map(_size, pieces))
    if size < width:
        return [*_filling(pieces[0] if pieces else "0", width - size, signed), *pieces]
    kept: list[_Piece] = []
    for piece in reversed(pieces):
        room = min(width - sum(map(_size, kept)), _size(piece))
        if room:
            kept.insert(0, piece[-room:] if isinstance(piece, str) else (piece[0], piece[2] + room - 1, piece[2]))
    return kept


def _filling(highest: _Piece, count: int, signed: bool) -> list[_Piece]:
    """So many bits above the highest piece of a signal."""
    if not signed:
        return ["0" * count]
    if isinstance(highest, str):
        return [highest[0] * count]
    wire, high, _ = highest
    return [(wire, high, high)] * count


def _text(pieces: list[_Piece], widths: Mapping[str, int]) -> str:
    """A signal as RTLIL has it."""
    parts: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            parts.append(f"{len(piece)}'{piece}")
        elif piece[1:] == (widths[piece[0]] - 1, 0):
            parts.append(piece[0])
        else:
            wire, high, low = piece
            parts.append(f"{wire} [{high}]" if high == low else f"{wire} [{high}:{low}]")
    return parts[0] if len(parts) == 1 else f"{{ {' '.join(parts)} }}"
