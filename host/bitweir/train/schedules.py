"""What changes as training goes on: steepness of estimators, shares of frozen weights, numbers of bits."""

from __future__ import annotations

import math

from torch import nn

from .quantisers import Unsigned

__all__ = ["BitWidths", "cosine", "set_progress"]


def set_progress(model: nn.Module, share: float) -> None:
    """Tell all estimators and quantisers of a model how much of training is over; call it behind each step.

    It moves `ErrorDecay` (IR-Net), `Tanh` (self-binarising networks) and `PowersOfTwo` (INQ).

    Parameters
    ----------
    model : Module
    share : float
        0 to 1.

    Raises
    ------
    ValueError
        The share is outside.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"The share of training that is over must be from 0 to 1, not {share}.")
    for part in model.modules():
        told = getattr(part, "set_progress", None)
        if told is not None:
            told(share)


class BitWidths:
    """Fewer and fewer bits of all `Unsigned` activations of a model.

    The survey's section on training strategies: a network learns with many bits before it learns with few (Zhuang et
    al., CVPR 2018, progressive quantisation).

    Parameters
    ----------
    model : Module
    bits : sequence of int
        One after the other, each for an equal part of training; the last is what is deployed.
    """

    def __init__(self, model: nn.Module, bits: tuple[int, ...]) -> None:
        if not bits or not all(1 <= number <= 8 for number in bits):
            raise ValueError(f"A schedule must have numbers of bits from 1 to 8, not {bits}.")
        self._parts = [part for part in model.modules() if isinstance(part, Unsigned)]
        self._bits = bits
        self.set_progress(0.0)

    def set_progress(self, share: float) -> None:
        """Training has come so far, from 0 to 1."""
        bits = self._bits[min(int(share * len(self._bits)), len(self._bits) - 1)]
        for part in self._parts:
            part.codes = 2**bits - 1


def cosine(share: float) -> float:
    """The factor of the learning rate when a share of training is over: 1 at first, 0 at the end."""
    return 0.5 * (1 + math.cos(math.pi * share))
