"""Tables of an exploration."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..planning.exploration import Exploration

__all__ = ["render_exploration"]


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
