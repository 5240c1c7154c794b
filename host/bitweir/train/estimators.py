"""Gradient estimators: what stands in for the derivative of a staircase, which is 0 nearly everywhere.

In the forward pass a quantiser hands on its hard values, bit by bit those of the hardware. In the backward pass
it has the gradient of a smooth function, which an `Estimator` tells. Without gradients, as in evaluation and export,
nothing of the smooth function is computed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "ApproxSign",
    "ErrorDecay",
    "Estimator",
    "HardTanh",
    "SignSwish",
    "SoftStep",
    "StraightThrough",
    "Tanh",
    "signs",
    "through",
]


class _Through(torch.autograd.Function):
    """Hands on the hard values as they are: ``soft + (hard - soft)`` would round them."""

    @staticmethod
    def forward(context: Any, soft: Tensor, hard: Tensor) -> Tensor:
        return hard.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def through(hard: Tensor, soft: Tensor) -> Tensor:
    """Return the values of one tensor with the gradient of another.

    Parameters
    ----------
    hard, soft : Tensor
        Of the same shape.
    """
    return _Through.apply(soft, hard.detach())  # type: ignore[no-any-return, no-untyped-call, unused-ignore]


def signs(x: Tensor) -> Tensor:
    """1 where x >= 0, else -1: hardware has no third value, as that of ``torch.sign`` at 0."""
    hard = torch.where(x >= 0, 1.0, -1.0)
    return hard if hard.dtype == x.dtype else hard.to(x.dtype)


class Estimator(nn.Module):
    """A smooth function in place of sign, whose derivative is the gradient.

    Call it with the hard values and with what they were made of; it returns the hard values.
    """

    def forward(self, hard: Tensor, x: Tensor) -> Tensor:
        """Return `hard`, with the gradient of `soft` at x."""
        return through(hard, self.soft(x)) if torch.is_grad_enabled() else hard

    def soft(self, x: Tensor) -> Tensor:
        """The smooth function, element by element."""
        raise NotImplementedError

    def set_progress(self, share: float) -> None:
        """Training has come so far, from 0 to 1; see `schedules.set_progress`. Most estimators do not change."""


class StraightThrough(Estimator):
    """The straight-through estimator: the gradient of x itself, everywhere (Bengio et al., arXiv:1308.3432)."""

    def soft(self, x: Tensor) -> Tensor:
        return x


class HardTanh(Estimator):
    """The clipped straight-through estimator: gradient 1 from -1 to 1, else 0.

    BNN (Hubara et al., NIPS 2016), equation 4: ``g_r = g_q 1(|r| <= 1)``, the derivative of htanh.
    """

    def soft(self, x: Tensor) -> Tensor:
        # Not functional.hardtanh, whose gradient is 0 at -1 and 1 themselves, where clipped weights rest.
        return x.clamp(-1, 1)


class ApproxSign(Estimator):
    """A piecewise polynomial of second order: gradient 2 + 2x for -1 <= x < 0, 2 - 2x for 0 <= x < 1, else 0.

    ApproxSign of Bi-Real Net (Liu et al., ECCV 2018).
    """

    def soft(self, x: Tensor) -> Tensor:
        inside = x.clamp(-1, 1)
        return inside * (2 - inside.abs())


class SignSwish(Estimator):
    """``SS_b(x) = 2 s(bx) (1 + bx (1 - s(bx))) - 1`` with the logistic function s.

    BNN+ (Darabi et al., arXiv:1812.11800). Its derivative is
    ``b (2 - bx tanh(bx / 2)) / (1 + cosh(bx))``, which is negative at some distance from 0.

    Parameters
    ----------
    beta : float
        How steep it is.
    trainable : bool
        Whether beta is a parameter of the model.
    """

    def __init__(self, beta: float = 5.0, *, trainable: bool = False) -> None:
        super().__init__()
        start = torch.tensor(float(beta))
        self.beta = nn.Parameter(start) if trainable else start

    def soft(self, x: Tensor) -> Tensor:
        scaled = self.beta.to(x) * x
        logistic = torch.sigmoid(scaled)
        return 2 * logistic * (1 + scaled * (1 - logistic)) - 1


class ErrorDecay(Estimator):
    """``k tanh(t x)`` where t grows from `first` to `last` as training goes on, and ``k = max(1 / t, 1)``.

    The error decay estimator (EDE) of IR-Net (Qin et al., CVPR 2020):
    ``t = T_min 10^(i / N log10(T_max / T_min))`` in epoch i of N.

    Parameters
    ----------
    first, last : float
        T_min and T_max.
    """

    def __init__(self, first: float = 0.1, last: float = 10.0) -> None:
        super().__init__()
        self.first, self.last = first, last
        self.t = first

    def soft(self, x: Tensor) -> Tensor:
        return max(1 / self.t, 1.0) * torch.tanh(self.t * x)

    def set_progress(self, share: float) -> None:
        self.t = self.first * (self.last / self.first) ** share


class Tanh(Estimator):
    """``tanh(v x)`` where v grows from `first` to `last` as training goes on.

    Self-binarising networks (Lahoud et al., arXiv:1902.00730), whose forward pass is this function, too;
    here it is sign from the beginning, so that what is trained is what is deployed.

    Parameters
    ----------
    first, last : float
        v at the beginning and at the end; it grows by a constant factor in each step.
    """

    def __init__(self, first: float = 1.0, last: float = 30.0) -> None:
        super().__init__()
        self.first, self.last = first, last
        self.v = first

    def soft(self, x: Tensor) -> Tensor:
        return torch.tanh(self.v * x)

    def set_progress(self, share: float) -> None:
        self.v = self.first * (self.last / self.first) ** share


class SoftStep(Estimator):
    """A row of hyperbolic tangents, one for each step of a quantiser.

    DSQ (Gong et al., ICCV 2019): within a step of width D around m,
    ``phi(x) = s tanh(k (x - m))`` with ``s = 1 / (1 - a)`` and ``k = log(2 / a - 1) / D``, so that phi is -1 and 1 at
    the ends of the step.

    Parameters
    ----------
    alpha : float
        a, between 0 and 1: a staircase near 0, a line near 1.
    trainable : bool
        Whether a is a parameter of the model; it is kept from 0.01 to 0.9.
    """

    def __init__(self, alpha: float = 0.2, *, trainable: bool = False) -> None:
        super().__init__()
        start = torch.tensor(float(alpha))
        self.alpha = nn.Parameter(start) if trainable else start

    def soft(self, x: Tensor) -> Tensor:
        """The one step of sign, from -1 to 1, and nothing beyond."""
        return self._phi(x.clamp(-1, 1), 2.0)

    def staircase(self, x: Tensor) -> Tensor:
        """Steps of width 1 between the whole numbers, for quantisers that round x to the nearest."""
        low = torch.floor(x).detach()
        return low + (self._phi(x - low - 0.5, 1.0) + 1) / 2

    def _phi(self, x: Tensor, width: float) -> Tensor:
        alpha = self.alpha.to(x).clamp(0.01, 0.9)
        return torch.tanh(torch.log(2 / alpha - 1) / width * x) / (1 - alpha)
