"""Options and tables of several chips."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .. import api
from ..chips import MOST_CHIPS, SeveralChips
from ..design import CHIPS_FILE
from ..model import Model
from .axi_options import AXI_OPTIONS
from .console import Output
from .part_options import PART

__all__ = ["ChipsOptions", "chips_options", "generate_several", "holds_chips", "render_chips"]

#: Options of `generate` that are for one FPGA; and the goal that several have.
_FOR_ONE = {
    "part", "board", "goal", "folding", "fps", "family", "weights", "load_width", "weight_bandwidth", "axi",
    "memory_files", "tools", *AXI_OPTIONS,
}  # fmt: skip
_GOAL = ("goal", "fps")


@dataclass(frozen=True, kw_only=True)
class ChipsOptions:
    """What a user says of several chips.

    Parameters
    ----------
    parts : tuple of str
    cuts : tuple of str
        Layers behind which the network is cut.
    bandwidth : float or None
        Bytes a second.
    latency : int
        Cycles.
    """

    parts: tuple[str, ...]
    cuts: tuple[str, ...]
    bandwidth: float | None
    latency: int


def chips_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for several chips to a command, and give it ``chips``."""

    @click.option(
        "--parts",
        metavar="PART,PART,...",
        help="Plan for several FPGAs, in the order in which frames pass: the network is cut between them, for the most "
        "frames/s.",
    )
    @click.option(
        "--cut",
        "cuts",
        multiple=True,
        metavar="LAYER",
        help="Layer behind which the network is cut for --parts; once for each cut.  [default: where that is best]",
    )
    @click.option(
        "--cut-bandwidth",
        "bandwidth",
        type=float,
        metavar="BYTES/S",
        help="What each channel between FPGAs carries; with --parts.  [default: a beat of results in every cycle]",
    )
    @click.option(
        "--cut-latency",
        "latency",
        type=int,
        default=0,
        show_default=True,
        metavar="CYCLES",
        help="Clock cycles from one FPGA to the next; with --parts.",
    )
    @functools.wraps(command)
    def wrapper(
        *args: Any, parts: str | None, cuts: tuple[str, ...], bandwidth: float | None, latency: int, **options: Any
    ) -> None:
        chips = None
        if parts is not None:
            _check_others()
            names = tuple(PART.convert(part.strip(), None, None) for part in parts.split(","))
            if not 2 <= len(names) <= MOST_CHIPS:
                raise click.UsageError(
                    f"--parts takes 2 to {MOST_CHIPS} parts, not {len(names)}: one goes with --part PART --goal fps."
                )
            if cuts and len(cuts) != len(names) - 1:
                raise click.UsageError(
                    f"{len(names)} parts need --cut {len(names) - 1} times or never, not {len(cuts)}."
                )
            chips = ChipsOptions(parts=names, cuts=cuts, bandwidth=bandwidth, latency=latency)
        elif cuts or bandwidth is not None or latency:
            raise click.UsageError("--cut, --cut-bandwidth and --cut-latency need --parts.")
        command(*args, chips=chips, **options)

    return wrapper


def _check_others() -> None:
    """Refuse options that are for one FPGA."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = parameter.name and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        if given and parameter.name in _FOR_ONE and (parameter.name, context.params[parameter.name]) != _GOAL:
            raise click.UsageError(f"{parameter.opts[0]} is for one FPGA, and --parts names several.")


def generate_several(
    output: Output,
    net: Model,
    folder: Path,
    chips: ChipsOptions,
    *,
    clock: float | None,
    stage_levels: int | None,
    streams: int | None,
    reserve_luts: str,
    reserve_bram: str,
) -> None:
    """Generate Verilog for several chips, and show what each does."""
    several = api.generate_chips(
        net, folder, parts=chips.parts, cuts=chips.cuts, bandwidth=chips.bandwidth, latency=chips.latency, clock=clock,
        stage_levels=stage_levels, streams=1 if streams is None else streams, reserve_luts=reserve_luts,
        reserve_bram=reserve_bram, progress=output.working,
    )  # fmt: skip
    output.show(*render_chips(several), *map(Text, net.summary), Text(f"Written: {folder}"))
    output.result(
        {
            "folder": str(folder),
            "verilog": str(several.verilog),
            **several.to_dict(),
            "searches": [search.to_dict() for search in several.searches],
            "comparison": net.comparison_dict,
        }
    )


def holds_chips(folder: Path) -> bool:
    """Whether a folder holds several chips."""
    return (folder / CHIPS_FILE).is_file()


def render_chips(design: SeveralChips) -> Iterator[RenderableType]:
    """Tables of the chips and of the channels between them, and what the whole does."""
    told = design.to_dict()
    name = design.design.network.name
    rows = [
        (
            one["folder"],
            one["part"] or "any",
            _ends(one["layers"]),
            f"{one['cycles_per_frame']:,g}",
            "" if one["sites"] is None else f"{one['sites']:,}",
            "" if one["block_rams"] is None else f"{one['block_rams']:,}",
        )
        for one in told["chips"]
    ]
    yield _table(
        f"{name} on {len(rows)} chips; sites and block RAMs are estimates",
        ("chip", "part", "layers", "cycles a frame", "LUT sites", "block RAMs"),
        rows,
    )
    yield _table(
        "Channels",
        ("behind", "bits", "beats a frame", "credits", "latency"),
        [
            (
                one["behind"],
                str(one["bits"]),
                f"{one['beats_per_frame']:,g}",
                f"{one['credits']:,}",
                str(one["latency_cycles"]),
            )
            for one in told["channels"]
        ],
    )
    yield Text(
        f"Together: a frame every {design.cycles_per_frame:,g} cycles, latency {design.latency_cycles:,} cycles; about "
        f"{design.frames_per_second:,.0f} frames/s at {design.clock / 1e6:,.4g} MHz, the clock of all."
    )


def _ends(layers: list[str]) -> str:
    return layers[0] if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"


def _table(title: str, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place == 0 or heading in ("part", "layers") else "right")
    for row in rows:
        table.add_row(*row)
    return table
