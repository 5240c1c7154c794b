"""Ternary weights: TWN (Li et al., arXiv:1605.04711) and TTQ (Zhu et al., ICLR 2017).

TWN: W = alpha T, T = sign(W) (|W| > Delta), Delta = 0.7 mean |W|, alpha = mean of those |W| that exceed Delta. TTQ: W
= W_p where w > Delta, -W_n where w < -Delta, else 0, with learned W_p and W_n of each layer; Delta = 0.05 max |W|.
Activations are real in both papers; here they have 2 bits. The last network writes TTQ's product in two parts: W_p (P
x) - W_n (N x).
"""

import torch
from common import act, layers, mlp, relu, run, through, unsigned
from torch import Tensor, nn
from torch.nn import functional


def twn(w: Tensor) -> Tensor:
    """alpha T, for the layer."""
    big = (w.abs() > 0.7 * w.abs().mean()).float()
    alpha = (w.abs() * big).sum() / big.sum()
    return through(alpha * torch.sign(w) * big, w)


class Ttq(nn.Linear):
    """W_p, -W_n or 0, with the straight-through gradient for latent weights."""

    split = False

    def __init__(self, fan_in: int, fan_out: int, bias: bool = False) -> None:
        super().__init__(fan_in, fan_out, bias=bias)
        self.positive = nn.Parameter(torch.tensor(0.12))
        self.negative = nn.Parameter(torch.tensor(0.08))

    def forward(self, x: Tensor) -> Tensor:
        edge = 0.05 * self.weight.abs().max().detach()
        p, n = (self.weight > edge).float(), (self.weight < -edge).float()
        if self.split and not torch.is_grad_enabled():
            return self.positive * functional.linear(x, p) - self.negative * functional.linear(x, n)
        w = self.positive * p - self.negative * n
        return functional.linear(x, w + (self.weight - self.weight.detach()) if torch.is_grad_enabled() else w)


class TtqSplit(Ttq):
    """The same, as two products with a scale each."""

    split = True


def build(quantised: bool, linear: type[nn.Linear]) -> nn.Module:
    return mlp(linear, act(lambda x: unsigned(x, 2))) if quantised else mlp(nn.Linear, relu)


if __name__ == "__main__":
    run("twn", lambda quantised: build(quantised, layers(twn)[1]))
    run("ttq", lambda quantised: build(quantised, Ttq))
    run("ttq_split", lambda quantised: build(quantised, TtqSplit))
