"""What the ends of networks and votes cost, and their longest paths."""

from __future__ import annotations

from ...arithmetic import ceil_div
from ...resources.fifos import credited, fifo
from ...resources.paths import Path
from ...resources.terms import Terms, adder, compare, counter, index_bits
from .spec import ArgmaxSpec, ChoiceSpec, ResultSpec, VoteSpec, all_pairs, lead_levels, tree_latency

__all__ = ["argmax_cost", "choice_cost", "result_cost", "scores_paths", "vote_cost"]


def _leader(spec: ArgmaxSpec | VoteSpec | ChoiceSpec, family: str) -> Terms:
    """`RunningArgmax`: a comparator and a multiplexer for each lane and frame, the leader and its index."""
    beats, index = ceil_div(spec.classes, spec.lanes), max(1, index_bits(spec.classes))
    bits, frames = spec.lane_bits, spec.parallel_frames
    if all_pairs(spec.classes, spec.lanes, spec.stage_levels):
        pairs = spec.classes * (spec.classes - 1) // 2
        terms = Terms(ff=frames * (index + pairs * (spec.stage_levels == 1)))
        compare(terms, bits, family, pairs * frames)
        # Carries that leave their chains, and what a class wins against the others.
        terms.luts["choose"] += 3 * frames * pairs
        terms.luts["fixed"] += 1
        return terms
    terms = Terms(ff=_tree_registers(spec))
    compare(terms, bits, family, (spec.lanes - 1) * frames)
    terms.luts["choose"] += frames * (spec.lanes - 1) * (bits + index_bits(spec.lanes))
    terms.luts["fixed"] += 1
    if beats == 1:
        return terms
    compare(terms, bits + 1, family, frames)
    terms.ff += frames * (bits + index)
    stride = 1 if spec.lanes & (spec.lanes - 1) == 0 else spec.lanes
    if not spec.stage_levels:
        terms.luts["choose"] += frames * index
    # The beats before the tree, of which the last is marked, and behind it, of which the first is.
    for _ in range(2 if spec.stage_levels and spec.lanes > 1 else 1):
        terms.ff += index_bits((beats - 1) * stride + 1)
        counter(terms, (beats - 1) * stride + 1, family)
    terms.ff += 2
    if stride > 1:
        adder(terms, index, family, frames)
    return terms


def _tree_registers(spec: ArgmaxSpec | VoteSpec | ChoiceSpec) -> int:
    """Flip-flops of the tree: at each of its registers the contenders with their lanes, choices, and two flags."""
    sizes, several = (spec.lanes - 1).bit_length(), spec.lanes < spec.classes
    found = 0
    for level in range(1, 2 * sizes + 1) if spec.stage_levels else ():
        if level % spec.stage_levels and level != 2 * sizes:
            continue
        span = 1 << level // 2
        groups = [min(span, spec.lanes - first) for first in range(0, spec.lanes, span)]
        # Of the only beat nobody asks how high the winner is.
        scores = spec.lane_bits if several or level < 2 * sizes - 1 else 0
        each = sum(scores + index_bits(count) for count in groups) + level % 2 * (len(groups) // 2)
        found += spec.parallel_frames * each + 2 * several
    return found


def argmax_cost(spec: ArgmaxSpec, family: str) -> Terms:
    """`blocks.scores.argmax`: the leader, and the scores that pass, in a FIFO of their own where it comes later."""
    terms = _leader(spec, family)
    padded = ceil_div(spec.classes, spec.lanes) * spec.lanes - spec.classes
    terms.luts["padding"] += padded * spec.lane_bits * spec.parallel_frames
    if not spec.latency:
        terms += credited(spec.o_bits, spec.fifo_depth, family)
        return terms
    terms += credited(spec.o_bits - spec.i_bits, spec.fifo_depth, family)
    terms += fifo(spec.i_bits, spec.fifo_depth, family)
    # Whether a beat moved, and its mark; of several beats those at the tree's registers are counted there.
    in_tree = tree_latency(spec.classes, spec.lanes, spec.stage_levels)
    terms.ff += 2 * (spec.latency - in_tree) if spec.cycles > 1 else spec.latency
    return terms


def vote_cost(spec: VoteSpec, family: str) -> Terms:
    """`blocks.scores.vote`: the leader, and a decoder of M bits for each frame."""
    terms = _leader(spec, family)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.luts["decode"] += spec.o_bits
    terms.ff += spec.latency + spec.o_bits * (spec.stage_levels == 1)
    return terms


def choice_cost(spec: ChoiceSpec, family: str) -> Terms:
    """`blocks.scores.choice`: the leader of each pixel."""
    terms = _leader(spec, family)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.ff += spec.latency
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
    """Each stage of the tree, the comparison with the leader so far, and the way into the output."""
    bits, sizes, several = spec.lane_bits, (spec.lanes - 1).bit_length(), spec.lanes < spec.classes
    votes = isinstance(spec, VoteSpec)
    # Lanes that pad the last beat are told apart behind the first comparison.
    padded = 2 * (spec.classes % spec.lanes != 0)
    if not spec.stage_levels:
        depth = sizes + several
        return [Path(adders=(bits + 2,) * depth, luts=depth + 1 + votes + padded)]
    levels = range(1, lead_levels(spec.classes, spec.lanes, spec.stage_levels) + 1)
    stages = [levels[at : at + spec.stage_levels] for at in range(0, len(levels), spec.stage_levels)]
    paths = [
        Path(
            adders=(bits + 1,) * sum(level % 2 for level in stage),
            luts=sum(level % 2 == 0 for level in stage) + padded * (1 in stage),
        )
        for stage in stages
    ]
    if several:
        # Whether a beat moves decides behind the chain.
        paths.append(Path(adders=(bits + 2,), luts=1))
        if spec.lanes & (spec.lanes - 1):
            paths.append(Path(adders=(max(1, index_bits(spec.classes)),)))
    return [*paths, Path(luts=2 + votes)]
