"""INQ, incremental network quantisation (Zhou et al., ICLR 2017): weights become powers of two.

Section 2.1: levels {+-2^n1, ..., +-2^n2, 0}, n1 = floor(log2(4 s / 3)) with s = max |W| of the layer, n2 = n1 + 1 -
2^(b-1) / 2; w becomes beta sign(w) if (alpha + beta) / 2 <= |w| < 3 beta / 2 for neighbouring levels alpha < beta,
else 0. Section 2.2: the largest weights are quantised and frozen first, the rest goes on learning; shares 50, 75,
87.5, 100 %. Activations are real in the paper; here they have 4 bits.
"""

import torch
from common import act, mlp, relu, run, unsigned
from torch import Tensor, nn

BITS = 4
SHARES = (0.5, 0.75, 0.875, 1.0)


def powers(w: Tensor) -> Tensor:
    """The nearest level of each weight."""
    n1 = int(torch.floor(torch.log2(4 * w.abs().max() / 3)))
    n2 = int(n1 + 1 - 2 ** (BITS - 1) / 2)
    levels = [0.0, *(2.0**n for n in range(n2, n1 + 1))]
    result = torch.zeros_like(w)
    for alpha, beta in zip(levels, levels[1:], strict=False):
        result = torch.where((w.abs() >= (alpha + beta) / 2) & (w.abs() < 1.5 * beta), beta * torch.sign(w), result)
    return torch.where(w.abs() >= 1.5 * levels[-1], levels[-1] * torch.sign(w), result)


class Incremental:
    """What is done behind each step: frozen weights get their values back; at each quarter of training, more
    are frozen.
    """

    def __init__(self) -> None:
        self.frozen: dict[int, tuple[Tensor, Tensor]] = {}
        self.stage = 0

    def __call__(self, net: nn.Module, progress: float) -> None:
        stage = int(progress * len(SHARES))
        for k, layer in enumerate(net.modules()):
            if not isinstance(layer, nn.Linear):
                continue
            if stage > self.stage:
                share = SHARES[stage - 1]
                edge = torch.quantile(layer.weight.abs(), 1 - share)
                self.frozen[k] = (layer.weight.abs() >= edge, powers(layer.weight))
            if k in self.frozen:
                mask, value = self.frozen[k]
                layer.weight.copy_(torch.where(mask, value, layer.weight))
        self.stage = stage


def build(quantised: bool) -> nn.Module:
    return mlp(nn.Linear, act(lambda x: unsigned(x, 4)) if quantised else relu)


if __name__ == "__main__":
    run("inq", build, after=Incremental())
