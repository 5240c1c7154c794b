"""Layers that are made of layers; and so the list of all kinds."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from ...errors import NetworkError
from ..formats import VALUE_BITS, Map
from .channels import Affine, Piecewise, Threshold
from .checks import in_reach
from .moves import Select, Upsample
from .pools import Pool
from .scores import Argmax, Vote
from .weighted import Conv, Dense

__all__ = ["LAYERS", "Branched", "Concat", "Layer", "Parallel", "in_series"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Branched:
    """Branches that all take the same map, and meet. An empty branch hands on its input.

    Parameters
    ----------
    name : str
        Of what they meet in.
    branches : tuple of tuple of Layer
        Two or more.
    """

    name: str
    branches: tuple[tuple[Layer, ...], ...]

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        if len(self.branches) < 2:
            raise NetworkError(f"Layer {self.name!r} must have two branches or more, not {len(self.branches)}.")
        return in_reach(self, self.meet([in_series(branch, source) for branch in self.branches]))

    @property
    @abstractmethod
    def description(self) -> str:
        """What a reader calls it."""

    @abstractmethod
    def meet(self, ends: list[Map]) -> Map:
        """What leaves the layer, from what the branches end in."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Parallel(Branched):
    """Branches that meet in a sum: ``out = sum_b weights[b] * branch_b(map)``.

    With an empty branch it is the shortcut of a residual network. Branches with weights
    are the bases of ABC-Net and Group-Net; whole networks as branches are an ensemble.

    Parameters
    ----------
    name, branches
        As in `Branched`.
    weights : tuple of int or None
        One a branch; None for 1 each.
    """

    weights: tuple[int, ...] | None = None

    @property
    def factors(self) -> tuple[int, ...]:
        """The weight of each branch."""
        return (1,) * len(self.branches) if self.weights is None else self.weights

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return f"sum of {len(self.branches)} branches"

    def meet(self, ends: list[Map]) -> Map:
        """What leaves the layer, from what the branches end in."""
        if len(self.factors) != len(self.branches) or any(
            type(w) is not int or abs(w) >> VALUE_BITS for w in self.factors
        ):
            raise NetworkError(
                f"Layer {self.name!r} must have one integer weight of {VALUE_BITS} bits for each of its "
                f"{len(self.branches)} branches, not {self.factors}."
            )
        shapes = list(dict.fromkeys(end.shape for end in ends))
        if len(shapes) > 1:
            raise NetworkError(
                f"Layer {self.name!r} must sum maps of one shape; its branches end in {', '.join(map(str, shapes))}."
            )
        pairs = [sorted((w * end.low, w * end.high)) for w, end in zip(self.factors, ends, strict=True)]
        for low, high in pairs:
            in_reach(self, Map(shape=shapes[0], low=low, high=high))
        low, high = (sum(pair[end] for pair in pairs) for end in (0, 1))
        return Map(shape=shapes[0], low=low, high=high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Branched):
    """Branches whose channels follow one another in each pixel: those of the first branch, then those of the next.

    The maps have the same rows and columns. They all carry accumulators, or all carry codes that mean the same:
    then the numbers of bits may differ, and the most of them is handed on.
    """

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return f"channels of {len(self.branches)} branches"

    def meet(self, ends: list[Map]) -> Map:
        """What leaves the layer, from what the branches end in."""
        sizes = list(dict.fromkeys(end.shape[:2] for end in ends))
        if len(sizes) > 1:
            raise NetworkError(
                f"Layer {self.name!r} must join maps of the same rows and columns; its branches end in "
                f"{', '.join(map(str, sizes))}."
            )
        shape = (*sizes[0], sum(end.channels for end in ends))
        forms = [end.format for end in ends if end.format is not None]
        if not forms:
            return Map(shape=shape, low=min(end.low for end in ends), high=max(end.high for end in ends))
        if len(forms) < len(ends) or len({(form.offset, form.step) for form in forms}) > 1:
            told = ", ".join(
                "accumulators"
                if end.format is None
                else f"codes from {end.format.offset} in steps of {end.format.step}"
                for end in ends
            )
            raise NetworkError(
                f"Layer {self.name!r} must join accumulators, or codes of one offset and step; its branches end in "
                f"{told}."
            )
        return Map.of_codes(shape, max(forms, key=lambda form: form.bits))


Layer = Dense | Conv | Pool | Threshold | Affine | Piecewise | Vote | Argmax | Upsample | Select | Branched

#: Every kind of layer. Each has one entry in golden, lowering and reports; a test checks it.
LAYERS: tuple[type, ...] = (
    Dense, Conv, Pool, Threshold, Affine, Piecewise, Vote, Argmax, Upsample, Select, Parallel, Concat,
)  # fmt: skip


def in_series(layers: tuple[Layer, ...], source: Map) -> Map:
    """What leaves the last of some layers in a row.

    Raises
    ------
    NetworkError
        Names the layer that may not follow, the rule that it breaks, and the value that breaks it.
    """
    for layer in layers:
        source = layer.output_map(source)
    return source
