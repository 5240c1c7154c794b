"""TSQ, two-step quantisation (Wang et al., CVPR 2018).

Step one, code learning: sparse activations, Q(x) = q_i for x in (t_i, t_i+1], 0 for x <= epsilon, where a share of
the inputs is set to 0 on purpose. Step two, transformation learning: each filter is alpha w with w in {-1, 0, 1},
found by alternating least squares: for w, alpha = x^T w / w^T w; for alpha, w = sign(x) (|x| > alpha / 2).
"""

import torch
from common import mlp, relu, run, through
from torch import Tensor, nn
from torch.nn import functional

EPSILON, STEP = 0.32, 0.8  # the first threshold of a sparse 2-bit quantiser, and the distance of its levels


def ternary(w: Tensor) -> tuple[Tensor, Tensor]:
    """Alternating least squares, a few rounds; the result is alpha and w."""
    with torch.no_grad():
        alpha = w.abs().mean(dim=1, keepdim=True)
        for _ in range(5):
            code = torch.sign(w) * (w.abs() > alpha / 2)
            alpha = (w * code).sum(dim=1, keepdim=True) / (code.abs().sum(dim=1, keepdim=True) + 1e-12)
    return alpha, code


class Linear(nn.Linear):
    """alpha w, both kept as they were found last: they are what is deployed."""

    def __init__(self, fan_in: int, fan_out: int, bias: bool = False) -> None:
        super().__init__(fan_in, fan_out, bias=bias)
        self.register_buffer("alpha", torch.ones(fan_out, 1))
        self.register_buffer("code", torch.zeros(fan_out, fan_in))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            alpha, code = ternary(self.weight)
            self.alpha.copy_(alpha)
            self.code.copy_(code)
        return functional.linear(x, through(self.alpha * self.code, self.weight), self.bias)


class Sparse(nn.Module):
    """Levels 0, 1.0, 1.8, 2.6."""

    def forward(self, x: Tensor) -> Tensor:
        hard = (x > EPSILON).float()
        for k in (1, 2):
            hard = hard + STEP * (x > EPSILON + STEP * k).float()
        return through(hard, x.clamp(0, 2.6))


def build(quantised: bool) -> nn.Module:
    return mlp(Linear, lambda channels: Sparse()) if quantised else mlp(nn.Linear, relu)


if __name__ == "__main__":
    run("tsq", build)
