"""PACT (Choi et al., arXiv:1805.06085): a learned clipping level.

Equation 1: y = 0.5 (|x| - |x - alpha| + alpha), which is clip(x, 0, alpha); equation 2: y_q = round(y (2^k - 1) /
alpha) alpha / (2^k - 1). Weights as in DoReFa; alpha has an L2 penalty. The second network writes the clip with min
and ReLU.
"""

from functools import partial

import torch
from common import layers, mlp, relu, rounded, run
from dorefa import weights
from torch import Tensor, nn

BITS = 2


class Pact(nn.Module):
    """Equations 1 and 2 of the paper."""

    def __init__(self, absolute: bool) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(3.0))
        self.absolute = absolute

    def forward(self, x: Tensor) -> Tensor:
        if self.absolute:
            y = 0.5 * (x.abs() - (x - self.alpha).abs() + self.alpha)
        else:
            y = torch.minimum(x.relu(), self.alpha)
        top = 2**BITS - 1
        return rounded(y * top / self.alpha) * self.alpha / top


def build(quantised: bool, absolute: bool = True) -> nn.Module:
    if not quantised:
        return mlp(nn.Linear, relu)
    _, linear = layers(partial(weights, bits=2))
    return mlp(linear, lambda channels: Pact(absolute))


def penalty(net: nn.Module) -> Tensor:
    return 1e-3 * sum(layer.alpha**2 for layer in net.modules() if isinstance(layer, Pact))


if __name__ == "__main__":
    run("pact", build, penalty=penalty)
    run("pact_clamp", lambda quantised: build(quantised, absolute=False), penalty=penalty)
