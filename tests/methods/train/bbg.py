"""BBG, balanced binary networks with gated residual (Shen et al., ICASSP 2020).

Weights are centred before they are binarised, W = alpha sign(w - mean w), so that both values are as frequent. The
shortcut has a learned gate of each channel, y = BN(conv(sign(x))) + gamma_c x, and a Hardtanh stands behind the sum.
First and last layer have 8-bit weights here, and the last one 4-bit inputs.
"""

import torch
from bireal import Conv8, Linear8
from common import act, binary, each, four_bits, layers, run
from torch import Tensor, nn


def balanced(w: Tensor) -> Tensor:
    """alpha sign(w - mean w)."""
    centred = w - each(w)
    return each(centred.abs()).detach() * binary(centred)


Binary, _ = layers(balanced)


class Block(nn.Module):
    """Convolution and gated shortcut."""

    def __init__(self, channels: int, quantised: bool, clip: bool) -> None:
        super().__init__()
        self.quantised = quantised
        self.conv = (Binary if quantised else nn.Conv2d)(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.gate = nn.Parameter(torch.ones(channels, 1, 1))
        self.after = nn.Hardtanh() if clip else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = binary(x) if self.quantised else nn.functional.hardtanh(x)
        return self.after(self.norm(self.conv(inner)) + self.gate * x)


def build(quantised: bool, clip: bool = True) -> nn.Module:
    first, last = (Conv8, Linear8) if quantised else (nn.Conv2d, nn.Linear)
    return nn.Sequential(
        first(1, 10, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(10),
        Block(10, quantised, clip),
        Block(10, quantised, clip),
        nn.AvgPool2d(2),
        act(four_bits)(10) if quantised else nn.ReLU(),
        nn.Flatten(),
        last(40, 10, bias=False),
    )


if __name__ == "__main__":
    run("bbg", build, image=True)
    run("bbg_no_clip", lambda quantised: build(quantised, clip=False), image=True)
