"""The command that looks at the installation."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..doctor import Diagnosis, diagnose
from .console import Output
from .options import with_output

__all__ = ["doctor_command"]

_STYLES = {"ok": "green", "missing": "yellow", "broken": "red"}


@click.command("doctor")
@with_output
def doctor_command(output: Output) -> None:
    """Tell what is installed, whether it works, and how to get what is missing.

    Yosys, nextpnr and the C++ compiler are tried. The exit code is 0 if all that is needed is there and nothing is
    broken, else 6.
    """
    found = diagnose(progress=output.working)
    output.show(*_render(found))
    output.result(found.to_dict())
    if not found.ok:
        click.get_current_context().exit(found.exit_code)


def _render(found: Diagnosis) -> Iterator[RenderableType]:
    yield Text(f"bitweir {found.bitweir}, Python {found.python}, {found.system}")
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in ("what", "state", "version", "for"):
        table.add_column(name, no_wrap=name == "what")
    for check in found.checks:
        state = check.state if check.state == "ok" or not check.needed else f"{check.state}, needed"
        table.add_row(check.name, Text(state, style=_STYLES[check.state]), check.version, check.purpose)
    yield table
    for check in found.checks:
        if check.remedy:
            yield Text.assemble((check.name, "bold"), f": {check.remedy}")
    for port in found.ports:
        told = "" if port.usable else ": this user may not open it; on Linux, join the group that owns it (dialout)"
        yield Text(f"Serial port {port.port} ({port.description}){told}")
    if not found.ports:
        yield Text("No serial port is there.")
    for folder in found.folders:
        yield Text(f"{folder.path}: {folder.bytes / 1e6:,.1f} MB, {folder.purpose}", style="dim")
