"""An exploration: points of a network on parts, as a file for programs, one for spreadsheets, and a plot."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from ..folders import whole_folder
from ..schemas import Count, Digest, Json, Positive, Rate, one_of, schema, to_dict
from ..synthesis.flows import FAMILIES

__all__ = [
    "Exploration",
    "ExploredNetwork",
    "PartSize",
    "Point",
    "csv_text",
    "exploration_schema",
    "plot",
    "write_exploration",
]

_Percent = float | None | UnsetType


@dataclass(frozen=True, kw_only=True)
class ExploredNetwork:
    """The network that was explored.

    Parameters
    ----------
    name : str
    digest : str
        Hash of its content.
    """

    name: str
    digest: Digest


@dataclass(frozen=True, kw_only=True)
class PartSize:
    """What a part has.

    Parameters
    ----------
    sites : int
        LUT sites.
    block_rams : int
    most_sites, most_block_rams : int
        What a plan may use of them.
    """

    sites: Positive
    block_rams: Count
    most_sites: Count
    most_block_rams: Count


@dataclass(frozen=True, kw_only=True)
class Point:
    """A plan on a part; the figures from ``fitted_sites`` on are there where Yosys has confirmed it.

    Parameters
    ----------
    part : str
    family : str
    clock_mhz : float or None
        The highest that was asked for; null if none was.
    expected_clock_mhz : float
        What the plan is expected to reach of it.
    cycles : int
        Between frames, or groups of parallel frames.
    frames_per_second : float
        At expected_clock_mhz.
    foldings : str
        SIMDxPE of each layer with weights, as ``--folding`` takes it.
    sites : int
        LUT sites, estimated, those of LUT RAM included.
    lut, ff, block_rams, dsps : int
        Estimated.
    stage_levels : int
        Adder levels between registers.
    fmax_mhz : float
        Estimated.
    fmax_error : float
        The share by which that may be off.
    fmax_from : str
        Designs that were routed, or a model of a family that was not.
    bound : float
        LUT sites below which no plan with so few cycles gets, according to the cost model.
    front : bool
        Whether no other point of the part is as good in sites, block RAMs and frames a second, and better in one.
    fitted_sites, fitted_lut, fitted_ff, fitted_block_rams : int
        Estimated for FIFOs as they are built.
    measured_sites, measured_lut, measured_ff, measured_block_rams : int
        As Yosys maps the design.
    error_sites_percent, error_lut_percent, error_ff_percent, error_block_rams_percent : float or None
        Estimate / measurement - 1; null where nothing is measured.
    """

    part: str
    family: Annotated[str, one_of(*FAMILIES)]
    clock_mhz: Rate | None
    expected_clock_mhz: Rate
    cycles: Positive
    frames_per_second: Rate
    foldings: str
    sites: Count
    lut: Count
    ff: Count
    block_rams: Count
    dsps: Count
    stage_levels: Count
    fmax_mhz: Rate
    fmax_error: float
    fmax_from: Literal["routed", "model"]
    bound: float
    front: bool
    fitted_sites: Count | UnsetType = UNSET
    fitted_lut: Count | UnsetType = UNSET
    fitted_ff: Count | UnsetType = UNSET
    fitted_block_rams: Count | UnsetType = UNSET
    measured_sites: Count | UnsetType = UNSET
    measured_lut: Count | UnsetType = UNSET
    measured_ff: Count | UnsetType = UNSET
    measured_block_rams: Count | UnsetType = UNSET
    error_sites_percent: _Percent = UNSET
    error_lut_percent: _Percent = UNSET
    error_ff_percent: _Percent = UNSET
    error_block_rams_percent: _Percent = UNSET


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """What a network can be on parts.

    Parameters
    ----------
    format : str
        Names this format of file.
    version : int
        Raised when a program that reads explorations would notice a change.
    bitweir : str
        Version of bitweir.
    network : ExploredNetwork
    clock_mhz : float or None
        The highest that was asked for; null if none was.
    streams : int
        Parallel frames.
    parts : dict
        The parts, by name.
    points : tuple of Point
        By part, the fastest first.
    notes : tuple of str
    """

    format: Literal["bitweir exploration"] = "bitweir exploration"
    version: Annotated[int, Meta(ge=2, le=2)] = 2
    bitweir: str
    network: ExploredNetwork
    clock_mhz: Rate | None
    streams: Positive
    parts: dict[str, PartSize]
    points: tuple[Point, ...]
    notes: tuple[str, ...]

    @property
    def clock_told(self) -> str:
        """The clock of all points, in words."""
        most = "" if self.clock_mhz is None else f", at most {self.clock_mhz:g} MHz"
        return f"at the clock that each point is expected to reach{most}"

    @property
    def front(self) -> tuple[Point, ...]:
        """The points that no other point of their part beats."""
        return tuple(point for point in self.points if point.front)

    def to_dict(self) -> Json:
        """Content of ``explore.json``."""
        return to_dict(self)


def exploration_schema() -> Json:
    """The JSON schema of an exploration."""
    return schema(
        Exploration,
        title="bitweir exploration",
        description="What `bitweir explore` writes as explore.json, and prints with --json.",
    )


def csv_text(points: Sequence[Point]) -> str:
    """Points as comma-separated values, a column for each key."""
    rows = [to_dict(point) for point in points]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def plot(result: Exploration, folder: Path) -> bool:
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
    for number, part in enumerate(result.parts):
        own = [point for point in result.points if point.part == part]
        front = sorted((p for p in own if p.front), key=lambda p: (p.sites, p.frames_per_second))
        colour = f"C{number}"
        beaten = [point for point in own if not point.front]
        axes.plot(*_places(beaten, "sites"), "o", color=colour, fillstyle="none", alpha=0.5)
        if front:
            axes.plot(*_places(front, "sites"), "o-", color=colour, label=part)
        measured = [point for point in front if point.measured_sites is not UNSET]
        axes.plot(*_places(measured, "measured_sites"), "x", color=colour)
    axes.set(
        xscale="log", yscale="log", xlabel="LUT sites (estimated; crosses: measured)", ylabel="frames/s",
        title=f"{result.network.name}, {result.clock_told}",
    )  # fmt: skip
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    # The same exploration gives the same bytes: no time, no random names.
    with matplotlib.rc_context({"svg.hashsalt": "bitweir"}):
        figure.savefig(folder / "explore.svg", metadata={"Date": None})
    figure.savefig(folder / "explore.png", dpi=150)
    return True


def _places(points: Sequence[Point], key: str) -> tuple[list[float], list[float]]:
    return [getattr(point, key) for point in points], [point.frames_per_second for point in points]


def write_exploration(folder: Path, make: Callable[[], Exploration]) -> Exploration:
    """Make an exploration and write it into a folder: whole, or not at all.

    Parameters
    ----------
    folder : Path
        Is checked before anything takes time.
    make : callable
        Returns an exploration.

    Returns
    -------
    Exploration
        What was written as ``explore.json``: with a note if there is no plot.

    Raises
    ------
    FileError
        Something else is there, or the folder cannot be written.
    """
    with whole_folder(folder) as new:
        result = make()
        if not plot(result, new):
            note = "There is no plot, as matplotlib is missing: pip install 'bitweir[explore]'."
            result = replace(result, notes=(*result.notes, note))
        (new / "explore.csv").write_text(csv_text(result.points))
        (new / "explore.json").write_text(json.dumps(result.to_dict(), indent=1) + "\n")
    return result
