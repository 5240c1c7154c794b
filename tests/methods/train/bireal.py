"""Bi-Real Net (Liu et al., ECCV 2018): a shortcut around every binary convolution.

x' = BN(conv(sign(x))) + x, where x stays real. The gradient of sign is that of a piecewise polynomial of second order
(2 + 2x for -1 <= x < 0, 2 - 2x for 0 <= x < 1); W = mean |W| sign(W) of each filter. A block that halves the map has
an average pool, a convolution of 1x1 in floating point and a batch norm in its shortcut. The first and the last layer
are real. The sign is written as the authors' code writes it: hard.detach() - soft.detach() + soft.
"""

import torch
from common import layers, rounded, run
from torch import Tensor, nn


class BinaryActivation(nn.Module):
    """sign with the polynomial as its gradient, written out also in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        hard = torch.sign(x)
        inside = (x < -1).float(), (x < 0).float(), (x < 1).float()
        soft = -inside[0] + (x * x + 2 * x) * (1 - inside[0])
        soft = soft * inside[1] + (-x * x + 2 * x) * (1 - inside[1])
        soft = soft * inside[2] + (1 - inside[2])
        return hard.detach() - soft.detach() + soft


def magnitude_sign(w: Tensor) -> Tensor:
    """mean |W| sign(W), as in the authors' code."""
    scale = w.abs().mean(dim=(1, 2, 3), keepdim=True).detach()
    hard = scale * torch.sign(w)
    soft = w.clamp(-1, 1)
    return hard.detach() - soft.detach() + soft


def eight_bits(w: Tensor) -> Tensor:
    """The usual remedy for real ends: integers of 8 bits times a power of two."""
    scale = 2.0 ** torch.ceil(torch.log2(w.detach().abs().max() / 127))
    return scale * rounded(w / scale)


Binary, _ = layers(magnitude_sign)
Conv8, Linear8 = layers(eight_bits)


class Block(nn.Module):
    """x' = BN(conv(sign(x))) + x, or its form that halves the map."""

    def __init__(self, fan_in: int, fan_out: int, quantised: bool) -> None:
        super().__init__()
        down = fan_in != fan_out
        self.act = BinaryActivation() if quantised else nn.Hardtanh()
        make = Binary if quantised else nn.Conv2d
        self.conv = make(fan_in, fan_out, 3, padding=1, stride=2 if down else 1, bias=False)
        self.norm = nn.BatchNorm2d(fan_out)
        self.shortcut = nn.Identity()
        if down:
            one = nn.Conv2d(fan_in, fan_out, 1, bias=False)
            self.shortcut = nn.Sequential(nn.AvgPool2d(2), one, nn.BatchNorm2d(fan_out))

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.act(x))) + self.shortcut(x)


def build(quantised: bool, ends: str = "float", down: bool = False) -> nn.Module:
    """`ends`: what the first and last layer are: float, 8bit, or quantised (8 bits, and a sign before the last)."""
    wide = 12 if down else 8
    first, last = (Conv8, Linear8) if ends != "float" and quantised else (nn.Conv2d, nn.Linear)
    return nn.Sequential(
        first(1, 8, 3, stride=1 if down else 2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        Block(8, 8, quantised),
        Block(8, wide, quantised),
        nn.AvgPool2d(2) if down else Block(wide, wide, quantised),
        BinaryActivation() if ends == "quantised" and quantised else nn.Identity(),
        nn.Flatten(),
        last(wide * (4 if down else 16), 10, bias=ends == "float"),
    )


if __name__ == "__main__":
    run("bireal", build, image=True)
    run("bireal_8bit_ends", lambda quantised: build(quantised, "8bit"), image=True)
    run("bireal_inner", lambda quantised: build(quantised, "quantised"), image=True)
    run("bireal_down", lambda quantised: build(quantised, "quantised", down=True), image=True)
