"""What limits a design, and what changes of its plan are expected to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.cost import Cost, estimate_pipeline, fmax, slowest
from bitweir_hw.errors import PlanError
from bitweir_hw.parts import FpgaPart
from bitweir_hw.words import counted

from ..design import Design, DesignFolder
from ..planning.limits import part_limits
from ..planning.variants import Aim, Variant, variants
from ..synthesis.results import Resources
from .fit import RESOURCES_OF_A_PART, holds
from .model import Advice, BlockReport, Fit, Limits, ReportData

__all__ = ["advise", "limits", "pace", "told_advice", "told_limits"]

#: Beats of a frame on all streams of the largest design of which changes are computed: each takes about a second then.
_MOST_BEATS = 300_000
#: The least share by which a change must improve what it is for.
_WORTH = 0.05
#: The share of the block RAMs from which fewer are worth LUTs.
_SCARCE = 0.5


def limits(
    pipeline: Pipeline, part: FpgaPart, blocks: tuple[BlockReport, ...], fit: Fit, found: Mapping[str, Resources],
    *, interval: float,
) -> Limits:  # fmt: skip
    """What limits the speed and the size of a design.

    Parameters
    ----------
    pipeline : Pipeline
    part : FpgaPart
    blocks : tuple of BlockReport
    fit : Fit
        Of the design on the part.
    found : mapping
        What each block takes, by the counts that `fit` has.
    interval : float
        Cycles from a frame, or a group of parallel frames, to the next.
    """
    fullest = max(fit.resources, key=lambda row: row.used / row.available if row.available else 0.0)
    (key,) = (key for name, key, _ in RESOURCES_OF_A_PART if name == fullest.resource)
    largest = max(found, key=lambda name: getattr(found[name], key))
    whole = estimate_pipeline(pipeline, part.family)[1]
    return Limits(
        pace=tuple(block.name for block in blocks if block.cycles >= interval),
        clock=max(pipeline.blocks, key=lambda block: slowest(block, part, whole.bram)).name,
        resource=fullest.resource,
        share=fullest.used / fullest.available if fullest.available else 0.0,
        block=largest,
        block_share=getattr(found[largest], key) / fullest.used if fullest.used else 0.0,
    )


def advise(build: DesignFolder, part: FpgaPart, *, clock: float, fit: Fit) -> tuple[Advice, ...]:
    """Changes of the plan with which it fits, each with its effect by estimate; none for a very large design.

    Parameters
    ----------
    build : DesignFolder
    part : FpgaPart
    clock : float
        Hz, at most.
    fit : Fit
        Of the design on the part.
    """
    if sum(stream.beats for stream in build.pipeline.streams) > _MOST_BEATS:
        return ()
    now = _effect(build.design, part, clock)
    found: dict[Aim, tuple[float, Advice]] = {}
    # The serial link of a board takes one frame at a time.
    for variant in variants(build.network, build.plan, parallel=build.target.board is None):
        if variant.aim == "area" and "area" in found:
            continue  # as even fewer lanes are only for what does not fit
        with suppress(PlanError):
            advice = _advice(variant, Design.fitted(build.network, variant.plan), part, clock, now)
            gain = _gain(variant.aim, advice, now[0], fit)
            if advice.fits and gain > max(_WORTH, found[variant.aim][0] if variant.aim in found else 0.0):
                found[variant.aim] = gain, advice
    return tuple(advice for _, advice in found.values())


def _gain(aim: Aim, advice: Advice, now: Cost, fit: Fit) -> float:
    """The share by which a change improves what it is for; 0 where nobody needs it."""
    used = {row.resource: row.used / row.available for row in fit.resources if row.available}
    match aim:
        case "lanes" | "frames" | "clock":
            return advice.frames_change
        case "block RAMs":
            # Only where they run out first, as LUTs are the dearer memory.
            wanted = used.get("block RAMs", 0.0) >= max(_SCARCE, *used.values())
            return -advice.bram_change / now.bram if wanted and now.bram else 0.0
        case "area" | "LUT sites":
            return -advice.sites_change / now.sites


#: Resources, Hz, frames/s, cycles a frame, seconds of latency.
_Effect = tuple[Cost, float, float, float, float]


def _effect(design: Design, part: FpgaPart, clock: float) -> _Effect:
    pipeline = design.pipeline
    hertz = min(clock, fmax(pipeline, part))
    cycles = float(design.timing.interval) / pipeline.parallel_frames
    return estimate_pipeline(pipeline, part.family)[1], hertz, hertz / cycles, cycles, design.timing.latency / hertz


def _advice(variant: Variant, design: Design, part: FpgaPart, clock: float, now: _Effect) -> Advice:
    cost, hertz, rate, cycles, latency = _effect(design, part, clock)
    budget = part_limits(part)
    return Advice(
        change=variant.change,
        options=f"{variant.options} --clock {clock / 1e6:.6g}",
        frames_per_second=rate,
        frames_change=rate / now[2] - 1,
        latency_us=latency * 1e6,
        clock_mhz=hertz / 1e6,
        cycles_per_frame=cycles,
        sites=cost.sites,
        ff=cost.ff,
        bram=cost.bram,
        sites_change=cost.sites - now[0].sites,
        ff_change=cost.ff - now[0].ff,
        bram_change=cost.bram - now[0].bram,
        fits=holds(part, cost),
        routes=cost.sites <= budget.sites
        and cost.ff <= budget.ffs
        and cost.bram <= budget.block_rams
        and cost.lutram <= budget.lut_rams,
    )


def told_limits(report: ReportData) -> Iterator[str]:
    """What limits speed, clock and size, a sentence each."""
    found, timing, memory = report.limits, report.timing, report.weight_memory
    if memory and memory.cycles_per_frame > timing.cycles_per_frame:
        yield "The memory that streamed weights come from limits the throughput."
    else:
        yield pace(report)
    if timing.expected_clock_mhz < timing.clock_mhz:
        yield f"The clock is limited by {found.clock}, which has the longest path by estimate."
    most = f", {found.block_share:.0%} of these by {found.block}" if found.block_share else ""
    yield f"Of what {report.part.name} has, {found.resource} are the fullest: {found.share:.0%} are used{most}."


def told_advice(advice: Advice) -> str:
    """A change and its effect, as a sentence."""
    parts = [f"about {advice.frames_per_second:,.0f} frames/s ({advice.frames_change:+.0%})"]
    for count, change, unit in (
        (advice.sites, advice.sites_change, "LUT sites"),
        (advice.bram, advice.bram_change, "block RAMs"),
    ):
        units = unit[:-1] if count == 1 else unit
        parts.append(f"{count:,} {units} ({change:+,})" if change else f"{count:,} {units}, as now")
    parts.append(f"latency {advice.latency_us:,.4g} µs")
    end = "" if advice.routes else "; it fits by count, but is fuller than what was seen to route"
    return f"{advice.change} ({advice.options}): {', '.join(parts)}{end}."


def pace(report: ReportData) -> str:
    """The blocks that determine the initiation interval, as a sentence."""
    frames = report.plan.streams
    interval = report.timing.cycles_per_frame * frames
    busy = [block.name for block in report.blocks if block.cycles >= interval]
    every = "of a frame" if frames == 1 else f"of {frames} parallel frames"
    if not busy:
        slowest = max(block.cycles for block in report.blocks)
        return (
            f"No block is always busy: the interval {every} is {counted(interval, 'cycle')}, the slowest block takes "
            f"{slowest:,}."
        )
    named = busy[0] if len(busy) == 1 else f"{', '.join(busy[:-1])} and {busy[-1]}"
    cycles = "the one cycle" if interval == 1 else f"each of the {interval:,.6g} cycles"
    return (
        f"{named} {'is' if len(busy) == 1 else 'are'} busy in {cycles} {every}, "
        f"and so {'limits' if len(busy) == 1 else 'limit'} the throughput."
    )
