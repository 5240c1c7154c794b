"""Data sets from their own files, and checkpoints of training that goes on after an interruption."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from bitweir_hw.errors import FileError
from numpy.typing import NDArray
from torch import nn

__all__ = ["cifar10", "mnist", "resumed", "saving", "train_images"]

_IMAGES, _LABELS = 2051, 2049
_CIFAR_BYTES = 1 + 3 * 32 * 32


def mnist(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """MNIST: 60,000 images (N, 28, 28) to train with, their labels, and 10,000 with labels to test with.

    Parameters
    ----------
    folder : Path
        With ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same for ``t10k``, or these with ``.gz``.

    Raises
    ------
    FileError
        A file is missing or damaged.
    """
    found: list[Any] = []
    for part in ("train", "t10k"):
        x = _idx(folder / f"{part}-images-idx3-ubyte", _IMAGES, 3)
        y = _idx(folder / f"{part}-labels-idx1-ubyte", _LABELS, 1)
        if len(x) != len(y):
            raise FileError(f"The images and labels of {part} in {str(folder)!r} must be equally many.")
        found += [x, y.astype(np.int64)]
    return tuple(found)


def _idx(path: Path, magic: int, dimensions: int) -> NDArray[np.uint8]:
    packed = path.with_name(path.name + ".gz")
    if path.is_file():
        data = path.read_bytes()
    elif packed.is_file():
        data = gzip.decompress(packed.read_bytes())
    else:
        raise FileError(
            f"There is no file {str(path)!r}: download MNIST, four files in the format IDX, for example from "
            "https://ossci-datasets.s3.amazonaws.com/mnist/ into this folder."
        )
    head = np.frombuffer(data[: 4 * (1 + dimensions)], ">i4")
    if len(head) != 1 + dimensions or head[0] != magic or int(np.prod(head[1:])) != len(data) - 4 * len(head):
        raise FileError(f"{str(path)!r} is no file of MNIST, or is cut off.")
    return np.frombuffer(data, np.uint8, offset=4 * len(head)).reshape(head[1:])


def cifar10(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """CIFAR-10: 50,000 images (N, 3, 32, 32) to train with, their labels, and 10,000 with labels to test with.

    Parameters
    ----------
    folder : Path
        With ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``, the binary version.

    Raises
    ------
    FileError
        A file is missing or damaged.
    """
    parts = []
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
        path = folder / name
        if not path.is_file():
            raise FileError(
                f"There is no file {str(path)!r}: download the binary version of CIFAR-10 from "
                "https://www.cs.toronto.edu/~kriz/cifar.html and unpack it into this folder."
            )
        data = np.frombuffer(path.read_bytes(), np.uint8)
        if not len(data) or len(data) % _CIFAR_BYTES:
            raise FileError(f"{str(path)!r} is no file of CIFAR-10, or is cut off.")
        parts.append(data.reshape(-1, _CIFAR_BYTES))
    train, test = np.concatenate(parts[:5]), parts[5]
    x, x_test = (part[:, 1:].reshape(-1, 3, 32, 32) for part in (train, test))
    return x, train[:, 0].astype(np.int64), x_test, test[:, 0].astype(np.int64)


def train_images(x: NDArray[np.uint8], y: NDArray[np.int64], device: str) -> tuple[Any, Any]:
    """Images and labels on a device; they stay bytes there."""
    return torch.tensor(x, device=device), torch.tensor(y, device=device)


def resumed(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, device: str) -> int:
    """How many epochs a checkpoint has behind it, which is loaded; 0 where there is none.

    Raises
    ------
    FileError
        It is of another model, or damaged.
    """
    if not path.exists():
        return 0
    try:
        kept = torch.load(path, map_location=device, weights_only=True)  # nothing in the file is executed
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        return int(kept["done"])
    except Exception as error:  # it fails in many ways
        told = f"Checkpoint {str(path)!r} is damaged, or of another model: remove it to begin anew."
        raise FileError(told) from error


def saving(path: Path, model: nn.Module, told: Callable[[], str]) -> Callable[[int, torch.optim.Optimizer], None]:
    """What `fit` calls behind each epoch: writes a checkpoint, whole or not at all, and tells how far it is."""

    def save(done: int, optimiser: torch.optim.Optimizer) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "done": done}, part)
        part.replace(path)
        click.echo(f"epoch {done}: {told()}")

    return save
