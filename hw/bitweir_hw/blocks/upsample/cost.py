"""What the repetition of pixels takes."""

from __future__ import annotations

from ...memory import is_block
from ...resources.fifos import credited
from ...resources.memories import ram
from ...resources.paths import Path
from ...resources.terms import Terms, adder, counter, index_bits
from .spec import UpsampleSpec

__all__ = ["cost", "paths"]


def cost(spec: UpsampleSpec, family: str) -> Terms:
    """The buffer with two addresses, an output FIFO, counters of the loops, and two fill levels."""
    block = is_block(spec.words, spec.word_bits)
    terms = ram(spec.words, spec.word_bits, family, block=block)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.ff += (spec.latency - 1) * spec.o_bits + spec.latency
    for count in spec.loops:
        terms.ff += index_bits(count)
        counter(terms, count, family)
    at = index_bits(spec.words)
    # The address to write, that to read, and words that were never read and places that are left, with a sign.
    terms.ff += 2 * at + 2 * (at + 1)
    counter(terms, spec.words, family)
    adder(terms, at + 1, family)
    if spec.words & (spec.words - 1):
        adder(terms, at, family)
    adder(terms, at + 1, family, count=2)
    terms.luts["onward"] += at * sum(count > 1 for count in (spec.factors[0], spec.factors[1] * (spec.shape[2] > 1)))
    terms.luts["fixed"] += 1
    return terms


def paths(spec: UpsampleSpec) -> list[Path]:
    """The next address, chosen by the ends of the loops: a subtraction, and the depth added where it went round."""
    at = index_bits(spec.words)
    return [Path(adders=(at, at), luts=3), Path(block=is_block(spec.words, spec.word_bits), luts=1)]
