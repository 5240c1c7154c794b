"""What a search may use, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from ..lower.layers import build
from ..network.network import Network
from ..plan import Plan
from .prices import Fitted, Learned

__all__ = ["Budget", "Outside", "SearchResult", "Streaming"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a plan may use.

    Parameters
    ----------
    sites, block_rams, ffs : float
        LUT sites, block RAMs and flip-flops; infinite where nobody says.
    counted : Budget or None
        What is there by count, where less of it can be routed.
    why : str
        Where that is so: a sentence that tells what can be routed.
    reserved : str
        What is kept free, as ``"after the reserve of 500 LUTs"``; empty for nothing.
    larger : tuple of (str, Budget), or None
        Parts that hold more, the smallest first, to be named where nothing fits; None where they are not known.
    """

    sites: float = inf
    block_rams: float = inf
    ffs: float = inf
    counted: Budget | None = None
    why: str = ""
    reserved: str = ""
    larger: tuple[tuple[str, Budget], ...] | None = None

    def holds(self, found: SearchResult) -> bool:
        """Whether a plan keeps within it."""
        return found.sites <= self.sites and found.block_rams <= self.block_rams and found.ffs <= self.ffs


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """A plan, and how much better one could be at most.

    Parameters
    ----------
    plan : Plan
    cycles : int
        A frame (or V frames) in steady state.
    sites, block_rams, ffs : int
        As estimated.
    bound : float
        For the fewest sites: no plan has fewer. For the most frames: no plan takes fewer cycles.
    """

    plan: Plan
    cycles: int
    sites: int
    block_rams: int
    ffs: int
    bound: float


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A memory outside the chip, and the layers whose weights come from it.

    Parameters
    ----------
    layers : frozenset of str
    bits_per_cycle : float
        What it gives all of them.
    """

    layers: frozenset[str] = frozenset()
    bits_per_cycle: float = inf

    def cycles(self, bits: int) -> int:
        """Cycles in which so many bits come."""
        return ceil(bits / self.bits_per_cycle)


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """A plan that fits because weights come from outside the chip.

    Parameters
    ----------
    outside : Outside
    found : SearchResult
    network : Network
    """

    outside: Outside
    found: SearchResult
    network: Network

    @property
    def bytes_per_frame(self) -> float:
        """Of weights, for each of V parallel frames."""
        plan = self.found.plan
        return build(Fitted(self.network, plan, Learned())).weight_bits / 8 / plan.parallel_frames

    @property
    def told(self) -> str:
        """What to do, as a part of a sentence."""
        count = len(self.outside.layers)
        return (
            f"let weights of {count} layer{'s' if count > 1 else ''} come from outside the chip, "
            f"{self.bytes_per_frame / 1e6:,.3g} MB for each frame: --folding "
            f"{','.join(map(str, self.found.plan.foldings))}"
        )
