"""Group-Net (Zhuang et al., CVPR 2019): structured binary networks.

A group of layers with real weights is replaced by sum_k lambda_k T_k(x), where T_k are K binary blocks, each with its
own shortcut, and lambda_k is learned.
"""

import torch
from common import act, binary, clip_weights, layers, run
from torch import Tensor, nn

Conv, Linear = layers(binary)
BASES = 3


class Base(nn.Module):
    """sign, binary convolution, batch norm, and a shortcut."""

    def __init__(self, channels: int, quantised: bool) -> None:
        super().__init__()
        self.act = act(binary)(channels) if quantised else nn.Hardtanh()
        self.conv = (Conv if quantised else nn.Conv2d)(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.act(x))) + x


class Group(nn.Module):
    """sum_k lambda_k T_k(x); without quantisation one block is enough."""

    def __init__(self, channels: int, quantised: bool) -> None:
        super().__init__()
        count = BASES if quantised else 1
        self.bases = nn.ModuleList([Base(channels, quantised) for _ in range(count)])
        self.scale = nn.Parameter(torch.ones(count) / count)

    def forward(self, x: Tensor) -> Tensor:
        return sum(scale * base(x) for scale, base in zip(self.scale.unbind(), self.bases, strict=True))


def build(quantised: bool) -> nn.Module:
    conv, linear = (Conv, Linear) if quantised else (nn.Conv2d, nn.Linear)
    return nn.Sequential(
        conv(1, 6, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(6),
        Group(6, quantised),
        Group(6, quantised),
        act(binary)(6) if quantised else nn.Hardtanh(),
        nn.Flatten(),
        linear(96, 10, bias=False),
        nn.BatchNorm1d(10),
    )


if __name__ == "__main__":
    run("groupnet", build, image=True, after=clip_weights)
