"""The command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from bitweir_hw.axi import AxiPorts
from bitweir_hw.plan import MODERATE_LANES, WEIGHTS
from bitweir_hw.popcount import STYLE
from bitweir_sim.trace import SimulationError
from rich.text import Text

from .. import api
from ..accelerator import Accelerator
from ..chips import SeveralChips
from ..folders import added_file, whole_file
from ..importing import import_models
from ..model import Model
from ..planning import DEFAULT_FPS, DEFAULT_LEVELS, PART_GOALS
from ..projects import TOOLS
from ..report.terminal import render
from ..results import save_result
from ..runs import ENGINES
from ..shipped import NETWORKS
from ..synthesis.measure import FAMILIES
from ..weight_memory import WeightMemory
from .activity import activity_command
from .axi_options import axi_options
from .board_options import BOARD, boards_command
from .chips import ChipsOptions, chips_options, generate_several, holds_chips, render_chips
from .comparing import compare_command
from .console import Output, complain
from .devices import COMMANDS
from .doctor import doctor_command
from .exploration import explore_command
from .import_tables import render as render_import
from .options import (
    Group,
    clock_option,
    end,
    end_proof,
    folder_argument,
    images_options,
    most_clock_option,
    other_clock_option,
    pool_options,
    reserve_options,
    round_option,
    weight_memory_options,
    with_models,
    with_output,
)
from .part_options import PART, parts_command
from .run_tables import simulation_table

__all__ = ["main"]


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bitweir")
def main() -> None:
    """Turn a trained binary neural network into a verified streaming FPGA accelerator."""


@main.command("import")
@click.option(
    "-o", "--output", "target", required=True, type=click.Path(path_type=Path), help="Network file (.npz) to write."
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="An .npz file with images x and, optionally, labels y, to compare on.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many images, from the first one on.")
@click.option("--save", type=click.Path(path_type=Path), help="Write the results to this .npz file.")
@round_option
@with_output
@with_models
def import_command(
    output: Output,
    models: Callable[..., Model],
    target: Path,
    images: Path | None,
    limit: int | None,
    save: Path | None,
    rounding: bool,
) -> None:
    """Import MODEL (.onnx, .keras, .h5, or a network .npz) as an integer network, and compare both on images.

    Several models with --vote become one network, in which each has one vote, or as
    many as its number says.
    """
    if images is None and (limit is not None or save is not None or rounding):
        raise click.UsageError("--limit, --save and --round-images need --images.")
    if target.suffix != ".npz":
        raise click.UsageError(f"The network file must end in .npz, not {target.name!r}.")
    # Images say more than drawn inputs.
    imported = models(compared=images is None).imported
    assert imported
    report, told = import_models(
        imported, target, images=images, limit=limit, save=save, rounding=rounding, progress=output.working
    )
    output.show(*render_import(report), *map(Text, imported.summary))
    output.result(report.to_dict())
    if told:
        complain(told)
        click.get_current_context().exit(SimulationError.exit_code)


@main.command()
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--folding",
    metavar="SIMDxPE,...",
    help="SIMD and PE of each layer: the inputs and neurons that it computes in a cycle; or wired, for a layer that "
    "computes all at once with constants in logic, which neurons share; wired/N takes the bits of inputs in N cycles; "
    "either alone is for all layers.",
)
@click.option(
    "--fps",
    type=float,
    help="Frame rate to reach, in frames/s, with the fewest lanes, or with the least area (--goal area).  "
    f"[default: {DEFAULT_FPS:,.0f}, or what {MODERATE_LANES:,} lanes reach]",
)
@most_clock_option
@click.option(
    "--part", type=PART, help="FPGA to plan for: a listed one, or a file in TOML; it needs --goal or --folding."
)
@click.option(
    "--board",
    type=BOARD,
    help="Board to plan for, with room for its link, in place of --part: a listed one, or a file in TOML; build makes "
    "the bitstream as well.",
)
@click.option(
    "--goal",
    type=click.Choice(PART_GOALS),
    help="What to optimise; it needs --part: the most frames/s, the least area for --fps, or the least latency. With "
    "--board, fps alone.",
)
@click.option(
    "--family",
    type=click.Choice(sorted(STYLE)),
    help="FPGA family whose primitives popcounts and wired layers use.  [default: that of the part, or generic: "
    "portable Verilog]",
)
@click.option(
    "--stage-levels",
    type=int,
    help="Levels of adders between registers, in all blocks; 1: the highest clock, 0: no registers.  "
    f"[default: what is best for --goal; with --part and --folding {DEFAULT_LEVELS}, or 1 where a plan of moderate "
    f"size does not reach --clock with that; else {DEFAULT_LEVELS}]",
)
@click.option(
    "--streams",
    type=int,
    metavar="V",
    help="Parallel frames: V frames are computed together and share each weight.  [default: 1, or what is best for "
    "--goal fps]",
)
@click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default=WEIGHTS[0],
    show_default=True,
    help="Whether parameters are constants, or in RAM and loaded at run time, so that one accelerator serves all "
    "networks of the same shape.",
)
@click.option(
    "--load-width",
    type=int,
    metavar="BYTES",
    help="Bytes of parameters that are loaded in a cycle, with --weights ram: 1, 2, 4, 8 or 16.  [default: as many as "
    "the ports of --axi bring, up to 8; else 1]",
)
@reserve_options
@click.option(
    "--weight-bandwidth",
    type=float,
    metavar="BYTES/S",
    help="What a memory outside the chip gives: with --goal, weights of layers that do not fit come from there.",
)
@axi_options
@click.option(
    "--memory-files",
    is_flag=True,
    help="Let the Verilog read what memories begin with from files (*.mem, $readmemh), in place of literals.",
)
@click.option(
    "--for",
    "tools",
    multiple=True,
    type=click.Choice(list(TOOLS)),
    help="Write files for this tool, too: the library for C, a core for FuseSoC with a bench, a component of IP-XACT, "
    "scripts and constraints for Vivado or Quartus. It can be given several times.",
)
@chips_options
@with_output
@with_models
def generate(
    output: Output,
    models: Callable[[], Model],
    folder: Path,
    folding: str | None,
    fps: float | None,
    clock: float | None,
    part: str | None,
    board: str | None,
    goal: str | None,
    family: str | None,
    stage_levels: int | None,
    streams: int | None,
    weights: str,
    load_width: int | None,
    reserve_luts: str,
    reserve_bram: str,
    weight_bandwidth: float | None,
    axi: AxiPorts | None,
    memory_files: bool,
    tools: tuple[str, ...],
    chips: ChipsOptions | None,
) -> None:
    """Generate Verilog for MODEL (.onnx, .keras, .h5, or a network .npz) in a folder."""
    if chips:
        generate_several(
            output, models(), folder, chips, clock=clock, stage_levels=stage_levels, streams=streams,
            reserve_luts=reserve_luts, reserve_bram=reserve_bram,
        )  # fmt: skip
        return
    if folding is not None and (fps is not None or goal is not None):
        raise click.UsageError("--folding excludes --fps and --goal, as it determines the frame rate.")
    if board is not None and part is not None:
        raise click.UsageError("--board excludes --part, as a board says its part.")
    if board is not None and goal not in (None, "fps"):
        raise click.UsageError(f"--goal {goal} is for --part; with --board, name fps, or give --fps alone.")
    if board is None and goal is not None and part is None:
        raise click.UsageError("--goal needs --part, as what is best depends on the part.")
    if board is None and part is not None and goal is None and folding is None:
        raise click.UsageError("--part needs --goal, which says what is best on it, or --folding.")
    if goal and (goal == "area") != (fps is not None):
        raise click.UsageError("--goal area needs --fps, the frame rate to reach, and the other goals exclude it.")
    if weight_bandwidth is not None and goal is None:
        raise click.UsageError("--weight-bandwidth needs --part and --goal: the search says which layers it is for.")
    net = models()
    design = api.generate(
        net, folder, part=part, board=board, clock=clock, goal=goal, folding=folding, fps=fps, family=family,
        stage_levels=stage_levels, streams=streams, weights=weights, reserve_luts=reserve_luts,
        reserve_bram=reserve_bram, weight_bandwidth=weight_bandwidth, axi=axi, load_width=load_width,
        memory_files=memory_files, tools=tools, progress=output.working,
    )  # fmt: skip
    search = design.search
    memory = WeightMemory(bandwidth=weight_bandwidth) if weight_bandwidth and search and search.streamed else None
    report = design.report(weight_memory=memory, advice=False, progress=output.working)
    output.show(*render(report))
    if search:
        output.show(Text(search.summary))
    output.show(*map(Text, net.summary), Text(f"Written: {design.verilog}"))
    result = {
        "folder": str(folder),
        "verilog": str(design.verilog),
        "report": report.to_dict(),
        "comparison": net.comparison_dict,
    }
    output.result(result | ({"search": search.to_dict()} if search else {}))


@main.command()
@folder_argument
@click.option(
    "-o", "--output", "target", required=True, type=click.Path(path_type=Path), help="Parameter image (.bin) to write."
)
@with_output
@with_models
def parameters(output: Output, models: Callable[[], Model], folder: Path, target: Path) -> None:
    """Write the parameter image of MODEL for the accelerator in FOLDER, which was generated with --weights ram.

    MODEL must have the same shape as the network of FOLDER.
    """
    design = api.open(folder)
    net = models()
    image = design.parameters(net)
    whole_file(target, image)
    output.show(*map(Text, net.summary), Text(f"Written: {target}, {len(image):,} bytes"))
    output.result({"image": str(target), "bytes": len(image), "comparison": net.comparison_dict})


@main.command("simulate")
@folder_argument
@images_options
@click.option(
    "--engine",
    type=click.Choice(tuple(ENGINES)),
    default="compiled",
    show_default=True,
    help="What runs the design: a compiled simulator, cocotb, or only the golden model.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many images, from the first one on.")
@click.option("--save", type=click.Path(path_type=Path), help="Write the results to this .npz file.")
@click.option(
    "--waves",
    type=click.Path(path_type=Path),
    help="Write waveforms to this file, .vcd or .fst; beside it, files that open it in GTKWave and Surfer.",
)
@round_option
@other_clock_option
@pool_options("one run of all images in this process")
@with_output
@weight_memory_options
def simulate_command(
    output: Output,
    folder: Path,
    images: Path,
    engine: str,
    limit: int | None,
    save: Path | None,
    waves: Path | None,
    rounding: bool,
    clock: float | None,
    jobs: int | None,
    scheduler: str | None,
    weight_memory: WeightMemory | None,
) -> None:
    """Simulate the design in FOLDER on images, and compare each result with the golden model.

    With --jobs or --scheduler, images are divided: each piece is a run of its own, from reset. A simulation that was
    interrupted continues where it stopped when the command is repeated.
    """
    if waves and (jobs is not None or scheduler is not None):
        raise click.UsageError(
            "Waveforms show one run, and pieces are several: leave out --waves, or --jobs and --scheduler."
        )
    design: Accelerator | SeveralChips
    if holds_chips(folder):
        for name, value in (("--weight-bandwidth", weight_memory), ("--jobs", jobs), ("--scheduler", scheduler)):
            if value is not None:
                raise click.UsageError(f"{name} is for one chip, and {str(folder)!r} holds several: leave it out.")
        design = api.open_chips(folder)
        simulation = design.simulate(
            images, engine=engine, limit=limit, waves=waves, clock=clock, rounding=rounding, progress=output.working
        )
    else:
        design = api.open(folder)
        simulation = design.simulate(
            images, engine=engine, limit=limit, waves=waves, clock=clock, weight_memory=weight_memory,
            rounding=rounding, jobs=jobs, scheduler=scheduler, progress=output.working,
        )  # fmt: skip
    if save:
        save_result(save, design.network.network, simulation.result)
    output.show(simulation_table(simulation))
    output.result(simulation.to_dict())
    end(simulation)


@main.command()
@folder_argument
@click.option(
    "--synth",
    "family",
    type=click.Choice(FAMILIES),
    help="Synthesise for this family with Yosys, and add the measured resources.",
)
@click.option(
    "--prove",
    is_flag=True,
    help="Prove of each block that the netlist of --synth does what the Verilog does, in every cycle for all inputs.",
)
@click.option(
    "--part",
    type=PART,
    help="FPGA to compare with: a listed one, or a file in TOML.  [default: the one that FOLDER was made for, one of "
    "its family, or ecp5-85k]",
)
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path), help="Write the report as an HTML page to this file."
)
@click.option(
    "--markdown", "markdown_file", type=click.Path(path_type=Path), help="Write the report as Markdown to this file."
)
@other_clock_option
@with_output
@weight_memory_options
def report(
    output: Output,
    folder: Path,
    family: str | None,
    prove: bool,
    part: str | None,
    html_file: Path | None,
    markdown_file: Path | None,
    clock: float | None,
    weight_memory: WeightMemory | None,
) -> None:
    """Report the cost and the speed of the design in FOLDER."""
    if prove and not family:
        raise click.UsageError("--prove is about the netlist of a family: name one with --synth.")
    if holds_chips(folder) and not (family or part or html_file or markdown_file or clock or weight_memory):
        several = api.open_chips(folder)
        output.show(*render_chips(several))
        output.result(several.to_dict())
        return
    result = api.open(folder).report(
        synthesise=family, prove=prove, part=part, clock=clock, weight_memory=weight_memory, progress=output.working
    )
    output.show(*render(result))
    for file, form in ((html_file, result.html), (markdown_file, result.markdown)):
        if file:
            added_file(file, form().encode())
            output.show(Text(f"Written: {file}"))
    output.result(result.to_dict())
    if family:
        end_proof(result, family)


@main.command()
@click.option(
    "--network",
    type=click.Choice(sorted(NETWORKS)),
    default="digits",
    show_default=True,
    help="Bundled network to use.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="Folder to write.",
)
@clock_option
@with_output
def demo(output: Output, network: str, folder: Path, clock: float) -> None:
    """Run the whole flow on a bundled network."""
    bundled = NETWORKS[network]
    done = api.demo(network, folder, clock=clock, progress=output.working)
    output.show(
        _step("1. Import", f"{bundled.model}, {bundled.about} trained on scikit-learn's handwritten digits"),
        _step("2. Generate", f"an accelerator for {bundled.fps:,.0f} frames/s"),
        _step("3. Simulate", "it on the test images"),
        simulation_table(done.simulation),
        _step("4. Synthesise", f"it for {bundled.family} with Yosys"),
        _step("5. Report", ""),
        *render(done.report),
        Text(
            f"Everything is in {folder}: the Verilog is {done.design.verilog.name}, and README.md describes its ports."
        ),
    )
    output.result({"folder": str(folder), "simulation": done.simulation.to_dict(), "report": done.report.to_dict()})
    end(done.simulation)


def _step(what: str, about: str) -> Text:
    return Text.assemble((what, "bold"), f" {about}")


for command in (
    explore_command, *COMMANDS, activity_command, compare_command, parts_command, boards_command, doctor_command,
):  # fmt: skip
    main.add_command(command)
