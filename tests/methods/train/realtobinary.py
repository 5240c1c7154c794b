"""Real-to-Binary networks (Martinez et al., ICLR 2020).

The output of a binary convolution is multiplied with data-driven factors, sigmoid(W_2 ReLU(W_1 GAP(x))) of each
channel, computed from the real input of the block, which has a shortcut and PReLU. The gate is a real function of the
image, which integer hardware computes only approximately.
"""

import torch
from bireal import Conv8, Linear8
from common import act, binary, four_bits, layers, run
from torch import Tensor, nn

Binary, _ = layers(binary)


class Block(nn.Module):
    """Batch norm, sign, binary convolution, gate, PReLU, shortcut."""

    def __init__(self, channels: int, quantised: bool) -> None:
        super().__init__()
        self.quantised = quantised
        self.norm = nn.BatchNorm2d(channels)
        self.conv = (Binary if quantised else nn.Conv2d)(channels, channels, 3, padding=1, bias=False)
        self.squeeze, self.excite = nn.Linear(channels, 4), nn.Linear(4, channels)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm(x)
        inner = binary(inner) if self.quantised else nn.functional.hardtanh(inner)
        gate = torch.sigmoid(self.excite(self.squeeze(x.mean(dim=(2, 3))).relu()))
        return self.act(self.conv(inner) * gate[:, :, None, None]) + x


def build(quantised: bool) -> nn.Module:
    first, last = (Conv8, Linear8) if quantised else (nn.Conv2d, nn.Linear)
    return nn.Sequential(
        first(1, 10, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(10),
        Block(10, quantised),
        Block(10, quantised),
        nn.AvgPool2d(2),
        act(four_bits)(10) if quantised else nn.ReLU(),
        nn.Flatten(),
        last(40, 10, bias=False),
    )


if __name__ == "__main__":
    run("realtobinary", build, image=True)
