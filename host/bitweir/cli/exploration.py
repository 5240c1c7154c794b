"""The command that explores, and its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
from msgspec import UNSET
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .. import api
from ..model import Model
from ..planning.exploration import Exploration
from ..planning.explore import SLOWEST
from .console import Output
from .options import most_clock_option, pool_options, reserve_options, with_models, with_output
from .part_options import PART

__all__ = ["explore_command", "render_exploration"]


def render_exploration(result: Exploration) -> Iterator[RenderableType]:
    """Yield the fronts as a table, and the notes."""
    confirmed = any(point.measured_sites is not UNSET for point in result.points)
    table = Table(
        title=f"Pareto front of {result.network.name}, {result.clock_told}",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        caption="fitted: the estimate with the FIFO depths that generate chooses"
        if confirmed
        else "All figures are estimates.",
    )
    table.add_column("part", no_wrap=True)
    headings = ["frames/s", "MHz", "LUT sites", "utilisation", "block RAMs"]
    # Both together are too wide for a terminal.
    for name in (*headings, *(("fitted", "measured", "error") if confirmed else ("FFs", "cycles"))):
        table.add_column(name, justify="right")
    for part, size in result.parts.items():
        for number, point in enumerate(p for p in result.points if p.part == part and p.front):
            row = [
                part if number == 0 else "",
                f"{point.frames_per_second:,.0f}",
                f"{point.expected_clock_mhz:,.4g}",
                f"{point.sites:,}",
                f"{point.sites / size.sites:.1%}",
                f"{point.block_rams:,}",
            ]
            keys = ("fitted_sites", "measured_sites") if confirmed else ("ff", "cycles")
            row += [f"{getattr(point, key):,}" for key in keys]
            if confirmed:
                off = point.error_sites_percent
                row.append("" if off is None else f"{off:+.1f}%")
            table.add_row(*row)
        table.add_section()
    yield table
    for part, point in {point.part: point for point in result.points}.items():
        model = ", by a model, not by routed designs" if point.fmax_from == "model" else ""
        yield Text(f"{part}: clocks, and so frames/s, are within {point.fmax_error:.0%}{model}", style="dim")
    for note in result.notes:
        yield Text(f"note: {note}", style="dim")


@click.command("explore")
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    required=True,
    type=PART,
    help="FPGA to plan for: a listed one, or a file in TOML; it may be repeated.",
)
@most_clock_option
@click.option(
    "--points",
    type=click.IntRange(min=1),
    default=13,
    show_default=True,
    metavar="N",
    help=f"Initiation intervals to try on each part, from the shortest that fits to {SLOWEST} times as long.",
)
@click.option(
    "--streams",
    default=1,
    show_default=True,
    metavar="V",
    help="Parallel frames: V frames are computed together and share each weight.",
)
@reserve_options
@click.option(
    "--synth", is_flag=True, help="Synthesise the points of the front with Yosys, and add the measured resources."
)
@pool_options("one on each core")
@with_output
@with_models
def explore_command(
    output: Output,
    models: Callable[[], Model],
    folder: Path,
    parts: tuple[str, ...],
    clock: float | None,
    points: int,
    streams: int,
    reserve_luts: str,
    reserve_bram: str,
    synth: bool,
    jobs: int | None,
    scheduler: str | None,
) -> None:
    """Find the best plans of MODEL on parts: the Pareto front of LUT sites, block RAMs and frames/s.

    Results are cached: an exploration that was interrupted continues where it stopped.
    """
    net = models()
    result = api.explore(
        net, parts, clock=clock, points=points, streams=streams, reserve_luts=reserve_luts, reserve_bram=reserve_bram,
        synthesise=synth, folder=folder, jobs=jobs, scheduler=scheduler, progress=output.working,
    )  # fmt: skip
    output.show(*render_exploration(result))
    output.show(*map(Text, net.summary), Text(f"Written: {folder}"))
    output.result({"folder": str(folder), "exploration": result.to_dict(), "comparison": net.comparison_dict})
