"""What a running maximum costs, and its longest paths."""

from __future__ import annotations

from ...resources.fifos import credited
from ...resources.memories import ram
from ...resources.paths import Path
from ...resources.terms import Terms, compare, counter, index_bits, stepped
from .spec import RunningMaxSpec

__all__ = ["cost", "paths"]


def cost(spec: RunningMaxSpec, family: str) -> Terms:
    """`blocks.running.gateware`: partial results, what combines elements, and counters of words and places."""
    terms = Terms()
    if spec.words == 1:
        terms.rams.append(0)
        terms.ff += spec.o_bits
    else:
        terms += ram(spec.words, spec.o_bits, family, block=spec.partial.block)
        stepped(terms, spec.words, family)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    stepped(terms, spec.words, family, last=True)
    stepped(terms, spec.places, family, last=True)
    # Where in a window the place is; whether it is the first, ends a window, and begins one beside.
    terms.ff += index_bits(spec.stride) + 2 + (spec.overlaps and spec.stride > 1)
    counter(terms, spec.stride, family)
    if spec.changing and spec.least is not None:
        stepped(terms, len(spec.least), family)
        terms.ff += spec.changing
        terms.luts["gate"] += spec.changing * max(1, len(spec.least) // 16)
    places = spec.lanes * spec.parallel_frames
    if spec.split:
        # The element, the partial result and which of them; two marks, one more, and the address.
        terms.ff += 2 * spec.o_bits + places + 2 + (spec.overlaps and spec.stride > 1) + index_bits(spec.words)
    elif spec.stage_levels:
        terms.ff += spec.o_bits + 1
    if spec.is_or:
        terms.luts["gate"] += places
    else:
        # The sign of a difference.
        compare(terms, spec.lane_bits + 1, family, places)
        terms.luts["choose"] += places * spec.lane_bits
    # What is kept is the element alone where a window begins as another one ends.
    terms.luts["select"] += spec.o_bits * (spec.overlaps and spec.stride > 1)
    terms.luts["fixed"] += 1
    return terms


def paths(spec: RunningMaxSpec) -> list[Path]:
    """From beat to beat a partial result is compared and chosen: of few words, no register breaks that."""
    block = spec.partial.block and spec.words > 1
    control = [Path(luts=3), Path(adders=(index_bits(spec.words),), luts=1)]
    if spec.is_or:
        return [*control, Path(block=block, luts=2)]
    # What is chosen by the comparison goes back into the memory, or into a register first.
    return [*control, Path(block=block, adders=(spec.lane_bits,), luts=2 if spec.split else 3)]
