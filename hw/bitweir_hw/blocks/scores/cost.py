"""What the ends of networks and votes cost, and their longest paths."""

from __future__ import annotations

from math import ceil, log2

from ...arithmetic import ceil_div
from ...resources.fifos import credited
from ...resources.paths import Path
from ...resources.terms import Terms, compare, counter, index_bits
from .spec import ArgmaxSpec, ChoiceSpec, ResultSpec, VoteSpec

__all__ = ["argmax_cost", "choice_cost", "result_cost", "scores_paths", "vote_cost"]


def _leader(spec: ArgmaxSpec | VoteSpec | ChoiceSpec, family: str) -> Terms:
    """`RunningArgmax`: a comparator and a multiplexer for each lane and frame, the leader and its index."""
    beats, index = ceil_div(spec.classes, spec.lanes), max(1, index_bits(spec.classes))
    terms = Terms(ff=index_bits(beats) + spec.parallel_frames * index)
    counter(terms, beats, family)
    merges = spec.lanes - (beats == 1)
    if beats > 1:
        terms.ff += spec.parallel_frames * spec.lane_bits
    compare(terms, spec.lane_bits, family, merges * spec.parallel_frames)
    terms.luts["choose"] += spec.parallel_frames * (spec.lanes - 1) * (spec.lane_bits + index_bits(spec.lanes))
    terms.luts["choose"] += spec.parallel_frames * index
    padded = beats * spec.lanes - spec.classes
    terms.luts["padding"] += padded * spec.lane_bits * spec.parallel_frames
    terms.luts["fixed"] += 1
    return terms


def argmax_cost(spec: ArgmaxSpec, family: str) -> Terms:
    """`blocks.scores.argmax`: the leader, and the scores that pass."""
    terms = _leader(spec, family)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    return terms


def vote_cost(spec: VoteSpec, family: str) -> Terms:
    """`blocks.scores.vote`: the leader, and a decoder of M bits for each frame."""
    terms = _leader(spec, family)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.luts["decode"] += spec.o_bits
    return terms


def choice_cost(spec: ChoiceSpec, family: str) -> Terms:
    """`blocks.scores.choice`: the leader of each pixel."""
    terms = _leader(spec, family)
    if spec.lanes >= spec.classes:
        terms.ff -= spec.o_bits  # nothing is kept from beat to beat
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    return terms


def result_cost(spec: ResultSpec, family: str) -> Terms:
    """`blocks.scores.result`: a counter of beats, and a gate for each bit that pads the last one."""
    terms = Terms()
    counter(terms, spec.cycles, family)
    terms.ff += index_bits(spec.cycles)
    padded = spec.cycles * spec.lanes - spec.classes
    terms.luts["padding"] += padded * spec.lane_bits * spec.parallel_frames
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    return terms


def scores_paths(spec: ArgmaxSpec | VoteSpec | ChoiceSpec) -> list[Path]:
    """A tree of comparisons and multiplexers, and one with the leader so far."""
    depth = ceil(log2(spec.lanes)) + 1
    return [Path(adders=(spec.lane_bits,) * depth, luts=2 * depth + isinstance(spec, VoteSpec))]
