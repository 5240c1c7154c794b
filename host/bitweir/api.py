"""The Python interface: what each command of the command line does is one function here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bitweir_hw.boards import BOARDS
from bitweir_hw.errors import PlanError, ToolError
from bitweir_hw.network import Layer, Network
from bitweir_hw.plan import plan_for_fps
from bitweir_hw.popcount import STYLE
from numpy.typing import ArrayLike, NDArray

from . import shipped
from .accelerator import Accelerator
from .arrays import network_of
from .boards.bitstream import Options
from .boards.build import BoardBuild, build_for_board
from .boards.program import Programmed
from .boards.program import program as load_bitstream
from .client import Device, connect
from .client.opening import simulated_board as start_board
from .design import Design, DesignFolder
from .importers.compare.comparison import Comparison
from .model import Frames, Model, hardware_network, images_for
from .model_files import load_networks
from .planning import PlanRequest, choose
from .planning.exploration import Exploration
from .planning.explore import ExploreRequest, workers, write_exploration
from .planning.explore import explore as explore_parts
from .progress import Progress, silent
from .report.report import Report
from .runs import DeviceRun, ParameterLoad, Simulation, read_parameter_image, run_on_device
from .runs import load_parameters as load_image
from .runs.device import known_network
from .target import DEFAULT_CLOCK, Target

if TYPE_CHECKING:
    from .client.simulated import SimulatedBoard

__all__ = [
    "Demo",
    "build",
    "check",
    "connect",
    "demo",
    "demo_images",
    "explore",
    "generate",
    "load",
    "load_parameters",
    "network",
    "open",
    "program",
    "run",
    "simulated_board",
]


# ---- networks


def load(
    *paths: Path | str,
    input_scale: str | None = None,
    input_range: str | tuple[int, int] | None = None,
    name: str | None = None,
    vote: bool = False,
    result: str | None = None,
    compare: bool = True,
    progress: Progress = silent,
) -> Model:
    """Import a model file exactly, and check on drawn inputs that the network computes what the file computes.

    Parameters
    ----------
    *paths : path
        An ``.onnx`` file; a model of Keras or Larq, ``.keras`` or ``.h5``; or a network, ``.npz``. Also the name of a
        bundled network, ``"digits"`` or ``"cnn"``. Several files need `vote`.
    input_scale : str, optional
        The rule from an integer x as images are stored, such as a pixel, to what the model takes: ``"1/255"``,
        ``"x/127.5-1"``, ``"(x-33)/79"``; or ``"int8"`` and its like.
    input_range : (int, int), optional
        Which integers arrive, such as ``(-128, 127)``; 0 to 255 with `input_scale`.
    name : str, optional
        Names the Verilog module; from the file if not given.
    vote : bool
        Each of several models has one vote for its class.
    result : str, optional
        ``"class"``, ``"labels"`` or ``"scores"``; as the model ends if not given.
    compare : bool
        Whether to run the model file on drawn inputs now.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        A file cannot be imported exactly; the text says what helps.
    DisagreementError
        The network does not compute what the file computes, which is a fault of bitweir.

    Examples
    --------
    >>> import bitweir
    >>> bitweir.load("digits")
    digits: 64 to 10 classes
    layer   kind   takes  gives  weights
    dense0  dense  192    256    49,152
    dense1  dense  256    10     2,560
    """
    files, scale = shipped.located(tuple(map(Path, paths)), input_scale)
    if input_range is not None and not isinstance(input_range, str):
        input_range = "{}:{}".format(*input_range)
    if input_range is not None:
        scale = input_scale
    imported = load_networks(
        files, input_scale=scale, input_range=input_range, name=name, vote=vote, result=result, compare=compare,
        progress=progress,
    )  # fmt: skip
    return Model(network=imported.network, imported=imported)


def network(
    layers: Sequence[Layer],
    *,
    shape: Sequence[int],
    low: int = 0,
    high: int = 255,
    threshold: ArrayLike | None = None,
    result: str = "class",
    name: str = "net",
) -> Model:
    """A network from plain arrays.

    Parameters
    ----------
    layers : sequence
        As `dense`, `conv` and `max_pool` make them, or layers of `bitweir_hw.network`. A dense layer takes a whole
        map, row by row, the channels of a pixel one after the other.
    shape : sequence of int
        Of one frame: (K,), (H, W) or (H, W, C).
    low, high : int
        The integers that frames hold, such as pixels of 0 to 255, or -1 and +1.
    threshold : number or array of `shape`, optional
        Where an element of a frame reaches it, the first layer takes +1, else -1. None: it takes the integers.
    result : str
        ``"class"``: the lowest index with the highest score; ``"labels"``: the last layer has a threshold for each
        label; ``"scores"``: the sums of the last layer.
    name : str
        Names the Verilog module.

    Returns
    -------
    Model

    Raises
    ------
    NetworkError
        Layers do not go together; the text names the layer, the rule and the value.

    Examples
    --------
    >>> import bitweir, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> net = bitweir.network(
    ...     [bitweir.dense(rng.choice([-1, 1], (32, 64)), thresholds=np.zeros(32)),
    ...      bitweir.dense(rng.choice([-1, 1], (10, 32)))],
    ...     shape=(8, 8), threshold=128)
    >>> net
    net: 8x8 to 10 classes
    layer   kind   takes  gives  weights
    dense1  dense  8x8x1  32     2,048
    dense2  dense  32     10     320
    """
    return Model(
        network=network_of(
            layers, shape=shape, low=low, high=high, threshold=threshold, result=result, name=name
        )
    )  # fmt: skip


def check(
    module: Any,
    images: ArrayLike,
    *,
    example: Any = None,
    input_scale: str | None = None,
    input_range: str | tuple[int, int] | None = None,
    result: str | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Export a PyTorch module, import it, and compare both on images.

    Parameters
    ----------
    module : torch.nn.Module
        It is put into evaluation mode while it is exported.
    images : array, (N, *shape)
        As `Model.classify` takes them.
    example : torch.Tensor, optional
        An input of the module, with a batch of images; of float32 zeros in the shape of one image if not given.
    input_scale, input_range, result
        As in `load`.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    Comparison
        ``difference`` is None, or a sentence that says where network and module differ.

    Raises
    ------
    ToolError
        PyTorch is not installed, or cannot export the module.
    ModelError
        The module cannot be imported exactly.
    ImageError
        The images do not suit the network.
    """
    try:
        torch = import_module("torch")
    except ImportError as error:
        raise ToolError(
            "PyTorch is not installed, which exports the module: pip install torch, or export the module to ONNX "
            "elsewhere and load the file."
        ) from error
    if example is None:
        example = torch.zeros((1, *np.shape(images)[1:]))
    with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
        path = Path(folder) / "net.onnx"
        with progress("Exporting the module"), _evaluating(module):
            _export(torch, module, example, path)
        model = load(
            path, input_scale=input_scale, input_range=input_range, result=result, compare=False, progress=progress
        )
        return model.compare(images, progress=progress)


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """The module in evaluation mode, and afterwards in that in which it was."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def _export(torch: Any, module: Any, example: Any, path: Path) -> None:
    batch = {0: "N"}
    try:
        torch.onnx.export(
            module,
            (example,),
            str(path),
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": batch, "y": batch},
            dynamo=False,  # the newer exporter writes weights into a second file, and needs another package
        )
    except Exception as error:  # exporters fail in many ways
        told = " ".join(str(error).split())[:300].rstrip(".")
        raise ToolError(f"PyTorch cannot export the module: {told}.") from error


# ---- accelerators


def generate(
    net: Model | Network,
    folder: Path | str,
    *,
    part: str | None = None,
    clock: float = DEFAULT_CLOCK,
    goal: str | None = None,
    folding: str | None = None,
    fps: float | None = None,
    board: str | None = None,
    family: str | None = None,
    stage_levels: int | None = None,
    streams: int | None = None,
    weights: str = "rom",
    axi: int | None = None,
    axi_crc: bool = False,
    progress: Progress = silent,
) -> Accelerator:
    """Turn a network into Verilog in a folder.

    Without `folding`, `fps` and `goal`, the accelerator is moderately fast and small.

    Parameters
    ----------
    net : Model
    folder : path
        It is written whole or not at all; a folder that bitweir wrote before is replaced.
    part : str, optional
        FPGA, such as ``"ecp5-85k"``.
    clock : float
        Hz.
    goal : str, optional
        What is best on the part: ``"fps"``, ``"area"`` (for `fps`) or ``"latency"``; on a board ``"link"`` or
        ``"fps"``.
    folding : str, optional
        SIMDxPE for each layer with weights, such as ``"16x4,8x10"``.
    fps : float, optional
        Frames a second to reach.
    board : str, optional
        Plan for this board, and leave room for its link; `build` makes the bitstream as well.
    family : str, optional
        FPGA family whose primitives the popcounts use; portable Verilog without one and without a part.
    stage_levels : int, optional
        Adder levels between registers in a popcount.
    streams : int, optional
        Frames that go side by side and share each weight.
    weights : str
        ``"rom"``: parameters are constants; ``"ram"``: they are loaded, so that many networks of a shape fit.
    axi : int, optional
        Bytes of tdata of a module with AXI4-Stream ports, which is added.
    axi_crc : bool
        Whether that module computes CRC-32 of frames and results.
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
        Something else is in the folder, or it cannot be written.

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
    if axi_crc and axi is None:
        raise PlanError("Checksums are those of the module with AXI4-Stream ports: give axi, too.")
    if family is not None and family not in STYLE:
        raise PlanError(f"The family must be one of {', '.join(sorted(STYLE))}, not {family!r}.")
    request = PlanRequest(
        clock=clock, folding=folding, fps=fps, part=part, board=board, goal=goal, family=family,
        # A packet of the wrapper is one frame.
        stage_levels=stage_levels, streams=1 if streams is None and axi is not None else streams, weights=weights,
    )  # fmt: skip
    target = Target.of_board(BOARDS[board], clock=clock) if board else Target.of(clock=clock, part=part, family=family)
    plain = hardware_network(net)
    with progress("Choosing the plan"):
        result = choose(plain, request)
    with progress("Fitting FIFOs"):
        design = Design.fitted(plain, result.plan, target, pipeline=result.pipeline)
    with progress("Generating Verilog"):
        written = design.write(Path(folder), axi=axi, axi_crc=axi_crc)
    return Accelerator(written=written, search=result.search)


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
    return Accelerator(written=DesignFolder.open(Path(folder)))


def explore(
    net: Model | Network,
    parts: Sequence[str],
    *,
    clock: float = DEFAULT_CLOCK,
    points: int = 13,
    streams: int = 1,
    synthesise: bool = False,
    folder: Path | str | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Exploration:
    """Find the best that a network can be on parts: the Pareto front of LUT sites, block RAMs and frames/s.

    Parameters
    ----------
    net : Model
    parts : sequence of str
        FPGAs, such as ``["ecp5-25k", "ice40-up5k"]``.
    clock : float
        Hz.
    points : int
        Initiation intervals to try on each part.
    streams : int
        Frames that go side by side.
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
    wanted = tuple(dict.fromkeys([parts] if isinstance(parts, str) else parts))
    request = ExploreRequest(parts=wanted, clock=clock, points=points, streams=streams)

    def make() -> Exploration:
        return explore_parts(hardware_network(net), request, synth=synthesise, progress=progress)

    with workers(jobs, scheduler):
        return make() if folder is None else write_exploration(Path(folder), make)


def build(
    net: Model | Network,
    *,
    board: str,
    folder: Path | str,
    goal: str | None = None,
    fps: float | None = None,
    clock: float | None = None,
    stage_levels: int | None = None,
    weights: str = "rom",
    seeds: int = 1,
    jobs: int | None = None,
    progress: Progress = silent,
) -> BoardBuild:
    """Turn a network into a bitstream for a board, in a folder.

    Parameters
    ----------
    net : Model
    board : str
        Such as ``"ulx3s_85f"``.
    folder : path
        It is written whole or not at all.
    goal : str, optional
        ``"link"``: the fewest LUTs that keep up with the link; ``"fps"``: the most frames/s that fit.
    fps : float, optional
        Frames a second to reach with the fewest LUTs, in place of the goal.
    clock : float, optional
        Hz, at most; the fastest that routes if not given.
    stage_levels, weights
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
    if board not in BOARDS:
        raise PlanError(f"The board must be one of {', '.join(sorted(BOARDS))}, not {board!r}.")
    request = PlanRequest(board=board, goal=goal, fps=fps, stage_levels=stage_levels, weights=weights)
    members = net.imported.members if isinstance(net, Model) and net.imported else ()
    return build_for_board(
        hardware_network(net), request, Path(folder), options=Options(clock=clock, seeds=seeds, jobs=jobs),
        models=[member.path for member in members], progress=progress,
    )  # fmt: skip


# ---- devices


def program(folder: Path | str, *, flash: bool = False) -> Programmed:
    """Load the bitstream in a folder that `build` wrote into its board.

    Parameters
    ----------
    folder : path
    flash : bool
        Write the flash of the board, so that it starts with the design.

    Raises
    ------
    FileError
        The folder holds no bitstream.
    ToolError
        openFPGALoader is missing, or found no board.
    """
    return load_bitstream(Path(folder), flash=flash)


def run(
    device: str,
    images: Frames,
    labels: ArrayLike | None = None,
    *,
    network: Model | Network | Path | str | None = None,
    baud: int | None = None,
    limit: int | None = None,
    scores: bool = True,
    check: bool = False,
    rounding: bool = False,
    progress: Progress = silent,
) -> DeviceRun:
    """Let a device classify images, and measure it.

    Parameters
    ----------
    device : str
        Address of the device, as in `connect`.
    images : array, or path of an .npz file
        As `Model.classify` takes them.
    labels : array, optional
        Right answers, (N,).
    network : Model, or path, optional
        What the device holds; bundled networks are known.
    baud : int, optional
        Bits a second of the link.
    limit : int, optional
        Use only the first images.
    scores : bool
        Whether scores are fetched where the result is a class: they take most of what comes back.
    check : bool
        Compare every result with the golden model.
    rounding : bool
        Take the nearest number that the input takes in place of one that it does not.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    DeviceRun

    Raises
    ------
    LinkError
        No device answers, or its network is not known.
    ImageError
        The images do not suit the network.
    """
    held = network.network if isinstance(network, Model) else network
    with progress(f"Connecting to {device}"):
        connected: Device = connect(device, network=held, baud=baud)
    with connected:
        loaded = images_for(known_network(connected), images, labels, limit=limit, rounding=rounding)
        return run_on_device(connected, loaded, address=device, scores=scores, check=check, progress=progress)


def load_parameters(
    device: str, image: bytes | Path | str, *, baud: int | None = None, progress: Progress = silent
) -> ParameterLoad:
    """Load a parameter image into a device whose parameters are in RAM.

    Parameters
    ----------
    device : str
        Address of the device, as in `connect`.
    image : bytes, or path
        As `Accelerator.parameters` makes it, or the file ``parameters.bin`` of a folder.
    baud : int, optional
        Bits a second of the link.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    ParameterLoad

    Raises
    ------
    LinkError
        No device answers, its parameters are fixed, or the image is for another accelerator.
    """
    content = image if isinstance(image, bytes) else read_parameter_image(Path(image))
    return load_image(device, content, baud=baud, progress=progress)


def simulated_board(
    design: Accelerator | Path | str,
    *,
    clock: float | None = None,
    baud: int | None = None,
    faults: float = 0.0,
    seed: int = 0,
) -> SimulatedBoard:
    """Start a simulated board with a design behind a serial port.

    Parameters
    ----------
    design : Accelerator, or path
        Or the folder that `generate` wrote.
    clock : float, optional
        Hz; that of the board that the folder was made for, or 12 MHz.
    baud : int, optional
        Bits a second.
    faults : float
        Share of bytes at which something goes wrong.
    seed : int
        Of the random faults.

    Returns
    -------
    SimulatedBoard
        A context manager that ends the board; connect to ``f"serial:{board.port}"``.

    Raises
    ------
    LinkError
        This system has no pseudo-terminals.
    """
    hertz = None if clock is None else round(clock)
    design = design if isinstance(design, Accelerator) else open(design)
    return start_board(design.written, clock=hertz, baud=baud, faults=faults, seed=seed)


# ---- the whole flow


@dataclass(frozen=True, kw_only=True, eq=False)
class Demo:
    """What all steps made of a bundled network.

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
    if name not in shipped.NETWORKS:
        raise PlanError(f"The bundled network must be one of {', '.join(sorted(shipped.NETWORKS))}, not {name!r}.")
    bundled = shipped.NETWORKS[name]
    net = load(shipped.model_file(name), input_scale=bundled.input_scale, compare=False, progress=progress).network
    with progress("Generating Verilog"):
        # Portable Verilog, for a family that synthesis knows.
        target = Target(clock=clock, family=bundled.family)
        written = Design.fitted(net, plan_for_fps(net, bundled.fps, clock), target).write(Path(folder))
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
