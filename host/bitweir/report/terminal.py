"""A report as tables for the terminal: those of `tables`, with the columns that 80 characters have room for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.box import SIMPLE, SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..planning.request import told_levels
from ..synthesis.results import Routed
from . import tables
from .fit import told_fmax, told_target, told_unfit
from .limits import told_advice, told_limits
from .model import ReportData
from .routed import blocks_of, summary_of, title_of

__all__ = ["render", "render_routed", "render_table"]

#: What is shown of the table of blocks.
_BLOCKS = ("block", "simd", "pe", "lanes", "cycles", "used", "weights", "buffers")
_MEMORIES = ("block", "holds", "words", "width", "copies", "rams", "full")


def render(report: ReportData) -> Iterator[RenderableType]:
    """Tables and lines for a report."""
    if unfit := told_unfit(report):
        yield Text(unfit, style="bold red")
    yield _pairs(f"Accelerator {report.network.name}", _summary(report))
    for sentence in told_limits(report):
        yield Text(sentence)
    for each in report.advice or ():
        yield Text(f"Try: {told_advice(each)}")
    yield render_table(tables.blocks(report), _BLOCKS)
    held = tables.memories(report, in_block_ram=True)
    if held.rows:
        yield render_table(held, _MEMORIES)
    if outside := tables.weight_streams(report):
        yield render_table(outside)
    if reuse := tables.reuse(report):
        yield render_table(reuse)
    yield render_table(tables.totals(report))
    for family in report.synthesis:
        measured = tables.logic(report, family)
        yield render_table(measured, [column.key for column in measured.columns if column.unit in ("", "measured")])
        if proved := tables.proofs(report, family):
            yield render_table(proved)
    for routed in report.routed.values():
        yield from render_routed(routed)
    for sentence in report.network.input:
        yield Text(f"input: {sentence}", style="dim")
    for note in report.network.notes:
        yield Text(f"note: {note}", style="dim")


def render_routed(routed: Routed) -> Iterator[RenderableType]:
    """Tables of the result for one board."""
    yield _pairs(title_of(routed), summary_of(routed))
    yield render_table(blocks_of(routed))


def _summary(report: ReportData) -> Iterator[tuple[str, str]]:
    for what, much, unit in tables.figures(report):
        yield what, f"{much} {unit}"
    yield "Registers", told_levels(report.plan.popcount.levels_per_stage).removesuffix(".")
    yield "Target", told_target(report)
    yield "Clock", told_fmax(report)


def _pairs(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    """What, and how much."""
    table = Table(title=title, show_header=False, title_justify="left", box=SIMPLE)
    table.add_column(style="bold")
    table.add_column()
    for row in rows:
        table.add_row(*row)
    return table


def render_table(table: tables.Table, keys: Iterable[str] = ()) -> Table:
    """A table, or the columns of it with some keys. A unit that all of these share stands in the title."""
    kept = [place for place, column in enumerate(table.columns) if not keys or column.key in keys]
    units = {table.columns[place].unit for place in kept} - {""}
    common = units.pop() if len(units) == 1 else ""
    shown = Table(
        # Above the title, an empty line.
        title=f"\n{table.caption}; here: {common}" if common else f"\n{table.caption}",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        caption=table.remark or None,
    )
    for place in kept:
        column = table.columns[place]
        heading = f"{column.title}\n{column.unit}" if column.unit not in ("", common) else column.title
        shown.add_column(heading, justify="right" if column.numeric else "left", no_wrap=place == 0)
    for row in table.rows:
        shown.add_row(*(Text(row[place].text, style="bold" if row[place].strong else "") for place in kept))
    if table.total:
        shown.add_section()
        shown.add_row(*(table.total[place].text for place in kept))
    return shown
