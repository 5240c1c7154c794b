"""Quantization networks (Yang et al., CVPR 2019): a quantiser is a sum of steps.

y = alpha (sum_i s_i A(beta x - b_i) - o), A the unit step; in training A is sigmoid(T x), with T growing. Factors
alpha and beta are learned, s_i is the distance of two levels, o makes the levels symmetric. Weights have the levels
-1, 0, 1, activations 0 to 3.
"""

import torch
from common import mlp, relu, run, through
from torch import Tensor, nn
from torch.nn import functional

STATE = {"t": 1.0}


class Steps(nn.Module):
    """A sum of steps, with the gradient of a sum of sigmoids."""

    def __init__(self, biases: list[float], offset: float, alpha: float, beta: float) -> None:
        super().__init__()
        self.biases, self.offset = biases, offset
        self.alpha, self.beta = nn.Parameter(torch.tensor(alpha)), nn.Parameter(torch.tensor(beta))

    def forward(self, x: Tensor) -> Tensor:
        hard = sum((self.beta * x >= b).float() for b in self.biases)
        soft = sum(torch.sigmoid(STATE["t"] * (self.beta * x - b)) for b in self.biases)
        return self.alpha * (through(hard, soft) - self.offset)


class Linear(nn.Linear):
    """Ternary weights."""

    def __init__(self, fan_in: int, fan_out: int, bias: bool = False) -> None:
        super().__init__(fan_in, fan_out, bias=bias)
        self.steps = Steps([-0.5, 0.5], 1.0, 0.12, 8.0)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.steps(self.weight), self.bias)


def sharpen(net: nn.Module, progress: float) -> None:
    """The temperature grows with time."""
    STATE["t"] = 1 + 9 * progress


def build(quantised: bool) -> nn.Module:
    STATE["t"] = 1.0
    if not quantised:
        return mlp(nn.Linear, relu)
    return mlp(Linear, lambda channels: Steps([0.5, 1.5, 2.5], 0.0, 0.7, 1.5))


if __name__ == "__main__":
    run("quantization_networks", build, after=sharpen)
