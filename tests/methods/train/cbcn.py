"""CBCN, circulant binary convolutional networks (Liu et al., CVPR 2019).

From each learned filter, the circulant transfer makes four by turning the eight outer weights by 0, 90, 180 and 270
degrees around the centre; they are binarised, and each gives a channel. Only one filter in four is learned.
"""

import torch
from common import act, binary, clip_weights, cnn, hardtanh, layers, run
from torch import Tensor, nn

_, Linear = layers(binary)


class Circulant(nn.Conv2d):
    """A convolution whose 4 C channels come from C learned filters."""

    def __init__(self, fan_in: int, fan_out: int, size: int, padding: int = 0, bias: bool = False) -> None:
        super().__init__(fan_in, fan_out // 4, size, padding=padding, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        w, across = self.weight, self.weight.transpose(2, 3)
        turned = torch.cat([w, across.flip(2), w.flip(2, 3), across.flip(3)])
        return self._conv_forward(x, binary(turned), None)


def build(quantised: bool) -> nn.Module:
    if not quantised:
        return cnn(nn.Conv2d, nn.Linear, hardtanh, channels=(8, 12, 16))
    return cnn(Circulant, Linear, act(binary), channels=(8, 12, 16))


if __name__ == "__main__":
    run("cbcn", build, image=True, after=clip_weights)
