"""Commands about boards and devices."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click
from bitweir_hw.plan import WEIGHTS
from rich.text import Text

from .. import api
from ..client.opening import DEFAULT_BAUD
from ..model import Model
from ..planning import BOARD_GOALS
from ..planning.choose import BOARD_LEVELS
from ..report.terminal import render_routed
from ..results import save_result
from .board_options import BOARD
from .console import Output
from .options import (
    end,
    folder_argument,
    images_options,
    megahertz,
    reserve_options,
    round_option,
    with_models,
    with_output,
)
from .run_tables import device_table

__all__ = ["COMMANDS"]


@click.command("build")
@click.option("--board", required=True, type=BOARD, help="Board to build for: a listed one, or a file in TOML.")
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--goal",
    type=click.Choice(BOARD_GOALS),
    help="What to optimise: the fewest LUTs that keep up with the link, or the most frames/s that fit.  "
    f"[default: {BOARD_GOALS[0]}]",
)
@click.option(
    "--folding",
    metavar="SIMDxPE,...",
    help="SIMD and PE of each layer, in place of --goal; 64x8:stream for weights from the memory of the board.",
)
@click.option("--fps", type=float, help="Frame rate to reach, in frames/s, with the fewest LUTs, in place of --goal.")
@click.option(
    "--clock",
    metavar="MHZ",
    type=float,
    callback=megahertz,
    help="Maximum clock frequency.  [default: the highest that routes]",
)
@click.option(
    "--stage-levels",
    type=click.IntRange(min=0),
    help="Levels of adders between registers, in all blocks; 1: the highest clock, 0: no registers.  "
    f"[default: {BOARD_LEVELS}; with --goal fps or --fps what is best]",
)
@click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default=WEIGHTS[0],
    show_default=True,
    help="Whether parameters are constants, or in RAM and loaded over the link, so that one bitstream serves all "
    "networks of the same shape.",
)
@reserve_options
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of seeds to route with; the best result is kept.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="J",
    help="Number of seeds to route at the same time.  [default: one on each core]",
)
@with_output
@with_models
def build_command(
    output: Output,
    models: Callable[[], Model],
    board: str,
    folder: Path,
    goal: str | None,
    folding: str | None,
    fps: float | None,
    clock: float | None,
    stage_levels: int | None,
    weights: str,
    reserve_luts: str,
    reserve_bram: str,
    seeds: int,
    jobs: int | None,
) -> None:
    """Build a bitstream for a board from MODEL (a file, or a bundled network: digits, cnn), in a folder."""
    net = models()
    built = api.build(
        net, board=board, folder=folder, goal=goal, folding=folding, fps=fps, clock=clock,
        stage_levels=stage_levels, weights=weights, reserve_luts=reserve_luts,
        reserve_bram=reserve_bram, seeds=seeds, jobs=jobs, progress=output.working,
    )  # fmt: skip
    output.show(*render_routed(built.routed), *map(Text, net.summary))
    output.show(Text(f"Written: {built.bitstream}; load it with bitweir program {folder}"))
    on = built.written.target.platform
    if on and on.spi:
        output.show(Text(f"Its link is SPI: bitweir run 'spi:PORT?baud={built.routed.baud}'"))
    elif built.routed.baud != DEFAULT_BAUD:
        output.show(Text(f"Its link has another rate than usual: bitweir run serial:PORT --baud {built.routed.baud}"))
    output.result(built.to_dict() | {"comparison": net.comparison_dict})


@click.command("program")
@folder_argument
@click.option(
    "--flash", is_flag=True, help="Write it to the flash memory of the board, which then starts with the design."
)
@click.option("--cable", help="What openFPGALoader calls the cable, where the board has none of its own, as ft2232.")
@with_output
def program_command(output: Output, folder: Path, flash: bool, cable: str | None) -> None:
    """Load the bitstream in FOLDER, which build wrote, into its board."""
    with output.working("Loading the bitstream"):
        result = api.program(folder, flash=flash, cable=cable)
    output.show(Text(f"Loaded: {result.file}"))
    output.result(result.to_dict())


@click.command("load")
@click.argument("device")
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--baud", type=click.IntRange(min=1), help=f"Baud rate of the link.  [default: {DEFAULT_BAUD}]")
@with_output
def load_command(output: Output, device: str, image: Path, baud: int | None) -> None:
    """Load IMAGE, the parameters.bin of a build folder or a file that parameters wrote, into DEVICE.

    DEVICE is as for run; its parameters must be in RAM. Where its weights are streamed, IMAGE is the weights.bin of its
    build folder.
    """
    loaded = api.load_parameters(device, image, baud=baud, progress=output.working)
    output.show(Text(f"Loaded: {image}, {loaded.bytes:,} bytes in {loaded.seconds:.3g} s"))
    output.result(loaded.to_dict())


@click.command("run")
@click.argument("device")
@images_options
@click.option(
    "--network",
    type=click.Path(path_type=Path),
    help="The network that DEVICE holds: a network .npz or a build folder.",
)
@click.option("--baud", type=click.IntRange(min=1), help=f"Baud rate of the link.  [default: {DEFAULT_BAUD}]")
@click.option("--limit", type=click.IntRange(min=1), help="Use at most this many images, from the first one on.")
@click.option("--save", type=click.Path(path_type=Path), help="Write the results to this .npz file.")
@click.option("--check", is_flag=True, help="Compare each result with the golden model.")
@round_option
@with_output
def run_command(
    output: Output,
    device: str,
    images: Path,
    network: Path | None,
    baud: int | None,
    limit: int | None,
    save: Path | None,
    check: bool,
    rounding: bool,
) -> None:
    """Run images through DEVICE.

    DEVICE is serial:PORT, such as serial:/dev/ttyUSB1; spi:PORT, such as spi:/dev/spidev0.0; sim:FOLDER, the
    simulated board of a build folder;
    golden:FILE, the golden model of a network file or a build folder, in NumPy; or cpu:FILE, the same in kernels for
    this CPU.
    """
    result = api.run(
        device, images, network=network, baud=baud, limit=limit, scores=save is not None, check=check,
        rounding=rounding, progress=output.working,
    )  # fmt: skip
    if save:
        save_result(save, result.network, result.result)
    output.show(device_table(result))
    output.result(result.to_dict())
    end(result)


@click.command()
@folder_argument
@click.option("--baud", type=click.IntRange(min=1), help=f"Baud rate of the serial port.  [default: {DEFAULT_BAUD}]")
@click.option(
    "--clock",
    type=float,
    metavar="MHZ",
    callback=megahertz,
    help="Clock frequency.  [default: that of the board that FOLDER was made for, or 12]",
)
@click.option(
    "--faults", type=float, default=0.0, metavar="RATE", help="Share of the bytes at which a fault is injected, 0 to 1."
)
@click.option("--seed", type=int, default=0, help="Seed of the faults.")
@with_output
def simboard(output: Output, folder: Path, baud: int | None, clock: float | None, faults: float, seed: int) -> None:
    """Simulate a board with the design in FOLDER behind a serial port, until Ctrl-C."""
    design = api.open(folder)
    with output.working("Compiling the board (kept for the next time)"):
        running = api.simulated_board(design, clock=clock, baud=baud, faults=faults, seed=seed)
    with running as board:
        device, clock_mhz = f"serial:{board.port}", board.clock / 1e6
        output.show(
            f"A board with {design.network.name} at {clock_mhz:g} MHz, until Ctrl-C:",
            f"  bitweir run {device} --baud {board.baud} --images FILE",
        )
        output.result({"device": device, "baud": board.baud, "clock_mhz": clock_mhz})
        sys.stdout.flush()
        try:
            threading.Event().wait()
        finally:
            output.show(f"Simulated {board.cycles:,} cycles; {board.faults:,} faults.")


#: In the order in which they are used.
COMMANDS = (build_command, program_command, load_command, run_command, simboard)
