"""Layers whose forward pass is what the hardware computes: dense, convolutional, and what stands around."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .estimators import Estimator
from .quantisers import Sign
from .scales import power_of_two
from .weights import Binary, WeightQuantiser

__all__ = [
    "RPReLU",
    "RSign",
    "ScoreScale",
    "ShiftBatchNorm1d",
    "ShiftBatchNorm2d",
    "Conv2d",
    "Linear",
    "clip_weights",
]


class _Integers(nn.Module):
    """What `Linear` and `Conv2d` share."""

    weight: nn.Parameter
    bias: nn.Parameter | None
    quantiser: WeightQuantiser

    def _take(self, quantiser: WeightQuantiser | None) -> None:
        self.quantiser = Binary() if quantiser is None else quantiser
        if self.quantiser.bound:
            raise ValueError(
                "Each layer needs a quantiser of weights of its own, but this one belongs to another layer."
            )
        self.quantiser.bound = True
        self.quantiser.bind(self.weight)

    def _after(self, sums: Tensor, scale: Tensor | None) -> Tensor:
        if scale is not None:
            sums = sums * scale
        if self.bias is not None:
            sums = sums + self.bias.view(-1, *[1] * (sums.dim() - 2))
        return sums

    def deployed(self) -> nn.Module:
        """The same with constants: integers, scale and bias, and no latent weights."""
        return _Deployed(self)


class Linear(_Integers, nn.Linear):
    """A dense layer with quantised weights.

    ``y = scale (x W) + bias`` with integers W, see `weights`. Latent weights are uniform up to 1 / sqrt(in_features).

    Parameters
    ----------
    in_features, out_features : int
    weights : WeightQuantiser, optional
        `Binary` if not given. Each layer needs one of its own.
    bias : bool
    """

    def __init__(
        self, in_features: int, out_features: int, weights: WeightQuantiser | None = None, *, bias: bool = False
    ) -> None:
        nn.Linear.__init__(self, in_features, out_features, bias=bias)
        self._take(weights)

    def forward(self, x: Tensor) -> Tensor:
        integers, scale = self.quantiser(self.weight)
        return self._after(functional.linear(x, integers), scale)


class Conv2d(_Integers, nn.Conv2d):
    """A convolution with quantised weights; padding adds zeros, which are neither -1 nor 1.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups
        As in ``torch.nn.Conv2d``.
    weights : WeightQuantiser, optional
        `Binary` if not given. Each layer needs one of its own.
    bias : bool
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        weights: WeightQuantiser | None = None,
        *,
        bias: bool = False,
        **options: Any,
    ) -> None:
        nn.Conv2d.__init__(self, in_channels, out_channels, kernel_size, bias=bias, **options)
        self._take(weights)

    def forward(self, x: Tensor) -> Tensor:
        integers, scale = self.quantiser(self.weight)
        return self._after(self._conv_forward(x, integers, None), scale)


class _Deployed(nn.Module):
    """A layer with constant integers."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        with torch.no_grad():
            integers, scale = layer.quantiser(layer.weight)
        self.register_buffer("integers", integers.clone())
        self.register_buffer("scale", None if scale is None else scale.clone())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())
        self._window: dict[str, Any] | None = None
        if isinstance(layer, nn.Conv2d):
            self._window = {key: getattr(layer, key) for key in ("stride", "padding", "dilation", "groups")}

    def forward(self, x: Tensor) -> Tensor:
        if self._window is None:
            sums = functional.linear(x, self.integers)
        else:
            sums = functional.conv2d(x, self.integers, **self._window)
        return _Integers._after(self, sums, self.scale)  # type: ignore[arg-type, unused-ignore]


def clip_weights(model: nn.Module, limit: float = 1.0) -> None:
    """Keep latent weights within -limit to limit, where the estimators have a gradient.

    BinaryConnect (Courbariaux et al., NIPS 2015), section 2.4. Call it behind each step of the optimiser.
    """
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, Linear | Conv2d):
                layer.weight.clamp_(-limit, limit)


class ScoreScale(nn.Module):
    """Scores times a constant, which brings sums of integers to where softmax learns. Classes stay as they are.

    Parameters
    ----------
    factor : float
        Such as 2 / sqrt(in_features of the last layer).
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class RSign(nn.Module):
    """Sign with a learned threshold of each channel: 1 where ``x >= alpha_c``, else -1.

    RSign of ReActNet (Liu et al., ECCV 2020).

    Parameters
    ----------
    channels : int
    estimator : Estimator, optional
        As in `Sign`.
    """

    def __init__(self, channels: int, estimator: Estimator | None = None) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.sign = Sign(estimator)

    def forward(self, x: Tensor) -> Tensor:
        return self.sign(x - self.alpha.view(-1, *[1] * (x.dim() - 2)))


class RPReLU(nn.Module):
    """``x - gamma_c + zeta_c`` where x > gamma_c, else ``beta_c (x - gamma_c) + zeta_c``.

    RPReLU of ReActNet (Liu et al., ECCV 2020); all parameters are learned.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.zeta = nn.Parameter(torch.zeros(channels))
        self.prelu = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *[1] * (x.dim() - 2))
        return self.prelu(x - self.gamma.view(shape)) + self.zeta.view(shape)


class _ShiftBatchNorm(nn.Module):
    """Batch norm whose factors are powers of two.

    BNN (Hubara et al., NIPS 2016), algorithm 2: ``AP2(1 / sqrt(var + eps))`` and ``AP2(gamma)`` are shifts. The
    gradient is that of batch norm with these factors as constants, except that of gamma, which is straight through.

    Parameters
    ----------
    channels : int
    eps, momentum : float
        As in ``torch.nn.BatchNorm1d``.
    """

    dimensions = 0

    def __init__(self, channels: int, eps: float = 1e-4, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *[1] * self.dimensions)
        if self.training:
            axes = (0, *range(2, 2 + self.dimensions))
            mean, variance = x.mean(axes), x.detach().var(axes, unbiased=False)
            with torch.no_grad():
                self.mean.lerp_(mean, self.momentum)
                self.variance.lerp_(variance, self.momentum)
        else:
            mean, variance = self.mean, self.variance
        gain = power_of_two(self.gamma.detach())
        if torch.is_grad_enabled():
            gain = self.gamma + (gain - self.gamma).detach()
        factor = power_of_two((variance + self.eps).rsqrt()) * gain
        return (x - mean.view(shape)) * factor.view(shape) + self.beta.view(shape)

    def deployed(self) -> nn.Module:
        """The same with constants."""
        return _Shift(self)


class ShiftBatchNorm1d(_ShiftBatchNorm):
    """`BatchNorm1d` with powers of two: see BNN (Hubara et al., NIPS 2016), algorithm 2.

    Parameters
    ----------
    channels : int
    eps, momentum : float
    """


class ShiftBatchNorm2d(_ShiftBatchNorm):
    """`BatchNorm2d` with powers of two: see BNN (Hubara et al., NIPS 2016), algorithm 2.

    Parameters
    ----------
    channels : int
    eps, momentum : float
    """

    dimensions = 2


class _Shift(nn.Module):
    """A shift-based batch norm with constants."""

    def __init__(self, norm: _ShiftBatchNorm) -> None:
        super().__init__()
        shape = (-1, *[1] * norm.dimensions)
        with torch.no_grad():
            factor = power_of_two((norm.variance + norm.eps).rsqrt()) * power_of_two(norm.gamma)
        self.register_buffer("mean", norm.mean.clone().view(shape))
        self.register_buffer("factor", factor.view(shape))
        self.register_buffer("beta", norm.beta.detach().clone().view(shape))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.factor + self.beta
