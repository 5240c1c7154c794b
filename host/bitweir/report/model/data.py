"""A whole report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from ...schemas import Json, to_dict
from ...synthesis.results import Measured, Routed
from .blocks import BlockReport, Totals, WeightMemoryReport, WeightStreamReport
from .estimates import Estimate, SynthesisErrors
from .limits import Advice, Limits
from .network import NetworkReport, PlanReport
from .part import Family, Fit, PartReport, TargetReport
from .roofline import Roofline
from .timing import StreamReport, Timeline, Timing


@dataclass(frozen=True, kw_only=True)
class Run:
    """How long a tool ran."""

    what: str
    tool: str
    seconds: Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What a design costs and how fast it is.

    Parameters
    ----------
    schema : str
    version : int
        Raised when a program that reads reports would notice a change.
    bitweir : str
        Version that wrote the report.
    network : NetworkReport
    plan : PlanReport
    timing : Timing
    blocks : tuple of BlockReport
        In the order of the stream.
    streams : tuple of StreamReport
        In the order of the pipeline, the input first and the output last.
    timeline : Timeline
    weight_streams : tuple of WeightStreamReport
        Of layers whose weights come from outside the chip; not set where there are none.
    weight_memory : WeightMemoryReport
        What a memory leaves of the throughput; not set where none was named.
    total : Totals
    synthesis : dict
        What was measured, by family.
    routed : dict
        What place and route measured, by board.
    estimates : dict
        What the cost model expects, by family: those that were measured, and that of the part.
    errors : dict
        By family, for families with both.
    target : TargetReport
    part : PartReport
    fit : Fit
    limits : Limits
    advice : tuple of Advice
        What to try next; not set where it was not asked for, empty where nothing is worth it or the design is so large
        that it would take long.
    roofline : Roofline
    tools : dict
        Versions.
    runs : tuple of Run
        How long tools ran for this report, or before for what it quotes.
    """

    schema: Literal["bitweir report"] = "bitweir report"
    version: Literal[5] = 5
    bitweir: str
    network: NetworkReport
    plan: PlanReport
    timing: Timing
    blocks: tuple[BlockReport, ...]
    streams: tuple[StreamReport, ...]
    timeline: Timeline
    weight_streams: tuple[WeightStreamReport, ...] | UnsetType = UNSET
    weight_memory: WeightMemoryReport | UnsetType = UNSET
    total: Totals
    synthesis: dict[Family, Measured]
    routed: dict[str, Routed]
    estimates: dict[Family, Estimate]
    errors: dict[Family, SynthesisErrors]
    target: TargetReport
    part: PartReport
    fit: Fit
    limits: Limits
    advice: tuple[Advice, ...] | UnsetType = UNSET
    roofline: Roofline
    tools: dict[str, str]
    runs: tuple[Run, ...]

    @property
    def estimate(self) -> Estimate:
        """For the family of the part."""
        return self.estimates[self.part.family]

    @property
    def resources(self) -> tuple[Literal["measured", "estimated"], Measured | Estimate]:
        """What the design takes on the family of the part: measured where it was, or else estimated."""
        if (measured := self.synthesis.get(self.part.family)) is not None:
            return "measured", measured
        return "estimated", self.estimate

    def to_dict(self) -> Json:
        """The JSON object that `bitweir report` prints with ``--json``."""
        return to_dict(self)
