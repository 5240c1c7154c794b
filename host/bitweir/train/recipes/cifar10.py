"""Networks for CIFAR-10: the VGG that BNN and BNN+ use, and FINN's CNV.

``python -m bitweir.train.recipes.cifar10 --network cnv --data cifar-10-batches-bin/ --folder out/ --device cuda``
trains one, and goes on from the checkpoint in the folder.

- ``vgg``, BNN+ (Darabi et al., arXiv:1812.11800): (2 x 128C3)-MP2-(2 x 256C3)-MP2-(2 x 512C3)-MP2-(2 x 1024FC)-10;
SignSwish with a beta
  of 5, R1 times 1e-6 with a scale that begins as the median. Batches, rate and epochs are of this recipe, and not the
  paper's: 128, 0.005 with a cosine, 250. Weights of the first layer, which the paper leaves real, are integers of 8
  bits.
- ``cnv`` (Umuroglu et al., FPGA 2017) as the examples of Brevitas train it: (2 x 64C3)-MP2-(2 x 128C3)-MP2-(2 x
256C3)-(2 x 512FC)-10
  without padding, squared hinge loss, Adam with 0.02, batches of 100, 1,000 epochs, latent weights that begin from -1
  to 1.

Images are turned over and moved by up to 4 pixels. Neither was trained to the end here: only steps of them were run.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from torch import Tensor, nn
from torch.nn import functional

from .. import (
    Binary,
    Conv2d,
    Linear,
    ScoreScale,
    Sign,
    SignSwish,
    TrainedScale,
    Uniform,
    accuracy,
    cosine,
    export,
    fit,
    r1,
    squared_hinge,
)
from .files import cifar10, resumed, saving, train_images

__all__ = ["cnv", "vgg"]

SCALE = "x/127.5-1"


def vgg(width: float = 1.0) -> nn.Sequential:
    """The untrained VGG of BNN+, for images (3, 32, 32) of -1 to 1; all layers have `width` times the channels."""

    def weights() -> Binary:
        return Binary(SignSwish(5.0), TrainedScale("median"))

    parts: list[nn.Module] = []
    channels = 3
    for place, wanted in enumerate((128, 128, 256, 256, 512, 512)):
        made = max(1, int(wanted * width))
        parts.append(Conv2d(channels, made, 3, weights() if place else Uniform(8), padding=1))
        parts += [nn.MaxPool2d(2)] if place % 2 else []
        parts += [nn.BatchNorm2d(made), Sign(SignSwish(5.0))]
        channels = made
    parts.append(nn.Flatten())
    taken, hidden = channels * 16, max(1, int(1024 * width))
    for _ in range(2):
        parts += [Linear(taken, hidden, weights()), nn.BatchNorm1d(hidden), Sign(SignSwish(5.0))]
        taken = hidden
    return nn.Sequential(*parts, Linear(taken, 10, weights()), nn.BatchNorm1d(10))


def cnv(width: float = 1.0) -> nn.Sequential:
    """The untrained CNV, for images (3, 32, 32) of -1 to 1; all layers have `width` times the channels."""
    parts: list[nn.Module] = []
    channels = 3
    for place, wanted in enumerate((64, 64, 128, 128, 256, 256)):
        made = max(1, int(wanted * width))
        parts += [Conv2d(channels, made, 3), nn.BatchNorm2d(made, eps=1e-4), Sign()]
        parts += [nn.MaxPool2d(2)] if place in (1, 3) else []
        channels = made
    parts.append(nn.Flatten())
    taken, hidden = channels, max(1, int(512 * width))
    for _ in range(2):
        parts += [Linear(taken, hidden), nn.BatchNorm1d(hidden, eps=1e-4), Sign()]
        taken = hidden
    model = nn.Sequential(*parts, Linear(taken, 10), ScoreScale(2 / taken**0.5))
    for layer in model.modules():
        if isinstance(layer, Conv2d | Linear):
            nn.init.uniform_(layer.weight, -1, 1)
    return model


def floats(x: Tensor) -> Tensor:
    """Pixels of 0 to 255 as the networks take them."""
    return x.float() / 127.5 - 1


def moved(x: Tensor) -> Tensor:
    """Images (N, 3, 32, 32) of bytes as the networks take them, moved by up to 4 pixels, each turned over or not."""
    wide = functional.pad(floats(x), (4, 4, 4, 4), value=-1.0)
    down, right = (int(torch.randint(0, 9, ())) for _ in range(2))
    cut = wide[:, :, down : down + 32, right : right + 32]
    over = (torch.rand(len(x), 1, 1, 1) < 0.5).to(x.device)
    return torch.where(over, cut.flip(3), cut)


@click.command()
@click.option("--network", type=click.Choice(["vgg", "cnv"]), required=True)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder with CIFAR-10, binary version.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="For the checkpoint and the network.")
@click.option("--epochs", type=int, help="250 of vgg, 1,000 of cnv if not given.")
@click.option("--width", default=1.0, show_default=True, help="Factor of all channels.")
@click.option("--batch", type=int, help="128 of vgg, 100 of cnv if not given.")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="Such as cuda.")
def main(
    network: str, data: Path, folder: Path, epochs: int | None, width: float, batch: int | None, seed: int, device: str
) -> None:
    """Train a network for CIFAR-10, and write its integers."""
    x, y, x_test, y_test = cifar10(data)
    torch.manual_seed(seed)
    plus = network == "vgg"
    model = (vgg if plus else cnv)(width).to(device)
    rate = 0.005 if plus else 0.02
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    images, labels = train_images(x, y, device)
    test, wanted = train_images(x_test, y_test, device)

    def right() -> str:
        parts = zip(test.split(500), wanted.split(500), strict=True)
        shares = [accuracy(model, floats(a), b) * len(b) for a, b in parts]
        return f"{sum(shares) / len(wanted):.2%} of test images"

    fit(
        model, images, labels, epochs=epochs or (250 if plus else 1000), rate=rate,
        batch=batch or (128 if plus else 100), augment=moved, optimiser=optimiser,
        start=resumed(folder / "checkpoint.pt", model, optimiser, device), seed=seed,
        loss=None if plus else lambda scores, truth, _: squared_hinge(scores, truth),
        penalty=(lambda net: 1e-6 * r1(net)) if plus else None,
        schedule=cosine if plus else lambda share: 1.0,
        each_epoch=saving(folder / "checkpoint.pt", model, right),
    )  # fmt: skip
    made = export(model.cpu(), (3, 32, 32), input_scale=SCALE, name=network)
    made.save(folder / f"{network}.npz")
    click.echo(str(folder / f"{network}.npz"))


if __name__ == "__main__":
    main()
