"""What a model costs in hardware, while it is trained: cycles, LUTs and block RAMs, from the cost model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.network import Network
from bitweir_hw.parts import FpgaPart
from torch import Tensor, nn

from ..design import Design
from ..model import Model, hardware_network
from ..part_list import find_part
from ..planning import PlanRequest, choose
from ..target import DEFAULT_CLOCK
from .estimators import Estimator
from .export import export

__all__ = ["HardwareCost", "cost"]

#: Networks by the structure of their models: weights of folded layers cost the same whatever they are.
_networks: dict[tuple[Any, ...], Network] = {}
_MOST = 256


@dataclass(frozen=True, kw_only=True)
class HardwareCost:
    """Estimates for an accelerator.

    Parameters
    ----------
    cycles : float
        A frame, in steady state.
    latency : int
        Cycles from the first input beat of a frame to its last output beat.
    lut_sites, flip_flops, block_rams, dsps : int
        As `bitweir_hw.cost` estimates them for the family of the part.
    clock : float
        Hz, at which `frames_per_second` is told.
    part : str
    """

    cycles: float
    latency: int
    lut_sites: int
    flip_flops: int
    block_rams: int
    dsps: int
    clock: float
    part: str

    @property
    def frames_per_second(self) -> float:
        """Throughput at `clock`."""
        return self.clock / self.cycles


def cost(
    model: nn.Module | Model | Network,
    input: Tensor | tuple[int, ...] | None = None,
    *,
    part: FpgaPart | str = "ecp5-25k",
    fps: float | None = None,
    folding: str | None = None,
    clock: float = DEFAULT_CLOCK,
    **options: Any,
) -> HardwareCost:
    """Estimate what the hardware of a model takes, trained or not.

    The plan has the fewest lanes that reach `fps`, or is moderately fast and small; `bitweir.generate` with a goal
    finds better ones, in seconds to minutes. The first model of a structure is exported; later ones of the same
    structure are taken to cost the same, whatever their weights: that is so of folded layers up to the width of some
    sums of integer weights.

    Parameters
    ----------
    model : Module, Model or Network
    input : Tensor or tuple of int
        Of a module: as in `export`.
    part : FpgaPart or str
        Family and name; whether the design fits is not judged.
    fps : float, optional
        Frames a second to reach at `clock`.
    folding : str, optional
        In place of `fps`, as in `bitweir.generate`.
    clock : float
        Hz.
    **options
        Of `export`, such as ``input_range``.

    Returns
    -------
    HardwareCost

    Raises
    ------
    ValueError
        A module needs its input.
    ModelError
        The module cannot be imported.
    PlanError
        There is no such part or folding.
    """
    chosen = find_part(part)
    network = _network(model, input, options) if isinstance(model, nn.Module) else hardware_network(model)
    request = PlanRequest(fps=fps, folding=folding, clock=clock, family=chosen.family)
    design = Design(network=network, plan=choose(network, request).plan)
    total = estimate_pipeline(design.pipeline, chosen.family)[1]
    timing = design.timing
    return HardwareCost(
        cycles=float(timing.interval) / design.pipeline.parallel_frames, latency=timing.latency, lut_sites=total.sites,
        flip_flops=total.ff, block_rams=total.bram, dsps=total.dsp, clock=clock, part=chosen.name,
    )  # fmt: skip


def _network(model: nn.Module, taken: Tensor | tuple[int, ...] | None, options: dict[str, Any]) -> Network:
    if taken is None:
        raise ValueError("The cost of a module needs its input: a batch of images, or the shape of one.")
    shape = tuple(taken.shape[1:]) if isinstance(taken, Tensor) else tuple(taken)
    key = (shape, tuple(sorted((name, str(value)) for name, value in options.items())), *structure(model))
    try:
        hash(key)
    except TypeError:  # an attribute that may change, of which nobody knows what it does
        return export(model, taken, compare=False, **options).network
    if key not in _networks:
        if len(_networks) >= _MOST:
            _networks.clear()
        _networks[key] = export(model, taken, compare=False, **options).network
    return _networks[key]


def structure(model: nn.Module) -> tuple[Any, ...]:
    """What two models have in common that differ in their weights alone."""
    found: list[Any] = []
    for name, part in model.named_modules():
        if isinstance(part, Estimator):
            continue
        # Objects that are no numbers or texts are the same only if they are one; the key keeps them alive.
        own = {key: value for key, value in vars(part).items() if not key.startswith("_") and key != "training"}
        tensors = {**dict(part.named_parameters(recurse=False)), **dict(part.named_buffers(recurse=False))}
        shapes = sorted((key, tuple(tensor.shape)) for key, tensor in tensors.items())
        found.append((name, type(part), tuple(own.items()), tuple(shapes)))
    return tuple(found)
