"""ABC-Net (Lin et al., NIPS 2017): accurate binary convolutions with several bases.

Section 3.1: W ~ sum_i alpha_i B_i with B_i = sign(W - mean W + u_i std W), u_i = -1 + (i - 1) 2 / (M - 1), alpha by
least squares. Section 3.2: A_n = sign(h_v(x) - 0.5) with h_v(x) = clip(x + v_n, 0, 1), R ~ sum_n beta_n A_n, and
Conv(W, R) ~ sum_m sum_n alpha_m beta_n Conv(B_m, A_n). Shifts v and factors beta are learned.
"""

import torch
from common import hardtanh, mlp, run, sign, through
from torch import Tensor, nn
from torch.nn import functional


class Layer(nn.Module):
    """M bases of weights; its input has one slice for each base of activations, and beta is applied here."""

    def __init__(self, fan_in: int, fan_out: int, m: int, n: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in) / fan_in**0.5)
        self.register_buffer("shifts", torch.linspace(-1, 1, m) if m > 1 else torch.zeros(1))
        self.register_buffer("alpha", torch.ones(m) / m)
        self.beta = nn.Parameter(torch.ones(n) / n)

    def bases(self) -> list[Tensor]:
        """B_1 to B_M."""
        w = self.weight - self.weight.mean()
        return [through(sign(w + u * self.weight.std()), self.weight.clamp(-1, 1)) for u in self.shifts.tolist()]

    def forward(self, slices: list[Tensor]) -> Tensor:
        bases = self.bases()
        if self.training:
            with torch.no_grad():
                b = torch.stack([base.flatten() for base in bases], dim=1)
                fitted = torch.linalg.lstsq(b, self.weight.flatten()[:, None]).solution[:, 0]
                self.alpha.copy_(fitted)
        total = 0.0
        for n, a in enumerate(slices):
            for m, base in enumerate(bases):
                total = total + self.alpha[m] * self.beta[n] * functional.linear(a, base)
        return total


class Slices(nn.Module):
    """A_1 to A_N."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.linspace(0, 1, n + 2)[1:-1])

    def forward(self, x: Tensor) -> list[Tensor]:
        shifted = [(x + self.v[n]).clamp(0, 1) for n in range(len(self.v))]
        return [through(sign(h - 0.5), 2 * h - 1) for h in shifted]


class Net(nn.Module):
    """64-20-16-10; the first layer takes the pixels as they are, as one slice."""

    def __init__(self, m: int, n: int) -> None:
        super().__init__()
        self.dense = nn.ModuleList([Layer(64, 20, m, 1), Layer(20, 16, m, n), Layer(16, 10, m, n)])
        self.norm = nn.ModuleList([nn.BatchNorm1d(20), nn.BatchNorm1d(16), nn.BatchNorm1d(10)])
        self.slices = nn.ModuleList([Slices(n), Slices(n)])

    def forward(self, x: Tensor) -> Tensor:
        parts = [x]
        for dense, norm, slices in zip(self.dense, self.norm, [*self.slices, None], strict=True):
            x = norm(dense(parts))
            parts = slices(x) if slices else []
        return x


def build(quantised: bool, m: int, n: int) -> nn.Module:
    return Net(m, n) if quantised else mlp(nn.Linear, hardtanh, widths=(20, 16))


if __name__ == "__main__":
    run("abcnet_m3n1", lambda quantised: build(quantised, 3, 1))
    run("abcnet_m3n3", lambda quantised: build(quantised, 3, 3))
