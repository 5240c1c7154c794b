"""Runs images on a device, and loads its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.errors import LinkError
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.golden import Result

from ..client import Device, connect
from ..client.linked import LinkedDevice
from ..client.opening import check_loadable
from ..design import check_parts
from ..folders import FileError
from ..images import Images
from ..manifest import listed
from ..progress import Progress, silent
from ..results import Quality, quality
from .runner import Run, Runner, compared_with_golden

__all__ = [
    "DeviceRun",
    "ParameterLoad",
    "device_runner",
    "known_network",
    "load_parameters",
    "read_parameter_image",
    "run_on_device",
]

#: More parameters than any part has room for.
_MOST_IMAGE_BYTES = 1 << 28


# ---- parameters


@dataclass(frozen=True, kw_only=True)
class ParameterLoad:
    """Parameters that were loaded into a device.

    Parameters
    ----------
    device : str
        Its address.
    bytes : int
    seconds : float
        In the time of the device.
    """

    device: str
    bytes: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by their names."""
        return {"device": self.device, "bytes": self.bytes, "seconds": round(self.seconds, 6)}


def load_parameters(
    address: str, image: bytes, *, baud: int | None = None, progress: Progress = silent
) -> ParameterLoad:
    """Load an image of parameters into a device.

    Parameters
    ----------
    address : str
        See `connect`.
    image : bytes
        As `read_parameter_image` reads it, or `bitweir_hw.accelerator.parameter_image` makes it.
    baud : int, optional
        See `connect`.
    progress : Progress
        Shows what is under way.

    Raises
    ------
    LinkError
        The device is not there, or does not take the image.
    """
    check_loadable(address)
    with progress(f"Connecting to {address}"):
        device = connect(address, baud=baud)
    with device, progress(f"Loading {len(image):,} bytes") as shown:
        start = device.now()
        device.load(image, progress=shown)
        return ParameterLoad(device=address, bytes=len(image), seconds=device.now() - start)


def read_parameter_image(path: Path) -> bytes:
    """Read a file of parameters, which may be a pipe, and may never end.

    Raises
    ------
    FileError
        It cannot be read, is empty or too long, or is not the one that was written into its folder.
    """
    if listed(path.parent) is not None:
        check_parts(path.parent)
    try:
        with path.open("rb") as file:
            image = file.read(_MOST_IMAGE_BYTES + 1)
    except OSError as error:
        raise FileError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    if len(image) > _MOST_IMAGE_BYTES:
        raise FileError(
            f"{str(path)!r} is not an image of parameters: it must have at most {_MOST_IMAGE_BYTES:,} bytes."
        )
    if not image:
        raise FileError(f"{str(path)!r} is not an image of parameters: it is empty.")
    return image


# ---- images


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceRun:
    """The results of a device on images.

    Parameters
    ----------
    device : str
        Its address.
    network : Network
        What it computes.
    images : int
        How many were run.
    rounded : int
        How many of their numbers became the nearest that the input takes.
    result : Result
        Without scores, (N, 0), where only classes were asked for.
    quality : Quality
        How the results compare with the labels of the images.
    mismatches : int or None
        Images whose result differs from that of the golden model; None if they were not compared.
    first_mismatch : str or None
        The first of them, and what differs.
    clock : float or None
        Hz, of the accelerator; None where there is no link.
    accelerator_frames_per_second : float or None
        What the accelerator alone would do.
    simulated : bool
        Whether the device lives in simulated time.
    engine : str or None
        What computes, where that is this machine.
    seconds : float
        Duration of the run, in the time in which the device lives.
    """

    device: str
    network: Network
    images: int
    rounded: int
    result: Result
    quality: Quality
    mismatches: int | None
    first_mismatch: str | None
    clock: float | None
    accelerator_frames_per_second: float | None
    simulated: bool
    engine: str | None
    seconds: float

    @property
    def accuracy(self) -> float | None:
        """Share of the images whose class, or all of whose labels, are right."""
        return self.quality.accuracy

    @property
    def frames_per_second(self) -> float:
        """Throughput, in the time of the device."""
        return self.images / self.seconds

    @property
    def classes(self) -> list[int] | None:
        """How many images, or pixels of them, have each class; None for other results."""
        found = self.result.classes
        return None if found is None else np.bincount(found.ravel(), minlength=self.network.classes).tolist()

    @property
    def labels(self) -> list[int] | None:
        """In how many images each label is 1; None for other results."""
        return None if self.result.labels is None else self.result.labels.sum(axis=0).tolist()

    @property
    def ranges(self) -> list[list[int]] | None:
        """Minimum and maximum of each score or code; None for other results."""
        if self.network.readout.kind not in ("scores", "codes"):
            return None
        scores = self.result.scores
        ends: list[list[int]] = np.stack([scores.min(axis=0), scores.max(axis=0)], axis=1).tolist()
        return ends

    def to_dict(self) -> dict[str, Any]:
        """The figures, as JSON has them."""
        return {
            "device": self.device,
            "network": self.network.name,
            "clock_mhz": None if self.clock is None else self.clock / 1e6,
            "accelerator_frames_per_second": self.accelerator_frames_per_second,
            "images": self.images,
            "rounded": self.rounded,
            "result": self.network.readout.kind,
            "classes": self.classes,
            "labels": self.labels,
            "ranges": self.ranges,
            **self.quality.to_dict(),
            "mismatches": self.mismatches,
            "first_mismatch": self.first_mismatch,
            "engine": self.engine,
            "time": "simulated" if self.simulated else "real",
            "seconds": round(self.seconds, 6),
            "frames_per_second": self.frames_per_second,
        }


def run_on_device(
    device: Device,
    images: Images,
    *,
    address: str,
    scores: bool = False,
    check: bool = False,
    progress: Progress = silent,
) -> DeviceRun:
    """Let a device classify images.

    Parameters
    ----------
    device : Device
        Its network must be known.
    images : Images
        At least one; see `images.as_images` and `images.load_images`.
    address : str
        Of the device; see `connect`.
    scores : bool
        Fetch scores where the result is a class, too: they take most of what comes back.
    check : bool
        Compare every score, label, code and class with the golden model.
    progress : Progress
        Shows what is under way.

    Raises
    ------
    LinkError
        The network of the device is not known; the device is gone, does not answer, or is another one than before.
    """
    network = known_network(device)
    run = device_runner(device, scores=scores or check)(images, progress)
    found = compared_with_golden(network, images, run.result, progress=progress) if check else None
    identity = device.identity
    return DeviceRun(
        device=address,
        network=network,
        images=len(images),
        rounded=images.rounded,
        result=run.result,
        quality=quality(network, run.result, images.labels),
        mismatches=None if found is None else found.count,
        first_mismatch=None if found is None else found.first,
        clock=identity.clock if identity else None,
        accelerator_frames_per_second=identity.clock / identity.cycles if identity else None,
        simulated=address.startswith("sim:"),
        engine=device.engine,
        seconds=run.seconds,
    )


def device_runner(device: Device, *, scores: bool) -> Runner:
    """The runner of a device; without `scores`, results that are classes have none."""

    def run(images: Images, progress: Progress) -> Run:
        codes = Codes(images.codes)
        with progress(f"Classifying {len(images):,} images") as shown:
            linked = device if isinstance(device, LinkedDevice) else None
            if linked:
                linked.progress = shown
            start = device.now()
            if not scores and device.result == "class":
                result = Result(scores=np.zeros((len(images), 0), np.int64), classes=device.classify(codes))
            else:
                result = device.run(codes)
            if linked:
                del linked.progress
            return Run(result=result, seconds=device.now() - start, simulator="device")

    return run


def known_network(device: Device) -> Network:
    """The network that a device computes.

    Raises
    ------
    LinkError
        It is not known.
    """
    if device.network is not None:
        return device.network
    assert device.identity
    if device.identity.loads:
        raise LinkError(
            "The device may hold any network of its shape: name the one that was loaded (--network, in Python "
            "network=)."
        )
    raise LinkError(
        f"The device holds network {device.identity.digest.hex()}, which is not known here: "
        "name its file or build folder (--network, in Python network=)."
    )
