"""What layers need against what a part can do, in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from ...schemas import Count


@dataclass(frozen=True, kw_only=True)
class LayerNeeds:
    """What a layer, or all of the design, needs for a frame.

    Parameters
    ----------
    name : str
        Of the layer; not set in the total.
    operations : int
        For a frame.
    parameter_bits : int
        Weights and thresholds as stored, padding included.
    activation_bits : int
        Maps that layers take, held whole and twice.
    buffer_bits : int
        What the design holds instead.
    bits_read : float
        From block RAM, for a frame.
    giga_operations_per_second : float
        At the clock of the report.
    operations_per_bit_read : float or None
    compute_us : float
        operations / peak
    memory_us : float
        bits_read / bandwidth
    fits : bool
        parameter_bits + activation_bits <= memory_bits of the part
    binding : str
        What runs out first.
    """

    name: str | UnsetType = UNSET
    operations: Count
    parameter_bits: Count
    activation_bits: Count
    buffer_bits: Count
    bits_read: Annotated[float, Meta(ge=0)]
    giga_operations_per_second: float
    operations_per_bit_read: float | None
    compute_us: float
    memory_us: float
    fits: bool
    binding: Literal["logic", "bandwidth", "memory"]


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """What layers need against what the part can do at this clock: the resource-aware model analysis of FP-BNN.

    Parameters
    ----------
    sites_per_lane : float
        LUT sites for each lane of this design, everything included.
    sites_per_lane_from : str
    element_sites_per_lane : float
        Of a processing element of 64 lanes by itself.
    peak_giga_operations_per_second : float
        2 * clock * LUTs / sites_per_lane
    element_peak_giga_operations_per_second : float
        The same with elements alone.
    bandwidth_gigabits_per_second : float
        One port of every block RAM, at its widest.
    bound_frames_per_second : float or None
        1 / max(compute, memory) of the total.
    layers : tuple of LayerNeeds
        Those with operations.
    total : LayerNeeds
        Of all layers.
    """

    sites_per_lane: float
    sites_per_lane_from: Literal["measured", "estimated", "element"]
    element_sites_per_lane: float
    peak_giga_operations_per_second: float
    element_peak_giga_operations_per_second: float
    bandwidth_gigabits_per_second: float
    bound_frames_per_second: float | None
    layers: tuple[LayerNeeds, ...]
    total: LayerNeeds
