"""What the scripts that train the shipped networks share: images, the binary training loop, the ONNX file.

It needs ``pip install 'bitweir[train]'``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

SIDE = 8  # of an image, in pixels
PIXELS = SIDE * SIDE
CLASSES = 10
SEED = 0
EPOCHS = 300
BATCH = 64


class Digits(NamedTuple):
    """Images, as rows of 64 float32 pixels from 0 to 16, and their labels: 1437 to train with, 360 to test with."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[np.int64]


def split_digits() -> Digits:
    """Return scikit-learn's handwritten digits; the split is the same at every call."""
    digits = load_digits()
    x, x_test, y, y_test = train_test_split(
        digits.data.astype(np.float32), digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    return Digits(x, y, x_test, y_test)


class Sign(nn.Module):  # type: ignore[misc, unused-ignore]
    """+1 for x >= 0, else -1; the gradient passes straight through where x lies within -1 to 1."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the sign; outside of training without the detour that makes the gradient."""
        sign = torch.where(x >= 0, 1.0, -1.0)
        if not self.training:
            return sign
        through = x.clamp(-1, 1)  # not hardtanh, whose gradient is 0 at the ends, where latent weights rest
        return through + (sign - through).detach()


def augment(x: Tensor) -> Tensor:
    """Turn, scale and shift each image a little at random, and add noise to its pixels.

    Parameters
    ----------
    x
        Images of shape (N, 64) or (N, 1, 8, 8).

    Returns
    -------
    Tensor
        Other images of the same digits, of the same shape.
    """
    n = len(x)
    angle = (torch.rand(n) * 2 - 1) * math.radians(10)
    zoom = 1 + (torch.rand(2, n) * 2 - 1) * 0.1
    shift = (torch.rand(2, n) * 2 - 1) * 0.5 / 4  # half a pixel; an image spans -1 to 1, so a pixel is 1/4
    rows = [
        torch.stack([angle.cos() * zoom[0], -angle.sin(), shift[0]], dim=1),
        torch.stack([angle.sin(), angle.cos() * zoom[1], shift[1]], dim=1),
    ]
    grid = functional.affine_grid(torch.stack(rows, dim=1), [n, 1, SIDE, SIDE], align_corners=False)
    moved = functional.grid_sample(x.view(n, 1, SIDE, SIDE), grid, align_corners=False).view(x.shape)
    return moved + 0.5 * torch.randn(x.shape)


def train(build: Callable[[], nn.Sequential], x: Tensor, y: Tensor, rate: float) -> nn.Sequential:
    """Train a network; of the result, all weights of dense and convolutional layers are -1 or +1.

    Parameters
    ----------
    build
        Makes the network, with the seed set before. Its last layer is dense and gives the scores.
    x, y
        Training images, of a shape that the network and `augment` take, with pixels 0 to 16, and their labels.
    rate
        Learning rate. A binary weight only flips if steps are large against its latent range, -1 to 1.

    Returns
    -------
    nn.Sequential
        The network in evaluation mode, as it is after the last epoch.
    """
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # the networks are too small for more to help
    net = build()
    binary = [layer for layer in net if isinstance(layer, nn.Linear | nn.Conv2d)]
    for layer in binary:
        parametrize.register_parametrization(layer, "weight", Sign())
    latent = [weight for name, weight in net.named_parameters() if name.endswith("original")]
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    steps = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps)
    scale = math.sqrt(binary[-1].in_features)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x))[: steps * BATCH].view(steps, BATCH):
            # Scores reach +-in_features: the scale brings them to where softmax still tells wrong from nearly right.
            loss = functional.cross_entropy(net(augment(x[batch])) * 2 / scale, y[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for weight in latent:
                    weight.clamp_(-1, 1)  # farther out no gradient would bring it back
    net.eval()
    for layer in binary:
        parametrize.remove_parametrizations(layer, "weight")  # leaves the signs as the weights
    return net


def export(net: nn.Sequential, file: Path, example: Tensor) -> None:
    """Write a trained network as ONNX, for any number of images at once.

    Parameters
    ----------
    net
        The network in evaluation mode.
    file
        Where to write; its folder is made if need be.
    example
        A few images, of the shape that the network takes.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    batch = {0: "N"}
    torch.onnx.export(
        net,
        (example,),
        file,
        input_names=["x"],
        output_names=["scores"],
        dynamic_axes={"x": batch, "scores": batch},
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,  # EVAL multiplies batch norms into binary convolutions
        dynamo=False,  # the newer exporter puts weights into a second file
    )


def print_accuracy(file: Path, digits: Digits) -> None:
    """Run a written network on all images with ONNX's reference evaluator, and print how many it gets right."""
    model = onnx.load(file)
    shape = [-1, *(size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim[1:])]
    written = ReferenceEvaluator(model)
    for name, images, labels in (("training", digits.x, digits.y), ("test", digits.x_test, digits.y_test)):
        (scores,) = written.run(None, {"x": images.reshape(shape)})
        right = int((np.argmax(scores, axis=1) == labels).sum())
        click.echo(f"{name}: {right} of {len(labels)} right ({100 * right / len(labels):.2f} %)")
