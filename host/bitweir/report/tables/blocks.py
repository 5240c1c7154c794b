"""Tables of blocks: logic, memories, what comes from outside and what is shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bitweir_hw.parts import BLOCK_RAM, BlockRam

from ..fit import told_group
from ..model import BlockRams, ReportData, ResourceBands, Reuse, block_rams_held
from .base import RESOURCE_NAMES, Cell, Column, Table, make_columns, number, numbers, share, significant, words

#: What to call what holds a memory, beside block RAM and LUTs.
_HELD = {"register": "registers", "constant": "constants"}


def blocks(report: ReportData) -> Table:
    """Work and memory of each block."""
    family = report.part.family
    slowest = max(block.cycles for block in report.blocks)
    rows = []
    for block in report.blocks:
        rows.append(
            (
                *words(block.name, block.kind),
                *numbers(block.operations, block.lanes, block.pe, block.simd),
                replace(numbers(block.cycles)[0], strong=block.cycles == slowest),
                share(block.utilisation),
                *numbers(block.weight_bits, block.threshold_bits, block.buffer_bits),
                *_block_rams(block_rams_held((block,), family)),
            )
        )
    total = report.total
    return Table(
        name="blocks",
        caption="Operations and memory of each block, in stream order",
        columns=make_columns(
            ("block", "Block", "", False), ("kind", "Kind", "", False), ("operations", "Operations", "per frame"),
            ("lanes", "Lanes", ""), ("pe", "PE", ""), ("simd", "SIMD", ""), ("cycles", "Cycles", told_group(report)),
            ("used", "Used", "of lanes"), ("weights", "Weights", "bits"), ("thresholds", "Thresholds", "bits"),
            ("buffers", "Buffers", "bits"), ("rams", "Block RAMs", family), ("full", "Fill", "of RAMs"),
        ),
        rows=tuple(rows),
        total=(
            *words("total", ""),
            *numbers(total.operations, total.lanes),
            *words("", "", ""),
            share(total.utilisation),
            *numbers(total.weight_bits, total.threshold_bits, total.buffer_bits),
            *_block_rams(block_rams_held(report.blocks, family)),
        ),
    )  # fmt: skip


def _block_rams(held: Sequence[BlockRams]) -> list[Cell]:
    """How many block RAMs hold some memories, and how full they are."""
    count = sum(each.count for each in held)
    used = sum(each.full * each.count for each in held)
    return [*numbers(count), share(used / count if count else None)]


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
        own = [*words(name)]
        for suffix, value in values:
            own += [share(value, sign=True)] if suffix == "Error" else numbers(value)
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


def proofs(report: ReportData, family: str) -> Table | None:
    """Whether the netlist of each block does what the Verilog does; None where nobody asked."""
    measured = report.synthesis.get(family)
    if measured is None or not measured.proof:
        return None
    rows = []
    for name, proof in measured.proof.items():
        result = {"unknown": "not proved"}.get(proof.result, proof.result)
        cell = replace(words(result)[0], strong=proof.result != "proved")
        rows.append((*words(name), cell, *words(proof.told.partition("\n")[0])))
    count = sum(proof.result == "proved" for proof in measured.proof.values())
    return Table(
        name=f"proof{family.capitalize()}",
        caption=f"Whether the netlist for {family} does what the Verilog does in every cycle after reset, for all "
        f"inputs: proved of {count} of {len(rows)}",
        columns=make_columns(
            ("block", "Block", "", False), ("result", "Result", "", False), ("told", "Compared", "", False)
        ),
        rows=tuple(rows),
    )


def bands(report: ReportData) -> Table:
    """The error bands of the cost model for the family of the part."""
    family = report.part.family
    known, total = report.estimate.bands, report.estimate.total
    kept = [key for key in RESOURCE_NAMES if getattr(total, key) or key in ("lut", "bram")]

    def cells(name: str, errors: ResourceBands | None) -> tuple[Cell, ...]:
        return (*words(name), *(share(getattr(errors, key).most if errors else None) for key in kept))

    def whole(errors: ResourceBands) -> tuple[Cell, ...]:
        ranks = (getattr(errors, key) for key in kept)
        texts = (f"{100 * each.median:.1f} / {100 * each.most:.1f} / {100 * each.worst:.1f} %" for each in ranks)
        return (*words("random designs"), *(Cell(text=text) for text in texts))

    beyond = known.extrapolated
    return Table(
        name="bands",
        caption=(
            f"Errors of the estimates for {family} against Yosys: 95 % of the blocks of a kind in the sweep that "
            "the model was fitted to, each by a fit without it, are within the value of their row. Small blocks are "
            "often further off: of 80 blocks of drawn designs for iCE40 and ECP5, LUTs of 52 were within it, and of "
            "79 within it or 40 LUTs. The last row is for the totals of "
            f"{known.designs} random designs: median / 95 % / worst"
            + (f". Extrapolated, so the error may be larger: this design has {', '.join(beyond)}" if beyond else "")
        ),
        columns=make_columns(("block", "Block", "", False), *((key, RESOURCE_NAMES[key], "within") for key in kept)),
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
        rows.append((*words(f"{family}, estimated"), *numbers(*(getattr(found.total, key) for key in RESOURCE_NAMES))))
        for told, rank in (("median error", "median"), ("95 % within", "most"), ("largest error", "worst")):
            shares = (
                getattr(getattr(found.bands.total, key), rank) if getattr(found.total, key) else None
                for key in RESOURCE_NAMES
            )
            rows.append((*words(told), *map(share, shares)))
        if measured := report.synthesis.get(family):
            counts = (getattr(measured.total, key) for key in RESOURCE_NAMES)
            rows.append((*words(f"{family}, measured"), *numbers(*counts)))
            errors = (getattr(report.errors[family].total, key) for key in RESOURCE_NAMES)
            rows.append((*words("error"), *(share(error, sign=True) for error in errors)))
    beyond = report.estimate.bands.extrapolated
    return Table(
        name="totals",
        caption="Total resources; errors of the estimates for random designs",
        columns=make_columns(("what", "", "", False), *((key, title, "") for key, title in RESOURCE_NAMES.items())),
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
                    *words(block.name, memory.role + " and thresholds" if memory.riding else memory.role),
                    *numbers(memory.depth, memory.width, memory.copies, memory.bits),
                    *words("block RAM" if held else _HELD.get(memory.kind, "LUTs")),
                    *_block_rams([held] if held else []),
                )
            )
    ram = BLOCK_RAM[family]
    return Table(
        name="memories",
        caption=f"Memories; block RAMs are {ram.name} of {ram.bits:,} bits ({family}){_pairs(ram)}",
        columns=make_columns(
            ("block", "Block", "", False), ("holds", "Contents", "", False), ("words", "Words", ""),
            ("width", "Width", "bits"), ("copies", "Copies", ""), ("bits", "Size", "bits"),
            ("kind", "Held in", "", False), ("rams", "Block RAMs", ""), ("full", "Utilisation", "of block RAMs"),
        ),
        rows=tuple(rows),
        remark=_riding(report),
    )  # fmt: skip


def _riding(report: ReportData) -> str:
    """How thresholds are stored that come with weights."""
    found = [(block.name, memory.riding) for block in report.blocks for memory in block.memories if memory.riding]
    if not found:
        return ""
    each = ", ".join(f"{bits} in {name}" for name, bits in found)
    return f"Each word of weights also has some bits of the thresholds of the next neurons: {each}"


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
        columns=make_columns(
            ("block", "Block", "", False), ("port", "Port", "", False), ("width", "Width", "bits"),
            ("words", "Words", ""), ("taken", "Taken", told_group(report)), ("rate", "Rate", "MB/s"),
            ("peak", "Peak", "MB/s"),
        ),
        rows=tuple(
            (
                *words(row.block, row.port),
                *numbers(row.word_bits, row.words, row.words_per_frame),
                *(
                    Cell(text=significant(rate), value=rate)
                    for rate in (row.megabytes_per_second, row.peak_megabytes_per_second)
                ),
            )
            for row in rows
        ),
        total=(*words("total", "", "", "", ""), Cell(text=significant(total), value=total), Cell(text="")),
    )  # fmt: skip


def reuse(report: ReportData) -> Table | None:
    """What neurons of wired layers share, layer by layer; None where no layer is wired."""
    if not (total := report.total.reuse):
        return None

    def cells(name: str, found: Reuse) -> tuple[Cell, ...]:
        return (
            *words(name),
            *numbers(found.additions_alone, found.additions, found.additions_alone - found.additions),
            share(found.operations_skipped),
            *numbers(found.reads_alone, found.reads),
            share(found.reads_skipped),
        )

    return Table(
        name="reuse",
        caption="Additions and reads of inputs of wired layers, for a vector and in total for a frame: alone, if each "
        "neuron made its own sum",
        columns=make_columns(
            ("block", "Block", "", False), ("alone", "Additions", "alone"), ("shared", "Additions", "shared"),
            ("saved", "Additions", "saved"), ("skipped", "Operations", "skipped"), ("readsAlone", "Reads", "alone"),
            ("reads", "Reads", "shared"), ("readsSkipped", "Reads", "skipped"),
        ),
        rows=tuple(cells(block.name, block.reuse) for block in report.blocks if block.reuse),
        total=cells("total", total),
    )  # fmt: skip
