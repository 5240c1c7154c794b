"""Writes the tables of listed parts and boards into docs/parts.md and docs/boards.md.

python -m tools.parts_page
"""

from __future__ import annotations

from pathlib import Path

from bitweir.board_list import list_boards
from bitweir.part_list import list_parts

__all__ = ["BOARDS_PAGE", "PAGE", "boards_page", "page"]

#: What have the tables.
PAGE = Path(__file__).parents[1] / "docs" / "parts.md"
BOARDS_PAGE = PAGE.with_name("boards.md")
_BEGIN, _END, _BOARDS = "<!-- parts -->\n", "<!-- end -->\n", "<!-- boards -->\n"


def page(text: str) -> str:
    """The text of the page with the table as it must be."""
    head, _, rest = text.partition(_BEGIN)
    rows = [
        f"| `{part.name}` | {part.family} | {part.luts:,} | {part.ffs:,} | {part.block_rams:,} {part.block_ram} "
        f"| {part.large_rams or ''} | {part.dsps:,} | {part.clock_from}, ±{part.clock_error:.0%} | {part.source} |\n"
        for part in list_parts().parts
    ]
    table = [
        "| `--part` | family | LUT sites | flip-flops | block RAMs | large RAMs, unused | DSPs | clock | source |\n",
        "|---|---|---|---|---|---|---|---|---|\n",
        *rows,
    ]
    return head + _BEGIN + "".join(table) + _END + rest.partition(_END)[2]


def boards_page(text: str) -> str:
    """The text of the page of boards with its table as it must be."""
    head, _, rest = text.partition(_BOARDS)
    rows = [
        f"| `{board.name}` | {board.title} | {board.device} (`{board.part}`) | {board.oscillator_mhz:g} MHz "
        f"| {board.pll} | {board.baud:,} |\n"
        for board in list_boards().boards
    ]
    table = ["| `--board` | board | FPGA | oscillator | PLL | baud |\n", "|---|---|---|---|---|---|\n", *rows]
    return head + _BOARDS + "".join(table) + _END + rest.partition(_END)[2]


if __name__ == "__main__":
    BOARDS_PAGE.write_text(boards_page(BOARDS_PAGE.read_text()))
    PAGE.write_text(page(PAGE.read_text()))
