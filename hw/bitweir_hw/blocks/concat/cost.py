"""What joining the channels of maps takes."""

from __future__ import annotations

from math import ceil, log2

from ...resources.fifos import fifo
from ...resources.paths import Path
from ...resources.terms import Terms, index_bits, stepped
from .spec import ConcatSpec

__all__ = ["cost", "paths"]


def cost(spec: ConcatSpec, family: str) -> Terms:
    """A FIFO; for turns a counter of the beats of a pixel, and a multiplexer for each bit."""
    # Bits that all elements of unsigned codes have as 0 are not kept.
    kept = spec.o_bits
    if not spec.signed:
        widths = spec.i_lane_bits if not spec.whole else ()
        used = max(widths) * spec.lanes * spec.parallel_frames if widths else sum(spec.i_bits)
        kept = min(kept, used)
    terms = fifo(kept, spec.fifo_depth, family)
    terms.luts["fixed"] += 1
    if spec.whole:
        terms.luts["inputs"] += spec.inputs
        return terms
    terms.ff += index_bits(spec.inputs) + spec.inputs
    stepped(terms, spec.pixel_beats, family)
    terms.luts["turn"] += index_bits(spec.pixel_beats) + spec.inputs
    terms.luts["choose"] += (spec.inputs - 1) * kept
    return terms


def paths(spec: ConcatSpec) -> list[Path]:
    """The multiplexer of the inputs, on the way into the FIFO."""
    return [Path(luts=1 + ceil(log2(spec.inputs)))]
