"""A memory outside the chip from which weights are streamed, as far as time is concerned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.checked import real, whole
from bitweir_hw.errors import PlanError
from bitweir_sim.time.cycles import Timing, steady_state
from bitweir_sim.time.supply import Supply, shared_supplies

__all__ = ["WeightMemory", "Weights", "check_bandwidth"]

#: Cycles that a frame may wait for its weights, and the first word of all: a simulation runs each of them.
MOST_CYCLES, MOST_LATENCY = 100_000_000, 1_000_000


def check_bandwidth(bandwidth: float) -> None:
    """Refuse what is no bandwidth in bytes/s.

    Raises
    ------
    PlanError
        It is less than 1, or no number.
    """
    real(bandwidth, "The bandwidth of weights", low=1, unit="bytes/s")


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
        The bandwidth is less than 1 byte/s or no number, or the latency is negative or more than
        `MOST_LATENCY`.
    """

    bandwidth: float
    latency: int = 0

    def __post_init__(self) -> None:
        check_bandwidth(self.bandwidth)
        latency = whole(self.latency, "The latency of weights in cycles", low=0, high=MOST_LATENCY)
        object.__setattr__(self, "latency", latency)

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
            No weights are streamed, or a frame waits for them longer than `MOST_CYCLES`.
        """
        if not pipeline.weight_streams:
            raise PlanError(
                "A bandwidth of weights must be given for layers whose weights come over a stream, and there are none: "
                "leave out --weight-bandwidth (in Python weight_memory=), or fold a layer like 64x32:stream."
            )
        rate = Fraction(8 * self.bandwidth / clock)
        if pipeline.weight_bits > rate * MOST_CYCLES:
            least = ceil(pipeline.weight_bits * clock / 8 / MOST_CYCLES)
            raise PlanError(
                f"The bandwidth of weights must be at least {least:,} bytes/s, so that a frame takes at most "
                f"{MOST_CYCLES:,} cycles, as a simulation runs each of them; not {self.bandwidth:g}."
            )
        supplies = shared_supplies(pipeline, rate, interval=ceil(timing.interval), latency=self.latency)
        return Weights(supplies=supplies, timing=steady_state(pipeline, supplies))
