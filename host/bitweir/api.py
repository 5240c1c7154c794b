"""The Python interface: one function for each command of the command line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bitweir_hw.axi import AxiPorts
from bitweir_hw.boards import Board
from bitweir_hw.checked import chosen, hertz, items, place
from bitweir_hw.network import Network
from bitweir_hw.parts import FpgaPart
from bitweir_hw.plan import plan_for_fps
from bitweir_hw.popcount import STYLE
from numpy.typing import NDArray

from . import shipped
from .accelerator import Accelerator
from .bitstreams.bitstream import Options
from .bitstreams.build import BoardBuild, build_for_board
from .board_list import find_board
from .board_list import list_boards as boards
from .board_memory import memory_of_board
from .checking import check
from .chips import ChipsFolder, ChipsRequest, SeveralChips, make_chips
from .comparing import compare
from .design import Design, DesignFolder
from .devices import connect, load_parameters, program, run, simulated_board
from .jobs import workers
from .loading import load, network
from .model import Model, hardware_network
from .part_list import PartList, find_part, list_parts
from .planning import PlanRequest, choose, target_for
from .planning.exploration import Exploration, write_exploration
from .planning.explore import ExploreRequest
from .planning.explore import explore as explore_parts
from .progress import Progress, silent
from .report.report import Report
from .runs import Simulation
from .target import DEFAULT_CLOCK, Target

__all__ = [
    "Demo",
    "boards",
    "build",
    "check",
    "compare",
    "connect",
    "demo",
    "demo_images",
    "explore",
    "generate",
    "generate_chips",
    "load",
    "load_parameters",
    "network",
    "open",
    "open_chips",
    "parts",
    "program",
    "run",
    "simulated_board",
]


def generate(
    net: Model | Network,
    folder: Path | str,
    *,
    part: FpgaPart | Path | str | None = None,
    clock: float | None = None,
    goal: str | None = None,
    folding: str | None = None,
    fps: float | None = None,
    board: Board | Path | str | None = None,
    family: str | None = None,
    stage_levels: int | None = None,
    streams: int | None = None,
    weights: str = "rom",
    reserve_luts: int | str = 0,
    reserve_bram: int | str = 0,
    weight_bandwidth: float | None = None,
    axi: AxiPorts | int | None = None,
    load_width: int | None = None,
    memory_files: bool = False,
    tools: Collection[str] = (),
    progress: Progress = silent,
) -> Accelerator:
    """Generate Verilog for a network in a folder.

    Without `folding`, `fps` and `goal`, the accelerator is moderately fast and small.

    Parameters
    ----------
    net : Model
    folder : path
        It is written whole or not at all; a folder that bitweir wrote before is replaced.
    part : FpgaPart or path or str, optional
        FPGA, such as ``"ecp5-85k"``: a part, a file in TOML that describes one, or the name of a listed one.
    clock : float, optional
        Hz. With a goal or a board, at most: the plan is the best at the clock that it is expected to reach, and the
        target gets that one. Else 100 MHz if not given.
    goal : str, optional
        What is best on the part: ``"fps"``, ``"area"`` (for `fps`) or ``"latency"``; on a board ``"link"`` or
        ``"fps"``.
    folding : str, optional
        SIMDxPE for each layer with weights, such as ``"16x4,8x10"``; ``"wired"`` for one whose weights are to be
        constants in logic, alone for all; ``"wired/2"`` where it takes the bits of its inputs in 2 cycles.
    fps : float, optional
        Frames a second to reach.
    board : Board or path or str, optional
        Plan for this board, and leave room for its link; `build` makes the bitstream as well. As in `build`.
    family : str, optional
        FPGA family whose primitives popcounts and wired layers use; portable Verilog without one and without a part.
    stage_levels : int, optional
        Levels of adders between registers, in all blocks. Without it, a search weighs 0 to 3; with a part and a
        folding, it is 2, or 1 where a plan of moderate size does not reach the clock with 2; else it is 2.
    streams : int, optional
        Parallel frames: computed together, they share each weight.
    weights : str
        ``"rom"``: parameters are constants; ``"ram"``: they are loaded, so that many networks of a shape fit.
    reserve_luts, reserve_bram : int or str
        LUTs and block RAMs of the part or the board that are kept free for the rest of a chip: a count, or a share such
        as ``"20%"``.
    weight_bandwidth : float, optional
        Bytes a second of a memory outside the chip: with a goal, weights of layers that do not fit come from there.
    axi : AxiPorts or int, optional
        The ports of a module with AXI4-Stream, which is added; a number is bytes of tdata.
    load_width : int, optional
        Bytes of parameters in RAM that are loaded in a cycle: 1, 2, 4, 8 or 16. By default as many as the ports of
        `axi` bring, up to 8, and 1 without them.
    memory_files : bool
        Whether the Verilog reads what memories begin with from files beside it (``$readmemh``), in place of literals.
    tools : collection of str
        For which tools there are files, too: ``"c"``, ``"fusesoc"``, ``"ip-xact"``, ``"vivado"``, ``"quartus"``.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    Accelerator

    Raises
    ------
    PlanError
        The wishes exclude each other or cannot be had; the text says what binds.
    FileError
        Something else is in the folder, or it cannot be written; the file of the part is none.

    Examples
    --------
    >>> import bitweir
    >>> net = bitweir.load("digits")
    >>> design = bitweir.generate(net, "build/doc", folding="16x8,16x2")
    >>> design.cycles_per_frame
    384.0
    >>> design.simulate(*bitweir.demo_images(), engine="golden").mismatches
    0
    """
    if family is not None:
        chosen(family, "The family", sorted(STYLE))
    target_folder, wanted = place(folder), items(tools, "The tools to write files for", '["c"]')
    found_part, found = part if part is None else find_part(part), board if board is None else find_board(board)
    ports = axi if axi is None or isinstance(axi, AxiPorts) else AxiPorts(frame_bytes=axi)
    if load_width is None:
        load_width = ports.load_width if ports and weights == "ram" else 1
    elif ports:
        ports.check_load_width(load_width)
    request = PlanRequest(
        clock=clock, folding=folding, fps=fps, part=found_part, board=found, goal=goal, family=family,
        # A packet of the wrapper is one frame.
        stage_levels=stage_levels, streams=1 if streams is None and axi is not None else streams, weights=weights,
        load_width=load_width, reserve_luts=reserve_luts, reserve_bram=reserve_bram, weight_bandwidth=weight_bandwidth,
    )  # fmt: skip
    plain = hardware_network(net)
    with progress("Choosing the plan") as done:
        result = choose(plain, request, progress=done)
    target = target_for(request, result)
    with progress("Fitting FIFOs") as done:
        design = Design.fitted(plain, result.plan, target, pipeline=result.pipeline, progress=done)
    # Refuses a clock that the memory of the board cannot have.
    memory_of_board(design.pipeline, target.platform, target.clock)
    with progress("Generating Verilog"):
        written = design.write(target_folder, axi=ports, memory_files=memory_files, tools=wanted)
    return Accelerator(written=written, search=result.search and result.search.of_design(design.pipeline))


def generate_chips(
    net: Model | Network,
    folder: Path | str,
    *,
    parts: Sequence[FpgaPart | Path | str],
    clock: float | None = None,
    cuts: Sequence[str] = (),
    bandwidth: float | None = None,
    latency: int = 0,
    stage_levels: int | None = None,
    streams: int = 1,
    reserve_luts: int | str = 0,
    reserve_bram: int | str = 0,
    progress: Progress = silent,
) -> SeveralChips:
    """Generate Verilog for a network on several chips, with channels between them, in a folder.

    The network is cut where all chips together reach the most frames/s.

    Parameters
    ----------
    net : Model
    folder : path
        It is written whole or not at all, with a folder for each chip in it.
    parts : sequence of FpgaPart, path or str
        FPGAs in the order in which frames pass, such as ``["ecp5-85k", "ecp5-85k"]``, each as in `generate`.
    clock : float, optional
        Hz, at most; all chips get the lowest that one of them is expected to reach.
    cuts : sequence of str
        Layers behind which the network is cut; by default where that is best.
    bandwidth : float, optional
        Bytes a second of each channel; by default a whole beat of results in every cycle.
    latency : int
        Cycles from chip to chip, one way.
    stage_levels, reserve_luts, reserve_bram
        Of each chip, as in `generate`.
    streams : int
        Parallel frames, of all chips.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    SeveralChips

    Raises
    ------
    PlanError
        The network cannot be cut into so many, or a part does not hold what is left for it; the text says what binds.
    FileError
        Something else is in the folder, or it cannot be written.
    """
    request = ChipsRequest(
        parts=tuple(map(find_part, items(parts, "The parts", '["ecp5-85k", "ecp5-85k"]'))), clock=clock,
        cuts=items(cuts, "The cuts", '["conv2"]'), bandwidth=bandwidth, latency=latency,
        streams=streams, stage_levels=stage_levels, reserve_luts=reserve_luts, reserve_bram=reserve_bram,
    )  # fmt: skip
    return make_chips(hardware_network(net), request, place(folder), progress=progress)


def parts() -> PartList:
    """List the parts that are known, see `list_parts`.

    Returns
    -------
    PartList

    Examples
    --------
    >>> import bitweir
    >>> [part.name for part in bitweir.parts().parts if part.family == "ecp5"]
    ['ecp5-25k', 'ecp5-45k', 'ecp5-85k']
    """
    return list_parts()


def open(folder: Path | str) -> Accelerator:
    """Open a folder that `generate` or `build` wrote.

    Parameters
    ----------
    folder : path

    Raises
    ------
    FileError
        The folder is missing, was not made by bitweir, or was changed since.

    Examples
    --------
    >>> import bitweir
    >>> bitweir.open("build/doc").plan.parallel_frames
    1
    """
    return Accelerator(written=DesignFolder.open(place(folder)))


def open_chips(folder: Path | str) -> SeveralChips:
    """Open a folder that `generate_chips` wrote; `open` opens the folder of one chip in it.

    Parameters
    ----------
    folder : path

    Raises
    ------
    FileError
        The folder is missing, was not made by bitweir, or was changed since.
    """
    return SeveralChips(written=ChipsFolder.open(place(folder)))


def explore(
    net: Model | Network,
    parts: Sequence[FpgaPart | Path | str],
    *,
    clock: float | None = None,
    points: int = 13,
    streams: int = 1,
    reserve_luts: int | str = 0,
    reserve_bram: int | str = 0,
    synthesise: bool = False,
    folder: Path | str | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Exploration:
    """Find the best plans of a network on parts: the Pareto front of LUT sites, block RAMs and frames/s.

    Parameters
    ----------
    net : Model
    parts : sequence of FpgaPart, path or str
        FPGAs, such as ``["ecp5-25k", "ice40-up5k", "my.toml"]``; as in `generate`.
    clock : float, optional
        Hz, at most: each point is judged at the clock that it is expected to reach.
    points : int
        Initiation intervals to try on each part.
    streams : int
        Parallel frames.
    reserve_luts, reserve_bram
        As in `generate`, of each part.
    synthesise : bool
        Whether Yosys confirms the points of the front.
    folder : path, optional
        Where tables and plots are written.
    jobs : int, optional
        Processes; one on each core if not given.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take the place of processes.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    Exploration

    Raises
    ------
    PlanError
        The network fits none of the parts, or there is no such part.
    """
    each = [parts] if isinstance(parts, FpgaPart) else items(parts, "The parts", '["ecp5-25k"]')
    wanted = tuple(dict.fromkeys(map(find_part, each)))
    request = ExploreRequest(
        parts=wanted, clock=clock, points=points, streams=streams, reserve_luts=reserve_luts, reserve_bram=reserve_bram
    )

    def make() -> Exploration:
        return explore_parts(hardware_network(net), request, synth=synthesise, progress=progress)

    with workers(jobs, scheduler):
        return make() if folder is None else write_exploration(place(folder), make)


def build(
    net: Model | Network,
    *,
    board: Board | Path | str,
    folder: Path | str,
    goal: str | None = None,
    folding: str | None = None,
    fps: float | None = None,
    clock: float | None = None,
    stage_levels: int | None = None,
    weights: str = "rom",
    reserve_luts: int | str = 0,
    reserve_bram: int | str = 0,
    seeds: int = 1,
    jobs: int | None = None,
    progress: Progress = silent,
) -> BoardBuild:
    """Build a bitstream for a board from a network, in a folder.

    Parameters
    ----------
    net : Model
    board : Board or path or str
        A board, a file in TOML that describes one, or the name of a listed one, such as ``"ulx3s_85f"``.
    folder : path
        It is written whole or not at all.
    goal : str, optional
        ``"link"``: the fewest LUTs that keep up with the link; ``"fps"``: the most frames/s that fit. Where weights do
        not fit and the board has a memory, they come from there.
    folding : str, optional
        SIMDxPE for each layer with weights, in place of the goal; such as ``"64x8:stream"`` for a layer whose weights
        come from the memory of the board.
    fps : float, optional
        Frames a second to reach with the fewest LUTs, in place of the goal.
    clock : float, optional
        Hz, at most; the fastest that routes if not given.
    stage_levels, weights, reserve_luts, reserve_bram
        As in `generate`.
    seeds : int
        Seeds to route with; the best result is kept.
    jobs : int, optional
        Seeds at once; one on each core if not given.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    BoardBuild

    Raises
    ------
    PlanError
        The wishes cannot be had on the board.
    TimingError
        The design does not reach the clock.
    ToolError
        A tool is missing; the text says how to install it.
    """
    request = PlanRequest(
        board=find_board(board), goal=goal, folding=folding, fps=fps, clock=clock, stage_levels=stage_levels,
        weights=weights, reserve_luts=reserve_luts, reserve_bram=reserve_bram,
    )  # fmt: skip
    members = net.imported.members if isinstance(net, Model) and net.imported else ()
    return build_for_board(
        hardware_network(net), request, place(folder), options=Options(clock=clock, seeds=seeds, jobs=jobs),
        models=[member.path for member in members], progress=progress,
    )  # fmt: skip


# ---- the whole flow


@dataclass(frozen=True, kw_only=True, eq=False)
class Demo:
    """The results of all steps for a bundled network.

    Parameters
    ----------
    design : Accelerator
    simulation : Simulation
    report : Report
    """

    design: Accelerator
    simulation: Simulation
    report: Report


def demo(
    name: str = "digits",
    folder: Path | str = "build/demo",
    *,
    clock: float = DEFAULT_CLOCK,
    progress: Progress = silent,
) -> Demo:
    """Import a bundled network, generate its accelerator, simulate it, synthesise it and report on it.

    Parameters
    ----------
    name : str
        ``"digits"`` or ``"cnn"``.
    folder : path
        Where everything is written.
    clock : float
        Hz.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    Demo
    """
    chosen(name, "The bundled network", sorted(shipped.NETWORKS))
    clock = hertz(clock)
    bundled = shipped.NETWORKS[name]
    net = load(shipped.model_file(name), input_scale=bundled.input_scale, compare=False, progress=progress).network
    with progress("Generating Verilog"):
        # Portable Verilog, for a family that synthesis knows.
        target = Target(clock=clock, family=bundled.family)
        written = Design.fitted(net, plan_for_fps(net, bundled.fps, clock), target).write(place(folder))
    design = Accelerator(written=written)
    simulation = design.simulate(shipped.demo_images(), progress=progress)
    return Demo(
        design=design, simulation=simulation, report=design.report(synthesise=bundled.family, progress=progress)
    )


def demo_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Test images of the bundled networks, and their labels.

    Returns
    -------
    images : uint8 array, (N, 64)
        Handwritten digits of scikit-learn, 8 rows of 8 pixels of 0 to 16.
    labels : int64 array, (N,)
    """
    with np.load(shipped.demo_images()) as file:
        return file["x"], file["y"].astype(np.int64)
