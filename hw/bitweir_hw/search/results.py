"""What a search may use, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import inf

from ..errors import PlanError
from ..lower.layers import build
from ..network.network import Network
from ..plan import Plan
from .outside import Outside
from .prices import Fitted, Learned

__all__ = ["Budget", "Outside", "SearchResult", "Streaming", "TooLargeError"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a plan may use.

    Parameters
    ----------
    sites, block_rams, ffs : float
        LUT sites, block RAMs and flip-flops; infinite where nobody says.
    lut_rams : float
        Cells of distributed RAM, likewise.
    counted : Budget or None
        What is there by count, where less of it can be routed.
    why : str
        Where that is so: a sentence that tells what can be routed.
    reserved : str
        What is kept free, as ``"after the reserve of 500 LUTs"``; empty for nothing.
    """

    sites: float = inf
    block_rams: float = inf
    ffs: float = inf
    lut_rams: float = inf
    counted: Budget | None = None
    why: str = ""
    reserved: str = ""

    def holds(self, found: SearchResult) -> bool:
        """Whether a plan keeps within it."""
        return (
            found.sites <= self.sites
            and found.block_rams <= self.block_rams
            and found.ffs <= self.ffs
            and found.lut_rams <= self.lut_rams
        )


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """A plan, and how much better one could be at most.

    Parameters
    ----------
    plan : Plan
    cycles : int
        A frame (or V frames) in steady state.
    sites, block_rams, ffs, lut_rams : int
        As estimated.
    bound : float
        For the fewest sites: no plan has fewer. For the most frames: no plan takes fewer cycles.
    """

    plan: Plan
    cycles: int
    sites: int
    block_rams: int
    ffs: int
    lut_rams: int
    bound: float


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


class TooLargeError(PlanError):
    """No plan fits; what is missing, and what to do.

    Its sentence is made when it is asked for, as a search for the best plan asks for many that do not fit.

    Parameters
    ----------
    needs : str
        What the network must fit into and what it needs, as a sentence without its end.
    note : str
        A sentence that follows, or nothing.
    slower : bool
        Whether more cycles a frame may help.
    streaming : callable
        Finds a plan that fits because weights come from outside the chip, or None.
    part : str
        What to do about the part.
    streamed : str
        What is to be said of `streaming` beside what it tells.
    """

    def __init__(
        self,
        needs: str,
        note: str = "",
        *,
        slower: bool = False,
        streaming: Callable[[], Streaming | None] = lambda: None,
        part: str = "take a larger part",
        streamed: str = "",
    ) -> None:
        super().__init__(needs)
        self._needs, self._note, self._slower, self._find = needs, note, slower, streaming
        self._part, self._streamed = part, streamed

    @cached_property
    def streaming(self) -> Streaming | None:
        """A plan that fits because weights come from outside the chip."""
        return self._find()

    def __str__(self) -> str:
        ways = ["allow more cycles a frame"] if self._slower else []
        ways.append(self._part)
        if self.streaming:
            ways.append(self.streaming.told + self._streamed)
        return f"{self._needs}: {', or '.join(ways)}.{self._note and ' '}{self._note}"

    def with_remedy(self, part: str, streamed: str = "") -> TooLargeError:
        """The same with what is known of other parts, and of the speed of the plan with weights from outside."""
        return self._with(note=self._note, part=part, streamed=streamed)

    def without_streaming(self, part: str) -> TooLargeError:
        """The same where weights cannot come from outside, with what to do about the part."""
        return TooLargeError(self._needs, self._note, slower=self._slower, part=part)

    def with_note(self, note: str) -> TooLargeError:
        """The same with one sentence more."""
        return self._with(note=f"{self._note} {note}".strip(), part=self._part, streamed=self._streamed)

    def _with(self, *, note: str, part: str, streamed: str) -> TooLargeError:
        return TooLargeError(
            self._needs, note, slower=self._slower, streaming=lambda: self.streaming, part=part, streamed=streamed
        )
