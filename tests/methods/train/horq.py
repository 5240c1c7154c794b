"""HORQ, high-order residual quantisation (Li et al., ICCV 2017), and ReBNet (Ghasemzadeh et al., FCCM 2018).

X = beta_1 H_1 + beta_2 H_2 with H_1 = sign(X), beta_1 = mean |X|, R_1 = X - beta_1 H_1, H_2 = sign(R_1), beta_2 =
mean |R_1|; X * W = sum_i beta_i (H_i * B) alpha. HORQ takes beta from each input, a real scale that depends on the
data; the fixed form learns both, as ReBNet does in its hardware, with three levels.
"""

import torch
from common import clip_weights, hardtanh, layers, mlp, run, sign, through
from torch import Tensor, nn
from xnornet import alpha_sign

_, Linear = layers(alpha_sign)


class PerInput(nn.Module):
    """beta from each input."""

    def forward(self, x: Tensor) -> Tensor:
        beta1 = x.abs().mean(dim=1, keepdim=True)
        h1 = sign(x)
        rest = x - beta1 * h1
        beta2 = rest.abs().mean(dim=1, keepdim=True)
        return through(beta1 * h1 + beta2 * sign(rest), x.clamp(-2, 2))


class Fixed(nn.Module):
    """beta learned: level l binarises what levels before it left, as in ReBNet."""

    def __init__(self, order: int = 2) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor([0.8 / 2**k for k in range(order)]))

    def forward(self, x: Tensor) -> Tensor:
        rest, total = x, 0.0
        for k in range(len(self.beta)):
            beta = self.beta[k]
            h = through(sign(rest), rest.clamp(-1, 1))
            total = total + beta * h
            rest = rest - beta * sign(rest)
        return total


def build(quantised: bool, activation: type[nn.Module]) -> nn.Module:
    return mlp(Linear, lambda channels: activation()) if quantised else mlp(nn.Linear, hardtanh)


if __name__ == "__main__":
    run("horq", lambda quantised: build(quantised, PerInput), after=clip_weights)
    run("horq_fixed", lambda quantised: build(quantised, Fixed), after=clip_weights)
    run("rebnet", lambda quantised: build(quantised, lambda: Fixed(3)), after=clip_weights)
