"""The command line."""

from __future__ import annotations

import errno
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from bitweir_hw.boards import BOARDS
from bitweir_hw.compressor import STYLE
from bitweir_hw.devices import PARTS
from bitweir_hw.errors import BitweirError
from bitweir_hw.parameters import parameter_image, with_parameters_of
from bitweir_hw.plan import MODERATE_LANES, WEIGHTS
from bitweir_sim.sizing import fit_depths
from bitweir_sim.trace import SimulationError
from rich.text import Text

from .boards import planning as board_planning
from .boards.bitstream import Options
from .boards.command import build_for_board
from .boards.program import program as load_bitstream
from .build import Build, write_build
from .console import Output
from .demo import NETWORKS, run_demo
from .device.opening import DEFAULT_BAUD
from .exploring import SLOWEST, Goals, workers, write_exploration
from .exploring import explore as explore_parts
from .exploring import render as render_exploration
from .folders import FileError, whole_file
from .importing import Imported, differences, import_models, read_models
from .importing import render as render_import
from .planning import DEFAULT_FPS, DEFAULT_LEVELS, GOALS, Wishes, choose, told_search
from .report.collect import collect
from .report.html import page
from .report.markdown import markdown
from .report.terminal import render
from .running import print_run, run_images, serve_board
from .shipped import located
from .simulate import ENGINES, print_simulation, simulate
from .synthesis.measure import FAMILIES, synthesise

__all__ = ["main"]


class _Group(click.Group):
    """Ends a mistake of the user in one sentence and an exit code, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BitweirError as error:
            self._end(ctx, str(error), error.exit_code)
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is None:
                raise
            # A file that nobody looks after: a cache or a temporary folder, a full disk.
            self._end(ctx, f"Cannot use {str(error.filename)!r}: {error.strerror}.", FileError.exit_code)

    def _end(self, ctx: click.Context, told: str, exit_code: int) -> None:
        if ctx.obj is not None and ctx.obj.as_json:
            ctx.obj.result({"error": told, "exit_code": exit_code})
        click.echo(f"bitweir: {told}", err=True)
        ctx.exit(exit_code)


def _with_output(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--json`` to a command and give it an `Output` first."""

    @click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else, on standard output."
    )
    @click.pass_context
    @functools.wraps(command)
    def wrapped(ctx: click.Context, /, *args: Any, as_json: bool, **options: Any) -> None:
        output = Output(as_json=as_json)
        ctx.find_root().obj = output
        command(output, *args, **options)

    return wrapped


def _megahertz(_: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is None:
        return None
    if not 0 < value < math.inf:
        raise click.BadParameter(f"must be a positive number of MHz, not {value:g}")
    return value * 1e6


_clock = click.option(
    "--clock", default=100.0, show_default=True, metavar="MHZ", callback=_megahertz, help="Clock of the accelerator."
)


def _with_models(command: Callable[..., None]) -> Callable[..., None]:
    """Add what tells model files to a command, and give it ``models``, a function that reads them."""

    @click.argument("paths", metavar="MODEL...", nargs=-1, required=True, type=click.Path(path_type=Path))
    @click.option(
        "--input-scale", metavar="A/B", help="What a uint8 pixel is multiplied with to become what the model takes."
    )
    @click.option("--name", help="Name of the network and of its Verilog module.  [default: from the file]")
    @click.option("--vote", "voting", is_flag=True, help="Several models, each of which votes for its class.")
    @functools.wraps(command)
    def wrapped(
        output: Output,
        /,
        *args: Any,
        paths: tuple[Path, ...],
        input_scale: str | None,
        name: str | None,
        voting: bool,
        **options: Any,
    ) -> None:
        def models() -> Imported:
            files, scale = located(paths, input_scale)
            return read_models(output, files, input_scale=scale, name=name, voting=voting)

        command(output, models, *args, **options)

    return wrapped


_folder = click.argument("folder", type=click.Path(path_type=Path))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bitweir")
def main() -> None:
    """From a trained binary neural network to a verified streaming FPGA accelerator."""


@main.command("import")
@click.option(
    "-o", "--output", "target", required=True, type=click.Path(path_type=Path), help="Network file (.npz) to write."
)
@click.option(
    "--images", type=click.Path(path_type=Path), help="An .npz with x and, optionally, labels y, to compare with."
)
@click.option("--limit", type=click.IntRange(min=1), help="Use only the first images.")
@click.option("--save", type=click.Path(path_type=Path), help="Write classes and scores to this .npz.")
@_with_output
@_with_models
def import_command(
    output: Output,
    models: Callable[[], Imported],
    target: Path,
    images: Path | None,
    limit: int | None,
    save: Path | None,
) -> None:
    """Turn MODEL (.onnx, .keras, .h5, or a network .npz) into integers, show them, and compare both on images.

    Several models with --vote become one network, in which each has one vote.
    """
    if images is None and (limit is not None or save is not None):
        raise click.UsageError("--limit and --save need --images.")
    if target.suffix != ".npz":
        raise click.UsageError(f"The network file must end in .npz, not {target.name!r}.")
    result = import_models(output, models(), target, images=images, limit=limit, save=save)
    output.show(*render_import(result))
    output.result(result)
    if told := differences(result):
        click.echo(f"bitweir: {told}", err=True)
        click.get_current_context().exit(SimulationError.exit_code)


@main.command()
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--folding", metavar="SIMDxPE,...", help="Inputs and neurons computed at once, for each layer.")
@click.option(
    "--fps",
    type=float,
    help="Frames a second to reach with the fewest lanes.  "
    f"[default: {DEFAULT_FPS:,.0f}, or what {MODERATE_LANES:,} lanes reach]",
)
@_clock
@click.option("--part", type=click.Choice(sorted(PARTS)), help="FPGA to plan for, with --goal.")
@click.option(
    "--goal",
    type=click.Choice(GOALS),
    help="What is best on --part: most frames/s, least area for --fps, or least latency.",
)
@click.option(
    "--family",
    type=click.Choice(sorted(STYLE)),
    help="Whose primitives to use in the popcounts.  [default: the part's, or generic: portable Verilog]",
)
@click.option(
    "--stage-levels",
    type=int,
    help=f"Adder levels between registers in a popcount; 0: none.  [default: {DEFAULT_LEVELS}, or what --clock needs]",
)
@click.option(
    "--streams",
    type=int,
    metavar="V",
    help="Frames that go side by side and share each weight.  [default: 1, or what is best for --goal fps]",
)
@click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default=WEIGHTS[0],
    show_default=True,
    help="Parameters are constants, or in RAM that is loaded, so that many networks of the same shape fit.",
)
@click.option(
    "--axi",
    type=int,
    is_flag=False,
    flag_value=8,
    metavar="[BYTES]",
    help="Add a module with AXI4-Stream ports, so many bytes wide; 8 if none are given.",
)
@_with_output
@_with_models
def generate(
    output: Output,
    models: Callable[[], Imported],
    folder: Path,
    folding: str | None,
    fps: float | None,
    clock: float,
    part: str | None,
    goal: str | None,
    family: str | None,
    stage_levels: int | None,
    streams: int | None,
    weights: str,
    axi: int | None,
) -> None:
    """Turn MODEL (.onnx, .keras, .h5, or a network .npz) into Verilog in a folder."""
    if folding is not None and (fps is not None or goal is not None):
        raise click.UsageError("--folding excludes --fps and --goal: a folding says how fast it is.")
    if (part is None) != (goal is None):
        raise click.UsageError("--part and --goal go together: what is best depends on both.")
    if goal and (goal == "area") != (fps is not None):
        raise click.UsageError("--fps says how fast --goal area must be, and goes with no other goal.")
    network = models().network
    wishes = Wishes(
        clock=clock, folding=folding, fps=fps, part=part, goal=goal, family=family, stage_levels=stage_levels,
        # A packet of the wrapper is one frame.
        streams=1 if streams is None and axi is not None else streams, weights=weights,
    )  # fmt: skip
    with output.working("Choosing the plan"):
        choice = choose(network, wishes)
    with output.working("Fitting FIFOs"):
        plan = fit_depths(network, choice.plan)
    with output.working("Generating Verilog"):
        build = write_build(network, plan, folder, axi=axi)
    report = collect(build, clock=clock, part=part)
    output.show(*render(report))
    if choice.search:
        output.show(Text(told_search(choice.search)))
    output.show(Text(f"Written: {build.verilog}"))
    result = {"folder": str(folder), "verilog": str(build.verilog), "report": report}
    output.result(result | ({"search": choice.search} if choice.search else {}))


@main.command("build")
@click.option("--board", "board_name", required=True, type=click.Choice(sorted(BOARDS)), help="Board to build for.")
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--goal",
    type=click.Choice(board_planning.GOALS),
    default=board_planning.GOALS[0],
    show_default=True,
    help="The fewest LUTs that keep up with the link, or the most frames/s that fit.",
)
@click.option("--fps", type=float, help="Frames a second to reach with the fewest LUTs, in place of --goal.")
@click.option(
    "--clock", metavar="MHZ", type=float, callback=_megahertz, help="Clock at most.  [default: the fastest that routes]"
)
@click.option(
    "--stage-levels",
    type=click.IntRange(min=0),
    default=board_planning.LEVELS,
    show_default=True,
    help="Adder levels between registers in a popcount; 0: none.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Seeds to route with; the best is kept."
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="J", help="Seeds at once.  [default: one on each core]")
@_with_output
@_with_models
def build_command(
    output: Output,
    models: Callable[[], Imported],
    board_name: str,
    folder: Path,
    goal: str,
    fps: float | None,
    clock: float | None,
    stage_levels: int,
    seeds: int,
    jobs: int | None,
) -> None:
    """Turn MODEL (a file, or a network that ships: digits, cnn) into a bitstream for a board, in a folder."""
    wishes = board_planning.Wishes(goal=goal, fps=fps, stage_levels=stage_levels)
    options = Options(clock=clock, seeds=seeds, jobs=jobs)
    output.result(build_for_board(output, models(), board_name, folder, wishes, options))


@main.command("program")
@_folder
@click.option("--flash", is_flag=True, help="Write the flash of the board, so that it starts with the design.")
@_with_output
def program_command(output: Output, folder: Path, flash: bool) -> None:
    """Load the bitstream in FOLDER, as build wrote it, into its board."""
    with output.working("Loading the bitstream"):
        result = load_bitstream(folder, flash=flash)
    output.show(Text(f"Loaded: {result['file']}"))
    output.result(result)


@main.command()
@_folder
@click.option(
    "-o", "--output", "target", required=True, type=click.Path(path_type=Path), help="Parameter image (.bin) to write."
)
@_with_output
@_with_models
def parameters(output: Output, models: Callable[[], Imported], folder: Path, target: Path) -> None:
    """Make the parameter image of MODEL for the accelerator in FOLDER, which was generated with --weights ram.

    MODEL must have the same shape as the network of FOLDER.
    """
    build = Build.open(folder)
    pipeline = with_parameters_of(models().network, build.network, build.plan)
    image = parameter_image(pipeline)
    whole_file(target, image)
    output.show(Text(f"Written: {target}, {len(image):,} bytes"))
    output.result({"image": str(target), "bytes": len(image)})


@main.command("simulate")
@_folder
@click.option(
    "--images", required=True, type=click.Path(path_type=Path), help="An .npz with x and, optionally, labels y."
)
@click.option(
    "--engine", type=click.Choice(ENGINES), default="compiled", show_default=True, help="What runs the design."
)
@click.option("--limit", type=click.IntRange(min=1), help="Use only the first images.")
@click.option("--save", type=click.Path(path_type=Path), help="Write classes and scores to this .npz.")
@click.option("--waves", type=click.Path(path_type=Path), help="Write waveforms: .vcd, or .fst with cocotb and Icarus.")
@_clock
@_with_output
def simulate_command(
    output: Output,
    folder: Path,
    images: Path,
    engine: str,
    limit: int | None,
    save: Path | None,
    waves: Path | None,
    clock: float,
) -> None:
    """Run images through the design in FOLDER."""
    build = Build.open(folder)
    result = simulate(build, images, output, engine=engine, limit=limit, save=save, waves=waves, clock=clock)
    print_simulation(output, result)
    output.result(result)
    _end(result)


@main.command()
@_folder
@click.option(
    "--synth", "family", type=click.Choice(FAMILIES), help="Run Yosys for this family, and add what it measures."
)
@click.option(
    "--part",
    type=click.Choice(sorted(PARTS)),
    help="FPGA to compare with.  [default: one of the family that was measured, or ecp5-85k]",
)
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write the report as a page to this file.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path), help="Write it as Markdown to this file.")
@_clock
@_with_output
def report(
    output: Output,
    folder: Path,
    family: str | None,
    part: str | None,
    html_file: Path | None,
    markdown_file: Path | None,
    clock: float,
) -> None:
    """Tell what the design in FOLDER costs and how fast it is."""
    build = Build.open(folder)
    if family:
        with output.working(f"Synthesising for {family}"):
            synthesise(build, family)
    result = collect(build, clock=clock, part=part)
    output.show(*render(result))
    for file, form in ((html_file, page), (markdown_file, markdown)):
        if file:
            whole_file(file, form(result).encode())
            output.show(Text(f"Written: {file}"))
    output.result(result)


@main.command()
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--part", "parts", multiple=True, required=True, type=click.Choice(sorted(PARTS)), help="FPGA; may be repeated."
)
@_clock
@click.option(
    "--points",
    type=click.IntRange(min=1),
    default=13,
    show_default=True,
    metavar="N",
    help=f"Paces to try on each part, from the fastest that fits to {SLOWEST} times slower.",
)
@click.option(
    "--streams", default=1, show_default=True, metavar="V", help="Frames that go side by side and share each weight."
)
@click.option("--synth", is_flag=True, help="Run Yosys for the points of the front, and add what it measures.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="J", help="Processes.  [default: one on each core]")
@click.option("--scheduler", metavar="ADDRESS", help="Run on the workers of this Dask scheduler instead.")
@_with_output
@_with_models
def explore(
    output: Output,
    models: Callable[[], Imported],
    folder: Path,
    parts: tuple[str, ...],
    clock: float,
    points: int,
    streams: int,
    synth: bool,
    jobs: int | None,
    scheduler: str | None,
) -> None:
    """Find the best that MODEL can be on parts: the Pareto front of LUT sites, block RAMs and frames/s.

    Results are kept: an exploration that was interrupted goes on where it was.
    """
    network = models().network
    goals = Goals(parts=tuple(dict.fromkeys(parts)), clock=clock, points=points, streams=streams)
    with output.working("Exploring") as progress, workers(jobs, scheduler):
        result = write_exploration(folder, lambda: explore_parts(network, goals, synth=synth, progress=progress))
    output.show(*render_exploration(result))
    output.show(Text(f"Written: {folder}"))
    output.result({"folder": str(folder), "exploration": result})


@main.command("run")
@click.argument("device")
@click.option("--images", type=click.Path(path_type=Path), help="An .npz with x and, optionally, labels y.")
@click.option("--demo-images", is_flag=True, help="The test images of the networks that ship.")
@click.option("--network", type=click.Path(path_type=Path), help="What DEVICE holds: a network .npz or build folder.")
@click.option("--baud", type=click.IntRange(min=1), help=f"Bits a second of the link.  [default: {DEFAULT_BAUD}]")
@click.option("--limit", type=click.IntRange(min=1), help="Use only the first images.")
@click.option("--save", type=click.Path(path_type=Path), help="Write classes and scores to this .npz.")
@click.option("--check", is_flag=True, help="Compare every score and class with the golden model.")
@_with_output
def run_command(output: Output, device: str, images: Path | None, demo_images: bool, **options: Any) -> None:
    """Let DEVICE classify images.

    DEVICE is serial:PORT, such as serial:/dev/ttyUSB1; sim:FOLDER, the simulated board of a build; or
    golden:FILE, the golden model of a network file or build.
    """
    if (images is None) != demo_images:
        raise click.UsageError("Name images with --images, or take --demo-images, not both.")
    result = run_images(device, images, output, **options)
    print_run(output, result)
    output.result(result)
    _end(result)


@main.command()
@_folder
@click.option("--baud", type=click.IntRange(min=1), help=f"Bits a second.  [default: {DEFAULT_BAUD}]")
@click.option("--clock", type=click.FloatRange(min=0, min_open=True), metavar="MHZ", help="Clock.  [default: 12]")
@click.option("--faults", type=float, default=0.0, metavar="RATE", help="Share of bytes at which something goes wrong.")
@click.option("--seed", type=int, default=0, help="Of the faults.")
@_with_output
def simboard(output: Output, folder: Path, baud: int | None, clock: float | None, faults: float, seed: int) -> None:
    """Simulate a board with the design in FOLDER behind a serial port, until Ctrl-C."""
    serve_board(Build.open(folder), output, baud=baud, clock=clock, faults=faults, seed=seed)


@main.command()
@click.option("--network", type=click.Choice(sorted(NETWORKS)), default="digits", show_default=True)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="Folder to write.",
)
@_clock
@_with_output
def demo(output: Output, network: str, folder: Path, clock: float) -> None:
    """Do all of it for a network that ships."""
    result = run_demo(output, network, folder, clock=clock)
    output.result(result)
    _end(result["simulation"])


def _end(simulation: dict[str, Any]) -> None:
    """A design that differs from the golden model is a failure, although the command did its work."""
    if wrong := simulation["mismatches"]:
        click.echo(
            f"bitweir: The design must do what the golden model does; {wrong:,} of {simulation['images']:,} images "
            f"differ, the first: {simulation['first_mismatch']}.",
            err=True,
        )
        click.get_current_context().exit(SimulationError.exit_code)
