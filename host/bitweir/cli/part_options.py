"""The option for parts, and the table of the listed ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from bitweir_hw.parts import PARTS
from click.shell_completion import CompletionItem
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..part_list import PartList, list_parts
from .console import Output
from .options import with_output

__all__ = ["PART", "parts_command"]


class PartType(click.ParamType[str]):
    """The name of a listed part, or a file in TOML, which is read later: its errors are not of the command line."""

    name = "part"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        if value not in PARTS and not str(value).endswith(".toml"):
            self.fail(
                f"{value!r} is not one of {', '.join(sorted(PARTS))}, nor a file in TOML, as my.toml.", param, ctx
            )
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """See `click.ParamType`: names, and files."""
        named = [CompletionItem(name) for name in sorted(PARTS) if name.startswith(incomplete)]
        return named or [CompletionItem(incomplete, type="file")]

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """See `click.ParamType`."""
        return f"[{'|'.join(sorted(PARTS))}|FILE.toml]"


#: For `click.option`.
PART = PartType()


@click.command("parts")
@with_output
def parts_command(output: Output) -> None:
    """List the FPGAs that are known, and where their figures are from.

    The file of another one is described in docs/parts.md.
    """
    found = list_parts()
    output.show(*_table(found))
    output.result(found.to_dict())


def _table(found: PartList) -> Iterator[RenderableType]:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("part", no_wrap=True)
    table.add_column("family", no_wrap=True)
    for name in ("LUT sites", "FFs", "block RAMs", "DSPs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("clock", no_wrap=True)
    sources: dict[str, list[str]] = {}
    family = ""
    for part in found.parts:
        if family and part.family != family:
            table.add_section()
        family = part.family
        sources.setdefault(part.source, []).append(part.name)
        table.add_row(
            part.name, part.family, f"{part.luts:,}", f"{part.ffs:,}", f"{part.block_rams:,}",
            f"{part.dsps:,}", f"{part.clock_from} ±{part.clock_error:.0%}",
        )  # fmt: skip
    yield table
    units = {part.family: f"{part.block_ram} of {part.block_ram_bits:,} bits ({part.family})" for part in found.parts}
    yield Text(f"block RAMs: {', '.join(units.values())}", style="dim")
    yield Text(
        "clock: whether its estimate rests on routed designs, or on a model of a family of which nothing was routed",
        style="dim",
    )
    for family, other in {
        part.family: part.counted_as for part in found.parts if part.family != part.counted_as
    }.items():
        yield Text(f"{family} is counted as {other}, as nothing was fitted to it", style="dim")
    if large := [f"{part.large_rams:,} of {part.name}" for part in found.parts if part.large_rams]:
        yield Text(f"no plan uses the large RAMs (UltraRAM, LRAM): {', '.join(large)}", style="dim")
    for source, names in sources.items():
        yield Text(f"{', '.join(names)}: {source}", style="dim")
