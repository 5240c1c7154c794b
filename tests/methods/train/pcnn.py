"""PCNN, projection convolutional neural networks (Gu et al., AAAI 2019).

J projections W_j of a filter C, each P(W_j o C), the nearest level of a set Omega (here -a and a); a layer is the sum
of its J binary convolutions. Discrete back-propagation via projection changes the gradients, for which the
straight-through estimator stands here.
"""

import torch
from common import act, binary, clip_weights, cnn, hardtanh, layers, run
from torch import Tensor, nn

_, Linear = layers(binary)
PROJECTIONS = 2


class Projected(nn.Conv2d):
    """sum_j conv(x, P(W_j o C)), with one level a for the layer: the mean of |C|."""

    def __init__(self, fan_in: int, fan_out: int, size: int, padding: int = 0, bias: bool = False) -> None:
        super().__init__(fan_in, fan_out, size, padding=padding, bias=bias)
        self.projection = nn.Parameter(torch.randn(PROJECTIONS, 1, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        level = self.weight.abs().mean().detach()
        parts = [self._conv_forward(x, level * binary(w * self.weight), None) for w in self.projection.unbind()]
        return sum(parts[1:], parts[0])


def build(quantised: bool) -> nn.Module:
    return cnn(Projected, Linear, act(binary)) if quantised else cnn(nn.Conv2d, nn.Linear, hardtanh)


if __name__ == "__main__":
    run("pcnn", build, image=True, after=clip_weights)
