"""What place and route measured of a build: for the report's key ``routed``, and as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from bitweir_hw.boards import BOARDS
from rich.box import SIMPLE, SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from ..design import DesignFolder
from ..folders import FileError
from ..manifest import check_listed
from ..synthesis.paths import told_path
from . import tables

__all__ = ["render_routed", "routed", "routed_schema", "routed_tables"]

_COLUMNS = ("lut", "ff", "carry", "lutram", "bram", "dsp", "sites")
#: What every reader looks up.
_NUMBERS = (
    "clock_mhz", "fmax_mhz", "margin", "seed", "baud", "cycles_per_frame", "latency_cycles", "accelerator_fps",
    "link_fps",
)  # fmt: skip


def routed_schema() -> dict[str, Any]:
    """The JSON schema of one entry of ``routed``, which is also that of ``routed-BOARD.json``."""
    text = (resources.files(__package__) / "routed_schema.json").read_text()
    result: dict[str, Any] = json.loads(text)
    return result


def routed(build: DesignFolder) -> dict[str, Any]:
    """Results of place and route that lie in the build folder, by board.

    Raises
    ------
    FileError
        One is damaged.
    """
    paths = {board: build.folder / f"routed-{board}.json" for board in BOARDS}
    return {board: _read(path) for board, path in paths.items() if path.is_file()}


def render_routed(told: dict[str, Any]) -> Iterator[RenderableType]:
    """Tables of the result for one board."""
    yield _summary(told)
    yield _blocks(told)


def routed_tables(report: dict[str, Any]) -> list[tables.Table]:
    """What was routed, a column for each board, and where the longest path of each runs."""
    boards = report["routed"]
    if not boards:
        return []
    summaries = {board: dict(_told(told)) for board, told in boards.items()}
    first = next(iter(summaries.values()))
    found = [
        tables.Table(
            name="routed",
            caption="What nextpnr routed, the UART link around the accelerator included",
            columns=(
                tables.Column(key="what", title="", numeric=False),
                *(
                    tables.Column(key=f"board{n}", title=f"{BOARDS[board].title} ({told['device']})", numeric=False)
                    for n, (board, told) in enumerate(boards.items())
                ),
            ),
            rows=tuple(
                (tables.Cell(text=what), *(tables.Cell(text=told[what]) for told in summaries.values()))
                for what in first
            ),
        )
    ]
    return found + [_path_table(n, board, told["path"]) for n, (board, told) in enumerate(boards.items())]


def _path_table(number: int, board: str, path: dict[str, Any]) -> tables.Table:
    return tables.Table(
        name=f"path{number}",
        caption=f"The longest path on {BOARDS[board].title}: {told_path(path)}",
        columns=(
            tables.Column(key="kind", title="Step", numeric=False),
            tables.Column(key="ns", title="Time", unit="ns"),
            tables.Column(key="block", title="Block", numeric=False),
            tables.Column(key="cell", title="To cell", numeric=False),
        ),
        rows=tuple(
            (
                tables.Cell(text=step["kind"]),
                tables.Cell(text=tables.number(step["ns"], 2), value=step["ns"]),
                tables.Cell(text=step["block"]),
                tables.Cell(text=step["cell"]),
            )
            for step in path["steps"]
        ),
    )


def _summary(told: dict[str, Any]) -> Table:
    title = f"Routed on {BOARDS[told['board']].title} ({told['device']})"
    table = Table(title=title, show_header=False, title_justify="left", box=SIMPLE)
    table.add_column(style="bold")
    table.add_column()
    for row in _told(told):
        table.add_row(*row)
    return table


def _told(told: dict[str, Any]) -> list[tuple[str, str]]:
    """What there is to tell, and how it is told."""
    clock = told["clock_mhz"]
    used = (
        f"{kind} {cells['used']:,} of {cells['available']:,}"
        for kind, cells in told["utilisation"].items()
        if cells["available"] > 1
    )
    return [
        ("clock", f"{clock:.4g} MHz; routed Fmax {told['fmax_mhz']:.4g} MHz, seed {told['seed']}"),
        ("throughput", f"{told['accelerator_fps']:,.0f} frames/s; the link carries {told['link_fps']:,.0f}"),
        ("latency", f"{told['latency_cycles'] / clock:,.2f} us, {told['latency_cycles']:,} cycles"),
        ("cells", ", ".join(used)),
        ("longest path", told_path(told["path"])),
        ("took", f"{told['seconds']['synthesis']:.0f} s to synthesise, {told['seconds']['routing']:.0f} s to route"),
    ]


def _blocks(told: dict[str, Any]) -> Table:
    table = Table(title="Blocks as synthesised for the board", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("block", no_wrap=True)
    for name in _COLUMNS:
        table.add_column("LUT sites" if name == "sites" else name.upper(), justify="right")
    for name, row in told["blocks"].items():
        table.add_row(name, *(f"{row[key]:,}" if row[key] else "" for key in _COLUMNS))
    table.add_section()
    total = {key: sum(row[key] for row in told["blocks"].values()) for key in _COLUMNS}
    table.add_row("total", *(f"{total[key]:,}" if total[key] else "" for key in _COLUMNS))
    return table


def _read(path: Path) -> dict[str, Any]:
    remedy = "remove it, or make it again with bitweir build"
    check_listed(path, remedy)
    try:
        told: dict[str, Any] = json.loads(path.read_text())
        told_path(told["path"])
        sound = all(isinstance(told[key], int | float) for key in _NUMBERS)
        sound &= all(type(row[key]) is int for row in told["blocks"].values() for key in _COLUMNS)
        sound &= all(type(cells[key]) is int for cells in told["utilisation"].values() for key in ("used", "available"))
        if sound and all(isinstance(told["seconds"][key], float) for key in ("synthesis", "routing")):
            return told
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError):
        pass
    raise FileError(f"{str(path)!r} is damaged: {remedy}.")
