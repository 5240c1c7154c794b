"""Whether a design fits the part that it is compared with, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.cost import Cost, estimate_pipeline
from bitweir_hw.parts import FpgaPart
from bitweir_hw.plan import Plan
from msgspec import UNSET

from ..cells import FAMILY_OF_CELL, cell_of
from ..planning.remedy import smallest_part
from ..speed import ExpectedClock
from ..synthesis.results import Measured, Resources, Routed
from .boards import board_title
from .model import Estimate, Fit, FitRow, ReportData

__all__ = [
    "RESOURCES_OF_A_PART",
    "fit",
    "holds",
    "smallest_that_holds",
    "told_about",
    "told_clock",
    "told_fmax",
    "told_group",
    "told_rate",
    "told_target",
    "told_unfit",
]

#: What a part has of each resource: what readers call it, what a design takes of it, what a part calls it. Parts whose
#: LUTs can all be memory have no number of LUT RAMs.
RESOURCES_OF_A_PART = (
    ("LUT sites", "sites", "luts"),
    ("flip-flops", "ff", "ffs"),
    ("block RAMs", "bram", "block_rams"),
    ("DSPs", "dsp", "dsps"),
    ("LUT RAMs", "lutram", "lut_rams"),
)


def fit(
    part: FpgaPart,
    *,
    measured: Mapping[str, Measured],
    estimated: Mapping[str, Estimate],
    routed: Mapping[str, Routed],
) -> Fit:
    """Compare a design with each resource of a part.

    Parameters
    ----------
    part : FpgaPart
    measured, estimated : mapping
        By family: what synthesis measured, and what the cost model expects, of which the first counts.
    routed : mapping
        By board: what was routed. What was routed on a board with the part fits, whatever estimates say.
    """
    on_board = any(told.part == part.name for told in routed.values())
    known = measured.get(part.family)
    found = (known or estimated[part.family]).total
    rows = []
    for name, key, has in RESOURCES_OF_A_PART:
        used, available = getattr(found, key), getattr(part, has)
        if available is None:
            continue
        rows.append(
            FitRow(
                resource=name,
                used=used,
                available=available,
                source="measured" if known else "estimated",
                fits=on_board or used <= available,
            )
        )
    return Fit(fits=all(row.fits for row in rows), routed=on_board, resources=tuple(rows))


def holds(part: FpgaPart, found: Cost | Resources) -> bool:
    """Whether a part has as much of each resource as a design takes, by count."""
    limits = ((getattr(found, key), getattr(part, has)) for _, key, has in RESOURCES_OF_A_PART)
    return all(available is None or used <= available for used, available in limits)


def smallest_that_holds(
    pipeline: Pipeline, plan: Plan, unfit: FpgaPart, measured: Mapping[str, Measured]
) -> str | None:
    """The listed part with the fewest LUT sites that has what a design takes, by the same counts as `fit`.

    Parameters
    ----------
    pipeline : Pipeline
    plan : Plan
        Parts without the primitives that it takes are left out.
    unfit : FpgaPart
        Has not what it takes.
    measured : mapping
        As of `fit`.
    """
    cell = cell_of(plan)

    @cache
    def taken(family: str) -> Cost | Resources:
        return measured[family].total if family in measured else estimate_pipeline(pipeline, family)[1]

    def would_do(part: FpgaPart) -> bool:
        return (not cell or FAMILY_OF_CELL[cell] == part.family) and holds(part, taken(part.family))

    found = smallest_part(would_do, beside=unfit)
    return found.name if found else None


def told_unfit(report: ReportData) -> str | None:
    """The resources that a design exceeds, as a sentence; None if it fits."""
    if report.fit.fits:
        return None
    needs = [
        f"{row.used:,} {row.resource} ({row.source}) of {row.available:,}"
        for row in report.fit.resources
        if not row.fits
    ]
    name = report.part.name
    why = "" if name == report.target.part else f" ({_compared(report)})"
    if report.fit.smallest is UNSET:
        other = ""
    elif report.fit.smallest is None:
        other = " No listed part holds it."
    else:
        other = f" Of all listed parts that hold it by count, {report.fit.smallest} has the fewest LUT sites."
    return f"Does not fit {name}{why}: it needs {' and '.join(needs)}.{other}"


def _compared(report: ReportData) -> str:
    """Why a design is compared with a part that it was not made for."""
    if "part" in report.target.overridden:
        return f"--part; made for {told_target(report)}"
    return "no part was named when it was generated"


def told_target(report: ReportData) -> str:
    """The target of the design, in words."""
    target = report.target
    what = target.part or target.family or "no particular part"
    if target.board:
        what = f"{board_title(target.board)}, {what}"
    return f"{what} at {target.clock_mhz:.6g} MHz"


def told_clock(report: ReportData) -> str:
    """The clock that times and rates are told for, how sure it is, and the one that was asked for if that is higher."""
    timing = report.timing
    told, asked = _expected(report).told, f"{timing.clock_mhz:.6g} MHz"
    notes = [f"{asked} asked for"] if timing.expected_clock_mhz < timing.clock_mhz else []
    if "clock" in report.target.overridden:
        notes.append(f"--clock; made for {report.target.clock_mhz:.6g} MHz")
    return told + (f" ({'; '.join(notes)})" if notes else "")


def told_about(report: ReportData) -> str:
    """What stands before figures that follow from the clock: nothing, or ``"about "``."""
    return _expected(report).about


def _expected(report: ReportData) -> ExpectedClock:
    timing = report.timing
    return ExpectedClock(
        part=report.part.name, hertz=timing.expected_clock_mhz * 1e6, error=timing.expected_error,
        origin=timing.expected_from,
    )  # fmt: skip


def told_fmax(report: ReportData) -> str:
    """The clock that may be reached on the part."""
    for told in report.routed.values():
        if told.part == report.part.name:
            return f"routed Fmax on {board_title(told.board)}: {told.fmax_mhz:.4g} MHz"
    fmax = report.estimate.fmax
    model = ", by a model: nothing of its family was routed" if fmax.basis == "model" else ""
    return f"estimated Fmax on {fmax.part}: {fmax.mhz:.4g} MHz, within {fmax.error:.0%}{model}"


def told_group(report: ReportData) -> str:
    """The frames that cycles and beats of blocks and streams refer to: one, or a group of parallel frames."""
    frames = report.plan.streams
    return "per frame" if frames == 1 else f"for {frames:,} parallel frames"


def told_rate(report: ReportData) -> str:
    """The unit of a throughput, and its clock."""
    return f"frames/s at {told_clock(report)}"
