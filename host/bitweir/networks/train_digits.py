"""Train the digits network that ships with bitweir, and write it as ONNX.

``python -m bitweir.networks.train_digits [--out DIR]`` writes ``digits.onnx``, the network, and
``digits_test.npz``, the 360 test images and their labels. It needs ``pip install 'bitweir[train]'``.
"""

from __future__ import annotations

import math
from pathlib import Path

import click
import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

PIXELS = 64
CLASSES = 10
THRESHOLDS = (3.5, 7.5, 11.5)  # half integers: no pixel value (0 to 16) ties with them
HIDDEN = 256
SEED = 0
EPOCHS = 300
BATCH = 64
LEARNING_RATE = 0.02  # a binary weight only flips if steps are large against its latent range, -1 to 1


class Thermometer(nn.Module):  # type: ignore[misc, unused-ignore]
    """Pixels 0 to 16, compared with each threshold: one input of -1 or +1 per pixel and threshold."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the inputs of all pixels for the first threshold, then for the next."""
        return torch.cat([torch.sign(x - t) for t in THRESHOLDS], dim=1)


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
    """Turn, scale and shift each image a little at random, and add noise before pixels are compared.

    Parameters
    ----------
    x
        Images of shape (N, 64).

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
    grid = functional.affine_grid(torch.stack(rows, dim=1), [n, 1, 8, 8], align_corners=False)
    moved = functional.grid_sample(x.view(n, 1, 8, 8), grid, align_corners=False).view(n, PIXELS)
    return moved + 0.5 * torch.randn(n, PIXELS)


def train(x: Tensor, y: Tensor) -> nn.Sequential:
    """Train the network; of the result, all weights are -1 or +1.

    Settings were compared by five-fold cross-validation within the 1437 training images. Neither the seed nor
    the epoch was selected: it is the first seed and the last epoch.

    Parameters
    ----------
    x, y
        Training images of shape (N, 64) with pixels 0 to 16, and their labels.

    Returns
    -------
    nn.Sequential
        The network in evaluation mode. Its scores are integers; the class is the lowest index of the highest.
    """
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # the network is too small for more to help
    hidden = nn.Linear(PIXELS * len(THRESHOLDS), HIDDEN, bias=False)
    scores = nn.Linear(HIDDEN, CLASSES, bias=False)  # no batch norm: it would scale each class differently
    for layer in (hidden, scores):
        parametrize.register_parametrization(layer, "weight", Sign())
    net = nn.Sequential(Thermometer(), hidden, nn.BatchNorm1d(HIDDEN), Sign(), scores)
    latent = [weight for name, weight in net.named_parameters() if name.endswith("original")]
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    steps = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x))[: steps * BATCH].view(steps, BATCH):
            # Scores reach +-256: the scale brings them to where softmax still tells wrong from nearly right.
            loss = functional.cross_entropy(net(augment(x[batch])) * 2 / math.sqrt(HIDDEN), y[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for weight in latent:
                    weight.clamp_(-1, 1)  # farther out no gradient would bring it back
    net.eval()
    for layer in (hidden, scores):
        parametrize.remove_parametrizations(layer, "weight")  # leaves the signs as the weights
    return net


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(__file__).parent,
    help="Folder to write to; the package's own if not given.",
)
def main(out: Path) -> None:
    """Train the digits network, write it and its test images, and print its accuracy."""
    digits = load_digits()
    x, x_test, y, y_test = train_test_split(
        digits.data.astype(np.float32), digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    net = train(torch.from_numpy(x), torch.from_numpy(y))
    out.mkdir(parents=True, exist_ok=True)
    batch = {0: "N"}
    torch.onnx.export(
        net,
        (torch.from_numpy(x[:2]),),
        out / "digits.onnx",
        input_names=["x"],
        output_names=["scores"],
        dynamic_axes={"x": batch, "scores": batch},
        opset_version=17,
        dynamo=False,  # the newer exporter puts weights into a second file
    )
    np.savez_compressed(out / "digits_test.npz", x=x_test.astype(np.uint8), y=y_test.astype(np.uint8))

    written = ReferenceEvaluator(onnx.load(out / "digits.onnx"))
    for name, images, labels in (("training", x, y), ("test", x_test, y_test)):
        (scores,) = written.run(None, {"x": images})
        right = int((np.argmax(scores, axis=1) == labels).sum())
        click.echo(f"{name}: {right} of {len(labels)} right ({100 * right / len(labels):.2f} %)")


if __name__ == "__main__":
    main()
