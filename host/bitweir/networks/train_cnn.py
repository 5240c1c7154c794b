"""Train the convolutional digits network that ships with bitweir, and write it as ONNX.

``python -m bitweir.networks.train_cnn [--out DIR]`` writes ``cnn.onnx``. Its test images are those of
``digits_test.npz``, which ``train_digits`` writes. It needs ``pip install 'bitweir[train]'``.

Settings were compared by five-fold cross-validation within the 1437 training images. Neither the seed nor the
epoch was selected: it is the first seed and the last epoch.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from torch import nn

from bitweir.networks.training import CLASSES, SIDE, Sign, export, print_accuracy, split_digits, train

CHANNELS = (32, 48)  # of the two convolutions
HIDDEN = 96
LEARNING_RATE = 0.01


def build() -> nn.Sequential:
    """Make the network, untrained. Its scores are integers; the class is the lowest index of the highest."""
    first, second = CHANNELS
    return nn.Sequential(
        nn.Conv2d(1, first, 3, bias=False),  # pixels as they are, 0 to 16: 8x8 to 6x6
        nn.BatchNorm2d(first),
        Sign(),
        nn.Conv2d(first, second, 3, bias=False),  # to 4x4
        nn.BatchNorm2d(second),
        Sign(),
        nn.MaxPool2d(2),  # to 2x2
        nn.Flatten(),
        nn.Linear(second * 2 * 2, HIDDEN, bias=False),
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
    """Train the convolutional digits network, write it, and print its accuracy."""
    digits = split_digits()
    x = torch.from_numpy(digits.x).view(-1, 1, SIDE, SIDE)
    export(train(build, x, torch.from_numpy(digits.y), LEARNING_RATE), out / "cnn.onnx", x[:2])
    print_accuracy(out / "cnn.onnx", digits)


if __name__ == "__main__":
    main()
