"""Writes the table of listed parts into docs/parts.md.

python -m tools.parts_page
"""

from __future__ import annotations

from pathlib import Path

from bitweir.part_list import list_parts

__all__ = ["PAGE", "page"]

#: What has the table.
PAGE = Path(__file__).parents[1] / "docs" / "parts.md"
_BEGIN, _END = "<!-- parts -->\n", "<!-- end -->\n"


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


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
