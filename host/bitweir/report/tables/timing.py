"""Tables of streams, of a frame on its way, and of tools that ran."""

from __future__ import annotations

from collections.abc import Iterable

from ..fit import told_group
from ..model import ReportData
from .base import Cell, Table, make_columns, number, numbers, share, words


def streams(report: ReportData) -> Table:
    """The states of each stream, and the blocks that make it wait."""
    period = report.timing.period_cycles
    rows = tuple(
        (
            *words(row.name, row.sender, row.receiver),
            *numbers(row.bits, row.beats),
            *(share(count / period if count else None) for count in (row.moved, row.blocked, row.starved, row.idle)),
            *words(row.blocked_by, row.starved_by),
        )
        for row in report.streams
    )
    return Table(
        name="streams",
        caption=f"Streams over a period of {period:,} cycles of steady state",
        columns=make_columns(
            ("stream", "Stream", "", False), ("sender", "From", "", False), ("receiver", "To", "", False),
            ("bits", "Width", "bits"), ("beats", "Beats", told_group(report)), ("moved", "Moved", ""),
            ("blocked", "Blocked", ""), ("starved", "Starved", ""), ("idle", "Idle", ""),
            ("blockedBy", "Blocked by", "", False),
            ("starvedBy", "Starved by", "", False),
        ),
        rows=rows,
    )  # fmt: skip


def timeline(report: ReportData) -> Table:
    """First and last beats of a frame, or of a group of parallel frames."""
    way, frames = report.timeline, report.plan.streams
    before = way.frame * frames
    told = f"Frame {before + 1} after reset: cycles of its"
    if frames > 1:
        told = f"Frames {before + 1} to {before + frames} after reset, in parallel: cycles of their"
    return Table(
        name="timeline",
        caption=f"{told} first and last beats in each block",
        columns=make_columns(
            ("block", "Block", "", False), ("firstIn", "First in", "cycle"), ("lastIn", "Last in", "cycle"),
            ("firstOut", "First out", "cycle"), ("lastOut", "Last out", "cycle"),
        ),
        rows=tuple(
            (*words(row.name), *numbers(row.first_in, row.last_in, row.first_out, row.last_out, zero=True))
            for row in way.blocks
        ),
    )  # fmt: skip


def runs(report: ReportData) -> tuple[Table, Table]:
    """Run times of the tools, and their versions."""
    took: Iterable[tuple[Cell, ...]] = (
        (*words(run.what, run.tool), Cell(text=number(run.seconds, 2), value=run.seconds)) for run in report.runs
    )
    return (
        Table(
            name="runs",
            caption="Run times of the tools",
            columns=make_columns(("what", "Run", "", False), ("tool", "Tool", "", False), ("seconds", "Time", "s")),
            rows=tuple(took),
        ),
        Table(
            name="tools",
            caption="Versions",
            columns=make_columns(("tool", "Tool", "", False), ("version", "Version", "", False)),
            rows=tuple(tuple(words(name, version)) for name, version in report.tools.items()),
        ),
    )
