"""From what a user wants to a plan: foldings as given, a frame rate, or the best that a part can do."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from bitweir_hw.cost import FMAX_PARTS, fmax
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower, with_loaded_parameters
from bitweir_hw.network import Network
from bitweir_hw.parts import BLOCK_RAM, PARTS, Part
from bitweir_hw.plan import (
    MAX_STREAMS,
    Plan,
    least_cycles,
    plan_for_fps,
    plan_from_foldings,
    plan_of_moderate_size,
)
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.search import Found, Limits, cheapest, fastest
from bitweir_sim.time.cycles import schedule

__all__ = [
    "DEFAULT_FPS",
    "DEFAULT_LEVELS",
    "FILL",
    "GOALS",
    "Choice",
    "Wishes",
    "choose",
    "limits_of",
    "stage_levels",
    "told_search",
]

#: Without a goal: fast enough for most uses, small enough for small parts.
DEFAULT_FPS = 100_000.0
#: Share of a part's LUTs that a plan may use; place and route needs the rest.
FILL = 0.85
GOALS = ("fps", "area", "latency")
#: Share of the block RAMs from which they bind.
SCARCE = 0.9
#: Adder levels between registers, where nothing is known of the clock.
DEFAULT_LEVELS = 2


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a user asks for.

    Parameters
    ----------
    clock : float
        Hz.
    folding : str or None
        SIMDxPE for each layer; excludes all goals.
    fps : float or None
        Frames a second.
    part : str or None
        A key of `PARTS`.
    goal : str or None
        One of `GOALS`, of that part.
    family : str or None
        Whose popcounts; None for those of the part, or portable ones.
    stage_levels : int or None
        Adder levels between registers; None: the most with which the clock may be reached, as far as
        that can be estimated for the part.
    streams : int or None
        V; None: for goal ``"fps"`` what serves it best, else 1.
    weights : str
        See `Plan`.
    """

    clock: float
    folding: str | None = None
    fps: float | None = None
    part: str | None = None
    goal: str | None = None
    family: str | None = None
    stage_levels: int | None = None
    streams: int | None = 1
    weights: str = "rom"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A plan, and what the search says of it where there was one.

    Parameters
    ----------
    plan : Plan
    search : dict or None
        Part, goal, estimated LUT sites and block RAMs beside those of the part, and how far from the best
        the plan can be at most: ``bound`` is a number of sites (goal area) or of cycles a frame (goal fps)
        below which no plan gets, as far as estimates are right; None for latency.
    """

    plan: Plan
    search: dict[str, Any] | None = None


def choose(network: Network, wishes: Wishes) -> Choice:
    """The plan for what a user asks for.

    Raises
    ------
    PlanError
        It cannot be had; names what binds, and the nearest goal that can.
    """
    part = PARTS[wishes.part] if wishes.part else None
    family = wishes.family or (part.family if part else "generic")
    streams, clock = 1 if wishes.streams is None else wishes.streams, wishes.clock
    levels = wishes.stage_levels
    if levels is None:
        levels = stage_levels(network, part, family, clock) if part else DEFAULT_LEVELS
    popcount = Popcount(style=STYLE[family], levels_per_stage=levels)
    if part and wishes.goal:
        return _search(network, wishes, part, popcount, streams)
    if wishes.folding is not None:
        plan = plan_from_foldings(network, wishes.folding, popcount=popcount, streams=streams)
    elif wishes.fps is not None:
        plan = plan_for_fps(network, wishes.fps, clock, popcount=popcount, streams=streams)
    else:
        plan = plan_of_moderate_size(network, DEFAULT_FPS, clock, popcount=popcount, streams=streams)
    return Choice(plan=with_loaded_parameters(network, plan) if wishes.weights == "ram" else plan)


def stage_levels(network: Network, part: Part, family: str, clock: float) -> int:
    """Adder levels between registers: the most with which a plan of moderate size reaches the clock.

    Parameters
    ----------
    network : Network
    part : Part
    family : str
        Whose popcounts are used.
    clock : float
        Hz.
    """
    if part.name not in FMAX_PARTS:
        return DEFAULT_LEVELS
    reached = {}
    for levels in range(DEFAULT_LEVELS, 0, -1):
        popcount = Popcount(style=STYLE[family], levels_per_stage=levels)
        plan = plan_of_moderate_size(network, DEFAULT_FPS, clock, popcount=popcount)
        reached[levels] = fmax(lower(network, plan), part.name) or 0.0
        if reached[levels] * 1e6 >= clock:
            return levels
    # More registers than help cost area alone.
    return max(reached, key=lambda levels: (reached[levels], levels))


def limits_of(part: Part) -> Limits:
    """What a plan may use of a part, and of those parts of its family that hold more of something."""
    others = sorted((one for one in PARTS.values() if one.family == part.family), key=lambda one: one.luts)
    return Limits(
        sites=FILL * part.luts,
        block_rams=part.block_rams,
        larger=tuple(
            (one.name, Limits(sites=FILL * one.luts, block_rams=one.block_rams))
            for one in others
            if one.luts > part.luts or one.block_rams > part.block_rams
        ),
    )


def _search(network: Network, wishes: Wishes, part: Part, popcount: Popcount, streams: int) -> Choice:
    limits = limits_of(part)
    settings: dict[str, Any] = {
        "family": part.family, "limits": limits, "popcount": popcount, "streams": streams,
        "loaded": wishes.weights == "ram",
    }  # fmt: skip
    if wishes.goal == "area":
        found = _cheapest(network, wishes, part, settings)
    elif wishes.goal == "fps":
        found = _fastest_of_all(network, settings) if wishes.streams is None else fastest(network, **settings)
    else:
        found = _soonest(network, settings)
    return Choice(
        plan=found.plan,
        search={
            "part": part.name,
            "goal": wishes.goal,
            "streams": found.plan.streams,
            "cycles": found.cycles,
            "sites": found.sites,
            "part_sites": part.luts,
            "block_rams": found.block_rams,
            "part_block_rams": part.block_rams,
            "bound": None if wishes.goal == "latency" else found.bound,
            "clock_mhz": wishes.clock / 1e6,
            "fmax_mhz": fmax(lower(network, found.plan), part.name),
        },
    )


def _cheapest(network: Network, wishes: Wishes, part: Part, settings: dict[str, Any]) -> Found:
    assert wishes.fps is not None
    if not 0 < wishes.fps < inf:
        raise PlanError(f"Frame rate must be positive, not {wishes.fps:,.10g} frames/s.")
    streams = settings["streams"]
    cycles = int(streams * wishes.clock / wishes.fps * (1 + 1e-12))
    try:
        return cheapest(network, cycles=max(cycles, 0), **settings)
    except PlanError as error:
        best = fastest(network, **settings)
        rate = streams * wishes.clock / best.cycles
        raise PlanError(
            f"{str(error).rstrip('.')}; the most that {part.name} can do at {wishes.clock / 1e6:,.10g} MHz is about "
            f"{rate:,.0f} frames/s."
        ) from error


def _fastest_of_all(network: Network, settings: dict[str, Any]) -> Found:
    """Most frames a second, side by side or not.

    Frames that go side by side share memories and nothing else, so they help where block RAM binds, until the LUT
    sites are used up as well.
    """
    limits = settings["limits"]
    best = alone = fastest(network, **settings)
    if alone.block_rams < SCARCE * limits.block_rams:
        return best
    most = min(int(limits.sites / alone.sites), MAX_STREAMS)
    for streams in sorted({2, most - 1, most}):
        if not 2 <= streams <= most:
            continue
        found = fastest(network, **settings | {"streams": streams})
        if streams * best.cycles > best.plan.streams * found.cycles:
            best = found
    return best


def _soonest(network: Network, settings: dict[str, Any]) -> Found:
    """Of the fastest plan and of slower ones, which leave more to the layers that a frame waits for, the soonest.

    A frame takes as long when FIFOs are fitted: `fit_depths` sees to it.
    """
    best = fastest(network, **settings)
    found, latency = best, _latency(network, best)
    for slower in (1.25, 1.6, 2.0, 3.0):
        cycles = int(best.cycles * slower)
        if cycles < least_cycles(network):
            continue
        try:
            other = cheapest(network, cycles=cycles, **settings)
        except PlanError:
            continue
        if (later := _latency(network, other)) < latency:
            found, latency = other, later
    return found


def _latency(network: Network, found: Found) -> int:
    times = schedule(lower(network, found.plan), 1)
    return int(times[-1][-1] - times[0][0])


def told_block_rams(part: Part, count: int) -> str:
    """How many of the block RAMs of a part, and in which unit where they come in two sizes."""
    ram, of = BLOCK_RAM[part.family], part.block_rams
    if not ram.tile:
        return f"{count:,} of {of:,} block RAMs"
    return f"{count:,} of {of:,} block RAMs ({ram.name}; {ram.tiles(count):,} of {ram.tiles(of):,} {ram.tile} tiles)"


def told_search(search: dict[str, Any]) -> str:
    """What the search found, in a sentence or two."""
    told = (
        f"Planned for {search['part']}, goal {search['goal']}: about {search['sites']:,} of {search['part_sites']:,} "
        f"LUT sites and {told_block_rams(PARTS[search['part']], search['block_rams'])}."
    )
    if search["fmax_mhz"] and search["fmax_mhz"] < search["clock_mhz"]:
        told += f" A router may reach {search['fmax_mhz']:.0f} MHz only, not {search['clock_mhz']:,.6g}."
    if search["streams"] > 1:
        told += f" {search['streams']} frames go side by side."
    if search["goal"] == "fps":
        bound, cycles = search["bound"], search["cycles"]
        if bound >= cycles:
            side = " with so many side by side" if search["streams"] > 1 else ""
            return f"{told} No plan that fits is faster{side}, as far as estimates are right."
        return f"{told} No plan takes fewer than {bound:,.0f} cycles; this one takes {cycles:,}."
    if search["goal"] == "area":
        gap = search["sites"] / search["bound"] - 1 if search["bound"] > 0 else inf
        return f"{told} No plan needs less than {max(gap, 0):.1%} below that, as far as estimates are right."
    return f"{told} It is the best of those that were tried."
