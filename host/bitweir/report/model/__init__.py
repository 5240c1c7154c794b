"""What a report holds: typed, frozen, and the same in every form of it."""

from .blocks import (
    BlockRams,
    BlockReport,
    MemoryReport,
    ReaderReport,
    Reuse,
    Totals,
    WeightMemoryReport,
    WeightStreamReport,
    block_rams_held,
)
from .data import ReportData, Run
from .estimates import Bands, Estimate, FmaxEstimate, Percentiles, ResourceBands, ResourceErrors, SynthesisErrors
from .limits import Advice, Limits
from .network import Folding, Format, NetworkReport, PlanReport, Popcount, ResultReport
from .part import Family, Fit, FitRow, PartReport, TargetReport
from .roofline import LayerNeeds, Roofline
from .timing import BlockSpan, StreamReport, Timeline, Timing

__all__ = [
    "Advice",
    "Bands",
    "BlockRams",
    "BlockReport",
    "BlockSpan",
    "Estimate",
    "Family",
    "Fit",
    "FitRow",
    "FmaxEstimate",
    "Folding",
    "Format",
    "LayerNeeds",
    "Limits",
    "MemoryReport",
    "NetworkReport",
    "PartReport",
    "Percentiles",
    "PlanReport",
    "Popcount",
    "ReaderReport",
    "ReportData",
    "ResourceBands",
    "ResourceErrors",
    "ResultReport",
    "Reuse",
    "Roofline",
    "Run",
    "StreamReport",
    "SynthesisErrors",
    "TargetReport",
    "Timeline",
    "Timing",
    "Totals",
    "WeightMemoryReport",
    "WeightStreamReport",
    "block_rams_held",
]
