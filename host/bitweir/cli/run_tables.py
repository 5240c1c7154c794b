"""Tables of the results of `simulate` and `run`."""

from __future__ import annotations

from bitweir_hw.words import counted
from bitweir_sim.values.comparison import ELEMENTS
from rich.box import SIMPLE
from rich.table import Table

from ..results import quality_rows
from ..runs import DeviceRun, Simulation
from .console import equality

__all__ = ["device_table", "output_lines", "simulation_table"]

#: Up to so many classes are listed one by one.
_MOST_CLASSES = 20
#: Up to so many labels, scores or codes are listed one by one.
_MOST_OUTPUTS = 10


def simulation_table(run: Simulation) -> Table:
    """Make the table of a simulation."""
    table = _table(f"Simulated by {run.simulator}")
    _add_images(table, run)
    for row in quality_rows(run.quality):
        table.add_row(*row)
    _add_comparison(table, run)
    table.add_row(
        "interval", f"{counted(run.cycles_per_frame, 'cycle')} per frame (from the {run.cycles_per_frame_from})"
    )
    table.add_row("latency", f"{counted(run.latency_cycles, 'cycle')}, {run.latency_us:.2f} us")
    table.add_row("throughput", f"{run.frames_per_second:,.0f} frames/s at {_clock(run)}")
    speed = f"{run.seconds:.3f} s"
    if run.simulated_cycles is not None:
        speed += f", {run.simulated_cycles:,} cycles at {run.cycles_per_second:,} cycles/s"
    table.add_row("run time", speed)
    if run.pieces > 1:
        before = f", {run.resumed:,} of the images from a run that was interrupted" if run.resumed else ""
        table.add_row("runs", f"{run.pieces:,} pieces, each from reset{before}")
    return table


def device_table(run: DeviceRun) -> Table:
    """Make the table of a run on a device."""
    table = _table(f"Results of {run.device}")
    table.add_row("network", run.network.name)
    if run.engine:
        table.add_row("engine", run.engine)
    _add_images(table, run)
    kind = run.network.readout.kind
    if (counts := run.classes) is not None:
        told = [f"{index}: {count:,}" for index, count in enumerate(counts) if count]
        if len(counts) > _MOST_CLASSES:
            told = [f"{len(told):,} of {len(counts):,} classes"]
        table.add_row("classes", ", ".join(told))
    elif outputs := output_lines(kind, run.images, labels=run.labels, ranges=run.ranges):
        table.add_row(kind, "\n".join(outputs))
    for row in quality_rows(run.quality):
        table.add_row(*row)
    _add_comparison(table, run)
    speed = f"{run.frames_per_second:,.0f} frames/s, {run.seconds:.3f} s"
    table.add_row("throughput", speed + (" of simulated time" if run.simulated else ""))
    if run.clock:
        alone = f"{run.accelerator_frames_per_second:,.0f} frames/s at {run.clock / 1e6:g} MHz"
        table.add_row("accelerator alone", alone)
    return table


def output_lines(kind: str, images: int, *, labels: list[int] | None, ranges: list[list[int]] | None) -> list[str]:
    """A line for each label, score or code; see `DeviceRun`."""
    one = ELEMENTS[kind]
    if labels is not None:
        told = [f"{one} {index} is 1 in {count:,} of {images:,} images" for index, count in enumerate(labels)]
    else:
        told = [f"{one} {index} is from {low:,} to {high:,}" for index, (low, high) in enumerate(ranges or [])]
    rest = len(told) - _MOST_OUTPUTS
    return told[:_MOST_OUTPUTS] + ([f"and {rest:,} more"] if rest > 0 else [])


def _table(title: str) -> Table:
    table = Table(show_header=False, title=title, title_justify="left", box=SIMPLE)
    table.add_column(style="bold")
    table.add_column()
    return table


def _add_images(table: Table, run: Simulation | DeviceRun) -> None:
    table.add_row("images", f"{run.images:,}")
    if run.rounded:
        table.add_row("rounded", f"{run.rounded:,} numbers, to the nearest that the input takes")


def _add_comparison(table: Table, run: Simulation | DeviceRun) -> None:
    if run.mismatches is not None:
        table.add_row("golden model", equality(run.mismatches))
    if run.mismatches:
        table.add_row("first difference", run.first_mismatch)


def _clock(run: Simulation) -> str:
    clock, own = run.clock / 1e6, run.made_for_clock / 1e6
    if run.expected:
        return run.expected.told + (f" ({own:.6g} MHz asked for)" if clock < own else "")
    return f"{clock:.6g} MHz" + (f" (--clock; made for {own:.6g} MHz)" if clock != own else "")
