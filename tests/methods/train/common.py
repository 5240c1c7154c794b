"""What the scripts of this folder share: the data, small networks, the straight-through estimator, training, export.

Each script beside this file is one method (or family) of the survey of binary neural networks (Qin et al.,
arXiv:2004.03333) or of a later paper. It writes the forward pass as the paper writes it, trains it on scikit-learn's
digits and exports it with ``torch.onnx``. Run one with ``python tests/methods/train/xnornet.py``, all with
``python tests/methods/train/everything.py``; they need ``pip install 'bitweir[train]'``.

Seeds are fixed. Neither a seed nor an epoch was selected by the test images.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from bitweir.networks.training import split_digits
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn
from torch.nn import functional

MODELS = Path(__file__).resolve().parents[1] / "models"
TRAINED = MODELS / "trained.json"
WIDTHS = (24, 24)  # of the hidden layers of `mlp`
CHANNELS = (8, 10, 12)  # of the convolutions of `cnn`
LEVELS = 16  # pixels are k / 16, k = 0 to 16
BATCH = 64

Make = Callable[..., nn.Module]

_floats: dict[tuple[object, ...], int] = {}  # images that a network without quantisation gets right, in one process


def sign(x: Tensor) -> Tensor:
    """+1 for x >= 0, else -1: most papers leave out what becomes of 0, and hardware has no third value."""
    return torch.where(x >= 0, 1.0, -1.0)


def through(hard: Tensor, soft: Tensor) -> Tensor:
    """The value of `hard` with the gradient of `soft` (straight-through estimator); `hard` alone without gradients."""
    return soft + (hard - soft).detach() if torch.is_grad_enabled() else hard


def rounded(x: Tensor) -> Tensor:
    """Round half to even, with gradient 1."""
    return through(torch.round(x), x)


def binary(x: Tensor) -> Tensor:
    """sign(x) with the gradient of hardtanh (BNN, equation 4)."""
    return through(sign(x), x.clamp(-1, 1))


def unsigned(x: Tensor, bits: int) -> Tensor:
    """DoReFa's quantise_k of clip(x, 0, 1): 2^k levels from 0 to 1."""
    top = 2**bits - 1
    return rounded(x.clamp(0, 1) * top) / top


def each(w: Tensor, reduce: Callable[..., Tensor] = torch.mean) -> Tensor:
    """One number for each output channel, in a shape that broadcasts over weights."""
    return reduce(w, dim=tuple(range(1, w.dim())), keepdim=True)


class Activation(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def four_bits(x: Tensor) -> Tensor:
    """16 levels from 0 to 2: what stands before the last layer where it has 8-bit weights and takes no real values."""
    return 2 * unsigned(x / 2, 4)


def act(function: Callable[[Tensor], Tensor]) -> Make:
    """What makes a layer of `function`, for any number of channels."""
    return lambda channels: Activation(function)


def relu(channels: int) -> nn.Module:
    """The activation of most networks without quantisation."""
    return nn.ReLU()


def hardtanh(channels: int) -> nn.Module:
    """The activation of those whose binary form uses sign."""
    return nn.Hardtanh()


def layers(rule: Callable[[Tensor], Tensor]) -> tuple[type[nn.Conv2d], type[nn.Linear]]:
    """A convolution and a dense layer whose weights pass through `rule` in each forward pass.

    The weights that stay in the model are the latent ones, as in the papers.
    """

    class Conv(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return self._conv_forward(x, rule(self.weight), self.bias)

    class Linear(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(x, rule(self.weight), self.bias)

    return Conv, Linear


def mlp(
    linear: Make, activation: Make, first: Make | None = None, last: Make | None = None, **kinds: object
) -> nn.Module:
    """64 pixels, two hidden layers with batch norm, ten scores."""
    widths = kinds.get("widths", WIDTHS)
    bias = bool(kinds.get("bias", False))
    sizes = [LEVELS * 4, *widths]  # type: ignore[misc]
    parts: list[nn.Module] = []
    for k, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        make = first if first and k == 0 else linear
        parts += [make(fan_in, fan_out, bias=bias), nn.BatchNorm1d(fan_out), activation(fan_out)]
    return nn.Sequential(*parts, (last or linear)(sizes[-1], 10, bias=last is nn.Linear), *ending(last))


def ending(last: Make | None) -> list[nn.Module]:
    """Behind a last layer of binary weights a batch norm, as in BNN: its sums are too large for softmax."""
    return [] if last is nn.Linear else [nn.BatchNorm1d(10)]


def cnn(
    conv: Make, linear: Make, activation: Make, first: Make | None = None, last: Make | None = None, channels=CHANNELS
) -> nn.Module:
    """8x8 pixels, three 3x3 convolutions with batch norm, a 2x2 max pool behind the second, ten scores."""
    a, b, c = channels
    return nn.Sequential(
        (first or conv)(1, a, 3, padding=1, bias=False),
        nn.BatchNorm2d(a),
        activation(a),
        conv(a, b, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(b),
        activation(b),
        conv(b, c, 3, bias=False),
        nn.BatchNorm2d(c),
        activation(c),
        nn.Flatten(),
        (last or linear)(c * 4, 10, bias=last is nn.Linear),
        *ending(last),
    )


def fit(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    epochs: int,
    rate: float,
    penalty: Callable[[nn.Module], Tensor] | None = None,
    after: Callable[[nn.Module, float], None] | None = None,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
) -> None:
    """Train a network in place with Adam and a cosine schedule, and leave it in evaluation mode."""
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    steps = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    for epoch in range(epochs):
        for batch in torch.randperm(len(x))[: steps * BATCH].view(steps, BATCH):
            scores = net(x[batch])
            cost = loss(scores, y[batch], x[batch]) if loss else functional.cross_entropy(scores, y[batch])
            if penalty:
                cost = cost + penalty(net)
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            schedule.step()
            if after:
                with torch.no_grad():
                    after(net, (epoch + 1) / epochs)
    net.eval()


def classes_of(net: nn.Module, x: Tensor) -> np.ndarray:
    """The class of each image."""
    with torch.no_grad():
        return net(x).argmax(dim=1).numpy()


def clip_weights(net: nn.Module, progress: float) -> None:
    """Keep latent weights within -1 to 1 (BinaryConnect, section 2.4)."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.weight.clamp_(-1, 1)


def run(
    name: str,
    build: Callable[[bool], nn.Module],
    *,
    image: bool = False,
    epochs: int = 40,
    rate: float = 0.01,
    penalty: Callable[[nn.Module], Tensor] | None = None,
    after: Callable[[nn.Module, float], None] | None = None,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    dynamo: bool = False,
) -> nn.Module:
    """Train a method and its twin without quantisation, export the method, and note what both reach.

    Parameters
    ----------
    name
        Of the model file, ``models/NAME.onnx``.
    build
        Makes the network: quantised if its argument is true, else the same architecture without quantisation.
    image
        Whether it takes maps of shape (1, 8, 8), rather than 64 numbers.
    epochs, rate
        Of training, the same for both.
    penalty
        What is added to the loss of the quantised network: its regulariser.
    after
        Called behind each step with the network and how much of training is over, 0 to 1.
    loss
        In place of cross entropy: of scores, labels and images.
    dynamo
        Export with the newer exporter of torch.

    Returns
    -------
    nn.Module
        The quantised network, in evaluation mode.
    """
    digits = split_digits()
    shape = (-1, 1, 8, 8) if image else (-1, 64)
    x, x_test = (torch.from_numpy(part).view(shape) / LEVELS for part in (digits.x, digits.x_test))
    y = torch.from_numpy(digits.y)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    twin = build(False)
    key = (repr(twin), shape, epochs, rate)
    if key not in _floats:
        fit(twin, x, y, epochs, rate)
        _floats[key] = int((classes_of(twin, x_test) == digits.y_test).sum())
    torch.manual_seed(0)
    net = build(True)
    fit(net, x, y, epochs, rate, penalty, after, loss)
    note(name, net, x_test, digits.y_test, classes_of(net, x_test), _floats[key], dynamo)
    return net


def note(
    name: str, net: nn.Module, x: Tensor, labels: np.ndarray, classes: np.ndarray, right_float: int, dynamo: bool
) -> None:
    """Export a trained network, compare the file with torch, and write what it reaches into ``trained.json``."""
    file = MODELS / f"{name}.onnx"
    export(net, file, x[:2], dynamo)
    model = onnx.load(file)
    (scores,) = ReferenceEvaluator(model).run(None, {model.graph.input[0].name: x.numpy()})
    differ = int((np.argmax(scores, axis=1) != classes).sum())
    entry = {
        "float_right": right_float,
        "torch_right": int((classes == labels).sum()),
        "classes": "".join(map(str, classes)),
    }
    told = json.loads(TRAINED.read_text()) if TRAINED.exists() else {}
    TRAINED.write_text(json.dumps(dict(sorted({**told, name: entry}.items())), indent=1) + "\n")
    print(
        f"{name}: float {right_float}, quantised {entry['torch_right']} of {len(labels)}; "
        f"file differs in {differ}; {file.stat().st_size} bytes"
    )


def export(net: nn.Module, file: Path, example: Tensor, dynamo: bool = False) -> None:
    """Write a network as ONNX in one file, as ``torch.onnx.export`` does by itself."""
    file.parent.mkdir(parents=True, exist_ok=True)
    words = {"input_names": ["x"], "output_names": ["scores"], "dynamo": dynamo}
    if dynamo:
        words |= {"dynamic_shapes": ({0: torch.export.Dim("n")},), "external_data": False, "verbose": False}
    else:
        words |= {"dynamic_axes": {"x": {0: "n"}, "scores": {0: "n"}}, "opset_version": 17}
    with torch.no_grad():  # the straight-through detours are left out: see `through`
        torch.onnx.export(net, (example,), file, **words)


def uniform_(w: Tensor) -> None:
    """Small random weights."""
    nn.init.uniform_(w, -1 / math.sqrt(w[0].numel()), 1 / math.sqrt(w[0].numel()))
