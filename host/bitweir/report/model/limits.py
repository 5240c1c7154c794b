"""What limits a design, and what to try next, in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from ...schemas import Count, Positive, Rate, one_of


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What limits the speed and the size of a design.

    Parameters
    ----------
    pace : tuple of str
        Blocks that are busy in each cycle; none where no block always is.
    clock : str
        The block with the longest path, by the estimate.
    resource : str
        Of the part, the resource of which the design takes the largest share.
    share : float
        That share; above 1 where there is not enough.
    block : str
        The block that takes the most of it.
    block_share : float
        How much of what the design takes.
    """

    pace: tuple[str, ...]
    clock: str
    resource: Annotated[str, one_of("LUT sites", "flip-flops", "block RAMs", "DSPs", "LUT RAMs")]
    share: Annotated[float, Meta(ge=0)]
    block: str
    block_share: Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A change of the plan, and what it is expected to do: all by the cost model, as nothing of it was synthesised.

    Parameters
    ----------
    change : str
    options : str
        What makes it on the command line, beside the model and the part.
    frames_per_second : float
        At the clock that is expected of it.
    frames_change : float
        frames_per_second of this plan / that of the design - 1, both by estimate.
    latency_us : float
    clock_mhz : float
        Expected, and no more than is asked for.
    cycles_per_frame : float
    sites, ff, bram : int
    sites_change, ff_change, bram_change : int
        More or fewer than the design has by the same estimate.
    fits : bool
        The part has enough of all resources.
    routes : bool
        No resource is fuller than in designs of the family that were seen to route.
    """

    change: str
    options: str
    frames_per_second: Rate
    frames_change: float
    latency_us: Rate
    clock_mhz: Rate
    cycles_per_frame: Rate
    sites: Positive
    ff: Positive
    bram: Count
    sites_change: int
    ff_change: int
    bram_change: int
    fits: bool
    routes: bool
