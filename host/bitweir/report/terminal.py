"""A report as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bitweir_hw.parts import BLOCK_RAM
from rich.box import SIMPLE, SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .fit import told_fmax, told_group, told_rate, told_target, told_unfit
from .routed import render_routed

__all__ = ["render"]

_RESOURCES = ("lut", "ff", "carry", "lutram", "bram", "dsp")


def render(report: dict[str, Any]) -> Iterator[RenderableType]:
    """Tables and lines for a report as `collect` makes it."""
    if unfit := told_unfit(report):
        yield Text(unfit, style="bold red")
    yield _summary(report)
    yield _blocks(report)
    yield from _memories(report)
    yield _totals(report)
    for family, measured in report["synthesis"].items():
        yield _synthesis(family, measured)
    for told in report["routed"].values():
        yield from render_routed(told)
    for sentence in report["network"]["input"]:
        yield Text(f"input: {sentence}", style="dim")
    for note in report["network"]["notes"]:
        yield Text(f"note: {note}", style="dim")


def _summary(report: dict[str, Any]) -> Table:
    timing, total = report["timing"], report["total"]
    table = Table(title=f"Accelerator {report['network']['name']}", show_header=False, title_justify="left", box=SIMPLE)
    table.add_column(style="bold")
    table.add_column()
    rows = [
        ("throughput", f"{timing['frames_per_second']:,.0f} {told_rate(report)}"),
        ("frame", f"every {timing['cycles_per_frame']:g} cycles in steady state"),
        ("latency", f"{timing['latency_cycles']} cycles, {timing['latency_us']:.2f} us"),
        ("operations", f"{total['operations']:,} a frame, {timing['giga_operations_per_second']:,.1f} GOPS"),
        ("lanes", f"{total['lanes']:,} (one is 2 operations a cycle), used {total['utilisation'] or 0:.1%}"),
        ("weights", f"{total['weight_bits']:,} bits on chip, padding included"),
        ("made for", told_target(report)),
    ]
    if told := told_fmax(report):
        rows.append(("clock", told))
    for row in rows:
        table.add_row(*row)
    return table


def _blocks(report: dict[str, Any]) -> Table:
    table = Table(
        title="Blocks",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        caption="memories in bits" + (f"; cycles {told_group(report)}" if report["plan"]["streams"] > 1 else ""),
    )
    table.add_column("block", no_wrap=True)
    for name in ("neurons", "inputs", "SIMDxPE", "lanes", "cycles", "used", "weights", "buffers"):
        table.add_column(name, justify="right")
    slowest = max(block["cycles"] for block in report["blocks"])
    for block in report["blocks"]:
        weighted = block["lanes"] > 0
        table.add_row(
            block["name"],
            *(_number(block.get(key)) for key in ("outputs", "inputs")),
            f"{block['simd']}x{block['pe']}" if weighted else "",
            _number(block["lanes"]),
            Text(_number(block["cycles"]), style="bold" if block["cycles"] == slowest else ""),
            f"{block['utilisation']:.1%}" if weighted else "",
            *(_number(block[key]) for key in ("weight_bits", "buffer_bits")),
        )
    return table


def _memories(report: dict[str, Any]) -> Iterator[RenderableType]:
    """What sits in block RAM of the family of the part, and how full it is."""
    family = report["part"]["family"]
    rows = [
        (block["name"], memory)
        for block in report["blocks"]
        for memory in block["memories"]
        if family in (memory["block_rams"] or {})
    ]
    if not rows:
        return
    ram = BLOCK_RAM[family]
    pairs = f", two to a {ram.tile}" if ram.tile else ""
    table = Table(
        title=f"Block RAM ({family}: {ram.name} of {ram.bits:,} bits{pairs})",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    table.add_column("block", no_wrap=True)
    table.add_column("holds")
    for name in ("words", "bits a word", "copies", "block RAMs", "full"):
        table.add_column(name, justify="right")
    for name, memory in rows:
        used = memory["block_rams"][family]
        table.add_row(
            name,
            memory["role"],
            *(_number(memory[key]) for key in ("depth", "width", "copies")),
            _number(used["count"]),
            f"{used['full']:.0%}",
        )
    table.add_section()
    found = [memory["block_rams"][family] for _, memory in rows]
    used = [each["count"] for each in found]
    full = sum(each["full"] * each["count"] for each in found) / sum(used)
    table.add_row("total", "", "", "", "", _number(sum(used)), f"{full:.0%}")
    if ram.tile:
        table.add_row(f"{ram.tile} tiles", "", "", "", "", _number(ram.tiles(sum(used))), "")
    yield table


def _totals(report: dict[str, Any]) -> Table:
    """Estimates of the whole, how far such estimates were off, and what is measured."""
    table = Table(
        title='Resources in total; "within": errors of designs that were drawn', title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("", no_wrap=True)
    for name in (*_RESOURCES, "LUT sites"):
        table.add_column(name if name == "LUT sites" else name.upper(), justify="right")
    keys = (*_RESOURCES, "sites")
    for family, found in report["estimates"].items():
        known, measured = found["bands"], report["synthesis"].get(family)
        table.add_row(f"{family}, estimated", *(_number(found["total"][key]) for key in keys))
        for told, rank in (("half within", "median"), ("95 % within", "most"), ("all within", "worst")):
            table.add_row(told, *(f"{known['total'][key][rank]:.1%}" if found["total"][key] else "" for key in keys))
        if known["extrapolated"]:
            table.caption = f"extrapolated, may be off by more: {'; '.join(known['extrapolated'])}"
        if measured:
            errors = report["errors"][family]["total"]
            table.add_row(f"{family}, measured", *(_number(measured["total"][key]) for key in keys))
            table.add_row("error", *("" if errors[key] is None else f"{errors[key]:+.1%}" for key in keys))
        table.add_section()
    return table


def _synthesis(family: str, measured: dict[str, Any]) -> Table:
    table = Table(
        title=f"Measured by {measured['tool']} for {family}, in {measured['seconds']:.0f} s",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    table.add_column("block", no_wrap=True)
    for name in _RESOURCES:
        table.add_column(name.upper(), justify="right")
    table.add_column("LUT sites a lane", justify="right")
    for name, row in measured["blocks"].items():
        table.add_row(name, *(_number(row[key]) for key in _RESOURCES), _share(row))
    table.add_section()
    table.add_row("total", *(_number(measured["total"][key]) for key in _RESOURCES), _share(measured["total"]))
    return table


def _share(row: dict[str, Any]) -> str:
    return f"{row['sites'] / row['lanes']:.2f}" if row["lanes"] else ""


def _number(value: int | None) -> str:
    return f"{value:,}" if value else ""
