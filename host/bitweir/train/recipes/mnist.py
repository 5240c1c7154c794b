"""BNN's dense network for MNIST: 784-2048-2048-2048-10, all weights and activations of one bit.

It is that of Hubara et al., NIPS 2016. ``python -m bitweir.train.recipes.mnist --data mnist/ --folder out/`` trains
it, and goes on from the checkpoint in the folder. Settings are those of the paper's code in Theano: squared hinge
loss, Adam, a rate that falls from 0.003 to 3e-7 by a constant factor, batches of 100, 1,000 epochs, dropout of 0.2
at the input and 0.5 behind each layer, pixels from -1 to 1. The paper tells 1.40 % of errors for networks of this
size, trained in Torch with shift-based batch norm and AdaMax (``--shift``). It was not trained to the end here: only
steps of it were run.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch
from torch import Tensor, nn

from .. import Linear, ShiftBatchNorm1d, Sign, accuracy, export, fit, squared_hinge
from .files import mnist, resumed, saving, train_images

__all__ = ["build"]

SCALE = "x/127.5-1"
FIRST_RATE, LAST_RATE = 0.003, 3e-7


def build(hidden: int = 2048, *, shift: bool = False, dropout: bool = True) -> nn.Sequential:
    """The untrained network, for images (28, 28) of -1 to 1.

    Parameters
    ----------
    hidden : int
        Neurons of each of the three layers.
    shift : bool
        Whether batch norms are shift-based.
    dropout : bool
    """
    norm = ShiftBatchNorm1d if shift else (lambda channels: nn.BatchNorm1d(channels, eps=1e-4))
    parts: list[nn.Module] = [nn.Flatten(), *([nn.Dropout(0.2)] if dropout else [])]
    for taken in (784, hidden, hidden):
        parts += [Linear(taken, hidden), norm(hidden), Sign(), *([nn.Dropout(0.5)] if dropout else [])]
    return nn.Sequential(*parts, Linear(hidden, 10), norm(10))


def floats(x: Tensor) -> Tensor:
    """Pixels of 0 to 255 as the network takes them."""
    return x.float() / 127.5 - 1


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder with the four files of MNIST.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="For the checkpoint and the network.")
@click.option("--epochs", default=1000, show_default=True)
@click.option("--hidden", default=2048, show_default=True)
@click.option("--batch", default=100, show_default=True)
@click.option("--shift", is_flag=True, help="Shift-based batch norm and AdaMax.")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="Such as cuda.")
def main(data: Path, folder: Path, epochs: int, hidden: int, batch: int, shift: bool, seed: int, device: str) -> None:
    """Train BNN's network for MNIST, and write its integers."""
    x, y, x_test, y_test = mnist(data)
    torch.manual_seed(seed)
    model = build(hidden, shift=shift).to(device)
    kind = torch.optim.Adamax if shift else torch.optim.Adam
    optimiser = kind(model.parameters(), lr=FIRST_RATE)
    images, labels = train_images(x, y, device)
    test, wanted = train_images(x_test, y_test, device)
    start = resumed(folder / "checkpoint.pt", model, optimiser, device)
    fit(
        model, images, labels, epochs=epochs, rate=FIRST_RATE, batch=batch, augment=floats, optimiser=optimiser,
        start=start, seed=seed, loss=lambda scores, truth, _: squared_hinge(scores, truth),
        schedule=lambda share: (LAST_RATE / FIRST_RATE) ** share,
        each_epoch=saving(
            folder / "checkpoint.pt", model, lambda: f"{accuracy(model, floats(test), wanted):.2%} of test images"
        ),
    )  # fmt: skip
    network = export(model.cpu(), (28, 28), input_scale=SCALE, name="mnist")
    network.save(folder / "mnist.npz")
    click.echo(f"{folder / 'mnist.npz'}: {accuracy(model, floats(test.cpu()), wanted.cpu()):.2%} of test images")


if __name__ == "__main__":
    main()
