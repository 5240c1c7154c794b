"""A report as tables of text, for pages and files alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bitweir_hw.parts import BLOCK_RAM, BlockRam
from msgspec import UnsetType

from ..results import result_name
from .fit import told_about, told_fmax, told_group, told_rate, told_target
from .model import BlockRams, LayerNeeds, NetworkReport, ReportData, ResourceBands, Reuse, block_rams_held

__all__ = [
    "RESOURCE_NAMES",
    "Cell",
    "Column",
    "Table",
    "bands",
    "blocks",
    "figures",
    "identity",
    "logic",
    "memories",
    "needs",
    "number",
    "numbers",
    "part_use",
    "percent",
    "reuse",
    "runs",
    "streams",
    "timeline",
    "totals",
    "weight_streams",
]

#: What readers call resources.
RESOURCE_NAMES = {
    "lut": "LUT",
    "ff": "FF",
    "bram": "Block RAM",
    "sites": "LUT sites",
    "carry": "Carry",
    "lutram": "LUT RAM",
    "dsp": "DSP",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    key : str
        Short, of letters, unique in its table.
    title : str
    unit : str
        Of its numbers, or what they are.
    numeric : bool
        Whether numbers stand in it, aligned at their ends.
    """

    key: str
    title: str
    unit: str = ""
    numeric: bool = True


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    text : str
    value : float or None
        What to sort by, where it is a number.
    strong : bool
    """

    text: str
    value: float | None = None
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under columns; the first column names the row.

    Parameters
    ----------
    name : str
        Short, of letters, unique in a report.
    caption : str
    columns : tuple of Column
    rows : tuple of tuple of Cell
    total : tuple of Cell
        A last row, or none.
    remark : str
        What must be known of it, or nothing.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] = ()
    remark: str = ""


# ---- words and numbers


def number(value: float | None, digits: int = 0) -> str:
    """With commas between thousands; nothing for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, *, sign: bool = False) -> str:
    """With one digit behind the point; nothing for None."""
    return "" if share is None else f"{share:{'+' if sign else ''}.1%}"


def _significant(value: float) -> str:
    """Three digits, never an exponent."""
    return f"{value:,.{next((digits for limit, digits in ((100, 0), (10, 1), (1, 2)) if abs(value) >= limit), 3)}f}"


def _words(*items: str | None) -> list[Cell]:
    return [Cell(text=item or "") for item in items]


def numbers(*values: float | UnsetType | None, zero: bool = False) -> list[Cell]:
    """Cells of whole numbers; a zero is left out unless it tells something."""
    return [Cell(text=number(value) if value or (zero and value == 0) else "", value=value or 0) for value in values]


def _share(value: float | None, *, sign: bool = False) -> Cell:
    return Cell(text=percent(value, sign=sign), value=value)


def _columns(*columns: tuple[str, str, str] | tuple[str, str, str, bool]) -> tuple[Column, ...]:
    return tuple(Column(key=column[0], title=column[1], unit=column[2], numeric=len(column) == 3) for column in columns)


# ---- the summary


def figures(report: ReportData) -> list[tuple[str, str, str]]:
    """The figures that matter most: what, how much, in which unit."""
    timing, total, about = report.timing, report.total, told_about(report)
    # What a memory outside makes of these has a row of its own.
    on_time = " if weights are never late" if report.weight_streams else ""
    return [
        ("Throughput", about + number(timing.frames_per_second), told_rate(report) + on_time),
        ("Interval", _significant(timing.cycles_per_frame), "cycles per frame in steady state" + on_time),
        ("Latency", about + _significant(timing.latency_us), f"µs, {number(timing.latency_cycles)} cycles{on_time}"),
        (
            "Operations",
            about + _significant(timing.giga_operations_per_second),
            f"GOPS, {number(total.operations)} per frame",
        ),
        ("Lanes", number(total.lanes), "products per cycle, 2 operations each"),
        ("Utilisation", percent(total.utilisation) or "–", "of all lane cycles"),
        ("Memory", number(total.bits), "bits on chip in total"),
        *_from_outside(report),
        *_reused(report),
        _bottleneck(report),
    ]


def _bottleneck(report: ReportData) -> tuple[str, str, str]:
    """What binds: the memory that streamed weights come from, or else a resource of the part."""
    memory = report.weight_memory
    if memory and memory.cycles_per_frame > report.timing.cycles_per_frame:
        return ("Bottleneck", "memory", "of streamed weights: a frame waits for them")
    return ("Bottleneck", report.roofline.total.binding, f"is the binding resource on {report.part.name}")


def _from_outside(report: ReportData) -> list[tuple[str, str, str]]:
    """What the memory of streamed weights must give, if there are any."""
    if not report.weight_streams:
        return []
    total = sum(row.megabytes_per_second for row in report.weight_streams)
    about = told_about(report)
    rows = [("Weights", about + _significant(total), "MB/s from outside the chip")]
    if memory := report.weight_memory:
        rate = f"{_significant(memory.megabytes_per_second)} MB/s"
        told = f"frames/s if their memory gives {rate}, {_significant(memory.cycles_per_frame)} cycles per frame"
        rows.append(("With memory", about + _significant(memory.frames_per_second), told))
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
        f"{number(reuse.additions_alone)}, {percent(reuse.reads_skipped)} of reads of inputs"
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
            + (f"registers every {levels} adder levels" if levels else "no registers between adders"),
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


# ---- blocks


def blocks(report: ReportData) -> Table:
    """Work and memory of each block."""
    family = report.part.family
    slowest = max(block.cycles for block in report.blocks)
    rows = []
    for block in report.blocks:
        rows.append(
            (
                *_words(block.name, block.kind),
                *numbers(block.operations, block.lanes, block.pe, block.simd),
                replace(numbers(block.cycles)[0], strong=block.cycles == slowest),
                _share(block.utilisation),
                *numbers(block.weight_bits, block.threshold_bits, block.buffer_bits),
                *_block_rams(block_rams_held((block,), family)),
            )
        )
    total = report.total
    return Table(
        name="blocks",
        caption="Operations and memory of each block, in stream order",
        columns=_columns(
            ("block", "Block", "", False), ("kind", "Kind", "", False), ("operations", "Operations", "per frame"),
            ("lanes", "Lanes", ""), ("pe", "PE", ""), ("simd", "SIMD", ""), ("cycles", "Cycles", told_group(report)),
            ("used", "Used", "of lanes"), ("weights", "Weights", "bits"), ("thresholds", "Thresholds", "bits"),
            ("buffers", "Buffers", "bits"), ("rams", "Block RAMs", family), ("full", "Fill", "of RAMs"),
        ),
        rows=tuple(rows),
        total=(
            *_words("total", ""),
            *numbers(total.operations, total.lanes),
            *_words("", "", ""),
            _share(total.utilisation),
            *numbers(total.weight_bits, total.threshold_bits, total.buffer_bits),
            *_block_rams(block_rams_held(report.blocks, family)),
        ),
    )  # fmt: skip


def _block_rams(held: Sequence[BlockRams]) -> list[Cell]:
    """How many block RAMs hold some memories, and how full they are."""
    count = sum(each.count for each in held)
    used = sum(each.full * each.count for each in held)
    return [*numbers(count), _share(used / count if count else None)]


def logic(report: ReportData, family: str) -> Table:
    """Resources of each block for a family: estimated, measured, and the error between both."""
    estimated, measured, failed = report.estimates.get(family), report.synthesis.get(family), report.errors.get(family)
    known = [
        (suffix, unit, found)
        for suffix, unit, found in (
            ("Estimate", "estimated", estimated),
            ("Measured", "measured", measured),
            ("Error", "error", failed),
        )
        if found
    ]
    # What no block has is left out, except for what everybody looks for.
    kept = [
        key
        for key in RESOURCE_NAMES
        if key in ("lut", "ff", "bram") or any(found and getattr(found.total, key) for found in (measured, estimated))
    ]
    columns = [Column(key="block", title="Block", numeric=False)]
    columns += [
        Column(key=f"{key}{suffix}", title=RESOURCE_NAMES[key], unit=unit) for key in kept for suffix, unit, _ in known
    ]
    if measured:
        columns.append(Column(key="share", title="LUT sites per lane", unit="measured"))

    def cells(name: str, block: str | None = None) -> tuple[Cell, ...]:
        def row(found: Any) -> Any:
            return found.total if block is None else found.blocks[block]

        values = [(suffix, getattr(row(found), key)) for key in kept for suffix, _, found in known]
        own = [*_words(name)]
        for suffix, value in values:
            own += [_share(value, sign=True)] if suffix == "Error" else numbers(value)
        if measured:
            ratio = row(measured).sites_per_lane
            own.append(Cell(text=number(ratio, 2), value=ratio))
        return tuple(own)

    told = [f"estimated for {family}"] if estimated else []
    told += [f"measured by {measured.tool} in {measured.seconds:.0f} s"] if measured else []
    return Table(
        name=f"logic{family.capitalize()}",
        caption=f"Resources of each block, {' and '.join(told)}",
        columns=tuple(columns),
        rows=tuple(cells(block.name, block.name) for block in report.blocks),
        total=cells("total"),
    )


def bands(report: ReportData) -> Table:
    """The error bands of the cost model for the family of the part."""
    family = report.part.family
    known, total = report.estimate.bands, report.estimate.total
    kept = [key for key in RESOURCE_NAMES if getattr(total, key) or key in ("lut", "bram")]

    def cells(name: str, errors: ResourceBands | None) -> tuple[Cell, ...]:
        return (*_words(name), *(_share(getattr(errors, key).most if errors else None) for key in kept))

    def whole(errors: ResourceBands) -> tuple[Cell, ...]:
        ranks = (getattr(errors, key) for key in kept)
        texts = (f"{100 * each.median:.1f} / {100 * each.most:.1f} / {100 * each.worst:.1f} %" for each in ranks)
        return (*_words("random designs"), *(Cell(text=text) for text in texts))

    beyond = known.extrapolated
    return Table(
        name="bands",
        caption=(
            f"Errors of the estimates for {family} against Yosys: 95 % of the blocks of a kind are within the value of "
            f"their row; the last row is for the totals of {known.designs} random designs: median / 95 % / worst"
            + (f". Extrapolated, so the error may be larger: this design has {', '.join(beyond)}" if beyond else "")
        ),
        columns=_columns(("block", "Block", "", False), *((key, RESOURCE_NAMES[key], "within") for key in kept)),
        rows=tuple(cells(name, errors) for name, errors in known.blocks.items()),
        total=whole(known.total),
    )


def _beyond(reasons: Sequence[str]) -> str:
    return f"extrapolated, so the error may be larger: {'; '.join(reasons)}" if reasons else ""


def _counted(report: ReportData) -> str:
    """Of families that are counted as another one, which one that is."""
    others = {family: found.bands.counted_as for family, found in report.estimates.items()}
    borrowed = {family: other for family, other in others.items() if other != family}
    told = "{} is counted as {}, as nothing was fitted to it"
    return "; ".join(told.format(*both) for both in borrowed.items())


def totals(report: ReportData) -> Table:
    """Estimates of the totals, their error bands, and the measured values."""
    rows = []
    for family, found in report.estimates.items():
        rows.append((*_words(f"{family}, estimated"), *numbers(*(getattr(found.total, key) for key in RESOURCE_NAMES))))
        for told, rank in (("median error", "median"), ("95 % within", "most"), ("largest error", "worst")):
            shares = (
                getattr(getattr(found.bands.total, key), rank) if getattr(found.total, key) else None
                for key in RESOURCE_NAMES
            )
            rows.append((*_words(told), *map(_share, shares)))
        if measured := report.synthesis.get(family):
            counts = (getattr(measured.total, key) for key in RESOURCE_NAMES)
            rows.append((*_words(f"{family}, measured"), *numbers(*counts)))
            errors = (getattr(report.errors[family].total, key) for key in RESOURCE_NAMES)
            rows.append((*_words("error"), *(_share(error, sign=True) for error in errors)))
    beyond = report.estimate.bands.extrapolated
    return Table(
        name="totals",
        caption="Total resources; errors of the estimates for random designs",
        columns=_columns(("what", "", "", False), *((key, title, "") for key, title in RESOURCE_NAMES.items())),
        rows=tuple(rows),
        remark=". ".join(filter(None, (_counted(report), _beyond(beyond)))),
    )


def memories(report: ReportData, *, in_block_ram: bool = False) -> Table:
    """Every memory, or those in block RAM, and what holds it."""
    family = report.part.family
    rows = []
    for block in report.blocks:
        for memory in block.memories:
            held = memory.held_in(family)
            if in_block_ram and not held:
                continue
            rows.append(
                (
                    *_words(block.name, memory.role),
                    *numbers(memory.depth, memory.width, memory.copies, memory.bits),
                    *_words("block RAM" if held else "registers" if memory.kind == "register" else "LUTs"),
                    *_block_rams([held] if held else []),
                )
            )
    ram = BLOCK_RAM[family]
    return Table(
        name="memories",
        caption=f"Memories; block RAMs are {ram.name} of {ram.bits:,} bits ({family}){_pairs(ram)}",
        columns=_columns(
            ("block", "Block", "", False), ("holds", "Contents", "", False), ("words", "Words", ""),
            ("width", "Width", "bits"), ("copies", "Copies", ""), ("bits", "Size", "bits"),
            ("kind", "Held in", "", False), ("rams", "Block RAMs", ""), ("full", "Utilisation", "of block RAMs"),
        ),
        rows=tuple(rows),
    )  # fmt: skip


def _pairs(ram: BlockRam) -> str:
    return f", two to a {ram.tile}, which counts as two" if ram.tile else ""


def weight_streams(report: ReportData) -> Table | None:
    """What comes from outside the chip, layer by layer; None where nothing does."""
    if not report.weight_streams:
        return None
    rows = report.weight_streams
    total = sum(row.megabytes_per_second for row in rows)
    return Table(
        name="weightStreams",
        caption=f"Weights from outside the chip, at {number(report.timing.frames_per_second)} frames/s",
        columns=_columns(
            ("block", "Block", "", False), ("port", "Port", "", False), ("width", "Width", "bits"),
            ("words", "Words", ""), ("taken", "Taken", told_group(report)), ("rate", "Rate", "MB/s"),
            ("peak", "Peak", "MB/s"),
        ),
        rows=tuple(
            (
                *_words(row.block, row.port),
                *numbers(row.word_bits, row.words, row.words_per_frame),
                *(
                    Cell(text=_significant(rate), value=rate)
                    for rate in (row.megabytes_per_second, row.peak_megabytes_per_second)
                ),
            )
            for row in rows
        ),
        total=(*_words("total", "", "", "", ""), Cell(text=_significant(total), value=total), Cell(text="")),
    )  # fmt: skip


def reuse(report: ReportData) -> Table | None:
    """What neurons of wired layers share, layer by layer; None where no layer is wired."""
    if not (total := report.total.reuse):
        return None

    def cells(name: str, found: Reuse) -> tuple[Cell, ...]:
        return (
            *_words(name),
            *numbers(found.additions_alone, found.additions, found.additions_alone - found.additions),
            _share(found.operations_skipped),
            *numbers(found.reads_alone, found.reads),
            _share(found.reads_skipped),
        )

    return Table(
        name="reuse",
        caption="Additions and reads of inputs for a vector of wired layers, if each neuron made its own sum, and made",
        columns=_columns(
            ("block", "Block", "", False), ("alone", "Additions", "alone"), ("shared", "Additions", "shared"),
            ("saved", "Additions", "saved"), ("skipped", "Operations", "skipped"), ("readsAlone", "Reads", "alone"),
            ("reads", "Reads", "shared"), ("readsSkipped", "Reads", "skipped"),
        ),
        rows=tuple(cells(block.name, block.reuse) for block in report.blocks if block.reuse),
        total=cells("total", total),
    )  # fmt: skip


# ---- bounds


def part_use(report: ReportData) -> Table:
    """The utilisation of the part."""
    part, family = report.part, report.part.family
    origin, found = report.resources
    total, ram = found.total, BLOCK_RAM[family]
    uses = [
        ("LUT sites", total.sites, part.luts),
        ("Flip-flops", total.ff, part.ffs),
        ("Block RAMs", total.bram, part.block_rams),
        *([(f"{ram.tile} tiles", ram.tiles(total.bram), ram.tiles(part.block_rams))] if ram.tile else []),
        ("DSPs", total.dsp, part.dsps),
    ]
    rows = tuple(
        (
            *_words(title),
            *numbers(used, limit, zero=True),
            _share(used / limit if limit else None),
            *_words(origin),
        )
        for title, used, limit in uses
    )
    return Table(
        name="part",
        caption=f"Resource utilisation of {part.name}",
        columns=_columns(
            ("resource", "Resource", "", False), ("used", "Used", ""), ("has", "Available", ""),
            ("share", "Utilisation", ""), ("from", "Source", "", False),
        ),
        rows=rows,
    )  # fmt: skip


def needs(report: ReportData) -> Table:
    """Needs of each layer against the bounds of the part."""

    def cells(name: str, row: LayerNeeds) -> tuple[Cell, ...]:
        return (
            *_words(name),
            *numbers(row.operations, row.parameter_bits, row.activation_bits, row.buffer_bits, row.bits_read),
            *(
                Cell(text=number(value * scale, digits) if value else "", value=value)
                for value, scale, digits in (
                    (row.operations_per_bit_read, 1, 2),
                    (row.compute_us, 1000, 1),
                    (row.memory_us, 1000, 1),
                    (row.giga_operations_per_second, 1, 2),
                )
            ),
            *_words("yes" if row.fits else "no", row.binding),
        )

    return Table(
        name="needs",
        caption="Needs of each layer for a frame, and the time that the whole part would take",
        columns=_columns(
            ("layer", "Layer", "", False), ("operations", "Operations", "per frame"),
            ("parameters", "Parameters", "bits"), ("activations", "Activations", "bits, twice"),
            ("buffers", "Buffer (actual)", "bits"), ("read", "RAM reads", "bits"),
            ("intensity", "Intensity", "ops per bit"),
            ("compute", "Compute", "ns"), ("memory", "Memory", "ns"), ("gops", "Throughput", "GOPS"),
            ("fits", "Fits", "", False), ("binding", "Bound by", "", False),
        ),
        rows=tuple(cells(str(row.name), row) for row in report.roofline.layers),
        total=cells("total", report.roofline.total),
    )  # fmt: skip


# ---- time


def streams(report: ReportData) -> Table:
    """The states of each stream, and the blocks that make it wait."""
    period = report.timing.period_cycles
    rows = tuple(
        (
            *_words(row.name, row.sender, row.receiver),
            *numbers(row.bits, row.beats),
            *(_share(count / period if count else None) for count in (row.moved, row.blocked, row.starved, row.idle)),
            *_words(row.blocked_by, row.starved_by),
        )
        for row in report.streams
    )
    return Table(
        name="streams",
        caption=f"Streams over a period of {period:,} cycles of steady state",
        columns=_columns(
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
        columns=_columns(
            ("block", "Block", "", False), ("firstIn", "First in", "cycle"), ("lastIn", "Last in", "cycle"),
            ("firstOut", "First out", "cycle"), ("lastOut", "Last out", "cycle"),
        ),
        rows=tuple(
            (*_words(row.name), *numbers(row.first_in, row.last_in, row.first_out, row.last_out, zero=True))
            for row in way.blocks
        ),
    )  # fmt: skip


def runs(report: ReportData) -> tuple[Table, Table]:
    """Run times of the tools, and their versions."""
    took: Iterable[tuple[Cell, ...]] = (
        (*_words(run.what, run.tool), Cell(text=number(run.seconds, 2), value=run.seconds)) for run in report.runs
    )
    return (
        Table(
            name="runs",
            caption="Run times of the tools",
            columns=_columns(("what", "Run", "", False), ("tool", "Tool", "", False), ("seconds", "Time", "s")),
            rows=tuple(took),
        ),
        Table(
            name="tools",
            caption="Versions",
            columns=_columns(("tool", "Tool", "", False), ("version", "Version", "", False)),
            rows=tuple(tuple(_words(name, version)) for name, version in report.tools.items()),
        ),
    )
