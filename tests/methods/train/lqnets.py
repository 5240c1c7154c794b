"""LQ-Nets (Zhang et al., ECCV 2018): learned quantisers compatible with bit operations.

Q(x, v) = v^T e_l for x in (t_l, t_l+1], e_l in {-1, 1}^K (weights) or {0, 1}^K (activations), thresholds half way
between sorted levels. QEM: codes B from the nearest level, then v = (B^T B)^-1 B^T x, as a moving average over
batches. The product of both is sum_i sum_j v_i^w v_j^a (b_i^w * b_j^a). The first network writes a layer as training
does, with quantised weights; the second deploys weights as bit planes.
"""

from itertools import product

import torch
from common import mlp, relu, run, through
from torch import Tensor, nn
from torch.nn import functional


class Quantiser(nn.Module):
    """K = 2 bits with a learned basis v: one row of v for each of `rows` filters, or one in all."""

    def __init__(self, values: tuple[int, int], rows: int, basis: tuple[float, float]) -> None:
        super().__init__()
        self.v = torch.tensor([basis] * rows)  # neither is a parameter: in the file they are constants
        self.codes = torch.tensor(list(product(values, repeat=2)), dtype=torch.float32)

    def fit(self, x: Tensor) -> None:
        """One step of QEM on x of shape (rows, n)."""
        b = self.codes[(x[:, :, None] - (self.v @ self.codes.T)[:, None, :]).abs().argmin(dim=2)]  # (rows, n, 2)
        gram = b.transpose(1, 2) @ b + 1e-3 * torch.eye(2)
        v = torch.linalg.solve(gram, b.transpose(1, 2) @ x[:, :, None])[:, :, 0]
        self.v = 0.9 * self.v + 0.1 * v.abs()

    @property
    def levels(self) -> Tensor:
        """Sorted, of shape (rows, 4)."""
        return torch.sort(self.v @ self.codes.T, dim=1).values

    def forward(self, x: Tensor) -> Tensor:
        """x of shape (n, features) where v has one row, else (rows, n)."""
        if self.training:
            with torch.no_grad():
                self.fit(x if len(self.v) > 1 else x.reshape(1, -1))
        levels = torch.tensor(self.levels.tolist())
        hard = levels[:, :1].expand_as(x)
        for k in range(1, 4):
            edge = torch.tensor(((levels[:, k - 1 : k] + levels[:, k : k + 1]) / 2).tolist())
            hard = torch.where(x > edge, torch.tensor(levels[:, k : k + 1].tolist()), hard)
        return through(hard, x)


class Activation(nn.Module):
    """The quantiser of activations, as a chain of choices."""

    def __init__(self) -> None:
        super().__init__()
        self.quantiser = Quantiser((0, 1), 1, (0.5, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.quantiser(x.relu())


class Sum(Activation):
    """The same as a sum of comparisons once training is over."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        levels = self.quantiser.levels[0].tolist()
        return sum((x > (a + b) / 2).float() * (b - a) for a, b in zip(levels, levels[1:], strict=False))


class Linear(nn.Linear):
    """A dense layer with one basis a row."""

    def __init__(self, fan_in: int, fan_out: int, bias: bool = False) -> None:
        super().__init__(fan_in, fan_out, bias=bias)
        self.quantiser = Quantiser((-1, 1), fan_out, (0.1, 0.05))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.quantiser(self.weight), self.bias)


class Planes(Linear):
    """Bit planes once training is over: v_1 (B_1 x) + v_2 (B_2 x)."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        levels = self.quantiser.v @ self.quantiser.codes.T
        codes = self.quantiser.codes[(self.weight[:, :, None] - levels[:, None, :]).abs().argmin(dim=2)]
        parts = [functional.linear(x, torch.tensor(codes[:, :, k].tolist())) for k in range(2)]
        return sum(part * torch.tensor(self.quantiser.v[:, k].tolist()) for k, part in enumerate(parts))


def build(quantised: bool, linear: type[nn.Linear] = Linear, activation: type[nn.Module] = Activation) -> nn.Module:
    return mlp(linear, lambda channels: activation()) if quantised else mlp(nn.Linear, relu)


if __name__ == "__main__":
    run("lqnets", build)
    run("lqnets_sum", lambda quantised: build(quantised, Planes, Sum))
