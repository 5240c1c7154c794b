"""Measurements of place and route: for the report's key ``routed``, and as tables."""

from __future__ import annotations

from pathlib import Path

from bitweir_hw.boards import BOARDS

from ..design import DesignFolder
from ..manifest import check_listed
from ..schemas import read
from ..synthesis.results import Routed, TimingPath
from . import tables
from .boards import board_title
from .model import ReportData

__all__ = ["blocks_of", "routed", "routed_tables", "summary_of", "title_of"]


def routed(build: DesignFolder) -> dict[str, Routed]:
    """Results of place and route that lie in the build folder, by board.

    Raises
    ------
    FileError
        One is damaged.
    """
    own = build.target.own_board
    boards = [*BOARDS, own.name] if own else BOARDS
    paths = {board: build.folder / f"routed-{board}.json" for board in boards}
    return {board: _read(path) for board, path in paths.items() if path.is_file()}


def routed_tables(report: ReportData) -> list[tables.Table]:
    """What was routed, a column for each board, and where the longest path of each runs."""
    boards = report.routed
    if not boards:
        return []
    summaries = {board: dict(summary_of(told)) for board, told in boards.items()}
    first = next(iter(summaries.values()))
    found = [
        tables.Table(
            name="routed",
            caption="What nextpnr routed, the UART link around the accelerator included",
            columns=(
                tables.Column(key="what", title="", numeric=False),
                *(
                    tables.Column(key=f"board{n}", title=f"{board_title(board)} ({told.device})", numeric=False)
                    for n, (board, told) in enumerate(boards.items())
                ),
            ),
            rows=tuple(
                (tables.Cell(text=what), *(tables.Cell(text=told[what]) for told in summaries.values()))
                for what in first
            ),
        )
    ]
    return found + [_path_table(n, board, told.path) for n, (board, told) in enumerate(boards.items())]


def _path_table(number: int, board: str, path: TimingPath) -> tables.Table:
    return tables.Table(
        name=f"path{number}",
        caption=f"The longest path on {board_title(board)}: {path}",
        columns=(
            tables.Column(key="kind", title="Step", numeric=False),
            tables.Column(key="ns", title="Time", unit="ns"),
            tables.Column(key="block", title="Block", numeric=False),
            tables.Column(key="cell", title="To cell", numeric=False),
        ),
        rows=tuple(
            (
                tables.Cell(text=step.kind),
                tables.Cell(text=tables.number(step.ns, 2), value=step.ns),
                tables.Cell(text=step.block),
                tables.Cell(text=step.cell),
            )
            for step in path.steps
        ),
    )


def title_of(told: Routed) -> str:
    """Where it was routed."""
    return f"Routed on {board_title(told.board)} ({told.device})"


def summary_of(told: Routed) -> list[tuple[str, str]]:
    """The figures that matter most: what, and how much."""
    used = (
        f"{kind} {cells.used:,} of {cells.available:,}"
        for kind, cells in told.utilisation.items()
        if cells.available > 1
    )
    return [
        ("clock", f"{told.clock_mhz:.4g} MHz; routed Fmax {told.fmax_mhz:.4g} MHz, seed {told.seed}"),
        ("link's clock", f"{told.link_clock_mhz:.4g} MHz; routed Fmax {told.link_fmax_mhz:.4g} MHz"),
        ("throughput", f"{told.accelerator_fps:,.0f} frames/s; the link carries {told.link_fps:,.0f}"),
        ("latency", f"{told.latency_cycles / told.clock_mhz:,.2f} us, {told.latency_cycles:,} cycles"),
        ("cells", ", ".join(used)),
        ("longest path", str(told.path)),
        ("took", f"{told.seconds.synthesis:.0f} s to synthesise, {told.seconds.routing:.0f} s to route"),
    ]


def blocks_of(told: Routed) -> tables.Table:
    """What each block takes."""
    total = {key: sum(getattr(row, key) for row in told.blocks.values()) for key in tables.RESOURCE_NAMES}
    return tables.Table(
        name="routedBlocks",
        caption="Blocks as synthesised for the board",
        columns=(
            tables.Column(key="block", title="Block", numeric=False),
            *(tables.Column(key=key, title=title) for key, title in tables.RESOURCE_NAMES.items()),
        ),
        rows=tuple(
            (tables.Cell(text=name), *tables.numbers(*(getattr(row, key) for key in total)))
            for name, row in told.blocks.items()
        ),
        total=(tables.Cell(text="total"), *tables.numbers(*total.values())),
    )


def _read(path: Path) -> Routed:
    remedy = "remove it, or make it again with bitweir build"
    check_listed(path, remedy)
    return read(path, Routed, remedy)
