"""What a width converter costs, and its longest paths."""

from __future__ import annotations

from collections import Counter

from ...resources.fifos import fifo
from ...resources.paths import Path
from ...resources.terms import Terms, adder, counter, index_bits
from .gateware import Beats
from .spec import WidthSpec

__all__ = ["cost", "paths"]


def cost(spec: WidthSpec, family: str) -> Terms:
    """`blocks.width.gateware`: a queue of output beats, and what brings elements to their places."""
    beats = Beats(spec)
    terms = Terms(luts=Counter(fixed=1))
    # Beats are counted where their kinds differ.
    kinds = list(zip(beats.elements, beats.steps, strict=True))
    parts = spec.parts > 1 and kinds[-1] != kinds[-2]
    for end, counted in ((spec.part_beats, parts or kinds[0] != kinds[-1]), (spec.parts, parts)):
        terms.ff += index_bits(end) if counted else 0
        counter(terms, end if counted else 1, family)
    terms.ff += index_bits(beats.phases)
    adder(terms, index_bits(beats.phases), family, feature="phase")
    bits = beats.step * spec.lane_bits
    most = max(at for at, _, _ in beats.events)
    padded = spec.vector_beats * spec.o_lanes - spec.o_length
    if beats.phases > 1 and beats.collects:
        terms.ff += (beats.phases - 1) * bits
        terms.luts["places"] += beats.phases - 1
        terms.luts["padding"] += padded * spec.lane_bits
    elif beats.phases > 1:
        terms.ff += most * bits
        shifted = spec.i_bits
        for level in range(most.bit_length()):
            shifted += bits << level
            terms.luts["shift"] += min(shifted, most * bits + spec.i_bits)
        terms.luts["shift"] += most * bits
    if beats.most == 1:
        depth = 3 if any(at == 0 and count for at, _, count in beats.events) else 2
        terms += fifo(spec.o_bits, depth, family)
        terms.ff += 2 if depth == 3 and beats.phases > 1 else 0
        return terms
    terms.rams.append(0)
    # Words as they come, where the next one stands, how many are left; two output registers.
    terms.ff += beats.most * spec.o_bits + index_bits(beats.most) + beats.most.bit_length()
    terms.ff += 2 * spec.o_bits + 2
    terms.luts["select"] += (beats.most - 1) * spec.o_bits
    terms.luts["queue"] += 2 * spec.o_bits
    return terms


def paths(spec: WidthSpec) -> list[Path]:
    """The shifter, where there is one."""
    beats = Beats(spec)
    shifts = 0 if beats.collects else index_bits(beats.phases)
    return [Path(luts=3 + shifts)]
