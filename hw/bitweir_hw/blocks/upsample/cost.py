"""What the repetition of pixels takes."""

from __future__ import annotations

from ...resources.fifos import credited
from ...resources.memories import ram
from ...resources.paths import Path, behind, level_path
from ...resources.terms import Terms, adder, fill_level, index_bits, stepped
from .spec import UpsampleSpec

__all__ = ["cost", "paths"]


def cost(spec: UpsampleSpec, family: str) -> Terms:
    """The buffer with two addresses, an output FIFO, counters of the loops, and two fill levels."""
    buffer = spec.buffer
    terms = ram(spec.words, spec.word_bits, family, block=buffer.block, layout=buffer.layout)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.ff += spec.latency
    for count in spec.loops:
        stepped(terms, count, family, last=True)
    at = index_bits(spec.words)
    round_it = spec.words & (spec.words - 1) > 0
    # The address to read and how far the next one is, one of up to three; whether a word is new, or used up.
    terms.ff += at + (1 + round_it) * at + 3
    stepped(terms, spec.words, family)
    adder(terms, at, family)
    if round_it:
        adder(terms, at + 1, family)
        terms.luts["onward"] += at
    for _ in range(2):
        fill_level(terms, spec.words, family)
    terms.luts["onward"] += at * sum(count > 1 for count in (spec.factors[0], spec.factors[1] * (spec.shape[2] > 1)))
    terms.luts["fixed"] += 1
    return terms


def paths(spec: UpsampleSpec) -> list[Path]:
    """The next address, and what chooses it; a fill level."""
    at = index_bits(spec.words)
    return [
        Path(adders=(at + 1,), luts=1),
        level_path(spec.words),
        Path(luts=3),
        *behind(spec.buffer),
        Path(block=spec.buffer.block, registered=spec.buffer.block, luts=2),
    ]
