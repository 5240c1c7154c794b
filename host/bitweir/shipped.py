"""Bundled networks, which may be used in place of model files, and their test images."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

__all__ = ["NETWORKS", "Bundled", "demo_images", "located", "model_file"]


@dataclass(frozen=True, kw_only=True)
class Bundled:
    """A bundled network.

    Parameters
    ----------
    model : str
        File of the model.
    input_scale : str
        From stored integers to what the model takes.
    fps : float
        Frames a second that suit it.
    family : str
        FPGA family that it fits.
    about : str
        What it is.
    """

    model: str
    input_scale: str
    fps: float
    family: str
    about: str


NETWORKS = {
    "digits": Bundled(model="digits.onnx", input_scale="1", fps=1e6, family="ecp5", about="a dense network"),
    "cnn": Bundled(
        model="cnn.onnx",
        input_scale="1",
        fps=100e3,
        family="ecp5",
        about="a convolutional network",
    ),
}


def located(paths: tuple[Path, ...], input_scale: str | None) -> tuple[tuple[Path, ...], str | None]:
    """Model files, and what their pixels are multiplied with, where files may be names of bundled networks.

    A file of that name comes first. The rule of bundled networks is taken where all models have it.
    """
    names = [str(path) if str(path) in NETWORKS and not path.exists() else None for path in paths]
    files = tuple(path if name is None else model_file(name) for path, name in zip(paths, names, strict=True))
    scales = {NETWORKS[name].input_scale if name else None for name in names}
    return files, input_scale or (scales.pop() if len(scales) == 1 else None)


def model_file(name: str) -> Path:
    """The model file of a bundled network."""
    # Packages are installed as files; nothing needs to be unpacked.
    return Path(str(resources.files("bitweir.networks") / NETWORKS[name].model))


def demo_images() -> Path:
    """The file with the test images of the bundled networks."""
    return Path(str(resources.files("bitweir.networks") / "digits_test.npz"))
