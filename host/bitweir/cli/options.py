"""Options that commands share, and how commands end."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from bitweir_hw.checked import HIGHEST_CLOCK, LOWEST_CLOCK
from bitweir_hw.errors import BitweirError, OptionsError
from bitweir_sim.trace import SimulationError

from ..api import load
from ..folders import FileError
from ..model import Model
from ..report.report import Report
from ..runs import DeviceRun, Simulation
from ..shipped import demo_images
from ..weight_memory import WeightMemory
from .configuration import defaults, without_excluded
from .console import Output, complain
from .ending import BROKEN_PIPE, INTERRUPTED, TERMINATED, Terminated, ending

__all__ = [
    "Group",
    "clock_option",
    "end",
    "folder_argument",
    "images_options",
    "megahertz",
    "most_clock_option",
    "other_clock_option",
    "pool_options",
    "reserve_options",
    "round_option",
    "weight_memory_options",
    "with_models",
    "with_output",
]


#: What is a value of --vote, and no model file.
_VOTES = re.compile(r"[-+0-9./]+(,[-+0-9./]*)+")


class Command(click.Command):
    """A command whose option ``--vote`` may stand alone, before a model file, too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command`."""
        pairs = pairwise([*args, ""])
        args = ["--vote=" if a == "--vote" and not _VOTES.fullmatch(b) else a for a, b in pairs]
        if ctx.default_map:
            given, _, _ = self.make_parser(ctx).parse_args(list(args))
            ctx.default_map = without_excluded(ctx.default_map, given)
        return super().parse_args(ctx, args)


class Group(click.Group):
    """Ends a mistake of the user in one sentence and an exit code, never in a traceback."""

    command_class = Command

    def main(self, *args: Any, **extra: Any) -> Any:
        if not extra.pop("standalone_mode", True):
            return super().main(*args, **{**extra, "standalone_mode": False})
        sys.exit(self._run(args, extra))

    def _run(self, args: tuple[Any, ...], extra: dict[str, Any]) -> int:
        """Exit code of a command."""
        try:
            with ending():
                code = super().main(*args, **{**extra, "standalone_mode": False})
                sys.stdout.flush()
            return code if isinstance(code, int) else 0
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except (KeyboardInterrupt, BrokenPipeError) as error:
            return _told(error)
        except OSError as error:
            if error.strerror is None:
                raise
            # What could not be written is still there, and would fail once more.
            _drop_output()
            complain(f"Cannot write: {error.strerror}.")
            return FileError.exit_code

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*args, **extra)
        except KeyboardInterrupt as error:
            raise click.exceptions.Exit(_told(error)) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            ctx.default_map = defaults(self, ctx)
            return super().invoke(ctx)
        except BitweirError as error:
            self._end(ctx, str(error), error.exit_code)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            # Click would print an empty line, and end in code 1.
            ctx.exit(_told(error))
        except OSError as error:
            if error.filename is None:
                raise
            # A file that nobody looks after: a cache or a temporary folder, a full disk.
            self._end(ctx, f"Cannot use {str(error.filename)!r}: {error.strerror}.", FileError.exit_code)

    def _end(self, ctx: click.Context, told: str, exit_code: int) -> None:
        if ctx.obj is not None and ctx.obj.as_json:
            ctx.obj.result({"error": told, "exit_code": exit_code})
        complain(told)
        ctx.exit(exit_code)


def _told(error: BaseException) -> int:
    """Exit code of a command that was asked to end, after a line that says so."""
    if isinstance(error, BrokenPipeError):
        # Whoever read the output has seen enough. Nor may the interpreter try again at its end.
        _drop_output()
        return BROKEN_PIPE
    terminated = isinstance(error, Terminated)
    complain("Terminated." if terminated else "Interrupted.")
    return TERMINATED if terminated else INTERRUPTED


def _drop_output() -> None:
    """Let standard output go nowhere from here on."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def with_output(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--json``, ``--quiet`` and ``--verbose`` to a command and give it an `Output` first."""

    @click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else, on standard output."
    )
    @click.option("-q", "--quiet", is_flag=True, help="Show neither progress nor results, but errors, and JSON.")
    @click.option("-v", "--verbose", is_flag=True, help="Write a line for whatever begins, goes on and ends.")
    @click.pass_context
    @functools.wraps(command)
    def wrapped(ctx: click.Context, /, *args: Any, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> None:
        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose exclude each other.")
        output = Output(as_json=as_json, quiet=quiet, verbose=verbose)
        ctx.find_root().obj = output
        if quiet:
            log = logging.getLogger("bitweir_hw")
            ctx.call_on_close(functools.partial(log.setLevel, log.level))
            log.setLevel(logging.ERROR)
        try:
            command(output, *args, **options)
        except OptionsError as error:
            raise click.UsageError(str(error), ctx) from error

    return wrapped


def megahertz(_: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Hz, from an option in MHz."""
    if value is None:
        return None
    if not LOWEST_CLOCK <= value * 1e6 <= HIGHEST_CLOCK:
        raise click.BadParameter(f"must be {LOWEST_CLOCK / 1e6:g} to {HIGHEST_CLOCK / 1e6:,g} MHz, not {value:,.10g}")
    return value * 1e6


clock_option = click.option(
    "--clock",
    default=100.0,
    show_default=True,
    metavar="MHZ",
    callback=megahertz,
    help="Clock frequency of the accelerator.",
)

most_clock_option = click.option(
    "--clock",
    type=float,
    metavar="MHZ",
    callback=megahertz,
    help="Maximum clock frequency: plans are judged at the clock that they are expected to reach, or at this one where "
    "it is lower.  [default: with a goal the highest of the part, else 100]",
)


def reserve_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for what is kept free of a part or a board."""
    for name, what in (("bram", "block RAMs"), ("luts", "LUTs")):
        command = click.option(
            f"--reserve-{name}",
            default="0",
            metavar="N|N%",
            help=f"{what[0].upper()}{what[1:]} to keep free for the rest of the chip: a count, or a share of all.",
        )(command)
    return command


other_clock_option = click.option(
    "--clock",
    type=float,
    metavar="MHZ",
    callback=megahertz,
    help="Clock frequency for all times.  [default: the one that FOLDER was made for]",
)


def weight_memory_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for a memory of streamed weights to a command, and give it ``weight_memory``."""

    @click.option(
        "--weight-bandwidth",
        type=float,
        metavar="BYTES/S",
        help="What the memory of streamed weights gives, such as 250e6.  [default: a word in every cycle]",
    )
    @click.option(
        "--weight-latency",
        type=int,
        default=0,
        metavar="CYCLES",
        help="Clock cycles before its first word; with --weight-bandwidth.",
    )
    @functools.wraps(command)
    def wrapper(*args: Any, weight_bandwidth: float | None, weight_latency: int, **options: Any) -> None:
        memory = None
        if weight_bandwidth is not None:
            memory = WeightMemory(bandwidth=weight_bandwidth, latency=weight_latency)
        elif weight_latency:
            raise click.UsageError("--weight-latency needs --weight-bandwidth.")
        command(*args, weight_memory=memory, **options)

    return wrapper


def images_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for images to a command, and give it ``images``, the path of their file."""

    @click.option(
        "--images", type=click.Path(path_type=Path), help="An .npz file with images x and, optionally, labels y."
    )
    @click.option("--demo-images", "demo", is_flag=True, help="Use the test images of the bundled networks.")
    @functools.wraps(command)
    def wrapper(*args: Any, images: Path | None, demo: bool, **options: Any) -> None:
        if (images is None) != demo:
            raise click.UsageError("Give either --images or --demo-images.")
        command(*args, images=images or demo_images(), **options)

    return wrapper


def pool_options(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options for workers to a command; `default` says what is done without them."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        command = click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Run on the workers of this Dask scheduler, as tcp://host:8786, not on this machine.",
        )(command)
        command = click.option(
            "--jobs", type=click.IntRange(min=1), metavar="J", help=f"Number of processes.  [default: {default}]"
        )(command)

        @functools.wraps(command)
        def wrapper(*args: Any, jobs: int | None, scheduler: str | None, **options: Any) -> None:
            if jobs is not None and scheduler is not None:
                raise click.UsageError("--jobs is for processes of this machine: leave out it or --scheduler.")
            command(*args, jobs=jobs, scheduler=scheduler, **options)

        return wrapper

    return add


def with_models(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments for model files to a command, and give it ``models``, a function that reads them.

    By default, that function also compares the network with the model files.
    """

    @click.argument("paths", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
    @click.option(
        "--input-scale",
        metavar="RULE",
        help="Rule that gives the model's input for an integer x as images store it, such as a pixel: 1/255 (x times "
        "this), x/127.5-1, (x-33)/79, or with a number for each channel (x-[124,116,104])/[58,57,57]. It consists of "
        "x, decimal numbers without exponents, lists, + - * / and parentheses. int2 to int16 stand for signed "
        "integers that the model takes as they are.",
    )
    @click.option(
        "--input-range",
        metavar="LOW:HIGH",
        help="Range of the integers that images store, such as -128:127; without --input-scale, the model takes them "
        "as they are.  [default with --input-scale: 0:255]",
    )
    @click.option(
        "--name",
        help="Name of the network and of its Verilog module: letters, digits and underscores, and no word of Verilog, "
        "such as small or table.  [default: from the file]",
    )
    @click.option(
        "--result",
        type=click.Choice(("class", "labels", "scores", "classes")),
        help="What the accelerator computes for each frame.  [default: the result that the model ends in]",
    )
    @click.option(
        "--head",
        multiple=True,
        metavar="NAME",
        help="Output of an ONNX file that is the result, where there are several. Given more than once, the outputs "
        "follow one another in the result.",
    )
    @click.option(
        "--weight-bits",
        multiple=True,
        metavar="N|LAYER=N,...",
        help="Round weights that are real numbers to integers of N bits, 2 to 16, times a scale for each output: in "
        "all such layers, or in those that are named, as conv0=8,dense2=12. The network is approximate then, and what "
        "differs from the model file is counted.",
    )
    @click.option(
        "--vote",
        "voting",
        is_flag=False,
        flag_value="",
        default=None,
        metavar="[N,N,...]",
        help="Make one network of several models, each of which votes for its class: with one vote, or with as many as "
        "its number says, such as 2,1,1 or 0.7,0.2,0.1. Of classes with equally many votes, the lowest wins.",
    )
    @click.option(
        "--sum", "sum_scores", is_flag=True, help="With --vote, sum the scores of the models, times their votes."
    )
    @functools.wraps(command)
    def wrapped(
        output: Output,
        /,
        *args: Any,
        paths: tuple[Path, ...],
        input_scale: str | None,
        input_range: str | None,
        name: str | None,
        voting: str | None,
        sum_scores: bool,
        result: str | None,
        weight_bits: tuple[str, ...],
        head: tuple[str, ...],
        **options: Any,
    ) -> None:
        def models(*, compared: bool = True) -> Model:
            if len(paths) > 1 and voting is None:
                raise click.UsageError("Several models need --vote, with which each votes for its class.")
            if len(paths) < 2 and voting is not None:
                raise click.UsageError("--vote needs two models or more.")
            vote = voting.split(",") if voting else voting is not None
            return load(
                *paths, input_scale=input_scale, input_range=input_range, name=name, vote=vote,
                sum_scores=sum_scores, result=result, weight_bits=weight_bits, head=head, compare=compared,
                progress=output.working,
            )  # fmt: skip

        command(output, models, *args, **options)

    return wrapped


round_option = click.option(
    "--round-images",
    "rounding",
    is_flag=True,
    help="Round numbers that the input does not take to the nearest that it takes, and report how many there were.",
)
folder_argument = click.argument("folder", type=click.Path(path_type=Path))


def end(run: Simulation | DeviceRun) -> None:
    """End with an error if a design differs from the golden model."""
    if run.mismatches:
        complain(
            f"The design must compute what the golden model computes; {run.mismatches:,} of {run.images:,} images "
            f"differ, the first: {run.first_mismatch}."
        )
        click.get_current_context().exit(SimulationError.exit_code)


def end_proof(report: Report, family: str) -> None:
    """End with an error if a netlist does not do what the Verilog does."""
    if wrong := report.synthesis[family].refuted:
        complain(
            f"The netlist for {family} must do what the Verilog does; it does not in {', '.join(wrong)}: do not use "
            "it. The report tells the inputs."
        )
        click.get_current_context().exit(SimulationError.exit_code)
