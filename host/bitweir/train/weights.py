"""Quantisers of weights: from latent real weights to the integers that the hardware holds, and what scales their sums.

Each takes latent weights (M, ...) of M outputs and returns integers of the same shape and a scale, or None. A layer
sums with the integers first, which is exact in float32, and scales after that; the papers, which write the scale into
the weights, compute the same numbers up to rounding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .estimators import Estimator, HardTanh, signs, through
from .scales import Scale

__all__ = ["Binary", "Circulant", "PowersOfTwo", "Ternary", "Uniform", "WeightQuantiser", "standardised"]


class WeightQuantiser(nn.Module):
    """From latent weights to integers, and to what scales the sums.

    Attributes
    ----------
    bound : bool
        A layer has it.
    """

    bound = False

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return integers of the shape of `latent`, and a scale that broadcasts to the sums of a vector, or None."""
        raise NotImplementedError

    def bind(self, latent: Tensor) -> None:
        """A layer with these initial weights takes this quantiser; parameters that depend on its shape are made."""

    def set_progress(self, share: float) -> None:
        """Training has come so far, from 0 to 1; see `schedules.set_progress`."""


def standardised(latent: Tensor) -> Tensor:
    """Weights of each filter with the mean 0 and the standard deviation 1.

    Balance and standardisation of IR-Net (Qin et al., CVPR 2020): as many weights of a filter become 1 as -1, for the
    highest entropy.
    """
    flat = latent.flatten(1)
    shape = (-1, *[1] * (latent.dim() - 1))
    centred = latent - flat.mean(dim=1).view(shape)
    return centred / (flat.std(dim=1).view(shape) + 1e-12)


class Binary(WeightQuantiser):
    """1 where w >= 0, else -1 (BinaryConnect, Courbariaux et al., NIPS 2015, section 2.2).

    Parameters
    ----------
    estimator : Estimator, optional
        Of the gradient; `HardTanh` if not given.
    scale : Scale, optional
        Of the sums: see `scales`.
    standardise : bool
        Whether weights are balanced and standardised before: IR-Net's Libra parameter binarisation.
    """

    def __init__(
        self, estimator: Estimator | None = None, scale: Scale | None = None, *, standardise: bool = False
    ) -> None:
        super().__init__()
        self.estimator = estimator or HardTanh()
        self.scale = scale
        self.standardise = standardise

    def bind(self, latent: Tensor) -> None:
        if self.scale is not None:
            self.scale.bind(latent)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor | None]:
        w = standardised(latent) if self.standardise else latent
        integers = self.estimator(signs(w), w)
        return integers, None if self.scale is None else self.scale(w)


class Ternary(WeightQuantiser):
    """-1, 0 and 1: 0 up to a magnitude of ``share mean|w|`` of the layer.

    TWN (Li et al., arXiv:1605.04711): the share is 0.7, and the scale alpha the mean magnitude of the
    weights that are not 0.

    Parameters
    ----------
    share : float
    scaled : bool
        Whether there is the scale alpha, one of the layer.
    """

    def __init__(self, share: float = 0.7, *, scaled: bool = True) -> None:
        super().__init__()
        self.share = share
        self.scaled = scaled

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor | None]:
        magnitude = latent.abs()
        used = magnitude > self.share * magnitude.mean()
        hard = signs(latent) * used
        integers = through(hard, latent.clamp(-1, 1)) if torch.is_grad_enabled() else hard
        if not self.scaled:
            return integers, None
        return integers, ((magnitude * used).sum() / used.sum().clamp(min=1)).detach()


class Uniform(WeightQuantiser):
    """Odd integers from ``-n`` to n with ``n = 2^bits - 1``, times 1 / n.

    DoReFa-Net (Zhou et al., arXiv:1606.06160), section 2.3:
    ``2 quantise_k(tanh(w) / (2 max|tanh w|) + 1/2) - 1``.

    Parameters
    ----------
    bits : int
        2 to 8.

    Raises
    ------
    ValueError
        The number of bits is another one; for one bit there is `Binary`.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        if not 2 <= bits <= 8:
            raise ValueError(f"Uniform weights must have 2 to 8 bits, not {bits}; one bit is Binary.")
        self.top = 2**bits - 1

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor | None]:
        bounded = torch.tanh(latent)
        unit = bounded / (2 * bounded.detach().abs().max().clamp(min=1e-12)) + 0.5
        hard = 2 * torch.round(unit * self.top) - self.top
        integers = through(hard, (2 * unit - 1) * self.top) if torch.is_grad_enabled() else hard
        return integers, torch.tensor(1 / self.top).to(latent)


class PowersOfTwo(WeightQuantiser):
    """0 and powers of two up to the largest weight, of which more and more are frozen as training goes on.

    INQ (Zhou et al., ICLR 2017), sections 2.1 and 2.2: levels are ``+-2^n1, ..., +-2^n2`` and 0 with
    ``n1 = floor(log2(4 s / 3))``, s the largest magnitude of the layer, and ``n2 = n1 + 1 - 2^(bits - 1) / 2``. The
    largest weights are quantised first; the others stay real in training until their turn comes. In evaluation all are
    quantised.

    Parameters
    ----------
    bits : int
        2 to 5; 5 bits are a factor of 128 between the least and the largest level.
    shares : sequence of float
        Of the weights that are frozen, after each equal part of training.

    Raises
    ------
    ValueError
        The number of bits is another one.
    """

    def __init__(self, bits: int = 4, shares: tuple[float, ...] = (0.0, 0.5, 0.75, 0.875, 1.0)) -> None:
        super().__init__()
        if not 2 <= bits <= 5:
            raise ValueError(f"Powers of two must have 2 to 5 bits, not {bits}.")
        self.bits, self.shares = bits, shares
        self.share = shares[0]

    def set_progress(self, share: float) -> None:
        self.share = self.shares[min(int(share * len(self.shares)), len(self.shares) - 1)]

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor | None]:
        magnitude = latent.detach().abs()
        largest = float(magnitude.max())
        n1 = math.floor(math.log2(4 * largest / 3)) if largest > 0 else 0
        n2 = n1 + 1 - 2 ** (self.bits - 1) // 2
        levels = [0.0, *(2.0 ** (n - n2) for n in range(n2, n1 + 1))]
        scaled = latent / 2.0**n2
        sizes = torch.bucketize(scaled.detach().abs(), torch.tensor(_edges(levels)).to(latent), right=True)
        hard = torch.tensor(levels).to(latent)[sizes] * torch.sign(latent.detach())
        unit = torch.tensor(2.0**n2).to(latent)
        if not (self.training and torch.is_grad_enabled()):
            return hard, unit
        if self.share >= 1:
            return through(hard, scaled), unit
        edge = torch.quantile(magnitude.flatten(), 1 - self.share)
        frozen = magnitude >= edge if self.share > 0 else torch.zeros_like(magnitude, dtype=torch.bool)
        # What is frozen learns no more; the rest is real yet, and makes up for it.
        return torch.where(frozen, hard, scaled), unit


def _edges(levels: list[float]) -> list[float]:
    """INQ, section 2.1: from which magnitude each level holds, except the first."""
    return [(low + high) / 2 for low, high in zip(levels, levels[1:], strict=False)]


class Circulant(WeightQuantiser):
    """Four filters of each learned one, turned by 0, 90, 180 and 270 degrees.

    Circulant filters of CBCN (Liu et al., CVPR 2019). What is turned are the places around the centre of
    a 3x3 filter; so all four have the same learned weights. Filters 4 m to 4 m + 3 are those of learned filter 4 m, and
    the latent weights of the other three are not used.

    Parameters
    ----------
    inner : WeightQuantiser, optional
        Of the turned filters; `Binary` if not given.
    """

    def __init__(self, inner: WeightQuantiser | None = None) -> None:
        super().__init__()
        self.inner = inner or Binary()

    def bind(self, latent: Tensor) -> None:
        if latent.dim() != 4 or latent.shape[2] != latent.shape[3] or latent.shape[0] % 4:
            raise ValueError(
                f"Circulant filters must be square, and their number a multiple of 4; they are {tuple(latent.shape)}."
            )
        self.inner.bind(latent)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor | None]:
        learned = latent[::4]
        turned = torch.stack([torch.rot90(learned, turns, (2, 3)) for turns in range(4)], dim=1)
        result: tuple[Tensor, Tensor | None] = self.inner(turned.flatten(0, 1))
        return result
