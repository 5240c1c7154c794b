"""Depthwise separable binary convolutions, as in MoBiNet (Phan et al., WACV 2020) and the networks behind ReActNet.

A block is a 3x3 convolution of each channel for itself and a 1x1 convolution across channels, as in MobileNet (Howard
et al., arXiv:1704.04861), each with batch norm and sign.
"""

from common import act, binary, clip_weights, hardtanh, layers, run
from torch import nn

Conv, Linear = layers(binary)


def build(quantised: bool) -> nn.Module:
    conv, linear = (Conv, Linear) if quantised else (nn.Conv2d, nn.Linear)
    activation = act(binary) if quantised else hardtanh
    parts: list[nn.Module] = [conv(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), activation(16)]
    for fan_in, fan_out, stride in ((16, 24, 1), (24, 32, 2)):
        parts += [
            conv(fan_in, fan_in, 3, padding=1, stride=stride, groups=fan_in, bias=False),
            nn.BatchNorm2d(fan_in),
            activation(fan_in),
            conv(fan_in, fan_out, 1, bias=False),
            nn.BatchNorm2d(fan_out),
            activation(fan_out),
        ]
    return nn.Sequential(*parts, nn.AvgPool2d(4), nn.Flatten(), linear(32, 10, bias=False), nn.BatchNorm1d(10))


if __name__ == "__main__":
    run("mobilenet", build, image=True, after=clip_weights)
