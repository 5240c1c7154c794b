"""The last step of a search: change one thing of a plan at a time, for as long as that improves it.

Dynamic programming leaves out what is seldom better: small layers in block RAM, lanes that nobody needs, another
number of adder levels for a layer that is wired. Each of these is one change of the plan that it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from bitweir_hw.memory import STREAM, WIRED
from bitweir_hw.network import Conv, Dense, Network
from bitweir_hw.plan import MAX_STREAMS, Folding, Plan, cycles_of, weighted, words_of
from bitweir_hw.search import MOST_WIRED, wirings

from .variants import variants

__all__ = ["changes", "descend"]

Found = TypeVar("Found")
#: In place of the memory of a layer.
_MEMORIES = ("auto", "block", "lut")


def descend(
    start: Found,
    *,
    plan_of: Callable[[Found], Plan],
    around: Callable[[Plan], Iterator[Plan]],
    judge: Callable[[Plan], Found | None],
    rank: Callable[[Found], tuple[float, ...]],
) -> Found:
    """Follow changes that improve a plan until none does.

    Parameters
    ----------
    start
        A plan, judged.
    plan_of : callable
        The plan of one that was judged.
    around : callable
        Plans that differ from a plan in one respect; those that may be illegal, too.
    judge : callable
        What is known of a plan; None where it is illegal or does not fit.
    rank : callable
        The smaller, the better.
    """
    best, seen = start, {_key(plan_of(start))}
    improved = True
    while improved:
        improved = False
        for plan in around(plan_of(best)):
            if _key(plan) in seen:
                # It was no better than a plan that was no better than this one.
                continue
            seen.add(_key(plan))
            other = judge(plan)
            if other is not None and rank(other) < rank(best):
                best, improved = other, True
                break
    return best


def _key(plan: Plan) -> tuple[object, ...]:
    return plan.foldings, plan.parallel_frames, plan.popcount.levels_per_stage


def changes(network: Network, plan: Plan, *, levels: Sequence[int], parallel: bool) -> Iterator[Plan]:
    """Plans that differ in one respect: all that a report may advise, and one layer alone, folded or stored otherwise.

    Parameters
    ----------
    network : Network
    plan : Plan
    levels : sequence of int
        Adder levels between registers that are allowed.
    parallel : bool
        Whether the number of parallel frames may change.
    """
    for variant in variants(network, plan, parallel=parallel):
        if variant.plan.popcount.levels_per_stage in levels:
            yield variant.plan
    for level in levels:
        yield replace(plan, popcount=replace(plan.popcount, levels_per_stage=level))
    layers = weighted(network)
    counts = [cycles_of(layer, made, each) for (layer, made), each in zip(layers, plan.foldings, strict=True)]
    for number, ((layer, result), folding) in enumerate(zip(layers, plan.foldings, strict=True)):
        others = list(_otherwise(layer, folding))
        if plan.weights == "rom" and folding.memory != STREAM:
            # Wired as often as it waits now, or as seldom as the slowest layer.
            for most in {max(counts), counts[number]}:
                others += wirings(network, layer, max(most // result.pixels, 1))
        for other in others:
            yield replace(plan, foldings=(*plan.foldings[:number], other, *plan.foldings[number + 1 :]))
    if plan.weights == "rom":
        yield from _wired_whole(network, plan, levels)
    for frames in (plan.parallel_frames - 1, plan.parallel_frames + 1) if parallel else ():
        if 1 <= frames <= MAX_STREAMS:
            yield replace(plan, parallel_frames=frames)


def _wired_whole(network: Network, plan: Plan, levels: Sequence[int]) -> Iterator[Plan]:
    """All layers wired, with each number of adder levels: together they need no streams of other widths."""
    layers = [layer for layer, _ in weighted(network)]
    if any(layer.weights.size > MOST_WIRED for layer in layers) or any(f.memory == STREAM for f in plan.foldings):
        return
    foldings = tuple(next(wirings(network, layer, 1)) for layer in layers)
    for level in levels:
        yield replace(plan, foldings=foldings, popcount=replace(plan.popcount, levels_per_stage=level))


def _otherwise(layer: Dense | Conv, folding: Folding) -> Iterator[Folding]:
    """A layer with its weights in another memory, or with somewhat more or fewer PE or inputs of each."""
    if folding.memory == WIRED:
        return
    neurons, inputs = layer.outputs // layer.groups, layer.inputs
    if folding.memory != STREAM:
        yield from (replace(folding, memory=memory) for memory in _MEMORIES if words_of(layer, folding) > 1)
    if folding.pe <= neurons:
        yield from (replace(folding, pe=pe) for pe in _near(folding.pe, neurons))
    yield from (replace(folding, simd=simd) for simd in _near(folding.simd, inputs))


def _near(lanes: int, of: int) -> list[int]:
    """Half and twice the lanes, and the fewest that need as many steps as one more, or as one less."""
    steps = -(-of // lanes)
    found = {-(-lanes // 2), min(2 * lanes, of), -(-of // (steps + 1)), -(-of // max(steps - 1, 1))}
    return sorted(found - {lanes})
