"""BinaryDenseNet (Bethge et al., ICCVW 2019) and MeliusNet (Bethge et al., arXiv:2001.05936).

BinaryDenseNet: each block appends k channels, x = concat(x, conv(sign(BN(x)))), so that real values and bits of
earlier layers stay. MeliusNet: behind such a dense block an improvement block adds a binary convolution of all
channels to the k channels that are new, and leaves the others. First and last layer have 8-bit weights here, and the
last one 4-bit inputs.
"""

import torch
from bireal import Conv8, Linear8
from common import act, binary, four_bits, layers, run
from torch import Tensor, nn

Binary, _ = layers(binary)
GROWTH = 6


class Block(nn.Module):
    """k channels from all of x: batch norm, sign, binary convolution."""

    def __init__(self, channels: int, quantised: bool) -> None:
        super().__init__()
        self.quantised = quantised
        self.norm = nn.BatchNorm2d(channels)
        self.conv = (Binary if quantised else nn.Conv2d)(channels, GROWTH, 3, padding=1, bias=False)

    def made(self, x: Tensor) -> Tensor:
        inner = self.norm(x)
        return self.conv(binary(inner) if self.quantised else nn.functional.hardtanh(inner))


class Dense(Block):
    """Appends them."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.made(x)], dim=1)


class Improvement(Block):
    """Adds them to the last k channels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, :-GROWTH], x[:, -GROWTH:] + self.made(x)], dim=1)


def build(quantised: bool, melius: bool = False) -> nn.Module:
    first, last = (Conv8, Linear8) if quantised else (nn.Conv2d, nn.Linear)
    blocks: list[nn.Module] = []
    channels = 8
    for _ in range(2):
        blocks.append(Dense(channels, quantised))
        channels += GROWTH
        if melius:
            blocks.append(Improvement(channels, quantised))
    return nn.Sequential(
        first(1, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        *blocks,
        nn.BatchNorm2d(channels),
        nn.AvgPool2d(2),
        act(four_bits)(10) if quantised else nn.ReLU(),
        nn.Flatten(),
        last(channels * 4, 10, bias=False),
    )


if __name__ == "__main__":
    run("binarydensenet", build, image=True)
    run("meliusnet", lambda quantised: build(quantised, melius=True), image=True)
