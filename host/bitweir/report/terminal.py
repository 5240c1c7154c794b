"""A report as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["render"]

_RESOURCES = ("lut", "ff", "carry", "lutram", "bram", "dsp")


def render(report: dict[str, Any]) -> Iterator[RenderableType]:
    """Tables and lines for a report as `collect` makes it."""
    yield _summary(report)
    yield _blocks(report)
    for family, measured in report["synthesis"].items():
        yield _synthesis(family, measured)
    for note in report["network"]["notes"]:
        yield Text(f"note: {note}", style="dim")


def _summary(report: dict[str, Any]) -> Table:
    timing, total = report["timing"], report["total"]
    table = Table(title=f"Accelerator {report['network']['name']}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    rows = (
        ("throughput", f"{timing['frames_per_second']:,.0f} frames/s at {timing['clock_mhz']:g} MHz"),
        ("frame", f"every {timing['cycles_per_frame']:g} cycles in steady state"),
        ("latency", f"{timing['latency_cycles']} cycles, {timing['latency_us']:.2f} us"),
        ("operations", f"{total['operations']:,} a frame, {timing['giga_operations_per_second']:,.1f} GOPS"),
        ("lanes", f"{total['lanes']:,}, used {total['utilisation']:.1%}"),
        ("weights", f"{total['weight_bits']:,} bits on chip, padding included"),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _blocks(report: dict[str, Any]) -> Table:
    table = Table(title="Blocks", title_justify="left", caption="a lane is two binary operations a cycle")
    table.add_column("block")
    for name in ("neurons", "inputs", "PE", "SIMD", "operations", "lanes", "cycles", "used", "weights", "buffers"):
        table.add_column(name, justify="right")
    slowest = max(block["cycles"] for block in report["blocks"])
    for block in report["blocks"]:
        used = block["utilisation"]
        table.add_row(
            block["name"],
            *(_number(block.get(key)) for key in ("outputs", "inputs", "pe", "simd", "operations", "lanes")),
            Text(_number(block["cycles"]), style="bold" if block["cycles"] == slowest else ""),
            "" if used is None else f"{used:.1%}",
            *(_number(block[key]) for key in ("weight_bits", "buffer_bits")),
        )
    return table


def _synthesis(family: str, measured: dict[str, Any]) -> Table:
    table = Table(
        title=f"Measured by {measured['tool']} for {family}, in {measured['seconds']:.0f} s",
        title_justify="left",
    )
    table.add_column("block")
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
