"""A report as Markdown, with tables as GitHub shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import tables
from .fit import told_unfit
from .limits import pace, told_advice, told_limits
from .model import ReportData
from .routed import routed_tables

__all__ = ["markdown"]

#: What means something to Markdown, HTML or tables, wherever it stands in a line.
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|&~$@]")


def markdown(report: ReportData) -> str:
    """Markdown of a report as `collect` makes it."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: ReportData) -> Iterator[str]:
    yield f"# {_text(report.network.name)}"
    yield ""
    if unfit := told_unfit(report):
        yield from (f"**{_text(unfit)}**", "")
    for what, much, unit in tables.figures(report):
        yield f"- **{_text(what)}**: {_text(much)} {_text(unit)}"
    yield ""
    for sentence in told_limits(report):
        yield f"- {_text(sentence)}"
    if report.advice:
        yield from ("", "## What to try next", "")
        for each in report.advice:
            yield f"- {_text(told_advice(each))}"
    yield ""
    for what, told in tables.identity(report):
        yield f"- {_text(what)}: {_text(told)}"
    yield from ("", "## Input", "")
    for sentence in report.network.input:
        yield f"- {_text(sentence)}"
    if report.network.notes:
        yield from ("", "## Notes", "")
        for note in report.network.notes:
            yield f"- {_text(note)}"
    yield from ("", "## Blocks", "", _text(pace(report)))
    yield from _table(tables.blocks(report))
    yield from ("", "## Resources")
    yield from _table(tables.part_use(report))
    for family in sorted({*report.synthesis, *report.estimates}):
        yield from _table(tables.logic(report, family))
        if proved := tables.proofs(report, family):
            yield from _table(proved)
    yield from _table(tables.bands(report))
    for table in routed_tables(report):
        yield from _table(table)
    yield from ("", "## Roofline")
    yield from _table(tables.needs(report))
    yield from ("", "## Streams")
    yield from _table(tables.streams(report))
    yield from ("", "## One frame")
    yield from _table(tables.timeline(report))
    yield from ("", "## Memories")
    yield from _table(tables.memories(report))
    if outside := tables.weight_streams(report):
        yield from _table(outside)
    if reuse := tables.reuse(report):
        yield from _table(reuse)
    yield from ("", "## Tools")
    for table in tables.runs(report):
        yield from _table(table)


def _table(table: tables.Table) -> Iterator[str]:
    yield from ("", f"{_text(table.caption)}:", "")
    heads = [_text(f"{column.title}, {column.unit}" if column.unit else column.title) for column in table.columns]
    yield _row(heads)
    yield _row(["---:" if column.numeric else ":---" for column in table.columns])
    for row in table.rows:
        yield _row([f"**{_text(cell.text)}**" if cell.strong else _text(cell.text) for cell in row])
    if table.total:
        yield _row([f"**{_text(cell.text)}**" if cell.text else "" for cell in table.total])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """Text that means nothing but itself, on one line."""
    plain = _SPECIAL.sub(lambda match: _escaped(match[0]), " ".join(text.split()))
    # At its start a line may look like an entry of a list, or like a rule.
    return re.sub(r"^(\d*)([-+=.)])(?=\s|\2|$)", r"\1\\\2", plain)


def _escaped(character: str) -> str:
    return {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}.get(character, f"\\{character}")
