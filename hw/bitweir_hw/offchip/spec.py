"""The specification of a reader of weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd

from ..blocks import WidthSpec
from ..errors import PlanError
from ..memory import Layout, is_block, layout
from .layout import ImageLayout

__all__ = ["ReaderSpec"]


@dataclass(frozen=True, kw_only=True)
class ReaderSpec:
    """A reader of weights, see `reader.WeightReader`.

    Parameters
    ----------
    layout : ImageLayout
    address_bits : int
        Of an address in bytes.
    outstanding : int
        Bursts that are asked for and have not come yet, at least 2.
    buffer_bursts : int
        Bursts that the buffer of each layer holds. Two are a double buffer: one is used while the other comes. For full
        rate, a layer's buffer must outlast the memory's latency and a burst of each other layer.
    stage_levels : int
        Of the width converters, see `WidthSpec`.

    Raises
    ------
    PlanError
        The image does not fit into the addresses, or a number is too small.
    """

    layout: ImageLayout
    address_bits: int = 32
    outstanding: int = 8
    buffer_bursts: int = 2
    stage_levels: int = 0

    def __post_init__(self) -> None:
        for what, number in (("Outstanding bursts", self.outstanding), ("Bursts of a buffer", self.buffer_bursts)):
            if number < 2:
                raise PlanError(f"{what} must be at least 2, not {number}.")
        if self.layout.bytes > 1 << self.address_bits:
            needed = (self.layout.bytes - 1).bit_length()
            raise PlanError(
                f"An image of {self.layout.bytes} bytes needs addresses of {needed} bits, not {self.address_bits}."
            )

    @property
    def buffer_beats(self) -> int:
        """Beats that the buffer of each layer holds."""
        return self.buffer_bursts * self.layout.burst_beats

    @cached_property
    def buffer_layout(self) -> Layout:
        """How the buffer of a layer lies in memory: with a register behind, also in LUTs."""
        depth, width = self.buffer_beats, self.layout.beat_bits
        if is_block(depth, width):
            return layout(depth, width, writable=True, levels=1)
        return Layout(depth=depth, registers=1)

    @cached_property
    def converters(self) -> tuple[WidthSpec, ...]:
        """From beats to words of each layer: all its words are one vector, behind which the last beat is filled up."""
        made = []
        for weights in self.layout.streams:
            lane = gcd(weights.width, self.layout.beat_bits)
            length = weights.width * weights.depth // lane
            made.append(
                WidthSpec(
                    name=f"{weights.name}_words",
                    layer=weights.name,
                    i_length=length,
                    o_length=length,
                    i_lanes=self.layout.beat_bits // lane,
                    o_lanes=weights.width // lane,
                    lane_bits=lane,
                    stage_levels=self.stage_levels,
                )
            )
        return tuple(made)
