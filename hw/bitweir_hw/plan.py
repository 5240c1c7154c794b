"""The choices: how far each layer is folded, and what the datapath is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import inf

from .compressor import Popcount
from .errors import PlanError
from .network import Dense, Network

__all__ = ["Folding", "Plan", "check_plan", "plan_for_fps", "plan_from_foldings"]


@dataclass(frozen=True, kw_only=True)
class Folding:
    """How much of a layer works in one cycle.

    Parameters
    ----------
    pe : int
        Processing elements: neurons computed at the same time.
    simd : int
        Inputs of each that are taken in one cycle.
    """

    pe: int
    simd: int

    def __str__(self) -> str:
        return f"{self.simd}x{self.pe}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is chosen beside the network.

    Parameters
    ----------
    foldings : tuple of Folding
        One for each layer with weights, in order.
    popcount : Popcount
        How popcounts are built and pipelined.
    """

    foldings: tuple[Folding, ...]
    popcount: Popcount = field(default_factory=Popcount)


def _weighted(network: Network) -> list[Dense]:
    return [layer for layer in network.layers if isinstance(layer, Dense)]


def check_plan(network: Network, plan: Plan) -> Plan:
    """Return `plan` if it fits `network`.

    PE and SIMD need not divide the layer; they may exceed it up to the next power of two.

    Raises
    ------
    PlanError
        Names the layer, the rule, the value and the nearest legal value.
    """
    layers = _weighted(network)
    if len(plan.foldings) != len(layers):
        raise PlanError(
            f"The folding must give SIMDxPE for each of the {len(layers)} layers with weights, "
            f"not for {len(plan.foldings)}."
        )
    for layer, folding in zip(layers, plan.foldings, strict=True):
        for label, value, size, what in (
            ("PE", folding.pe, layer.outputs, "neurons"),
            ("SIMD", folding.simd, layer.inputs, "inputs"),
        ):
            limit = 1 << (size - 1).bit_length()
            if not 1 <= value <= limit:
                raise PlanError(
                    f"{label} of layer {layer.name!r} must be 1 to {limit} for its {size} {what}, not {value}; "
                    f"the nearest is {min(max(value, 1), limit)}."
                )
    return plan


def plan_from_foldings(network: Network, text: str, *, popcount: Popcount | None = None) -> Plan:
    """A plan from foldings as a user writes them.

    Parameters
    ----------
    network : Network
    text : str
        ``SIMDxPE`` for each layer with weights, with commas between: ``"64x32,32x64"``.
    popcount : Popcount, optional

    Raises
    ------
    PlanError
        The text has another form, or a folding does not fit its layer.
    """
    foldings = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})x(\d{1,9})\s*", part)
        if not match:
            raise PlanError(f"A folding must be SIMDxPE, like 64x32, not {part.strip()!r}.")
        foldings.append(Folding(simd=int(match[1]), pe=int(match[2])))
    return check_plan(network, Plan(foldings=tuple(foldings), popcount=popcount or Popcount()))


def plan_for_fps(network: Network, fps: float, clock: float, *, popcount: Popcount | None = None) -> Plan:
    """The plan with the fewest lanes that reaches a frame rate.

    A frame may take ``clock / fps`` cycles. Layers work at the same time, so each gets, by itself,
    the smallest folding that keeps within them; of equals, the one with the most SIMD, as a long
    popcount costs less for each lane than several short ones.

    Parameters
    ----------
    network : Network
    fps : float
        Frames a second.
    clock : float
        Hz.
    popcount : Popcount, optional

    Raises
    ------
    PlanError
        The rate is out of reach even with a lane for each weight.
    """
    if not (0 < fps < inf and 0 < clock < inf):
        raise PlanError(f"Frame rate and clock must be positive, not {fps:,.10g} frames/s and {clock / 1e6:,.10g} MHz.")
    cycles = int(clock / fps * (1 + 1e-12))  # a rate such as 1e8 / 49 must not fall to 48 by rounding
    if cycles < 1:
        raise PlanError(
            f"The accelerator gives at most one frame a cycle, so at {clock / 1e6:,.10g} MHz the frame rate must be "
            f"{clock:,.10g} or less, not {fps:,.10g}."
        )
    foldings = tuple(_smallest(layer, cycles) for layer in _weighted(network))
    return check_plan(network, Plan(foldings=foldings, popcount=popcount or Popcount()))


def _smallest(layer: Dense, cycles: int) -> Folding:
    """Fewest lanes with ``ceil(M / PE) * ceil(K / SIMD) <= cycles``."""
    best: tuple[int, int, Folding] | None = None
    for folds in range(1, min(layer.outputs, cycles) + 1):
        pe = -(-layer.outputs // folds)
        simd = -(-layer.inputs // min(cycles // folds, layer.inputs))
        rank = (pe * simd, -simd, Folding(pe=pe, simd=simd))
        if best is None or rank[:2] < best[:2]:
            best = rank
    assert best is not None
    return best[2]
