"""Prints accuracy on digits of networks of the same shape that Brevitas quantises, trained by the same loop.

    python benchmarks/brevitas_peer.py [--seeds 5]

The dense networks 64-64-32-10 of ``bitweir.train.recipes.digits``, with layers of Brevitas in place of ours: weights by
``SignedBinaryWeightPerTensorConst``; activations by ``SignedBinaryActPerTensorConst``, or of 2 bits by
``Uint8ActPerTensorFloat``. It needs ``pip install 'bitweir[train]' brevitas``.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch
from bitweir.train import ScoreScale, accuracy, fit
from bitweir.train.recipes.digits import EPOCHS, METHODS, WIDTHS, dense, images, train_digits
from brevitas import nn as quantised
from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst, Uint8ActPerTensorFloat
from torch import nn


def activation(bits: int) -> nn.Module:
    if bits == 1:
        return quantised.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, scaling_init=1.0)
    return quantised.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=bits)


def build(bits: int) -> nn.Module:
    options: dict[str, Any] = {
        "bias": False,
        "weight_quant": SignedBinaryWeightPerTensorConst,
        "weight_scaling_init": 1.0,
    }
    parts: list[nn.Module] = []
    for taken, made in zip((64, *WIDTHS), WIDTHS, strict=False):
        parts += [quantised.QuantLinear(taken, made, **options), nn.BatchNorm1d(made), activation(bits)]
    last = quantised.QuantLinear(WIDTHS[-1], 10, **options)
    return nn.Sequential(*parts, last, ScoreScale(2 / WIDTHS[-1] ** 0.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    x, y, x_test, y_test = images(METHODS["bnn"])
    torch.set_num_threads(1)
    assert dense()[0].weight.shape == build(1)[0].weight.shape
    for ours, bits in (("bnn", 1), ("dorefa-w1a2", 2)):
        found: dict[str, list[float]] = {"bitweir.train": [], "Brevitas": []}
        for seed in range(options.seeds):
            found["bitweir.train"].append(accuracy(train_digits(ours, seed), x_test, y_test))
            torch.manual_seed(seed)
            model = build(bits)

            def clip(_: float, model: nn.Module = model) -> None:
                # As ours are.
                with torch.no_grad():
                    for layer in model:
                        if isinstance(layer, quantised.QuantLinear):
                            layer.weight.clamp_(-1, 1)

            fit(model, x, y, epochs=EPOCHS, seed=seed, after=clip)
            found["Brevitas"].append(accuracy(model, x_test, y_test))
        for name, values in found.items():
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            print(f"W1A{bits} {name:14} {100 * statistics.mean(values):.1f} ± {100 * spread:.1f} %", flush=True)


if __name__ == "__main__":
    main()
