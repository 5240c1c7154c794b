"""TBN (Wan et al., ECCV 2018): ternary inputs, binary weights.

The input becomes 1 for x > Delta, 0 for |x| <= Delta, -1 for x < -Delta; W = alpha sign(W). The paper takes Delta =
0.4 mean |x| from each input; behind a batch norm the mean of |x| is nearly a constant, and Delta is one here. Two
ways to write it: sign(x) (|x| > Delta) and (x > Delta) - (x < -Delta).
"""

import torch
from common import act, clip_weights, cnn, hardtanh, layers, run, through
from torch import Tensor, nn
from xnornet import alpha_sign

DELTA = 0.4
Conv, Linear = layers(alpha_sign)


def product(x: Tensor) -> Tensor:
    """As a product."""
    return through(torch.sign(x) * (x.abs() > DELTA).float(), x.clamp(-1, 1))


def difference(x: Tensor) -> Tensor:
    """As a difference of comparisons."""
    return through((x > DELTA).float() - (x < -DELTA).float(), x.clamp(-1, 1))


def build(quantised: bool, ternary=product) -> nn.Module:
    return cnn(Conv, Linear, act(ternary)) if quantised else cnn(nn.Conv2d, nn.Linear, hardtanh)


if __name__ == "__main__":
    run("tbn", build, image=True, after=clip_weights)
    run("tbn_difference", lambda quantised: build(quantised, difference), image=True, after=clip_weights)
