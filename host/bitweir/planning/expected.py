"""A plan with what it is expected to do in time."""

from __future__ import annotations

from dataclasses import dataclass

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.search import SearchResult
from bitweir_sim.time.sizing import jam_error, latency

__all__ = ["Expected", "round_clock"]


def round_clock(hertz: float) -> float:
    """What a target is made for, where nobody asked for a clock: whole tenths of a MHz, not above."""
    return max(int(hertz / 1e5), 1) * 1e5


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A plan that a search found, and what it is expected to do.

    Parameters
    ----------
    found : SearchResult
    pipeline : Pipeline
    fmax : float
        Hz that a router may reach.
    clock : float
        Hz: the lower one of `fmax` and the highest that is wanted.
    sure : float
        Hz: as `clock`, even if `fmax` is too high by as much as it ever was.
    """

    found: SearchResult
    pipeline: Pipeline
    fmax: float
    clock: float
    sure: float

    @property
    def fps(self) -> float:
        """Frames/s at `clock`."""
        return self.found.plan.parallel_frames * self.clock / self.found.cycles

    @property
    def sure_fps(self) -> float:
        """Frames/s at `sure`."""
        return self.found.plan.parallel_frames * self.sure / self.found.cycles

    @property
    def latency(self) -> float:
        """Seconds from the first beat of a frame to its result, at `clock`."""
        cycles = latency(self.pipeline)
        if cycles is None:
            raise jam_error(self.pipeline)
        return cycles / self.clock
