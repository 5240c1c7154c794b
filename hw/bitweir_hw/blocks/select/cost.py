"""What the choice of channels takes."""

from __future__ import annotations

from math import ceil, log2

from ...resources.fifos import fifo
from ...resources.paths import Path
from ...resources.terms import Terms, counter, index_bits
from .spec import SelectSpec

__all__ = ["cost", "paths"]


def cost(spec: SelectSpec, family: str) -> Terms:
    """A FIFO; for several beats a pixel a counter, whether one leaves, and a multiplexer for each bit."""
    terms = fifo(spec.o_bits, spec.fifo_depth, family)
    terms.luts["fixed"] += 1
    if spec.pixel_beats > 1:
        at = index_bits(spec.pixel_beats)
        terms.ff += at
        counter(terms, spec.pixel_beats, family)
        terms.luts["turn"] += at
    terms.luts["choose"] += spec.lane_bits * sum(len(set(row)) - 1 for row in spec.sources)
    return terms


def paths(spec: SelectSpec) -> list[Path]:
    """The multiplexer of the lanes, on the way into the FIFO."""
    return [Path(luts=3 + ceil(log2(max(len(set(row)) for row in spec.sources))))]
