"""Scales of sums: real factors that make binary weights fit real ones. Batch norm and thresholds absorb them exactly.

A scale takes latent weights (M, ...) of M outputs and returns a tensor that broadcasts to the sums of one frame: (),
(M,), or for convolutions (M, 1, 1) or (M, H, W).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FactoredScale", "MeanScale", "PowerOfTwoScale", "Scale", "TrainedScale", "power_of_two"]


class Scale(nn.Module):
    """A factor of the sums of a layer."""

    def bind(self, latent: Tensor) -> None:
        """A layer with these initial weights takes this scale."""

    def forward(self, latent: Tensor) -> Tensor:
        """Return the factor."""
        raise NotImplementedError


def _of_filters(latent: Tensor, each: Tensor) -> Tensor:
    """Numbers (M,) as they broadcast to the sums."""
    return each.view(-1, *[1] * max(latent.dim() - 2, 0))


class MeanScale(Scale):
    """The mean magnitude of the weights: the factor of least squared error.

    XNOR-Net and BWN (Rastegari et al., ECCV 2016), section 3.1: ``alpha = ||W||_1 / n`` of each filter; DoReFa-Net
    (Zhou et al., arXiv:1606.06160, section 2.3) has one of the layer. The gradient passes through it, as in XNOR-Net's
    section 3.1.

    Parameters
    ----------
    per : str
        ``"filter"`` or ``"layer"``.
    """

    def __init__(self, per: str = "filter") -> None:
        super().__init__()
        if per not in ("filter", "layer"):
            raise ValueError(f"A mean must be taken per filter or layer, not {per!r}.")
        self.per = per

    def forward(self, latent: Tensor) -> Tensor:
        magnitude = latent.abs()
        if self.per == "layer":
            return magnitude.mean()
        return _of_filters(latent, magnitude.flatten(1).mean(dim=1))


class TrainedScale(Scale):
    """A factor of each filter that is learned; it begins as the mean magnitude of the weights.

    BNN+ (Darabi et al., arXiv:1812.11800), algorithm 1, ``alpha (sign(x) * sign(w))``, which its regularisers share;
    and XNOR-Net++ (Bulat and Tzimiropoulos, BMVC 2019), case 1, ``Gamma = alpha`` of each output channel.

    Parameters
    ----------
    initial : str
        ``"mean"``, ``"median"``, or ``"p75"``, the 75th percentile, of the magnitudes of each filter.
    """

    def __init__(self, initial: str = "mean") -> None:
        super().__init__()
        initial_scale(torch.ones(1, 1), initial)
        self.initial = initial

    def bind(self, latent: Tensor) -> None:
        self.alpha = nn.Parameter(_of_filters(latent, initial_scale(latent.detach(), self.initial)))

    def forward(self, latent: Tensor) -> Tensor:
        return self.alpha


def initial_scale(latent: Tensor, initial: str) -> Tensor:
    """A first scale (M,) of weights (M, ...).

    Parameters
    ----------
    latent : Tensor
    initial : str
        ``"median"`` minimises R1 of BNN+, ``"mean"`` R2; ``"p75"`` is the 75th percentile.
    """
    magnitude = latent.abs().flatten(1)
    if initial == "mean":
        return magnitude.mean(dim=1)
    if initial == "median":
        return torch.quantile(magnitude, 0.5, dim=1)
    if initial == "p75":
        return torch.quantile(magnitude, 0.75, dim=1)
    raise ValueError(f"A scale must begin as mean, median or p75, not {initial!r}.")


class FactoredScale(Scale):
    """``Gamma = alpha x beta x gamma``: learned factors of the channel, the row and the column of the map.

    XNOR-Net++ (Bulat and Tzimiropoulos, BMVC 2019), case 4. In hardware each pixel gets thresholds of its own.

    Parameters
    ----------
    rows, columns : int
        Of the map that the layer makes.
    """

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(rows, 1))
        self.gamma = nn.Parameter(torch.ones(1, columns))

    def bind(self, latent: Tensor) -> None:
        self.alpha = nn.Parameter(initial_scale(latent.detach(), "mean").view(-1, 1, 1))

    def forward(self, latent: Tensor) -> Tensor:
        return self.alpha * self.beta * self.gamma


class PowerOfTwoScale(Scale):
    """The power of two nearest to the mean magnitude of each filter: ``2^round(log2 mean|w|)``.

    IR-Net (Qin et al., CVPR 2020): ``B_w << >> s``. No gradient passes through it.
    """

    def forward(self, latent: Tensor) -> Tensor:
        return _of_filters(latent, power_of_two(latent.detach().abs().flatten(1).mean(dim=1)))


def power_of_two(x: Tensor) -> Tensor:
    """AP2: the power of two whose exponent is nearest to that of x, with the sign of x.

    BNN (Hubara et al., NIPS 2016), algorithm 2: ``sign(x) 2^round(log2 |x|)``; 0 stays.
    """
    return torch.sign(x) * torch.exp2(torch.round(torch.log2(x.abs().clamp(min=2.0**-60))))
