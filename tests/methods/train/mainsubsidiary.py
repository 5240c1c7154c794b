"""Main/subsidiary networks (Xu et al., CVPR 2019): filters of a binary network are pruned by learning.

A subsidiary mask M chooses filters, O = BN(conv(sign(x), sign(w)) (M > 0)), and a penalty makes them fewer. Pruned
filters stay in the file as channels that are multiplied by 0.
"""

import torch
from common import act, binary, clip_weights, cnn, hardtanh, layers, run, through
from torch import Tensor, nn

Conv, Linear = layers(binary)


class Masked(nn.Module):
    """A binary convolution whose channels a learned mask keeps or drops."""

    def __init__(self, fan_in: int, fan_out: int, size: int, padding: int = 0, bias: bool = False) -> None:
        super().__init__()
        self.conv = Conv(fan_in, fan_out, size, padding=padding, bias=bias)
        self.mask = nn.Parameter(torch.rand(fan_out, 1, 1) - 0.25)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * through((self.mask > 0).float(), self.mask.clamp(0, 1))


def fewer(net: nn.Module) -> Tensor:
    """A penalty on filters that are kept."""
    return 1e-3 * sum(layer.mask.clamp(min=0).sum() for layer in net.modules() if isinstance(layer, Masked))


def build(quantised: bool) -> nn.Module:
    return cnn(Masked, Linear, act(binary)) if quantised else cnn(nn.Conv2d, nn.Linear, hardtanh)


if __name__ == "__main__":
    run("mainsubsidiary", build, image=True, penalty=fewer, after=clip_weights)
