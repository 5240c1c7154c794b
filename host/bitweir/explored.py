"""An exploration for people: a table, a plot, and a file for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["csv_text", "plot", "render"]

Point = dict[str, Any]


def csv_text(points: list[Point]) -> str:
    """Points as comma-separated values, a column for each key."""
    columns = list(dict.fromkeys(key for point in points for key in point))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(points)
    return text.getvalue()


def plot(result: dict[str, Any], folder: Path) -> bool:
    """Write ``explore.svg`` and ``explore.png``, frames a second over LUT sites; False without matplotlib."""
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    # Not with pyplot, which keeps figures and a backend for the whole process.
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, part in enumerate(result["parts"]):
        own = [point for point in result["points"] if point["part"] == part]
        front = sorted((p for p in own if p["front"]), key=lambda p: (p["sites"], p["frames_per_second"]))
        colour = f"C{number}"
        beaten = [point for point in own if not point["front"]]
        axes.plot(*_places(beaten, "sites"), "o", color=colour, fillstyle="none", alpha=0.5)
        if front:
            axes.plot(*_places(front, "sites"), "o-", color=colour, label=part)
        measured = [point for point in front if "measured_sites" in point]
        axes.plot(*_places(measured, "measured_sites"), "x", color=colour)
    axes.set(
        xscale="log", yscale="log", xlabel="LUT sites (estimated; crosses: measured)", ylabel="frames/s",
        title=f"{result['network']['name']} at {result['clock_mhz']:g} MHz",
    )  # fmt: skip
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    # The same exploration gives the same bytes: no time, no random names.
    with matplotlib.rc_context({"svg.hashsalt": "bitweir"}):
        figure.savefig(folder / "explore.svg", metadata={"Date": None})
    figure.savefig(folder / "explore.png", dpi=150)
    return True


def _places(points: list[Point], key: str) -> tuple[list[float], list[float]]:
    return [point[key] for point in points], [point["frames_per_second"] for point in points]


def render(result: dict[str, Any]) -> Iterator[RenderableType]:
    """The fronts as a table, and notes."""
    confirmed = any("measured_sites" in point for point in result["points"])
    table = Table(
        title=f"Pareto front of {result['network']['name']} at {result['clock_mhz']:g} MHz",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        caption="fitted: estimate with FIFOs as generate fits them" if confirmed else "as estimated",
    )
    table.add_column("part", no_wrap=True)
    headings = ["frames/s", "LUT sites", "of part", "block RAMs"]
    # Both together are too wide for a terminal.
    for name in (*headings, *(("fitted", "measured", "error") if confirmed else ("LUTs", "FFs", "cycles"))):
        table.add_column(name, justify="right")
    for part, size in result["parts"].items():
        for number, point in enumerate(p for p in result["points"] if p["part"] == part and p["front"]):
            row = [
                part if number == 0 else "",
                f"{point['frames_per_second']:,.0f}",
                f"{point['sites']:,}",
                f"{point['sites'] / size['sites']:.1%}",
                f"{point['block_rams']:,}",
            ]
            keys = ("fitted_sites", "measured_sites") if confirmed else ("lut", "ff", "cycles")
            row += [f"{point[key]:,}" for key in keys]
            if confirmed:
                off = point["error_sites_percent"]
                row.append("" if off is None else f"{off:+.1f}%")
            table.add_row(*row)
        table.add_section()
    yield table
    for note in result["notes"]:
        yield Text(f"note: {note}", style="dim")
