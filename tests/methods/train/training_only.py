"""Methods that change training alone: what they deploy is sign(w), sign(x) or a uniform quantiser.

- ProxQuant (Bai et al., ICLR 2019): a W-shaped regulariser R(w) = sum min(|w - 1|, |w + 1|), applied by its proximal
  operator behind each step, with a strength that grows: w becomes sign(w) + soft threshold of w - sign(w).
- Bop (Helwegen et al., NeurIPS 2019): no latent weights; w flips if the moving average m of its gradient has |m| >
  tau and the sign of w.
- BNN-DL (Ding et al., CVPR 2019): a loss on the distribution of activations against degeneration, saturation and
  gradient mismatch.
- Self-binarising networks (Lahoud et al., arXiv:1902.00730): tanh(nu x) with growing nu, which becomes sign.
- SQ-BWN (Dong et al., BMVC 2017): only a growing share of filters is quantised in each step, drawn with probability
  by quantisation error.
- DSQ (Gong et al., ICCV 2019): the staircase is a row of tanh in training; deployed is a uniform quantiser of a
  learned range l to u.
"""

import torch
from common import act, binary, clip_weights, hardtanh, layers, mlp, relu, run, sign, through
from torch import Tensor, nn

_, Linear = layers(binary)


def dense(net: nn.Module) -> list[nn.Linear]:
    """Its layers with weights."""
    return [layer for layer in net.modules() if isinstance(layer, nn.Linear)]


# ProxQuant: real weights in training, which the proximal operator draws to +-1; signs at the end.


def proximal(net: nn.Module, progress: float) -> None:
    """The proximal operator; the last steps leave signs."""
    for layer in dense(net):
        target = sign(layer.weight)
        rest = layer.weight - target
        strength = 0.02 * progress if progress < 0.9 else 2.0
        layer.weight.copy_(target + torch.sign(rest) * (rest.abs() - strength).clamp(min=0))


def build_proxquant(quantised: bool) -> nn.Module:
    return mlp(nn.Linear, act(binary) if quantised else hardtanh)


# Bop: the optimiser of common.py has a learning rate of 0 for these weights, as their gradient is taken away.


class Flipped(nn.Linear):
    """Weights of -1 and 1 without latent ones."""

    def __init__(self, fan_in: int, fan_out: int, bias: bool = False) -> None:
        super().__init__(fan_in, fan_out, bias=bias)
        with torch.no_grad():
            self.weight.copy_(sign(self.weight))
        self.momentum = torch.zeros(fan_out, fan_in)


def flip(net: nn.Module, progress: float) -> None:
    """The paper's algorithm with gamma = 1e-2, tau = 1e-5 falling to a tenth."""
    for layer in dense(net):
        kept = layer.binary if hasattr(layer, "binary") else sign(layer.weight)
        layer.momentum = 0.99 * layer.momentum + 0.01 * layer.weight.grad
        turn = (layer.momentum.abs() > 1e-5) & (torch.sign(layer.momentum) == torch.sign(kept))
        layer.binary = torch.where(turn, -kept, kept)
        layer.weight.copy_(layer.binary)


def build_bop(quantised: bool) -> nn.Module:
    return mlp(Flipped, act(binary)) if quantised else mlp(nn.Linear, hardtanh)


# BNN-DL: the distribution loss needs what goes into each sign.


class Watched(nn.Module):
    """sign, which keeps its input for the loss."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return binary(x)


def distribution(net: nn.Module) -> Tensor:
    """Degeneration, saturation and mismatch, with mean and deviation of each channel in place of quantiles."""
    total = torch.zeros(())
    for layer in net.modules():
        if isinstance(layer, Watched):
            mean, deviation = layer.seen.mean(dim=0), layer.seen.std(dim=0)
            degenerate = (mean.abs() - deviation).clamp(min=0) ** 2
            saturated = (1 - mean.abs() - 0.25 * deviation).clamp(max=0) ** 2
            mismatch = (1 - mean.abs() - deviation).clamp(min=0) ** 2
            total = total + (degenerate + saturated + mismatch).mean()
    return 0.02 * total


def build_bnndl(quantised: bool) -> nn.Module:
    return mlp(Linear, lambda channels: Watched()) if quantised else mlp(nn.Linear, hardtanh)


# Self-binarising: tanh(nu x).

NU = {"nu": 1.0, "hard": False}


def selfsign(x: Tensor) -> Tensor:
    """tanh(nu x); once training is over its limit, sign."""
    return sign(x) if NU["hard"] or not torch.is_grad_enabled() else torch.tanh(NU["nu"] * x)


def grow(net: nn.Module, progress: float) -> None:
    """nu from 1 to 1,000, exponentially; then sign with the straight-through gradient to settle batch norm."""
    NU["nu"] = 1000.0**progress


def build_selfbinarising(quantised: bool) -> nn.Module:
    NU["nu"] = 1.0
    if not quantised:
        return mlp(nn.Linear, hardtanh)
    _, linear = layers(selfsign)
    return mlp(linear, act(selfsign))


# SQ-BWN: some rows are quantised, the others stay real.

SHARE = {"share": 0.5}


def stochastic(w: Tensor) -> Tensor:
    """alpha sign(w) for drawn rows; all of them once training is over."""
    alpha = w.abs().mean(dim=1, keepdim=True).detach()
    hard = through(alpha * sign(w), w)
    if not torch.is_grad_enabled():
        return hard
    error = (w - alpha * sign(w)).abs().sum(dim=1) / w.abs().sum(dim=1)
    count = max(1, round(SHARE["share"] * len(w)))
    drawn = torch.multinomial((1 / (error.detach() + 1e-7)), count)
    mask = torch.zeros(len(w), 1).index_fill(0, drawn, 1.0)
    return mask * hard + (1 - mask) * w


def widen(net: nn.Module, progress: float) -> None:
    """50, 75, 87.5, 100 % of the rows."""
    SHARE["share"] = (0.5, 0.75, 0.875, 1.0, 1.0)[int(4 * progress)]


def build_sqbwn(quantised: bool) -> nn.Module:
    SHARE["share"] = 0.5
    _, linear = layers(stochastic)
    return mlp(linear, act(binary)) if quantised else mlp(nn.Linear, hardtanh)


# DSQ


class Dsq(nn.Module):
    """2 bits from l to u; phi(x) = s tanh(k (x - m)) within each step is the soft form."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Parameter(torch.tensor(0.0)), nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        delta = (self.high - self.low) / 3
        inside = torch.minimum(torch.maximum(x, self.low), self.high)
        position = (inside - self.low) / delta
        hard = self.low + delta * torch.round(position)
        if not torch.is_grad_enabled():
            return hard
        middle = position.detach().floor().clamp(max=2) + 0.5
        k = 3.0
        soft = torch.tanh(k * (position - middle)) / (2 * torch.tanh(torch.tensor(k / 2))) + middle
        return through(hard, self.low + delta * soft)


def build_dsq(quantised: bool) -> nn.Module:
    return mlp(Linear, lambda channels: Dsq()) if quantised else mlp(nn.Linear, relu)


if __name__ == "__main__":
    run("proxquant", build_proxquant, after=proximal)
    run("bop", build_bop, after=flip)
    run("bnndl", build_bnndl, penalty=distribution, after=clip_weights)
    run("selfbinarising", build_selfbinarising, after=grow)
    run("sqbwn", build_sqbwn, after=widen)
    run("dsq", build_dsq, after=clip_weights)
