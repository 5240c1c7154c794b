"""A report as one self-contained HTML page: no network, no scripts to load, no other files."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..synthesis.flows import FAMILIES
from . import svg, tables
from .fit import told_unfit
from .limits import pace, told_advice, told_limits
from .model import ReportData
from .routed import routed_tables

__all__ = ["page"]

#: What to call the colours of blocks, in order of the legend.
_LEGEND = {
    "window": "windows",
    "weights": "layers with weights",
    "map": "pools, thresholds, affine maps",
    "sum": "sums",
    "move": "widths, forks, FIFOs",
    "score": "votes, results",
}


def page(report: ReportData) -> str:
    """HTML of a report as `collect` makes it."""
    environment = Environment(
        loader=PackageLoader("bitweir", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    kinds = {block.name: block.kind for block in report.blocks}
    period, way = report.timing.period_cycles, report.timeline
    used = {svg.GROUPS[block.kind] for block in report.blocks}
    known = {*report.synthesis, *report.estimates}
    return environment.get_template("page.html.j2").render(
        report=report,
        unfit=told_unfit(report),
        figures=(figures := tables.figures(report)),
        # As few places as possible are left empty in the last row.
        figure_columns=min((4, 5, 3), key=lambda columns: -len(figures) % columns),
        identity=tables.identity(report),
        limits=list(told_limits(report)),
        advice=[told_advice(each) for each in report.advice or ()],
        bound_by=tables.BOUND_BY[report.roofline.total.binding],
        legend=[(kind, told) for kind, told in _LEGEND.items() if kind in used],
        states=svg.STATES,
        pace=pace(report),
        formula=_formula(report),
        pipeline=svg.pipeline(report),
        blocks=tables.blocks(report),
        logic=[
            table
            for family in FAMILIES
            if family in known
            for table in (tables.logic(report, family), tables.proofs(report, family))
            if table
        ],
        bands=tables.bands(report),
        routed=routed_tables(report),
        shares=_shares(report),
        part=tables.part_use(report),
        roofline=svg.roofline(report),
        needs=tables.needs(report),
        streams=tables.streams(report),
        stream_bars=[svg.states(stream, period) for stream in report.streams],
        timeline=tables.timeline(report),
        axis=svg.gantt_axis(way),
        gantt=[svg.gantt(row, way, kinds[row.name]) for row in way.blocks],
        memories=tables.memories(report),
        outside=tables.weight_streams(report),
        reuse=tables.reuse(report),
        runs=tables.runs(report),
    )


def _formula(report: ReportData) -> str:
    """What utilisation is, in terms of the cycles that the tables show."""
    frames = report.plan.streams
    if frames == 1:
        return "operations / (2 × lanes × cycles per frame)"
    interval = report.timing.cycles_per_frame * frames
    return (
        f"{frames} × operations / (2 × lanes × {interval:,.6g} cycles), "
        f"where {interval:,.6g} cycles are the interval of {frames} parallel frames"
    )


def _shares(report: ReportData) -> list[tuple[str, str, Markup]]:
    """What is shared out, how much of it there is, and a bar of the share of each block."""
    kinds = {block.name: svg.GROUPS[block.kind] for block in report.blocks}
    rows: list[tuple[str, Sequence[tuple[str, float, str]]]] = []
    origin, found = report.resources
    for key in ("sites", "ff", "bram"):
        amounts = [(name, getattr(row, key), kinds[name]) for name, row in found.blocks.items()]
        rows.append((f"{tables.RESOURCE_NAMES[key]}, {origin}", amounts))
    for title, key in (
        ("Lanes", "lanes"),
        ("Weight bits", "weight_bits"),
        ("Threshold bits", "threshold_bits"),
        ("Buffer bits", "buffer_bits"),
    ):
        rows.append((title, [(block.name, getattr(block, key), kinds[block.name]) for block in report.blocks]))
    shares = []
    for title, parts in rows:
        if whole := sum(amount for _, amount, _ in parts):
            name, most, _ = max(parts, key=lambda each: each[1])
            told = f"{title}: {tables.number(whole)}, the largest share in {name} ({most / whole:.0%})"
            shares.append((title, tables.number(whole), svg.stack(parts, told)))
    return shares
