"""The network and its plan, in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from ...schemas import Count, Digest, Positive, one_of

#: An exact number: an integer or a quotient of two.
Fraction = Annotated[str, Meta(pattern="^-?[0-9]+(/[0-9]+)?$")]


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a code means: its value is offset + step * code."""

    bits: Positive
    offset: int
    step: int


@dataclass(frozen=True, kw_only=True)
class ResultReport:
    """What the result of the network is.

    Parameters
    ----------
    kind : str
    scale, offset : tuple of str
        One for all outputs, one for each, or none: scale * value + offset is the model's number.
    rounded : bool
        Whether they are the nearest of 64 significant bits, not exact.
    format : Format or None
        Of codes and labels.
    rule : tuple of str
        The same in words.
    shape : tuple of int, optional
        Of a map, (H, W, C), or (H, W) for classes of its pixels; left out of a vector.
    parts : list of [str, int], optional
        Names of several outputs of the model, and how many channels each has.
    """

    kind: Annotated[str, one_of("class", "labels", "scores", "codes", "classes")]
    scale: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    rounded: bool
    format: Format | None
    rule: tuple[str, ...]
    shape: tuple[int, ...] | UnsetType = UNSET
    parts: tuple[tuple[str, int], ...] | UnsetType = UNSET


@dataclass(frozen=True, kw_only=True)
class NetworkReport:
    """The network of the design.

    Parameters
    ----------
    name : str
    digest : str
        Hash of weights, thresholds and input rule.
    elements : int
        Elements of a frame on the input stream.
    input : tuple of str
        What images hold, and how they become codes, a sentence each.
    outputs : int
        Scores, labels or codes of a frame.
    result : ResultReport
    notes : tuple of str
        What the import found, a sentence each.
    """

    name: str
    digest: Digest
    elements: Positive
    input: tuple[str, ...]
    outputs: Positive
    result: ResultReport
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Folding:
    """The parallelism of a layer with weights, and where these are, if the plan says so.

    Parameters
    ----------
    simd, pe : int
    memory : str, optional
    steps : int, optional
        Cycles a vector of a wired layer, of which each takes some bits of all inputs.
    """

    simd: Positive
    pe: Positive
    memory: Annotated[str, one_of("block", "lut", "stream", "wired")] | UnsetType = UNSET
    steps: Positive | UnsetType = UNSET

    def __str__(self) -> str:
        told = {"block": " in block RAM", "lut": " in LUTs", "stream": " streamed", "wired": " wired"}
        steps = "" if self.steps is UNSET else f" in {self.steps} steps"
        return f"{self.simd}×{self.pe}" + ("" if self.memory is UNSET else told[str(self.memory)]) + steps


@dataclass(frozen=True, kw_only=True)
class Popcount:
    """How popcounts are built.

    Parameters
    ----------
    style : str
    levels_per_stage : int
        Adder levels between registers; 0 for none.
    """

    style: str
    levels_per_stage: Count


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """The plan of the design.

    Parameters
    ----------
    foldings : tuple of Folding
        For each layer with weights.
    popcount : Popcount
    streams : int
        Parallel frames.
    depths : dict
        Beats that FIFOs hold, by the name of their block.
    """

    foldings: tuple[Folding, ...]
    popcount: Popcount
    streams: Positive
    depths: dict[str, Positive]
