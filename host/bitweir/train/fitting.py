"""A training loop: Adam or SGD, a schedule, clipped latent weights, and estimators that follow the progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import clip_weights
from .schedules import cosine, set_progress

__all__ = ["accuracy", "fit"]


def fit(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    epochs: int,
    rate: float = 0.01,
    batch: int = 64,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    penalty: Callable[[nn.Module], Tensor] | None = None,
    augment: Callable[[Tensor], Tensor] | None = None,
    schedule: Callable[[float], float] = cosine,
    after: Callable[[float], None] | None = None,
    optimiser: torch.optim.Optimizer | None = None,
    start: int = 0,
    each_epoch: Callable[[int, torch.optim.Optimizer], None] | None = None,
    seed: int = 0,
) -> None:
    """Train a model in place, and leave it in evaluation mode.

    The order of the images of an epoch, and what `augment` draws, follow from `seed` and the number of the epoch alone:
    so training that goes on from a checkpoint is the same as training that was never interrupted.

    Parameters
    ----------
    model : Module
    x, y : Tensor
        Images (N, ...) and labels (N,), on the device of the model.
    epochs : int
        In all.
    rate : float
        Learning rate at the beginning. Signs of weights only flip if steps are large against the latent range, -1 to 1.
    batch : int
        Images in a step; those of an epoch that fill no batch are left out.
    loss : callable, optional
        Of scores, labels and images; cross entropy if not given.
    penalty : callable, optional
        Added to the loss, such as ``lambda model: 1e-6 * r1(model)``.
    augment : callable, optional
        Makes other images of images.
    schedule : callable
        Factor of the rate, of the share of training that is over.
    after : callable, optional
        Called behind each step with this share.
    optimiser : Optimizer, optional
        Adam if not given.
    start : int
        Epochs that are done already.
    each_epoch : callable, optional
        Called with the number of epochs that are done and with the optimiser: saves a checkpoint.
    seed : int

    Raises
    ------
    ValueError
        There are fewer images than a batch has.
    """
    if len(x) < batch:
        raise ValueError(f"A batch must have at most as many images as there are, {len(x)}, not {batch}.")
    own = optimiser or torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    steps = len(x) // batch
    for epoch in range(start, epochs):
        torch.manual_seed(1_000_003 * seed + epoch)
        model.train()
        order = torch.randperm(len(x))[: steps * batch].view(steps, batch).to(x.device)
        for step, chosen in enumerate(order):
            share = (epoch * steps + step) / (epochs * steps)
            set_progress(model, share)
            for group in own.param_groups:
                group["lr"] = rate * schedule(share)
            images = x[chosen] if augment is None else augment(x[chosen])
            _step(model, own, images, y[chosen], loss, penalty)
            if after is not None:
                after(share)
        if each_epoch is not None:
            each_epoch(epoch + 1, own)
    set_progress(model, 1.0)
    model.eval()


def _step(model: nn.Module, optimiser: Any, x: Tensor, y: Tensor, loss: Any, penalty: Any) -> None:
    scores = model(x)
    cost = functional.cross_entropy(scores, y) if loss is None else loss(scores, y, x)
    if penalty is not None:
        cost = cost + penalty(model)
    optimiser.zero_grad()
    cost.backward()
    optimiser.step()
    clip_weights(model)


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of images whose highest score is that of their label, in evaluation mode.

    Parameters
    ----------
    model : Module
    x, y : Tensor
        As in `fit`.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return int((model(x).argmax(dim=1) == y).sum()) / len(y)
    finally:
        model.train(training)
