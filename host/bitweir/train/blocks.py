"""Blocks of residual and multi-base networks. Their real-valued sums become fixed point, with a derived bound."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .estimators import ApproxSign, Estimator, HardTanh, signs
from .layers import Conv2d, RPReLU, RSign
from .quantisers import Sign
from .scales import MeanScale
from .weights import Binary, WeightQuantiser

__all__ = ["AbcConv2d", "AbcLinear", "AbcSigns", "BiRealBlock", "GroupBlock", "ReActBlock"]


class BiRealBlock(nn.Module):
    """A binary convolution with a shortcut around it: ``BN(conv(sign(x))) + x``.

    The block of Bi-Real Net (Liu et al., ECCV 2018); with the gradient of `ApproxSign` and the scale of XNOR-Net, as
    there.

    Parameters
    ----------
    channels : int
    kernel_size : int
        Odd; the map keeps its size.
    weights : WeightQuantiser, optional
    estimator : Estimator, optional
        Of the sign.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        weights: WeightQuantiser | None = None,
        estimator: Estimator | None = None,
    ) -> None:
        super().__init__()
        self.sign = Sign(estimator or ApproxSign())
        self.conv = Conv2d(
            channels, channels, kernel_size, weights or Binary(scale=MeanScale()), padding=kernel_size // 2
        )
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.sign(x))) + x


class ReActBlock(nn.Module):
    """``RPReLU(BN(conv(RSign(x))) + x)`` (ReActNet, Liu et al., ECCV 2020).

    Parameters
    ----------
    channels : int
    kernel_size : int
        Odd; the map keeps its size.
    weights : WeightQuantiser, optional
    """

    def __init__(self, channels: int, kernel_size: int = 3, weights: WeightQuantiser | None = None) -> None:
        super().__init__()
        self.sign = RSign(channels, ApproxSign())
        self.conv = Conv2d(
            channels, channels, kernel_size, weights or Binary(scale=MeanScale()), padding=kernel_size // 2
        )
        self.norm = nn.BatchNorm2d(channels)
        self.after = RPReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.norm(self.conv(self.sign(x))) + x)


class GroupBlock(nn.Module):
    """A learned sum of several binary blocks: ``sum_k lambda_k T_k(x)`` with ``T_k(x) = BN_k(conv_k(sign(x))) + x``.

    Group-Net (Zhuang et al., CVPR 2019). The shortcuts of all T_k are the same x, which is added once, times the sum of
    all lambda: so there is one real-valued sum in hardware, and not one in another.

    Parameters
    ----------
    channels : int
    bases : int
        K.
    kernel_size : int
        Odd; the map keeps its size.
    """

    def __init__(self, channels: int, bases: int = 2, kernel_size: int = 3) -> None:
        super().__init__()
        self.bases = nn.ModuleList(
            nn.Sequential(
                Sign(ApproxSign()),
                Conv2d(channels, channels, kernel_size, Binary(scale=MeanScale()), padding=kernel_size // 2),
                nn.BatchNorm2d(channels),
            )
            for _ in range(bases)
        )
        self.scale = nn.Parameter(torch.full((bases,), 1 / bases))

    def forward(self, x: Tensor) -> Tensor:
        total = x * self.scale.sum()
        for scale, base in zip(self.scale.split(1), self.bases, strict=True):
            total = total + scale.view([1] * x.dim()) * base(x)
        return total


class AbcSigns(nn.Module):
    """N binary activations of one real one: ``A_n = sign(clip(x + v_n, 0, 1) - 1/2)`` with learned shifts v.

    ABC-Net (Lin et al., NIPS 2017), section 3.2. (N, C, ...) becomes (N, bases C, ...): all channels for the first
    shift, then for the next.

    Parameters
    ----------
    bases : int
    """

    def __init__(self, bases: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.linspace(0, 1, bases + 2)[1:-1].clone())
        self.signs = nn.ModuleList([Sign(HardTanh()) for _ in range(bases)])

    def forward(self, x: Tensor) -> Tensor:
        # The clip takes away gradient, and nothing of the sign; 2 makes its slope that of the paper's step of 0 and 1.
        shifted = [2 * (x + v.view([1] * x.dim())) - 1 for v in self.shift.split(1)]
        return torch.cat([sign(part) for sign, part in zip(self.signs, shifted, strict=True)], dim=1)


class _AbcWeights(nn.Module):
    """M bases of weights: ``W ~ sum_m alpha_m B_m`` with ``B_m = sign(W - mean W + u_m std W)``."""

    alpha: Tensor

    def __init__(self, fan: tuple[int, ...], bases: int, inputs: int) -> None:
        super().__init__()
        size = 1
        for number in fan[1:]:
            size *= number
        self.weight = nn.Parameter(torch.randn(fan) / size**0.5)
        self.shifts = torch.linspace(-1, 1, bases).tolist() if bases > 1 else [0.0]
        self.register_buffer("alpha", torch.full((bases,), 1 / bases))
        self.beta = nn.Parameter(torch.full((inputs,), 1 / inputs))
        self.estimator = HardTanh()

    def integers(self) -> list[Tensor]:
        """B_1 to B_M, of -1 and 1."""
        w, deviation = self.weight - self.weight.mean(), self.weight.std()
        found = []
        for u in self.shifts:
            moved = w + u * deviation
            found.append(self.estimator(signs(moved), moved))
        if self.training:
            with torch.no_grad():
                columns = torch.stack([base.flatten() for base in found], dim=1)
                self.alpha.copy_(torch.linalg.lstsq(columns, self.weight.flatten()[:, None]).solution[:, 0])
        return found

    def summed(self, x: Tensor, product: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """``sum_m sum_n alpha_m beta_n product(A_n, B_m)``."""
        total: Tensor | None = None
        slices = x.chunk(len(self.beta), dim=1)
        for alpha, base in zip(self.alpha.split(1), self.integers(), strict=True):
            for beta, part in zip(self.beta.split(1), slices, strict=True):
                sums = product(part, base)
                one = (alpha * beta).view([1] * sums.dim()) * sums
                total = one if total is None else total + one
        assert total is not None
        return total


class AbcLinear(_AbcWeights):
    """A dense layer of M weight bases and N activation bases.

    ABC-Net (Lin et al., NIPS 2017), sections 3.1 and 3.2; alpha is that of least squared error, beta is learned.

    Parameters
    ----------
    in_features, out_features : int
        Inputs of each of the N slices, and outputs.
    bases, inputs : int
        M and N; the input is what `AbcSigns` makes, or for N = 1 any values.
    """

    def __init__(self, in_features: int, out_features: int, *, bases: int = 3, inputs: int = 1) -> None:
        super().__init__((out_features, in_features), bases, inputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.summed(x, functional.linear)

    def deployed(self) -> nn.Module:
        """The same with constant bases."""
        return _AbcDeployed(self, {})


class AbcConv2d(_AbcWeights):
    """A convolution of M weight bases and N activation bases: see `AbcLinear`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size : int
        Channels of each of the N slices.
    bases, inputs : int
        M and N.
    stride, padding : int
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bases: int = 3,
        inputs: int = 1,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__((out_channels, in_channels, kernel_size, kernel_size), bases, inputs)
        self.window = {"stride": stride, "padding": padding}

    def forward(self, x: Tensor) -> Tensor:
        return self.summed(x, lambda part, base: functional.conv2d(part, base, **self.window))

    def deployed(self) -> nn.Module:
        """The same with constant bases."""
        return _AbcDeployed(self, self.window)


class _AbcDeployed(_AbcWeights):
    """With constant bases in place of latent weights."""

    def __init__(self, layer: _AbcWeights, window: dict[str, int]) -> None:
        nn.Module.__init__(self)
        with torch.no_grad():
            for place, base in enumerate(layer.integers()):
                self.register_buffer(f"base{place}", base.clone())
            self.register_buffer("alpha", layer.alpha.clone())
            self.register_buffer("beta", layer.beta.detach().clone())
        self.window = window

    def integers(self) -> list[Tensor]:
        return [getattr(self, f"base{place}") for place in range(len(self.alpha))]

    def forward(self, x: Tensor) -> Tensor:
        if self.base0.dim() == 2:
            return self.summed(x, functional.linear)
        return self.summed(x, lambda part, base: functional.conv2d(part, base, **self.window))
