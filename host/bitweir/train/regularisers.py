"""Terms of the loss: weights drawn to their scale, activations kept from degenerate distributions, and teachers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import Conv2d, Linear
from .quantisers import Sign
from .scales import TrainedScale, initial_scale
from .weights import Binary

__all__ = ["Collected", "collected", "distillation", "distribution_loss", "r1", "r2", "squared_hinge"]


def r1(model: nn.Module, initial: str = "median") -> Tensor:
    """R1 of BNN+ (Darabi et al., arXiv:1812.11800): ``| alpha - |w| |``, summed over all binary weights.

    Parameters
    ----------
    model : Module
    initial : str
        Alpha of layers without a `TrainedScale`, which learn none: see `initial_scale`. The median of a filter's
        magnitudes has the least R1.

    Returns
    -------
    Tensor
        One number; multiply it with a small factor, such as 1e-6, and add it to the loss.
    """
    return _pull(model, initial, 1)


def r2(model: nn.Module, initial: str = "mean") -> Tensor:
    """R2 of BNN+ (Darabi et al., arXiv:1812.11800): the sum of ``(alpha - |w|)^2`` over all binary weights.

    Parameters
    ----------
    model : Module
    initial : str
        As in `r1`; the mean of a filter's magnitudes has the least R2.

    Returns
    -------
    Tensor
        One number, as of `r1`.
    """
    return _pull(model, initial, 2)


def _pull(model: nn.Module, initial: str, power: int) -> Tensor:
    total = torch.zeros(())
    for layer in model.modules():
        if not (isinstance(layer, Linear | Conv2d) and isinstance(layer.quantiser, Binary)):
            continue
        scale = layer.quantiser.scale
        if isinstance(scale, TrainedScale):
            alpha = scale.alpha.flatten()
        else:
            alpha = initial_scale(layer.weight.detach(), initial)
        gap = (alpha.view(-1, 1) - layer.weight.abs().flatten(1)).abs()
        total = total.to(gap) + (gap**power).sum()
    return total


class Collected:
    """What the signs of a model took in its last forward pass, in the order of their calls.

    Attributes
    ----------
    inputs : list of Tensor
    """

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []


@contextmanager
def collected(model: nn.Module) -> Iterator[Collected]:
    """Keep what the signs of a model take, for `distribution_loss`; each forward pass begins anew.

    Parameters
    ----------
    model : Module
    """
    found = Collected()

    def begin(_: nn.Module, __: tuple[Tensor, ...]) -> None:
        found.inputs = []

    def keep(_: nn.Module, taken: tuple[Tensor, ...]) -> None:
        found.inputs.append(taken[0])

    hooks = [model.register_forward_pre_hook(begin)]
    hooks += [layer.register_forward_pre_hook(keep) for layer in model.modules() if isinstance(layer, Sign)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def distribution_loss(found: Collected, *, bulk: float = 1.0, tail: float = 0.25) -> Tensor:
    """The distribution term: it keeps what each sign takes from one side of 0, from afar, and from 0 itself.

    After Ding et al., CVPR 2019, with the mean mu and the standard deviation s of each channel in place
    of quantiles: degeneration ``max(|mu| - bulk s, 0)^2``, saturation ``max(|mu| + tail s - 1, 0)^2`` and gradient
    mismatch ``max(1 - |mu| - bulk s, 0)^2`` are summed.

    Parameters
    ----------
    found : Collected
        See `collected`.
    bulk, tail : float
        How many standard deviations count.

    Returns
    -------
    Tensor
        One number, the mean over all channels; multiply it with a small factor, such as 0.02.
    """
    terms = []
    for x in found.inputs:
        axes = (0, *range(2, x.dim()))
        mean, deviation = x.mean(axes).abs(), x.std(axes)
        gaps = (mean - bulk * deviation, mean + tail * deviation - 1, 1 - mean - bulk * deviation)
        terms.append(sum(gap.clamp(min=0) ** 2 for gap in gaps).mean())
    return torch.stack(terms).mean() if terms else torch.zeros(())


def distillation(
    scores: Tensor,
    labels: Tensor,
    teacher: Tensor,
    *,
    hard: float = 1.0,
    soft: float = 0.5,
    temperature: float = 1.0,
) -> Tensor:
    """The loss of a student whose teacher is a network of higher precision.

    Apprentice (Mishra and Marr, ICLR 2018), with a teacher that is trained already (scheme B):
    ``beta H(y, p_student) + gamma H(p_teacher, p_student)``.

    Parameters
    ----------
    scores, teacher : Tensor, (N, M)
        Of student and teacher, before softmax; the teacher gets no gradient.
    labels : Tensor, (N,)
    hard, soft : float
        beta and gamma.
    temperature : float
        By which the scores are divided in the soft term.
    """
    told = functional.softmax(teacher.detach() / temperature, dim=1)
    learned = functional.log_softmax(scores / temperature, dim=1)
    return hard * functional.cross_entropy(scores, labels) - soft * (told * learned).sum(dim=1).mean()


def squared_hinge(scores: Tensor, labels: Tensor) -> Tensor:
    """The squared hinge loss of BNN: the mean of ``max(0, 1 - t s)^2`` with targets t of -1 and 1.

    Parameters
    ----------
    scores : Tensor, (N, M)
    labels : Tensor, (N,)
    """
    targets = 2 * functional.one_hot(labels, scores.shape[1]).to(scores) - 1
    return ((1 - targets * scores).clamp(min=0) ** 2).mean()
