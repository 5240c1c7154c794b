"""BWN and XNOR-Net (Rastegari et al., ECCV 2016).

Section 3.1: W = alpha B with B = sign(W), alpha = mean |W| of each filter (BWN; activations stay real). Section 3.2:
X * W = (sign(X) (*) sign(W)) o K alpha, where K = |mean of X over channels| * box filter. Blocks are batch norm,
sign, convolution, pooling. The first and the last layer are not binary. K costs real-valued sums of each window, and
later methods leave it out.
"""

import torch
from common import act, binary, clip_weights, each, layers, mlp, relu, run
from torch import Tensor, nn
from torch.nn import functional


def alpha_sign(w: Tensor) -> Tensor:
    """alpha B, with the straight-through gradient."""
    return each(w.abs()).detach() * binary(w)


Conv, Linear = layers(alpha_sign)


class WithK(nn.Module):
    """sign(X) convolved with sign(W), times alpha and the map K."""

    def __init__(self, fan_in: int, fan_out: int, padding: int) -> None:
        super().__init__()
        self.conv = Conv(fan_in, fan_out, 3, padding=padding, bias=False)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        mean = x.abs().mean(dim=1, keepdim=True)
        k = functional.conv2d(mean, torch.full((1, 1, 3, 3), 1 / 9), padding=self.padding)
        return self.conv(binary(x)) * k


def block(fan_in: int, fan_out: int, padding: int, quantised: bool, k: bool) -> list[nn.Module]:
    """Batch norm, sign, convolution."""
    if quantised and k:
        return [nn.BatchNorm2d(fan_in), WithK(fan_in, fan_out, padding)]
    kind = Conv if quantised else nn.Conv2d
    activation = act(binary)(fan_in) if quantised else relu(fan_in)
    return [nn.BatchNorm2d(fan_in), activation, kind(fan_in, fan_out, 3, padding=padding, bias=False)]


def build(quantised: bool, ends: bool = False, k: bool = False) -> nn.Module:
    """`ends`: the first and the last layer are binary, too."""
    first, last = (Conv, Linear) if ends and quantised else (nn.Conv2d, nn.Linear)
    return nn.Sequential(
        first(1, 8, 3, padding=1, bias=False),
        *block(8, 10, 1, quantised, k),
        nn.MaxPool2d(2),
        *block(10, 12, 0, quantised, k),
        nn.BatchNorm2d(12),
        act(binary)(12) if quantised and ends else relu(12),
        nn.Flatten(),
        last(48, 10),
    )


def build_bwn(quantised: bool) -> nn.Module:
    return mlp(Linear if quantised else nn.Linear, relu)


if __name__ == "__main__":
    run("bwn", build_bwn, after=clip_weights)
    run("xnornet", build, image=True, after=clip_weights)
    run("xnornet_binary_ends", lambda quantised: build(quantised, ends=True), image=True, after=clip_weights)
    run("xnornet_k", lambda quantised: build(quantised, k=True), image=True, after=clip_weights)
