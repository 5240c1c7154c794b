"""XNOR-Net++ (Bulat and Tzimiropoulos, BMVC 2019).

I * W = (sign(I) (*) sign(W)) . Gamma, where Gamma is learned by back-propagation. Case 1: Gamma = alpha, one number a
channel. Case 4: Gamma = alpha (x) beta (x) gamma, with alpha for channels, beta for rows, gamma for columns of the
map.
"""

import torch
from common import act, binary, clip_weights, cnn, hardtanh, layers, run
from torch import Tensor, nn

Binary, Linear = layers(binary)


class Scaled(nn.Module):
    """Binary convolution of a map of `side` rows and columns, times Gamma."""

    def __init__(self, fan_in: int, fan_out: int, side: int, padding: int, spatial: bool) -> None:
        super().__init__()
        self.conv = Binary(fan_in, fan_out, 3, padding=padding, bias=False)
        self.alpha = nn.Parameter(torch.full((fan_out, 1, 1), 0.1))
        self.beta = nn.Parameter(torch.ones(1, side, 1)) if spatial else None
        self.gamma = nn.Parameter(torch.ones(1, 1, side)) if spatial else None

    def forward(self, x: Tensor) -> Tensor:
        scale = self.alpha if self.beta is None else self.alpha * self.beta * self.gamma
        return self.conv(x) * scale


def build(quantised: bool, spatial: bool = False) -> nn.Module:
    if not quantised:
        return cnn(nn.Conv2d, nn.Linear, hardtanh)
    sides = {1: 8, 8: 8, 10: 2}

    def conv(fan_in: int, fan_out: int, size: int, padding: int = 0, bias: bool = False) -> nn.Module:
        return Scaled(fan_in, fan_out, sides[fan_in], padding, spatial)

    return cnn(conv, Linear, act(binary))


if __name__ == "__main__":
    run("xnornetpp", build, image=True, after=clip_weights)
    run("xnornetpp_spatial", lambda quantised: build(quantised, spatial=True), image=True, after=clip_weights)
