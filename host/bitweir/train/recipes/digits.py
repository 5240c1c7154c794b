"""Small networks for scikit-learn's handwritten digits by every method, trained on a CPU in seconds.

``python -m bitweir.train.recipes.digits --method bnn+ --seed 0 --out digits.npz`` trains one, compares it with its
network, and prints accuracy and cost; ``--list`` tells the methods. 1437 images train, 360 test; the split is always
the same. Neither a seed nor an epoch is selected by the test images.

Dense networks are 64-64-32-10, convolutional ones have two 3x3 layers of 12 channels on 4x4 pixels. Pixels come as they
are, 0 to 16; all layers are quantised, the first and the last, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from ...checking import check
from ...networks.training import split_digits
from .. import (
    AbcLinear,
    AbcSigns,
    ApproxSign,
    Binary,
    BiRealBlock,
    BitWidths,
    Circulant,
    Conv2d,
    ErrorDecay,
    FactoredScale,
    GroupBlock,
    Linear,
    MeanScale,
    PowerOfTwoScale,
    PowersOfTwo,
    ReActBlock,
    ScoreScale,
    ShiftBatchNorm1d,
    Sign,
    SignSwish,
    SoftStep,
    Tanh,
    Ternary,
    TernarySign,
    TrainedScale,
    Uniform,
    Unsigned,
    accuracy,
    bagging,
    boosting,
    collected,
    cost,
    distillation,
    distribution_loss,
    export,
    fit,
    r1,
)

__all__ = ["METHODS", "PIXELS", "Method", "images", "train_digits"]

PIXELS = (0, 16)  # what an image holds
EPOCHS = 25
WIDTHS = (64, 32)
CHANNELS = 12


@dataclass(frozen=True)
class Method:
    """A method, as it is trained here.

    Parameters
    ----------
    title : str
        Its name, and bits of weights and activations.
    build : callable
        Makes the untrained model.
    maps : bool
        It takes images of (1, 8, 8), else of (64,).
    fit : callable
        Trains a model in place: of the model, images, labels, epochs and a seed.
    quantised : bool
        Whether hardware computes it.
    """

    title: str
    build: Callable[[], nn.Module]
    maps: bool = False
    fit: Callable[..., nn.Module | None] | None = None
    quantised: bool = True


# ---- networks


def dense(
    weights: Callable[[], nn.Module] = Binary,
    sign: Callable[[], nn.Module] = Sign,
    *,
    norm: Callable[[int], nn.Module] = nn.BatchNorm1d,
    top: int = 1,
    sum_of: float = 1.0,
) -> nn.Sequential:
    """64-64-32-10; `top` is the highest activation, `sum_of` the size of weights, by which scores are scaled down."""
    parts: list[nn.Module] = []
    for taken, made in zip((64, *WIDTHS), WIDTHS, strict=False):
        parts += [Linear(taken, made, weights()), norm(made), sign()]
    return nn.Sequential(*parts, Linear(WIDTHS[-1], 10, weights()), ScoreScale(2 / WIDTHS[-1] ** 0.5 / top / sum_of))


def float_dense(hidden: tuple[int, ...] = WIDTHS) -> nn.Sequential:
    """The same with real weights and ReLU."""
    parts: list[nn.Module] = []
    for taken, made in zip((64, *hidden), hidden, strict=False):
        parts += [nn.Linear(taken, made, bias=False), nn.BatchNorm1d(made), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(hidden[-1], 10))


def maps(*blocks: nn.Module, first: nn.Module | None = None) -> nn.Sequential:
    """A convolution to 4x4 pixels, two blocks, and a dense layer."""
    return nn.Sequential(
        first or Conv2d(1, CHANNELS, 3, stride=2, padding=1),
        nn.BatchNorm2d(CHANNELS),
        *blocks,
        Sign(),
        nn.Flatten(),
        Linear(CHANNELS * 16, 10),
        ScoreScale(2 / (CHANNELS * 16) ** 0.5),
    )


def plain(weights: Callable[[], Any] = Binary) -> nn.Sequential:
    """Sign, convolution and batch norm, with no shortcut."""
    return nn.Sequential(Sign(), Conv2d(CHANNELS, CHANNELS, 3, weights(), padding=1), nn.BatchNorm2d(CHANNELS))


def abc() -> nn.Sequential:
    """ABC-Net with three weight bases, and two activation bases."""
    first, second = WIDTHS
    return nn.Sequential(
        AbcLinear(64, first), nn.BatchNorm1d(first), AbcSigns(2),
        AbcLinear(first, second, inputs=2), nn.BatchNorm1d(second), AbcSigns(2),
        AbcLinear(second, 10, inputs=2), nn.BatchNorm1d(10),
    )  # fmt: skip


# ---- training


def usual(model: nn.Module, x: Tensor, y: Tensor, epochs: int, seed: int, **options: Any) -> None:
    """Adam, 0.01, cosine."""
    fit(model, x, y, epochs=epochs, seed=seed, **options)


def bnn_plus(model: nn.Module, x: Tensor, y: Tensor, epochs: int, seed: int) -> None:
    """With R1."""
    usual(model, x, y, epochs, seed, penalty=lambda net: 1e-6 * r1(net))


def distributed(model: nn.Module, x: Tensor, y: Tensor, epochs: int, seed: int) -> None:
    """With the distribution term."""
    with collected(model) as found:
        usual(model, x, y, epochs, seed, penalty=lambda _: 0.02 * distribution_loss(found))


def apprentice(model: nn.Module, x: Tensor, y: Tensor, epochs: int, seed: int) -> None:
    """With a wider teacher of real weights."""
    teacher = float_dense((128, 128))
    usual(teacher, x, y, epochs // 2, seed)

    def loss(scores: Tensor, labels: Tensor, taken: Tensor) -> Tensor:
        with torch.no_grad():
            told = teacher(taken)
        return distillation(scores, labels, told)

    usual(model, x, y, epochs, seed, loss=loss)


def fewer_bits(model: nn.Module, x: Tensor, y: Tensor, epochs: int, seed: int) -> None:
    """4, 3, then 2 bits."""
    usual(model, x, y, epochs, seed, after=BitWidths(model, (4, 3, 2)).set_progress)


def ensemble(way: Callable[..., Any], model: nn.Module, x: Tensor, y: Tensor, epochs: int, seed: int) -> nn.Module:
    """Three networks of half the widths."""

    def member(images: Tensor, labels: Tensor, own: int) -> nn.Module:
        torch.manual_seed(own)
        net = small()
        usual(net, images, labels, epochs, own)
        return net

    made: nn.Module = way(member, x, y, 3, seed=100 * seed).module
    return made


def small() -> nn.Sequential:
    """A member of an ensemble: 64-32-16-10."""
    return nn.Sequential(
        Linear(64, 32), nn.BatchNorm1d(32), Sign(), Linear(32, 16), nn.BatchNorm1d(16), Sign(), Linear(16, 10),
        ScoreScale(0.5),
    )  # fmt: skip


METHODS = {
    "float": Method("real weights, ReLU", float_dense, quantised=False),
    "binaryconnect": Method("BinaryConnect, W1A8", lambda: dense(sign=partial(Unsigned, 8, 4.0), top=255)),
    "bnn": Method("BNN, W1A1", dense),
    "bnn-shift": Method("BNN, shift-based batch norm", lambda: dense(norm=ShiftBatchNorm1d)),
    "xnor-net": Method("XNOR-Net, W1A1", lambda: dense(lambda: Binary(scale=MeanScale()), sum_of=0.1)),
    "xnor-net++": Method(
        "XNOR-Net++ (a factor a channel)", lambda: dense(lambda: Binary(scale=TrainedScale()), sum_of=0.1)
    ),
    "bnn+": Method(
        "BNN+ (SignSwish, R1)",
        lambda: dense(lambda: Binary(SignSwish(), TrainedScale("median")), lambda: Sign(SignSwish()), sum_of=0.1),
        fit=bnn_plus,
    ),
    "approxsign": Method("BNN with ApproxSign", lambda: dense(sign=lambda: Sign(ApproxSign()))),
    "ir-net": Method(
        "IR-Net, W1A1",
        lambda: dense(lambda: Binary(ErrorDecay(), PowerOfTwoScale(), standardise=True), lambda: Sign(ErrorDecay())),
    ),
    "self-binarising": Method("BNN with growing tanh", lambda: dense(sign=lambda: Sign(Tanh()))),
    "distribution": Method("BNN with the distribution term", dense, fit=distributed),
    "tbn": Method("TBN (ternary activations)", lambda: dense(sign=TernarySign)),
    "twn": Method("TWN (ternary weights), A1", lambda: dense(lambda: Ternary(scaled=False))),
    "dorefa-w1a2": Method("DoReFa-Net, W1A2", lambda: dense(sign=partial(Unsigned, 2), top=3)),
    "dorefa-w2a2": Method(
        "DoReFa-Net, W2A2", lambda: dense(partial(Uniform, 2), partial(Unsigned, 2), top=3, sum_of=0.5)
    ),
    "pact": Method(
        "PACT, W2A2", lambda: dense(partial(Uniform, 2), partial(Unsigned, 2, 2.0, trainable=True), top=3, sum_of=0.5)
    ),
    "dsq": Method("DSQ, W1A2", lambda: dense(sign=lambda: Unsigned(2, estimator=SoftStep()), top=3)),
    "inq": Method(
        "INQ, weights of 4 bits, A4", lambda: dense(partial(PowersOfTwo, 4), partial(Unsigned, 4), top=15, sum_of=0.2)
    ),
    "apprentice": Method("Apprentice, W1A2", lambda: dense(sign=partial(Unsigned, 2), top=3), fit=apprentice),
    "bit-widths": Method("bits 4, 3, 2 in turn, W1A2", lambda: dense(sign=partial(Unsigned, 2), top=3), fit=fewer_bits),
    "abc-net": Method("ABC-Net, M = 3, N = 2", abc),
    "benn-bagging": Method("BENN, three by bagging", small, fit=partial(ensemble, bagging)),
    "benn-boosting": Method("BENN, three by boosting", small, fit=partial(ensemble, boosting)),
    "cnn": Method("BNN, convolutional", lambda: maps(plain(), plain()), maps=True),
    "xnor-net++-maps": Method(
        "XNOR-Net++, case 4",
        lambda: maps(*(plain(lambda: Binary(scale=FactoredScale(4, 4))) for _ in range(2))),
        maps=True,
    ),
    "cbcn": Method("CBCN (circulant filters)", lambda: maps(plain(Circulant), plain(Circulant)), maps=True),
    "bi-real": Method("Bi-Real Net", lambda: maps(BiRealBlock(CHANNELS), BiRealBlock(CHANNELS)), maps=True),
    "reactnet": Method("ReActNet", lambda: maps(ReActBlock(CHANNELS), ReActBlock(CHANNELS)), maps=True),
    "group-net": Method(
        "Group-Net, two bases",
        lambda: maps(GroupBlock(CHANNELS), GroupBlock(CHANNELS)),
        maps=True,
    ),
}


def images(method: Method) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, and test images and labels, as a method takes them."""
    digits = split_digits()
    shape = (-1, 1, 8, 8) if method.maps else (-1, 64)
    x, x_test = (torch.from_numpy(part).view(shape) for part in (digits.x, digits.x_test))
    return x, torch.from_numpy(digits.y), x_test, torch.from_numpy(digits.y_test)


def train_digits(name: str, seed: int = 0, epochs: int = EPOCHS) -> nn.Module:
    """Train a method; the same model at every call with the same versions of PyTorch and processor.

    Parameters
    ----------
    name : str
        A key of `METHODS`.
    seed : int
    epochs : int

    Returns
    -------
    Module
        In evaluation mode.
    """
    method = METHODS[name]
    x, y, _, _ = images(method)
    torch.set_num_threads(1)  # the networks are too small for more to help
    torch.manual_seed(seed)
    model = method.build()
    made = (method.fit or usual)(model, x, y, epochs, seed)
    return (model if made is None else made).eval()


@click.command()
@click.option("--method", type=click.Choice(list(METHODS)), default="bnn", show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--epochs", default=EPOCHS, show_default=True)
@click.option("--part", default="ecp5-25k", show_default=True, help="FPGA whose cells are estimated.")
@click.option("--out", type=click.Path(path_type=Path), help="File for the network, .npz.")
@click.option("--list", "listed", is_flag=True, help="Only tell the methods.")
def main(method: str, seed: int, epochs: int, part: str, out: Path | None, listed: bool) -> None:
    """Train a small network for digits, compare it with its integers, and print accuracy and cost."""
    if listed:
        for name, one in METHODS.items():
            click.echo(f"{name:18}{one.title}")
        return
    model = train_digits(method, seed, epochs)
    _, _, x, y = images(METHODS[method])
    click.echo(f"{METHODS[method].title}: {accuracy(model, x, y):.2%} of {len(y)} test images")
    if not METHODS[method].quantised:
        return
    found = check(model, x.numpy().astype(int), input_range=PIXELS)
    click.echo(found.difference or found.summary)
    network = export(model, tuple(x.shape[1:]), input_range=PIXELS, name="digits", compare=False)
    told = cost(network, part=part)
    click.echo(f"{told.cycles:g} cycles a frame, {told.lut_sites} LUT sites, {told.block_rams} block RAMs on {part}")
    if out is not None:
        network.save(out)


if __name__ == "__main__":
    main()
