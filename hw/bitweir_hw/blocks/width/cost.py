"""What a width converter costs, and its longest paths."""

from __future__ import annotations

from collections import Counter

from ...resources.fifos import fifo
from ...resources.paths import Path
from ...resources.terms import Terms, adder, counter, fill_level, index_bits, stepped
from .beats import Beats
from .spec import WidthSpec

__all__ = ["cost", "paths"]


def cost(spec: WidthSpec, family: str) -> Terms:
    """`blocks.width.gateware`: a queue of output beats, and what brings elements to their places."""
    beats = Beats(spec)
    if spec.shift_stages:
        return _pipelined(spec, beats, family)
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
    most = beats.farthest
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
    # Words as they come, where the next one stands, how many are left, and whether any and one; two output registers.
    terms.ff += beats.most * spec.o_bits + (1 if spec.moves_down else index_bits(beats.most)) + beats.most.bit_length()
    terms.ff += 2 * spec.o_bits + 4
    # Moving down takes a LUT for each bit but those of the last word, and one to choose among the lowest two.
    terms.luts["select"] += (beats.most - (not spec.moves_down)) * spec.o_bits
    terms.luts["queue"] += 2 * spec.o_bits
    return terms


def _pipelined(spec: WidthSpec, beats: Beats, family: str) -> Terms:
    """`blocks.width.pipelined`: what a beat does from registers, a shifter in stages, the rest, a queue."""
    terms = Terms(luts=Counter(fixed=1))
    size, kinds, counted = len(beats.order), len(beats.steps), beats.most.bit_length()
    stepped(terms, spec.part_beats, family, last=True)
    stepped(terms, spec.parts, family, last=True)
    at = index_bits(beats.phases)
    # The kinds of two beats, and the phases; what is added differs by kind, and so what a beat completes.
    terms.ff += 2 * (kinds - 1) + 2 * at + counted
    added = [steps % beats.phases for steps in beats.steps]
    for numbers in (added, [steps // beats.phases for steps in beats.steps]):
        changing = 0
        for number in numbers:
            changing |= number ^ numbers[0]
        terms.ff += 2 * changing.bit_count()
    for places in (at, at + 1):
        adder(terms, places, family, feature="phase")
    terms.luts["phase"] += at + size.bit_length()

    bits = beats.step * spec.lane_bits
    levels, done, width = beats.farthest.bit_length(), 0, spec.i_bits
    most = beats.farthest * bits + spec.i_bits
    if kinds > 1:
        terms.luts["padding"] += (max(beats.elements) - min(beats.elements)) * spec.lane_bits
    for stage in range(spec.shift_stages):
        until = min(2 * spec.stage_levels * (stage + 1) - 1, levels)
        for level in range(done, until):
            width = min(width + (bits << level), most)
            terms.luts["shift"] += width
        done = until
        terms.ff += width + 1 + counted + levels - done
    terms.ff += 1
    terms.ff += beats.farthest * bits
    terms.luts["shift"] += beats.farthest * bits
    terms.luts["places"] += min(beats.farthest * bits, beats.most * spec.o_bits)
    if beats.most == 1:
        fill_level(terms, spec.places + 1, family)
        terms += fifo(spec.o_bits, spec.places + 1, family)
        return terms
    left = max((spec.places + beats.most).bit_length(), 2) + 1
    terms.ff += left
    adder(terms, left + 1, family)
    end = (beats.most - 1).bit_length()
    terms += fifo(beats.most * spec.o_bits + end, spec.places + 1, family)
    terms.ff += spec.o_bits + 1 + end
    terms.luts["select"] += (beats.most - 1) * spec.o_bits
    terms.luts["queue"] += 2 * end + 2
    return terms


def paths(spec: WidthSpec) -> list[Path]:
    """The shifter, where there is one, what chooses the word that leaves, or how many are left."""
    beats = Beats(spec)
    at = index_bits(beats.phases)
    if spec.shift_stages:
        # The last one is the multiplexer of words that come at once.
        several = Path(luts=index_bits(beats.most) + 1)
        return [Path(luts=2 * spec.stage_levels), Path(adders=(at + 1,), luts=1), Path(luts=3), several]
    if beats.shifts:
        return [Path(luts=3 + at), Path(adders=(at,), luts=4)]
    chosen = 2 if spec.moves_down else beats.most
    left = [Path(adders=(beats.most.bit_length(),), luts=2)] if beats.most > 1 else []
    return [Path(luts=max(3, 1 + index_bits(chosen))), *left]
