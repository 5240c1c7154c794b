"""Train the digits network that ships with bitweir, and write it as ONNX.

``python -m bitweir.networks.train_digits [--out DIR]`` writes ``digits.onnx``, the network, and
``digits_test.npz``, the 360 test images and their labels. It needs ``pip install 'bitweir[train]'``.

Settings were compared by five-fold cross-validation within the 1437 training images. Neither the seed nor the
epoch was selected: it is the first seed and the last epoch.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn

from bitweir.networks.training import CLASSES, PIXELS, Sign, export, print_accuracy, split_digits, train

THRESHOLDS = (3.5, 7.5, 11.5)  # half integers: no pixel value (0 to 16) ties with them
HIDDEN = 256
LEARNING_RATE = 0.02


class Thermometer(nn.Module):  # type: ignore[misc, unused-ignore]
    """Pixels 0 to 16, compared with each threshold: one input of -1 or +1 per pixel and threshold."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the inputs of all pixels for the first threshold, then for the next."""
        return torch.cat([torch.sign(x - t) for t in THRESHOLDS], dim=1)


def build() -> nn.Sequential:
    """Make the network, untrained. Its scores are integers; the class is the lowest index of the highest."""
    return nn.Sequential(
        Thermometer(),
        nn.Linear(PIXELS * len(THRESHOLDS), HIDDEN, bias=False),
        nn.BatchNorm1d(HIDDEN),
        Sign(),
        nn.Linear(HIDDEN, CLASSES, bias=False),  # no batch norm: it would scale each class differently
    )


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(__file__).parent,
    help="Folder to write to; the package's own if not given.",
)
def main(out: Path) -> None:
    """Train the digits network, write it and its test images, and print its accuracy."""
    digits = split_digits()
    x = torch.from_numpy(digits.x)
    export(train(build, x, torch.from_numpy(digits.y), LEARNING_RATE), out / "digits.onnx", x[:2])
    np.savez_compressed(out / "digits_test.npz", x=digits.x_test.astype(np.uint8), y=digits.y_test.astype(np.uint8))
    print_accuracy(out / "digits.onnx", digits)


if __name__ == "__main__":
    main()
