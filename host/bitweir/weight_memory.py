"""A memory outside the chip from which weights are streamed, as far as time is concerned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.errors import PlanError
from bitweir_sim.time.cycles import Timing, steady_state
from bitweir_sim.time.supply import Supply, shared_supplies

__all__ = ["WeightMemory", "Weights", "check_bandwidth"]


def check_bandwidth(bandwidth: float) -> None:
    """Refuse what is no bandwidth in bytes/s.

    Raises
    ------
    PlanError
        It is no positive number.
    """
    if not 0 < bandwidth < inf:
        raise PlanError(f"The bandwidth of weights must be a positive number of bytes/s, not {bandwidth:g}.")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How streamed weights come, and what that makes of the time of an accelerator.

    Parameters
    ----------
    supplies : mapping of str to Supply
        By the names of blocks; those left out always have a word.
    timing : Timing
    """

    supplies: Mapping[str, Supply]
    timing: Timing


@dataclass(frozen=True, kw_only=True)
class WeightMemory:
    """A memory that all streamed layers share, each with a fixed share: see `shared_supplies`.

    Parameters
    ----------
    bandwidth : float
        Bytes a second.
    latency : int
        Clock cycles of the accelerator before the first word.

    Raises
    ------
    PlanError
        The bandwidth is no positive number, or the latency is negative.
    """

    bandwidth: float
    latency: int = 0

    def __post_init__(self) -> None:
        check_bandwidth(self.bandwidth)
        if self.latency < 0:
            raise PlanError(f"The latency of weights must be 0 cycles or more, not {self.latency}.")

    def weights(self, pipeline: Pipeline, timing: Timing, clock: float) -> Weights:
        """What the memory gives an accelerator.

        Parameters
        ----------
        pipeline : Pipeline
        timing : Timing
            Of the accelerator where words always come.
        clock : float
            Hz.

        Raises
        ------
        PlanError
            No weights are streamed.
        """
        if not pipeline.weight_streams:
            raise PlanError(
                "A bandwidth of weights must be given for layers whose weights come over a stream, and there are none: "
                "leave out --weight-bandwidth (in Python weight_memory=), or fold a layer like 64x32:stream."
            )
        rate = Fraction(8 * self.bandwidth / clock)
        supplies = shared_supplies(pipeline, rate, interval=ceil(timing.interval), latency=self.latency)
        return Weights(supplies=supplies, timing=steady_state(pipeline, supplies))
