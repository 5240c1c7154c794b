"""BNN+ (Darabi et al., arXiv:1812.11800): improved training of binary networks.

sign is +1 for x > 0, else -1. SignSwish, SS_beta(x) = 2 sigma(beta x) (1 + beta x (1 - sigma(beta x))) - 1, has the
derivative that is used as the gradient of sign. Regularisers R1 = |alpha - |w|| and R2 = (alpha - |w|)^2 have a
trainable scale alpha of each filter. Algorithm 1: a layer is alpha (sign(x) (*) sign(w)); the first layer's weights
are not quantised.
"""

import torch
from common import cnn, hardtanh, layers, run
from torch import Tensor, nn

BETA = 5.0


class SignSwish(torch.autograd.Function):
    """Forward: sign. Backward: d SS_beta / dx = beta (2 - beta x tanh(beta x / 2)) / (1 + cosh(beta x))
    .
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x > 0, torch.ones_like(x), -torch.ones_like(x))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        scaled = BETA * ctx.saved_tensors[0]
        return gradient * BETA * (2 - scaled * torch.tanh(scaled / 2)) / (1 + torch.cosh(scaled.clamp(-30, 30)))


class Activation(nn.Module):
    """SignSwish as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return SignSwish.apply(x)


BinaryConv, BinaryLinear = layers(SignSwish.apply)


class Scaled(nn.Module):
    """alpha times a binary layer (algorithm 1)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        magnitude = layer.weight.detach().abs().flatten(1).mean(dim=1)
        self.alpha = nn.Parameter(magnitude.view(-1, *[1] * (layer.weight.dim() - 2)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.alpha


def regulariser(power: int, strength: float = 1e-6):
    """R1 or R2, summed over all layers."""

    def penalty(net: nn.Module) -> Tensor:
        total = torch.zeros(())
        for part in net.modules():
            if isinstance(part, Scaled):
                w = part.layer.weight.flatten(1)
                total = total + ((part.alpha.view(-1, 1).abs() - w.abs()).abs() ** power).sum()
        return strength * total

    return penalty


def build(quantised: bool, first: bool = True) -> nn.Module:
    """`first`: the first layer stays real, as in algorithm 1."""
    if not quantised:
        return cnn(nn.Conv2d, nn.Linear, hardtanh)
    conv = lambda *args, **kinds: Scaled(BinaryConv(*args, **kinds))  # noqa: E731
    linear = lambda *args, **kinds: Scaled(BinaryLinear(*args, **kinds))  # noqa: E731
    return cnn(conv, linear, lambda channels: Activation(), first=nn.Conv2d if first else None)


if __name__ == "__main__":
    run("bnnplus", build, image=True, penalty=regulariser(1))
    run("bnnplus_binary_first", lambda quantised: build(quantised, False), image=True, penalty=regulariser(2))
