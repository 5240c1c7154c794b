"""Activations of few bits: their values in the forward pass are the codes that leave a layer of the hardware.

Values are whole numbers (-1 and 1; -1, 0 and 1; 0 to 2^k - 1), so that sums of them with integer weights are exact in
float32. A scale of all values in common, which papers write, changes nothing that a batch norm behind the next layer
does not undo.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .estimators import Estimator, HardTanh, SoftStep, signs, through

__all__ = ["Sign", "Signed", "Ternary", "Thermometer", "Unsigned"]


class Sign(nn.Module):
    """1 where x >= 0, else -1 (BNN, Hubara et al., NIPS 2016, equation 1).

    Parameters
    ----------
    estimator : Estimator, optional
        Of the gradient; `HardTanh` if not given.
    """

    def __init__(self, estimator: Estimator | None = None) -> None:
        super().__init__()
        self.estimator = estimator or HardTanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.estimator(signs(x), x)


class Ternary(nn.Module):
    """1 where x >= edge, -1 where x < -edge, else 0 (TBN, Wan et al., ECCV 2018).

    The gradient is 1 from -1 to 1, else 0.

    Parameters
    ----------
    edge : float
        Magnitude from which x is not 0.
    """

    def __init__(self, edge: float = 0.5) -> None:
        super().__init__()
        self.edge = edge

    def forward(self, x: Tensor) -> Tensor:
        hard = (signs(x - self.edge) + signs(x + self.edge)) / 2
        return through(hard, x.clamp(-1, 1)) if torch.is_grad_enabled() else hard


class Unsigned(nn.Module):
    """Codes 0 to ``n = 2^bits - 1``: ``round(n clip(x / top, 0, 1))``.

    With a `top` of 1 it is the quantiser of DoReFa-Net (Zhou et al., arXiv:1606.06160, section 2.4); with one that is
    learned that of PACT (Choi et al., arXiv:1805.06085, equations 1 and 2), whose gradient of `top` is 1 where x >=
    top, else 0. Values are n / top times those of the papers.

    Parameters
    ----------
    bits : int
        1 to 8.
    top : float
        Where the highest code begins to be all there is.
    trainable : bool
        Whether `top` is learned.
    estimator : SoftStep, optional
        The gradient of DSQ; without one it is that of the clip.

    Raises
    ------
    ValueError
        The number of bits is another one.
    """

    def __init__(
        self, bits: int, top: float = 1.0, *, trainable: bool = False, estimator: SoftStep | None = None
    ) -> None:
        super().__init__()
        self.codes = _codes(bits) - 1
        if trainable:
            self.top = nn.Parameter(torch.tensor(float(top)))
        else:
            self.register_buffer("top", torch.tensor(float(top)))
        self.estimator = estimator

    def forward(self, x: Tensor) -> Tensor:
        scaled = (x / self.top).clamp(0, 1) * self.codes
        hard = torch.round(scaled)
        if not torch.is_grad_enabled():
            return hard
        if self.estimator is not None:
            return through(hard, self.estimator.staircase(scaled))
        # The factor is no part of the gradient: see PACT, equation 3.
        return through(hard, torch.minimum(x.relu(), self.top) * (self.codes / self.top.detach()))


class Signed(nn.Module):
    """Codes from ``-2^(bits - 1)`` to ``2^(bits - 1) - 1``: ``clip(round(x / step))``.

    The gradient is that of the clip.

    Parameters
    ----------
    bits : int
        2 to 8.
    step : float
        Distance of two values of x that become neighbouring codes.

    Raises
    ------
    ValueError
        The number of bits is another one.
    """

    def __init__(self, bits: int, step: float = 1.0) -> None:
        super().__init__()
        if bits < 2:
            raise ValueError(f"Signed codes must have 2 to 8 bits, not {bits}.")
        self.low, self.high = -_codes(bits) // 2, _codes(bits) // 2 - 1
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        scaled = (x / self.step).clamp(self.low, self.high)
        hard = torch.round(scaled)
        return through(hard, scaled) if torch.is_grad_enabled() else hard


class Thermometer(nn.Module):
    """Numbers, such as pixels, compared with thresholds: 1 where the number reaches one, else -1.

    Parameters
    ----------
    thresholds : sequence of float
        T of them. Choose some that no input equals.

    Notes
    -----
    (N, K) becomes (N, T K), and (N, C, H, W) becomes (N, T C, H, W): all inputs for the first threshold, then for the
    next.
    """

    def __init__(self, thresholds: tuple[float, ...]) -> None:
        super().__init__()
        self.thresholds = tuple(thresholds)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([signs(x - t) for t in self.thresholds], dim=1)


def _codes(bits: int) -> int:
    if not 1 <= bits <= 8:
        raise ValueError(f"Codes must have 1 to 8 bits, not {bits}.")
    return int(2**bits)
