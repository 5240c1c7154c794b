"""Tables of what a part has, and what layers need."""

from __future__ import annotations

from bitweir_hw.parts import BLOCK_RAM

from ..model import LayerNeeds, ReportData
from .base import Cell, Table, make_columns, number, numbers, share, words

#: What would bind a layer that had all of the part, in words.
BOUND_BY = {"logic": "logic", "bandwidth": "block RAM ports", "memory": "bits of block RAM"}


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
            *words(title),
            *numbers(used, limit, zero=True),
            share(used / limit if limit else None),
            *words(origin),
        )
        for title, used, limit in uses
        # An iCE40 HX has no multipliers, for one.
        if used or limit
    )
    return Table(
        name="part",
        caption=f"Resource utilisation of {part.name}",
        columns=make_columns(
            ("resource", "Resource", "", False), ("used", "Used", ""), ("has", "Available", ""),
            ("share", "Utilisation", ""), ("from", "Source", "", False),
        ),
        rows=rows,
    )  # fmt: skip


def needs(report: ReportData) -> Table:
    """Needs of each layer against the bounds of the part."""

    def cells(name: str, row: LayerNeeds) -> tuple[Cell, ...]:
        return (
            *words(name),
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
            *words("yes" if row.fits else "no", BOUND_BY[row.binding]),
        )

    return Table(
        name="needs",
        caption="Needs of each layer for a frame, and the time that the whole part would take",
        columns=make_columns(
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
