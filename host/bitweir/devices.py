"""Devices of the Python interface: boards are programmed, run and simulated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bitweir_hw.checked import hertz, place, real, whole
from bitweir_hw.errors import LinkError
from bitweir_hw.network import Network
from numpy.typing import ArrayLike

from .accelerator import Accelerator
from .bitstreams.program import Programmed
from .bitstreams.program import program as load_bitstream
from .client import Device, connect
from .client.opening import simulated_board as start_board
from .design import DesignFolder
from .model import Frames, Model, images_for
from .progress import Progress, silent
from .runs import DeviceRun, ParameterLoad, read_parameter_image, run_on_device
from .runs import load_parameters as load_image
from .runs.device import known_network

if TYPE_CHECKING:
    from .client.simulated import SimulatedBoard

__all__ = ["connect", "load_parameters", "program", "run", "simulated_board"]


def program(folder: Path | str, *, flash: bool = False, cable: str | None = None) -> Programmed:
    """Load the bitstream in a folder that `build` wrote into its board.

    Parameters
    ----------
    folder : path
    flash : bool
        Write the flash of the board, so that it starts with the design.
    cable : str, optional
        What openFPGALoader calls the cable, where the board has none of its own.

    Raises
    ------
    FileError
        The folder holds no bitstream.
    ToolError
        openFPGALoader is missing, or found no board.
    """
    return load_bitstream(place(folder), flash=flash, cable=cable)


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
    connected: Device = connect(device, network=held, baud=baud, progress=progress)
    with connected:
        loaded = images_for(known_network(connected), images, labels, limit=limit, rounding=rounding)
        return run_on_device(connected, loaded, address=device, scores=scores, check=check, progress=progress)


def load_parameters(
    device: str, image: bytes | Path | str, *, baud: int | None = None, progress: Progress = silent
) -> ParameterLoad:
    """Load an image into a device whose parameters are in RAM, or whose weights are streamed.

    Parameters
    ----------
    device : str
        Address of the device, as in `connect`.
    image : bytes, or path
        As `Accelerator.parameters` makes it, or the file ``parameters.bin`` or ``weights.bin`` of a folder.
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
    content = image if isinstance(image, bytes) else read_parameter_image(place(image, "The image"))
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
        This system has no pseudo-terminals; or there is no such baud rate, share of faults or seed.
    PlanError
        There is no such clock.
    """
    written = design.written if isinstance(design, Accelerator) else DesignFolder.open(place(design))
    return start_board(
        written,
        clock=None if clock is None else round(hertz(clock)),
        baud=None if baud is None else whole(baud, "The baud rate", error=LinkError),
        faults=real(faults, "The share of faults", high=1.0, error=LinkError),
        seed=whole(seed, "The seed of the faults", low=0, error=LinkError),
    )
