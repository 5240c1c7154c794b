"""The command that counts how often registers change."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from .. import api
from ..report.tables import Table, number, percent
from ..report.tables.base import Cell, make_columns, share
from ..report.terminal import render_table
from ..runs import Activity
from .console import Output
from .options import folder_argument, images_options, round_option, with_output

__all__ = ["activity_command"]


@click.command("activity")
@folder_argument
@images_options
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many images, from the first one on.")
@round_option
@with_output
def activity_command(output: Output, folder: Path, images: Path, limit: int | None, rounding: bool) -> None:
    """Count the bits of registers that change in each block of the design in FOLDER, a proxy of dynamic power."""
    found = api.open(folder).activity(images, limit=limit, rounding=rounding, progress=output.working)
    output.show(
        render_table(activity_table(found)),
        Text("Counted in RTL, of registers alone: a proxy to compare blocks and plans by, and no energy."),
    )
    output.result(found.to_dict())


def activity_table(found: Activity) -> Table:
    """The table of the blocks."""
    rows = [(block.block, block.toggles, block.share) for block in found.blocks]
    if found.around:
        rows.append(("around", found.around, found.around / found.toggles))
    return Table(
        name="activity",
        caption=f"Bits of registers that change; {found.images:,} frames, {found.cycles:,} cycles",
        columns=make_columns(
            ("block", "Block", "", False), ("toggles", "Changes", "per frame"), ("share", "Share", "")
        ),
        rows=tuple((Cell(text=name), Cell(text=number(count), value=count), share(part)) for name, count, part in rows),
        total=(Cell(text="total"), Cell(text=number(found.toggles), value=found.toggles), Cell(text=percent(1.0))),
    )
