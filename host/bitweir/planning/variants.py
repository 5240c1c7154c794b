"""Plans that differ from a plan in one respect: what its user may try next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from bitweir_hw.errors import PlanError
from bitweir_hw.memory import STREAM, WIRED
from bitweir_hw.network import Conv, Dense, Network
from bitweir_hw.plan import MAX_STREAMS, Folding, Plan, check_plan, cycles_of, weighted

__all__ = ["Aim", "Variant", "folding_text", "variants"]

#: What a variant is for: more frames/s, a smaller design, or less of one resource.
Aim = Literal["lanes", "area", "block RAMs", "LUT sites", "frames", "clock"]
#: Layers that are named one by one.
_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A plan that differs from another one in one respect.

    Parameters
    ----------
    aim : str
    change : str
        In words, as the beginning of a sentence.
    plan : Plan
        Without depths of FIFOs.
    """

    aim: Aim
    change: str
    plan: Plan

    @property
    def options(self) -> str:
        """What makes it on the command line, beside the part or the family."""
        plan = self.plan
        return " ".join(
            [
                f"--folding {','.join(map(folding_text, plan.foldings))}",
                *([f"--streams {plan.parallel_frames}"] if plan.parallel_frames > 1 else []),
                f"--stage-levels {plan.popcount.levels_per_stage}",
                *(["--weights ram"] if plan.weights == "ram" else []),
                *([f"--load-width {plan.load_width}"] if plan.load_width > 1 else []),
            ]
        )


def folding_text(folding: Folding) -> str:
    """A folding as `--folding` takes it."""
    if folding.memory == WIRED:
        return WIRED + (f"/{folding.steps}" if folding.steps > 1 else "")
    return str(folding)


def variants(network: Network, plan: Plan, *, parallel: bool = True) -> Iterator[Variant]:
    """Legal plans that are faster or smaller, or use other memories.

    Parameters
    ----------
    network : Network
    plan : Plan
        Legal.
    parallel : bool
        Whether more parallel frames may be among them.
    """
    layers, foldings = weighted(network), plan.foldings
    cycles = [cycles_of(layer, result, each) for (layer, result), each in zip(layers, foldings, strict=True)]
    # Layers that are as fast already need not be faster.
    twice = [
        _twice(layer, each) if 2 * count > max(cycles) else each
        for (layer, _), each, count in zip(layers, foldings, cycles, strict=True)
    ]
    if None not in twice:
        yield from _folded(network, plan, "lanes", "Twice the lanes in", twice)
    fewer: list[Folding] = list(foldings)
    for change in _FEWER:
        fewer = [_half(layer, each) or each for (layer, _), each in zip(layers, fewer, strict=True)]
        yield from _folded(network, plan, "area", f"{change} of the lanes in", fewer)
    for number, each in enumerate(foldings):
        if each.memory not in (STREAM, WIRED):
            for memory, aim, change in _MEMORIES:
                moved = [*foldings[:number], replace(each, memory=memory), *foldings[number + 1 :]]
                yield from _folded(network, plan, aim, change, moved)
    frames = 2 * plan.parallel_frames
    if parallel and frames <= MAX_STREAMS:
        other = replace(plan, parallel_frames=frames, depths=())
        yield Variant(aim="frames", change=f"{frames} parallel frames", plan=other)
    if plan.popcount.levels_per_stage != 1:
        other = replace(plan, popcount=replace(plan.popcount, levels_per_stage=1), depths=())
        yield Variant(aim="clock", change="A register behind each level of adders", plan=other)


#: Each half of the one before.
_FEWER = ("A half", "A quarter", "An eighth", "A 16th", "A 32nd", "A 64th", "A 128th", "A 256th", "A 512th")
#: Where weights may be, what that is good for, and how it is told.
_MEMORIES: tuple[tuple[str, Aim, str], ...] = (
    ("lut", "block RAMs", "Weights in LUTs for"),
    ("block", "LUT sites", "Weights in block RAM for"),
)


def _folded(
    network: Network, plan: Plan, aim: Aim, change: str, foldings: Sequence[Folding | None]
) -> Iterator[Variant]:
    """The plan with other foldings, of which None is as it was, if any is another one, and all are legal."""
    new = [other or old for other, old in zip(foldings, plan.foldings, strict=True)]
    names = [layer.name for layer, _ in weighted(network)]
    changed = [name for name, other, old in zip(names, new, plan.foldings, strict=True) if other != old]
    if not changed:
        return
    with suppress(PlanError):
        other = check_plan(network, replace(plan, foldings=tuple(new), depths=()))
        yield Variant(aim=aim, change=f"{change} {_listed(changed)}", plan=other)


def _listed(names: list[str]) -> str:
    if len(names) > _NAMED:
        return f"{len(names)} layers"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _twice(layer: Dense | Conv, folding: Folding) -> Folding | None:
    """Twice the lanes; None where there cannot be more."""
    if folding.memory == WIRED:
        return None if folding.steps == 1 else replace(folding, steps=-(-folding.steps // 2))
    neurons = layer.outputs // layer.groups
    if folding.pe < neurons:
        return replace(folding, pe=min(2 * folding.pe, neurons))
    if folding.simd < layer.inputs:
        return replace(folding, simd=min(2 * folding.simd, layer.inputs))
    return None


def _half(layer: Dense | Conv, folding: Folding) -> Folding | None:
    """Half the lanes; None where there cannot be fewer, or where weights are logic."""
    if folding.memory == WIRED:
        return None
    at_once = folding.pe > layer.outputs // layer.groups
    if folding.pe > 1 and not at_once:
        return replace(folding, pe=-(-folding.pe // 2))
    return replace(folding, simd=-(-folding.simd // 2)) if folding.simd > 1 and not at_once else None
