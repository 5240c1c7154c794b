"""Designs side by side: what each costs, and how fast it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from bitweir_hw.errors import OptionsError
from markupsafe import Markup
from msgspec import Meta

from .. import schemas
from ..schemas import Digest, Json, one_of
from ..synthesis.results import Resources
from .model import ReportData
from .svg import element
from .tables.base import Cell, Table, make_columns, number, percent, significant

__all__ = ["ComparedBlock", "ComparedDesign", "ComparedFigure", "Comparison", "comparison_schema", "comparison_tables"]

#: Designs beside the first one in a table of figures, and designs in one of blocks, for which 80 characters have room.
_OTHERS, _DESIGNS = 1, 4
#: What is told of blocks.
_KEYS = (("cycles", "Cycles"), ("sites", "LUT sites"), ("bram", "Block RAMs"))


@dataclass(frozen=True, kw_only=True)
class ComparedDesign:
    """One of the designs.

    Parameters
    ----------
    name : str
        Of the folder, as it was given.
    network : str
    digest : str
        Of the network.
    part : str
        The part for which it is told.
    folding : str
    streams : int
        Parallel frames.
    """

    name: str
    network: str
    digest: Digest
    part: str
    folding: str
    streams: Annotated[int, Meta(ge=1)]


@dataclass(frozen=True, kw_only=True)
class ComparedFigure:
    """A figure of each design.

    Parameters
    ----------
    what, unit : str
    values : tuple of float or None
        In the order of the designs; null where a design has none.
    better : str
        Which values are.
    """

    what: str
    unit: str
    values: tuple[float | None, ...]
    better: Annotated[str, one_of("higher", "lower")]

    def change(self, place: int) -> float | None:
        """Value / value of the first design - 1; None where one is missing or the first is 0."""
        first, value = self.values[0], self.values[place]
        return None if not first or value is None else value / first - 1


@dataclass(frozen=True, kw_only=True)
class ComparedBlock:
    """A block that any of the designs has.

    Parameters
    ----------
    name : str
    cycles, sites, bram : tuple of int or None
        Of each design: cycles of a frame or of a group of parallel frames, LUT sites and block RAMs; null where a
        design does not have the block.
    """

    name: str
    cycles: tuple[int | None, ...]
    sites: tuple[int | None, ...]
    bram: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Designs side by side.

    Parameters
    ----------
    schema : str
    version : int
    designs : tuple of ComparedDesign
    same_network : bool
        Whether all compute the same: only then are they alternatives.
    source : str
        Where resources come from: synthesis, if all designs were measured for their part, or estimates for all.
    figures : tuple of ComparedFigure
    blocks : tuple of ComparedBlock
    """

    schema: Literal["bitweir comparison"] = "bitweir comparison"
    version: Literal[1] = 1
    designs: tuple[ComparedDesign, ...]
    same_network: bool
    source: Literal["measured", "estimated"]
    figures: tuple[ComparedFigure, ...]
    blocks: tuple[ComparedBlock, ...]

    @classmethod
    def of(cls, names: Sequence[str], reports: Sequence[ReportData]) -> Comparison:
        """Compare what reports tell.

        Parameters
        ----------
        names : sequence of str
            Of the designs.
        reports : sequence of ReportData
            Of as many designs, two or more.

        Raises
        ------
        OptionsError
            There are fewer than two.
        """
        if len(reports) < 2:
            raise OptionsError(f"There must be two designs or more to compare, not {len(reports)}.")
        measured = all(report.resources[0] == "measured" for report in reports)
        found = [report.resources[1] if measured else report.estimate for report in reports]
        return cls(
            designs=tuple(map(_design, names, reports)),
            same_network=len({report.network.digest for report in reports}) == 1,
            source="measured" if measured else "estimated",
            figures=tuple(_figures(reports, [each.total for each in found])),
            blocks=tuple(_blocks(reports, [each.blocks for each in found])),
        )

    def to_dict(self) -> Json:
        """The JSON object that `bitweir compare` prints with ``--json``."""
        return schemas.to_dict(self)

    def __repr__(self) -> str:
        """The figures, a line each."""
        table = _figure_table(self, range(len(self.designs)))
        heads = [column.title for column in table.columns]
        return "\n".join("  ".join(row) for row in [heads, *([cell.text for cell in row] for row in table.rows)])

    def _repr_html_(self) -> Markup:
        """The same as a table, for notebooks."""
        table = _figure_table(self, range(len(self.designs)))
        head = element("tr", *(element("th", column.title) for column in table.columns))
        rows = [element("tr", *(element("td", cell.text) for cell in row)) for row in table.rows]
        return element("table", element("caption", table.caption), head, *rows)


def comparison_schema() -> Json:
    """The JSON schema of a comparison."""
    return schemas.schema(
        Comparison, title="bitweir comparison", description="Designs side by side. Printed by bitweir compare --json."
    )


def _design(name: str, report: ReportData) -> ComparedDesign:
    return ComparedDesign(
        name=name,
        network=report.network.name,
        digest=report.network.digest,
        part=report.part.name,
        folding=", ".join(map(str, report.plan.foldings)),
        streams=report.plan.streams,
    )


def _figures(reports: Sequence[ReportData], totals: Sequence[Resources]) -> Iterator[ComparedFigure]:
    """What matters most, of each design."""
    timed: list[tuple[str, str, Callable[[ReportData], float | None], str]] = [
        ("Throughput", "frames/s", lambda report: report.timing.frames_per_second, "higher"),
        ("Clock, expected", "MHz", lambda report: report.timing.expected_clock_mhz, "higher"),
        ("Interval", "cycles per frame", lambda report: report.timing.cycles_per_frame, "lower"),
        ("Latency", "µs", lambda report: report.timing.latency_us, "lower"),
        ("Latency", "cycles", lambda report: float(report.timing.latency_cycles), "lower"),
    ]
    for what, unit, value, better in timed:
        yield ComparedFigure(what=what, unit=unit, values=tuple(map(value, reports)), better=better)
    for what, key in (("LUT sites", "sites"), ("Flip-flops", "ff"), ("Block RAMs", "bram"), ("DSPs", "dsp")):
        values = tuple(float(getattr(total, key)) for total in totals)
        if any(values):
            yield ComparedFigure(what=what, unit="", values=values, better="lower")
    share = tuple(report.limits.share for report in reports)
    yield ComparedFigure(what="Fullest resource", unit="share of the part", values=share, better="lower")
    lanes = tuple(float(report.total.lanes) for report in reports)
    yield ComparedFigure(what="Lanes", unit="products per cycle", values=lanes, better="higher")
    used = tuple(report.total.utilisation for report in reports)
    yield ComparedFigure(what="Utilisation", unit="share of lane cycles", values=used, better="higher")
    bits = tuple(float(report.total.bits) for report in reports)
    yield ComparedFigure(what="Memory", unit="bits on chip", values=bits, better="lower")


def _blocks(reports: Sequence[ReportData], found: Sequence[Mapping[str, Resources]]) -> Iterator[ComparedBlock]:
    """All blocks, in the order of the first design that has them."""
    cycles = [{block.name: block.cycles for block in report.blocks} for report in reports]
    for name in dict.fromkeys(name for each in cycles for name in each):
        rows = [each.get(name) for each in found]
        yield ComparedBlock(
            name=name,
            cycles=tuple(each.get(name) for each in cycles),
            sites=tuple(None if row is None else row.sites for row in rows),
            bram=tuple(None if row is None else row.bram for row in rows),
        )


def comparison_tables(found: Comparison) -> list[Table]:
    """The figures, with their changes from the first design; and the blocks: as wide as a terminal has room for."""
    count = len(found.designs)
    others = [range(start, min(start + _OTHERS, count)) for start in range(1, count, _OTHERS)]
    blocks = [range(start, min(start + _DESIGNS, count)) for start in range(0, count, _DESIGNS)]
    return [
        *(_figure_table(found, [0, *places]) for places in others),
        *(_block_table(found, places, key, unit) for key, unit in _KEYS for places in blocks),
    ]


def _figure_table(found: Comparison, places: Sequence[int]) -> Table:
    heads: list[tuple[str, str, str] | tuple[str, str, str, bool]] = [("figure", "Figure", "", False)]
    for place in places:
        heads.append((f"d{place}", found.designs[place].name, ""))
        if place:
            heads.append((f"c{place}", "Change", ""))
    rows = []
    for figure in found.figures:
        row = [Cell(text=f"{figure.what}, {figure.unit}" if figure.unit else figure.what)]
        for place in places:
            value = figure.values[place]
            row.append(Cell(text=_value(figure, value), value=value))
            if place:
                row.append(Cell(text=percent(figure.change(place), sign=True), value=figure.change(place)))
        rows.append(tuple(row))
    return Table(
        name="figures", caption=f"Designs side by side; resources are {found.source}",
        columns=make_columns(*heads), rows=tuple(rows),
        remark="" if found.same_network else "These designs compute different networks.",
    )  # fmt: skip


def _block_table(found: Comparison, places: Sequence[int], key: str, unit: str) -> Table:
    heads = [(f"d{place}", found.designs[place].name, "") for place in places]
    rows = []
    for block in found.blocks:
        values = [getattr(block, key)[place] for place in places]
        cells = [Cell(text="–" if value is None else number(value), value=value) for value in values]
        rows.append((Cell(text=block.name), *cells))
    return Table(
        name=key, caption=f"{unit} of each block", rows=tuple(rows),
        columns=make_columns(("block", "Block", "", False), *heads),
    )  # fmt: skip


def _value(figure: ComparedFigure, value: float | None) -> str:
    if value is None:
        return "–"
    if figure.unit.startswith("share"):
        return percent(value)
    return number(value) if value == int(value) else significant(value)
