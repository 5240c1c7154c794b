"""HWGQ, half-wave Gaussian quantisation (Cai et al., CVPR 2017).

Q(x) = q_i if x in (t_i, t_i+1], and 0 for x <= 0, with levels for a Gaussian of variance 1, which batch norm makes;
weights are alpha sign(W) with alpha = mean |W|; 2 bits. Uniform: q_i = i 0.538 with thresholds half way. The
non-uniform levels are the Lloyd-Max ones of the half Gaussian, computed here.
"""

import math

import torch
from common import layers, mlp, relu, run, through
from torch import Tensor, nn
from xnornet import alpha_sign

STEP = 0.538
_, Linear = layers(alpha_sign)


def lloyd(count: int = 3) -> tuple[list[float], list[float]]:
    """Thresholds and levels of least squared error for the positive half of a Gaussian."""
    density = lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    below = lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2)))  # noqa: E731
    levels = [0.5 * (k + 1) for k in range(count)]
    for _ in range(500):
        edges = [0.0, *((a + b) / 2 for a, b in zip(levels, levels[1:], strict=False)), 8.0]
        pairs = zip(edges, edges[1:], strict=False)
        levels = [(density(a) - density(b)) / (below(b) - below(a)) for a, b in pairs]
    return edges[:-1], levels


class Staircase(nn.Module):
    """A chain of choices; its gradient is that of clip(x, 0, q_max), the paper's clipped ReLU."""

    def __init__(self, thresholds: list[float], levels: list[float]) -> None:
        super().__init__()
        self.steps = list(zip(thresholds, levels, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        hard = torch.zeros_like(x)
        for threshold, level in self.steps:
            hard = torch.where(x > threshold, torch.full_like(x, level), hard)
        return through(hard, x.clamp(0, self.steps[-1][1]))


class Rounded(nn.Module):
    """The uniform staircase, written with round and clip."""

    def forward(self, x: Tensor) -> Tensor:
        return through(STEP * torch.clamp(torch.round(x / STEP), 0, 3), x.clamp(0, 3 * STEP))


def build(quantised: bool, kind: str) -> nn.Module:
    if not quantised:
        return mlp(nn.Linear, relu)
    uniform = Staircase([STEP * (k + 0.5) for k in range(3)], [STEP * (k + 1) for k in range(3)])
    made = {"round": Rounded(), "uniform": uniform, "nonuniform": Staircase(*lloyd())}[kind]
    return mlp(Linear, lambda channels: made)


if __name__ == "__main__":
    run("hwgq_round", lambda quantised: build(quantised, "round"))
    run("hwgq_uniform", lambda quantised: build(quantised, "uniform"))
    run("hwgq_nonuniform", lambda quantised: build(quantised, "nonuniform"))
