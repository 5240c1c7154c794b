"""ReActNet (Liu et al., ECCV 2020): generalised sign and PReLU.

RSign(x) = sign(x - alpha_c); RPReLU(x) = x - gamma_c + zeta_c if x > gamma_c, else beta_c (x - gamma_c) + zeta_c, all
of each channel. Each block is RPReLU(BN(conv3x3(RSign(x))) + x), then the same with a 1x1 convolution. Weights as in
Bi-Real. The first and the last layer are real.
"""

import torch
from bireal import Binary, BinaryActivation, Conv8, Linear8
from common import run
from torch import Tensor, nn

CHANNELS = 12


class Move(nn.Module):
    """A learned shift of each channel (LearnableBias of the authors' code)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.expand_as(x)


class Block(nn.Module):
    """RSign, binary convolution, batch norm, shortcut, RPReLU."""

    def __init__(self, channels: int, size: int, quantised: bool) -> None:
        super().__init__()
        self.sign = nn.Sequential(Move(channels), BinaryActivation() if quantised else nn.Hardtanh())
        make = Binary if quantised else nn.Conv2d
        self.conv = make(channels, channels, size, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.rprelu = nn.Sequential(Move(channels), nn.PReLU(channels), Move(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.rprelu(self.norm(self.conv(self.sign(x))) + x)


def build(quantised: bool, ends: str = "float") -> nn.Module:
    first, last = (Conv8, Linear8) if ends == "8bit" and quantised else (nn.Conv2d, nn.Linear)
    return nn.Sequential(
        first(1, CHANNELS, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(CHANNELS),
        Block(CHANNELS, 3, quantised),
        Block(CHANNELS, 1, quantised),
        nn.AvgPool2d(2),
        nn.Flatten(),
        last(CHANNELS * 4, 10, bias=ends == "float"),
    )


if __name__ == "__main__":
    run("reactnet", build, image=True)
    run("reactnet_8bit_ends", lambda quantised: build(quantised, "8bit"), image=True)
