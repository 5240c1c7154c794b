"""Ensembles of binary networks: BENN (Zhu et al., CVPR 2019), by bagging or boosting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Ensemble", "Members", "bagging", "boosting"]

#: Trains a network on images (N, ...) and labels (N,), with a seed.
Train = Callable[[Tensor, Tensor, int], nn.Module]


class Ensemble(nn.Module):
    """The weighted sum of the scores of several networks, in one module: ``sum_k weights_k member_k(x)``.

    Parameters
    ----------
    members : sequence of Module
    weights : sequence of float
    """

    def __init__(self, members: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("weights", torch.tensor([float(weight) for weight in weights]))

    def forward(self, x: Tensor) -> Tensor:
        first, *others = (weight * member(x) for weight, member in zip(self.weights, self.members, strict=True))
        for other in others:
            first = first + other
        return first


@dataclass(frozen=True)
class Members:
    """Trained networks and the votes of each.

    Parameters
    ----------
    networks : tuple of Module
    weights : tuple of float
    """

    networks: tuple[nn.Module, ...]
    weights: tuple[float, ...]

    @property
    def module(self) -> Ensemble:
        """One module that sums weighted scores."""
        return Ensemble(self.networks, self.weights).eval()

    def votes(self, x: Tensor) -> Tensor:
        """Votes (N, M) of images, each network's weight for its class; the class with most votes wins."""
        with torch.no_grad():
            total: Tensor | None = None
            for network, weight in zip(self.networks, self.weights, strict=True):
                scores = network(x)
                one = weight * nn.functional.one_hot(scores.argmax(dim=1), scores.shape[1])
                total = one if total is None else total + one
        assert total is not None
        return total


def bagging(train: Train, x: Tensor, y: Tensor, members: int, seed: int = 0) -> Members:
    """Train each network on its own draw of the images, with replacement (BENN, algorithm 1).

    Parameters
    ----------
    train : callable
        Of images, labels and a seed.
    x, y : Tensor
        Training images (N, ...) and labels (N,).
    members : int
    seed : int
        Of the draws; networks get seed, seed + 1, ...
    """
    draw = torch.Generator().manual_seed(seed)
    networks = []
    for number in range(members):
        chosen = torch.randint(len(x), (len(x),), generator=draw)
        networks.append(train(x[chosen], y[chosen], seed + number).eval())
    return Members(tuple(networks), (1.0,) * members)


def boosting(train: Train, x: Tensor, y: Tensor, members: int, seed: int = 0) -> Members:
    """Train each network on images that are drawn the more often, the more the networks before got them wrong.

    BENN, algorithm 2, with the factors of SAMME for M classes: ``u_k = log((1 - e_k) / e_k) + log(M - 1)`` for a
    weighted error e_k. A network that is no better than chance gets the vote 0.

    Parameters
    ----------
    train, x, y, members, seed
        As in `bagging`.
    """
    draw = torch.Generator().manual_seed(seed)
    classes = int(y.max()) + 1
    weights = torch.full((len(x),), 1 / len(x), dtype=torch.float64)
    networks, factors = [], []
    for number in range(members):
        chosen = torch.multinomial(weights, len(x), replacement=True, generator=draw)
        network = train(x[chosen], y[chosen], seed + number).eval()
        with torch.no_grad():
            wrong = network(x).argmax(dim=1) != y
        error = min(max(float(weights[wrong].sum()), 1e-3), 1 - 1e-3)
        factor = max(math.log((1 - error) / error) + math.log(classes - 1), 0.0)
        weights = weights * torch.exp(factor * wrong.double())
        weights /= weights.sum()
        networks.append(network)
        factors.append(factor)
    return Members(tuple(networks), tuple(factors))
