"""A report, and its forms for people."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from .html import page
from .markdown import markdown
from .model import ReportData
from .svg import element
from .tables import figures

__all__ = ["Report"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(ReportData):
    """What a design costs and how fast it is: see `ReportData` for its fields."""

    @property
    def frames_per_second(self) -> float:
        """Throughput at the clock of the report."""
        return self.timing.frames_per_second

    def html(self) -> str:
        """The report as a page that needs no other file."""
        return page(self)

    def markdown(self) -> str:
        """The report in Markdown."""
        return markdown(self)

    def __repr__(self) -> str:
        """The figures that matter most, a line each."""
        lines = [f"{what}: {much} {unit}" for what, much, unit in figures(self)]
        return "\n".join([f"Report of {self.network.name}", *lines])

    def _repr_html_(self) -> Markup:
        """The same as a table, for notebooks."""
        rows = [
            element("tr", element("th", what), element("td", much), element("td", unit))
            for what, much, unit in figures(self)
        ]
        return element("table", element("caption", f"Report of {self.network.name}"), *rows)
