"""WRPN, wide reduced-precision networks (Mishra et al., ICLR 2018).

Weights are clipped to -1 to 1 and rounded to k bits with one bit of sign, W = round((2^(k-1) - 1) w) / (2^(k-1) - 1);
activations are round((2^k - 1) clip(a, 0, 1)) / (2^k - 1). The number of filters is doubled.
"""

from functools import partial

import torch
from common import act, layers, mlp, relu, rounded, run, unsigned
from torch import Tensor, nn

WIDE = (40, 40)  # twice as wide as 20


def weights(w: Tensor) -> Tensor:
    """Two bits: -1, 0, 1."""
    return rounded(w.clamp(-1, 1))


def build(quantised: bool) -> nn.Module:
    if not quantised:
        return mlp(nn.Linear, relu, widths=WIDE)
    _, linear = layers(weights)
    net = mlp(linear, act(partial(unsigned, bits=4)), widths=WIDE)
    for layer in net:
        if isinstance(layer, nn.Linear):  # torch starts within 1 / sqrt(64), where all would round to 0
            torch.nn.init.uniform_(layer.weight, -1, 1)
    return net


if __name__ == "__main__":
    run("wrpn", build)
