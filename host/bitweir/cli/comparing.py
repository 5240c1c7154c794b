"""The command that shows designs side by side."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from .. import api
from ..report.comparison import comparison_tables
from ..report.terminal import render_table
from .console import Output
from .options import other_clock_option, with_output
from .part_options import PART

__all__ = ["compare_command"]


@click.command("compare")
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER FOLDER...", type=click.Path(path_type=Path))
@click.option("--part", type=PART, help="FPGA for which all are told.  [default: the one that each was made for]")
@other_clock_option
@with_output
def compare_command(output: Output, folders: tuple[Path, ...], part: str | None, clock: float | None) -> None:
    """Compare the designs in two or more FOLDERs: speed, resources and blocks."""
    if len(folders) < 2:
        raise click.UsageError("A comparison needs two folders or more.")
    with output.working("Computing the reports"):
        found = api.compare(*folders, part=part, clock=clock)
    output.show(*map(render_table, comparison_tables(found)))
    for design in found.designs:
        streams = f", {design.streams} parallel frames" if design.streams > 1 else ""
        output.show(Text(f"{design.name}: {design.network} on {design.part}, SIMD×PE {design.folding}{streams}"))
    output.result(found.to_dict())
