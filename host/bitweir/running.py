"""Images through a device."""

from __future__ import annotations

import sys
import threading
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.errors import LinkError
from bitweir_hw.network import Network
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.golden import Result, differing
from rich.box import SIMPLE
from rich.table import Table

from .client import Device, connect
from .client.opening import NO_TERMINALS
from .console import Output, equality
from .design import DesignFolder, check_parts
from .folders import FileError
from .images import Images, load_images
from .manifest import listed
from .results import ELEMENTS, quality, quality_rows, save_result
from .simulate import describe_difference

__all__ = ["load_parameters", "print_run", "run_images", "serve_board"]

#: As many classes are told one by one.
_MOST_CLASSES = 20
#: As many labels, scores or codes are told one by one.
_MOST_OUTPUTS = 10
#: More parameters than any part has room for.
_MOST_IMAGE_BYTES = 1 << 28


def load_parameters(url: str, path: Path, output: Output, *, baud: int | None = None) -> dict[str, Any]:
    """Load an image of parameters into a device.

    Parameters
    ----------
    url : str
        See `device.connect`.
    path : Path
        Of the image.
    output : Output
        Shows what is under way.
    baud : int, optional
        See `device.connect`.

    Raises
    ------
    BitweirError
        The device or the file is not there, or the image does not suit.
    """
    if listed(path.parent) is not None:
        check_parts(path.parent)
    image = _image(path)
    with output.working(f"Connecting to {url}"):
        device = connect(url, baud=baud)
    with device, output.working(f"Loading {len(image):,} bytes"):
        start = device.now()
        device.load(image)
        return {"device": url, "bytes": len(image), "seconds": round(device.now() - start, 6)}


def _image(path: Path) -> bytes:
    """Content of a file of parameters, which may be a pipe, and may never end."""
    try:
        with path.open("rb") as file:
            image = file.read(_MOST_IMAGE_BYTES + 1)
    except OSError as error:
        raise FileError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    if len(image) > _MOST_IMAGE_BYTES:
        raise FileError(f"{str(path)!r} is no image of parameters: it must have at most {_MOST_IMAGE_BYTES:,} bytes.")
    if not image:
        raise FileError(f"{str(path)!r} is no image of parameters: it is empty.")
    return image


def run_images(
    url: str,
    path: Path | None,
    output: Output,
    *,
    network: Path | None = None,
    baud: int | None = None,
    limit: int | None = None,
    save: Path | None = None,
    check: bool = False,
    rounding: bool = False,
) -> dict[str, Any]:
    """Let a device classify images.

    Parameters
    ----------
    url : str
        See `device.connect`.
    path : Path or None
        See `images.load_images`; None: the test images that ship.
    output : Output
        Shows what is under way.
    network : Path, optional
        File or build folder of the network that the device holds, if it is none that ships.
    baud : int, optional
        See `device.connect`.
    limit : int, optional
        Use only so many images.
    save : Path, optional
        Where results go; see `results.save_result`.
    check : bool
        Compare every score, label, code and class with the golden model.
    rounding : bool
        Take the nearest where images hold what the input does not take.

    Returns
    -------
    dict
        ``mismatches`` counts the images that differ from golden, None without `check`. Speeds are in the time
        in which the device lives: ``time`` says whether that is simulated. ``ranges`` has the least and the most
        of each score or code, None of classes and labels.

    Raises
    ------
    BitweirError
        The device or a file is not there, or does not suit.
    """
    with output.working(f"Connecting to {url}"):
        device = connect(url, network=network, baud=baud)
    with device:
        images = _images(device, path, limit, rounding)
        with output.working(f"Classifying {len(images):,} images"):
            start = device.now()
            # Scores take most of what comes back, so they are fetched only for those who want them.
            result = _answers(device, images, scores=check or save is not None)
            seconds = device.now() - start
        held = _network(device)
        if save:
            save_result(save, held, result)
        return {
            "device": url,
            **_about(device),
            "images": len(images),
            "rounded": images.rounded,
            "result": held.readout.kind,
            "classes": None if result.classes is None else np.bincount(result.classes, minlength=held.outputs).tolist(),
            "labels": None if result.labels is None else result.labels.sum(axis=0).tolist(),
            "ranges": _ranges(result) if held.readout.kind in ("scores", "codes") else None,
            **quality(held, result, images.labels),
            **_compared(held, images, result if check else None),
            "time": "simulated" if url.startswith("sim:") else "real",
            "seconds": round(seconds, 6),
            "frames_per_second": len(images) / seconds,
        }


def _network(device: Device) -> Network:
    if device.network is None:
        assert device.identity
        if device.identity.loads:
            raise LinkError(
                "The device may hold any network of its shape: name the one that was loaded with --network."
            )
        raise LinkError(
            f"The device holds network {device.identity.digest.hex()}, which is not known here: "
            "name its file or build folder with --network."
        )
    return device.network


def _images(device: Device, path: Path | None, limit: int | None, rounding: bool) -> Images:
    network = _network(device)
    if path:
        return load_images(path, network, limit=limit, rounding=rounding)
    with resources.as_file(resources.files("bitweir.networks") / "digits_test.npz") as shipped:
        return load_images(shipped, network, limit=limit, rounding=rounding)


def _answers(device: Device, images: Images, *, scores: bool) -> Result:
    codes = Codes(images.codes)
    if not scores and device.result == "class":
        return Result(scores=np.zeros((len(images), 0), np.int64), classes=device.classify(codes))
    return device.run(codes)


def _ranges(result: Result) -> list[list[int]]:
    """The least and the most of each output."""
    ends: list[list[int]] = np.stack([result.scores.min(axis=0), result.scores.max(axis=0)], axis=1).tolist()
    return ends


def _compared(network: Network, images: Images, result: Result | None) -> dict[str, Any]:
    if result is None:
        return {"mismatches": None, "first_mismatch": None}
    expected = fast.run(network, images.codes)
    wrong = differing(result, expected)
    first = describe_difference(int(wrong.argmax()), result, expected, network.readout.kind) if wrong.any() else None
    return {"mismatches": int(wrong.sum()), "first_mismatch": first}


def _about(device: Device) -> dict[str, Any]:
    """What the device tells of itself, as far as people care."""
    identity = device.identity
    about: dict[str, Any] = {"network": _network(device).name, "clock_mhz": None, "accelerator_frames_per_second": None}
    if identity:
        about["clock_mhz"] = identity.clock / 1e6
        about["accelerator_frames_per_second"] = identity.clock / identity.cycles
    return about


def print_run(output: Output, result: dict[str, Any]) -> None:
    """Show the result of `run_images` to a person."""
    table = Table(show_header=False, title=f"Classified by {result['device']}", title_justify="left", box=SIMPLE)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("network", result["network"])
    table.add_row("images", f"{result['images']:,}")
    if result["rounded"]:
        table.add_row("rounded", f"{result['rounded']:,} numbers to what the input takes")
    if (counts := result["classes"]) is not None:
        told = [f"{index}: {count:,}" for index, count in enumerate(counts) if count]
        if len(counts) > _MOST_CLASSES:
            told = [f"{len(told):,} of {len(counts):,} classes"]
        table.add_row("classes", ", ".join(told))
    elif outputs := _outputs(result):
        table.add_row(result["result"], "\n".join(outputs))
    for row in quality_rows(result):
        table.add_row(*row)
    if (wrong := result["mismatches"]) is not None:
        table.add_row("compared with golden", equality(wrong))
    if wrong:
        table.add_row("first difference", result["first_mismatch"])
    speed = f"{result['frames_per_second']:,.0f} frames/s, {result['seconds']:.3f} s"
    if result["time"] == "simulated":
        speed += " of simulated time"
    table.add_row("throughput", speed)
    if result["clock_mhz"]:
        alone = result["accelerator_frames_per_second"]
        table.add_row("accelerator alone", f"{alone:,.0f} frames/s at {result['clock_mhz']:g} MHz")
    output.show(table)


def _outputs(result: dict[str, Any]) -> list[str]:
    """What each label, score or code was, a line each."""
    one, images = ELEMENTS[result["result"]], result["images"]
    if result["labels"] is not None:
        told = [f"{one} {index} is 1 in {count:,} of {images:,} images" for index, count in enumerate(result["labels"])]
    else:
        told = [f"{one} {index} is from {low:,} to {high:,}" for index, (low, high) in enumerate(result["ranges"])]
    rest = len(told) - _MOST_OUTPUTS
    return told[:_MOST_OUTPUTS] + ([f"and {rest:,} more"] if rest > 0 else [])


def serve_board(
    build: DesignFolder, output: Output, *, baud: int | None, clock: float | None, faults: float, seed: int
) -> None:
    """Run the simulated board of a build until Ctrl-C.

    Parameters
    ----------
    build : DesignFolder
    output : Output
        Gets the path of the serial port at once.
    baud : int or None
    clock : float or None
        MHz.
    faults : float
        See `device.simulated.SimulatedBoard`.
    seed : int
    """
    try:
        from .client.simulated import SimulatedBoard
    except ImportError as error:
        raise LinkError(NO_TERMINALS) from error

    with output.working("Compiling the board (kept for the next time)"):
        hertz = None if clock is None else round(clock * 1e6)
        board = SimulatedBoard(build, clock=hertz, baud=baud, faults=faults, seed=seed)
    with board:
        device = f"serial:{board.port}"
        output.show(
            f"A board with {build.network.name} at {board.clock / 1e6:g} MHz, until Ctrl-C:",
            f"  bitweir run {device} --baud {board.baud} --images FILE",
        )
        output.result({"device": device, "baud": board.baud, "clock_mhz": board.clock / 1e6})
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            happened = (board.up.counts + board.down.counts).total()
            output.show(f"Simulated {board.cycles:,} cycles; {happened:,} faults.")
