"""The first figures of a report, and what identifies a design."""

from __future__ import annotations

from bitweir_hw.parts import BLOCK_RAM
from bitweir_hw.words import counted

from ...results import result_name
from ..boards import board_title
from ..fit import told_about, told_fmax, told_group, told_rate, told_target
from ..model import NetworkReport, ReportData
from .base import number, percent, significant

#: Cells of a kind of which a part has no more are no resource that fills up.
_FEW = 8


def figures(report: ReportData) -> list[tuple[str, str, str]]:
    """The figures that matter most: what, how much, in which unit."""
    timing, total, about = report.timing, report.total, told_about(report)
    # What a memory outside makes of these has a row of its own.
    on_time = " if weights are never late" if report.weight_streams else ""
    return [
        ("Throughput", about + number(timing.frames_per_second), told_rate(report) + on_time),
        (
            "Interval",
            _cycles(timing.cycles_per_frame),
            f"{_named(timing.cycles_per_frame)} per frame in steady state{on_time}",
        ),
        ("Latency", about + significant(timing.latency_us), f"µs, {counted(timing.latency_cycles, 'cycle')}{on_time}"),
        (
            "Operations",
            about + significant(timing.giga_operations_per_second),
            f"GOPS, {number(total.operations)} per frame",
        ),
        ("Lanes", number(total.lanes), "products per cycle, 2 operations each"),
        ("Utilisation", percent(total.utilisation) or "–", "of all lane cycles"),
        ("Memory", number(total.bits), "bits on chip in total"),
        *_from_outside(report),
        *_reused(report),
        *_limited(report),
    ]


def _cycles(count: float) -> str:
    """Cycles a frame: whole ones but for parallel frames."""
    return number(count) if count == int(count) else significant(count)


def _named(count: float) -> str:
    return "cycle" if count == 1 else "cycles"


def _limited(report: ReportData) -> list[tuple[str, str, str]]:
    """What binds the speed, or else the memory that streamed weights come from; and the fullest resource."""
    found, memory = report.limits, report.weight_memory
    if memory and memory.cycles_per_frame > report.timing.cycles_per_frame:
        speed = ("Limited by", "memory", "of streamed weights: a frame waits for them")
    elif found.pace:
        others = f"{len(found.pace) - 1} other" + ("s" if len(found.pace) > 2 else "")
        told = f"and {others}, busy in each cycle" if len(found.pace) > 1 else "is busy in each cycle"
        speed = ("Limited by", found.pace[0], told)
    else:
        speed = ("Limited by", "waits", "as no block is busy in each cycle")
    if routed := _routed_fullest(report):
        return [speed, routed]
    most = f", {found.block_share:.0%} of these in {found.block}" if found.block_share else ""
    return [speed, ("Fullest", percent(found.share) or "0%", f"of the {found.resource} of {report.part.name}{most}")]


def _routed_fullest(report: ReportData) -> tuple[str, str, str] | None:
    """The kind of cells of which the most are used as routed for the part; None where nothing was."""
    uses = [
        (cells.used / cells.available, kind, cells, board_title(board))
        for board, told in report.routed.items()
        if told.part == report.part.name
        for kind, cells in told.utilisation.items()
        # Pins are the board's, and of a PLL there is one or two.
        if cells.available > _FEW and "IO" not in kind
    ]
    if not uses:
        return None
    most, kind, cells, title = max(uses)
    told = f"of {kind}: {number(cells.used)} of {number(cells.available)}, routed with the link on {title}"
    return "Fullest", percent(most) or "0%", told


def _from_outside(report: ReportData) -> list[tuple[str, str, str]]:
    """What the memory of streamed weights must give, if there are any."""
    if not report.weight_streams:
        return []
    total = sum(row.megabytes_per_second for row in report.weight_streams)
    about = told_about(report)
    rows = [("Weights", about + significant(total), "MB/s from outside the chip")]
    if memory := report.weight_memory:
        rate = f"{significant(memory.megabytes_per_second)} MB/s"
        told = f"frames/s if their memory gives {rate}, {significant(memory.cycles_per_frame)} cycles per frame"
        rows.append(("With memory", about + significant(memory.frames_per_second), told))
        if reader := memory.reader:
            told = (
                f"LUT sites for its reader, {number(reader.ff)} flip-flops, {number(reader.bram)} block RAMs, within "
            )
            rows.append(("Reader", f"about {number(reader.sites)}", f"{told}{reader.error:.0%}"))
    return rows


def _reused(report: ReportData) -> list[tuple[str, str, str]]:
    """What neurons of wired layers share, if there are any."""
    if not (reuse := report.total.reuse):
        return []
    told = (
        f"of the operations of wired layers skipped: {number(reuse.additions)} additions in place of "
        f"{number(reuse.additions_alone)} for a frame, {percent(reuse.reads_skipped)} of reads of inputs"
    )
    return [("Reuse", percent(reuse.operations_skipped) or "–", told)]


def _outputs(network: NetworkReport) -> str:
    return result_name(network.result.kind, network.outputs)


def identity(report: ReportData) -> list[tuple[str, str]]:
    """The network and the plan of the report."""
    network, plan, timing, part = report.network, report.plan, report.timing, report.part
    levels = plan.popcount.levels_per_stage
    return [
        ("Network", f"{network.name}: {number(network.elements)} inputs, {_outputs(network)}"),
        ("Result", " ".join(network.result.rule)),
        ("Digest", network.digest),
        ("Folding, SIMD×PE", ", ".join(map(str, plan.foldings))),
        (
            "Popcount",
            f"style {plan.popcount.style}, "
            + (f"registers every {counted(levels, 'adder level')}" if levels else "no registers between adders"),
        ),
        ("Parallel frames", number(plan.streams)),
        (
            "Input, output",
            f"{number(timing.input_beats)} and {number(timing.output_beats)} beats"
            + (f" {told_group(report)}" if plan.streams > 1 else ""),
        ),
        ("Target", told_target(report)),
        ("Part", f"{part.name}: {number(part.luts)} LUTs, {number(part.block_rams)} block RAMs of "
                 f"{number(BLOCK_RAM[part.family].bits)} bits" + (f" ({part.source})" if part.source else "")),
        ("Steady state", f"repeats every {_frames(timing.period_frames)}{number(timing.period_cycles)} cycles"),
        ("Clock", told_fmax(report)),
        ("Written by", f"bitweir {report.bitweir}"),
    ]  # fmt: skip


def _frames(count: int) -> str:
    return "frame, " if count == 1 else f"{number(count)} frames, "
