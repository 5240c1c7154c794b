"""Shipped networks in place of model files."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from .demo import NETWORKS

__all__ = ["demo_images", "located"]


def located(paths: tuple[Path, ...], input_scale: str | None) -> tuple[tuple[Path, ...], str | None]:
    """Model files, and what their pixels are multiplied with, where one file may be the name of a shipped network.

    A file of that name comes first.
    """
    if len(paths) != 1 or str(paths[0]) not in NETWORKS or paths[0].exists():
        return paths, input_scale
    shipped = NETWORKS[str(paths[0])]
    # Packages are installed as files; nothing needs to be unpacked.
    return (Path(str(resources.files("bitweir.networks") / shipped.model)),), input_scale or shipped.input_scale


def demo_images() -> Path:
    """The file with the test images of the shipped networks."""
    return Path(str(resources.files("bitweir.networks") / "digits_test.npz"))
