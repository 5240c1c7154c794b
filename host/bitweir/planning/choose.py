"""From what a user wants to a plan: foldings as given, a frame rate, or the best that a part or a board can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.boards import BOARDS, Board
from bitweir_hw.cost import FMAX_PARTS, block_rams, fmax
from bitweir_hw.errors import PlanError
from bitweir_hw.link.endpoint import RAMS
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.network import Network
from bitweir_hw.parts import PARTS, FpgaPart
from bitweir_hw.plan import (
    MAX_STREAMS,
    least_cycles,
    plan_for_fps,
    plan_from_foldings,
    plan_of_moderate_size,
)
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.search import Budget, SearchResult, cheapest, fastest
from bitweir_sim.time.cycles import schedule

from .link import capacity_of, frame_bytes, link_rate
from .request import PlanRequest, PlanResult, PlanSearch

__all__ = [
    "BOARD_LEVELS",
    "DEFAULT_FPS",
    "DEFAULT_LEVELS",
    "FILL",
    "LINK_SITES",
    "board_limits",
    "choose",
    "part_limits",
    "stage_levels",
]

#: Without a goal: fast enough for most uses, small enough for small parts.
DEFAULT_FPS = 100_000.0
#: Share of a part's LUTs that a plan may use; place and route needs the rest.
FILL = 0.85
#: Share of the block RAMs from which they bind.
SCARCE = 0.9
#: Adder levels between registers, where nothing is known of the clock.
DEFAULT_LEVELS = 2
#: Adder levels between registers on a board: its clock is to be high, and registers follow LUTs anyway.
BOARD_LEVELS = 1
#: LUTs of a board left to the link, the clock and the reset; `benchmarks/link_size.py` measures the first.
LINK_SITES = 800
#: How much slower than `Board.first_clock` a design may turn out and still keep up with the link.
_RESERVE = 0.65


@dataclass(frozen=True, kw_only=True)
class _Expected:
    """A plan that a search found, and what it is expected to do.

    Parameters
    ----------
    found : SearchResult
    pipeline : Pipeline
    fmax : float or None
        Hz that a router may reach; None where that cannot be estimated.
    clock : float
        Hz: the lower one of `fmax` and what was asked for.
    """

    found: SearchResult
    pipeline: Pipeline
    fmax: float | None
    clock: float

    @property
    def fps(self) -> float:
        """Frames/s at `clock`."""
        return self.found.plan.parallel_frames * self.clock / self.found.cycles

    @property
    def latency(self) -> float:
        """Seconds from the first beat of a frame to its result, at `clock`."""
        return _latency(self.pipeline) / self.clock


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A search: a network, what a plan of it may use, and how its popcounts are made.

    Parameters
    ----------
    network : Network
    part : FpgaPart
    limits : Budget
    popcount : Popcount
    streams : int
    runtime_loadable : bool
        Parameters are in RAM.
    clock : float
        Hz, for frame rates: the one asked for.
    """

    network: Network
    part: FpgaPart
    limits: Budget
    popcount: Popcount
    streams: int
    runtime_loadable: bool
    clock: float

    def fastest(self, streams: int | None = None) -> SearchResult:
        """The plan with the fewest cycles a frame that fits."""
        return fastest(self.network, **self._settings(streams))

    def cheapest(self, cycles: int) -> SearchResult:
        """The plan with the fewest LUT sites that takes at most so many cycles a frame, or group of frames."""
        return cheapest(self.network, cycles=cycles, **self._settings(None))

    def cycles(self, fps: float, clock: float | None = None) -> int:
        """Cycles of a frame, or group of frames, at a frame rate and a clock in Hz."""
        if not 0 < fps < inf:
            raise PlanError(f"Frame rate must be positive, not {fps:,.10g} frames/s.")
        return max(int(self.streams * (clock or self.clock) / fps * (1 + 1e-12)), 0)

    def expected(self, found: SearchResult) -> _Expected:
        """A plan with the clock that it is expected to reach."""
        pipeline = lower(self.network, found.plan)
        reached = fmax(pipeline, self.part.name)
        return _Expected(
            found=found, pipeline=pipeline, fmax=reached, clock=min(self.clock, reached) if reached else self.clock
        )

    def _settings(self, streams: int | None) -> dict[str, Any]:
        return {
            "family": self.part.family, "limits": self.limits, "popcount": self.popcount,
            "parallel_frames": streams or self.streams, "runtime_loadable": self.runtime_loadable,
        }  # fmt: skip


def choose(network: Network, request: PlanRequest) -> PlanResult:
    """The plan for what a user asks for.

    With goal ``link``, the plan for a board keeps up with the link at 65 % of the clock that the board usually
    reaches; if nothing that fits does, it is the fastest that fits.

    Parameters
    ----------
    network : Network
    request : PlanRequest

    Raises
    ------
    PlanError
        There is no such plan; the text names what binds, and for goal ``area`` on a part the best frame rate.
    """
    if request.board:
        return _for_board(network, request, BOARDS[request.board])
    part = PARTS[request.part] if request.part else None
    family = request.family or (part.family if part else "generic")
    if part and request.goal:
        return _for_part(network, request, part, family)
    streams, clock = 1 if request.streams is None else request.streams, request.clock
    levels = request.stage_levels
    if levels is None:
        levels = stage_levels(network, part, family, clock) if part else DEFAULT_LEVELS
    popcount = Popcount(style=STYLE[family], levels_per_stage=levels)
    if request.folding is not None:
        plan = plan_from_foldings(network, request.folding, popcount=popcount, parallel_frames=streams)
    elif request.fps is not None:
        plan = plan_for_fps(network, request.fps, clock, popcount=popcount, parallel_frames=streams)
    else:
        plan = plan_of_moderate_size(network, DEFAULT_FPS, clock, popcount=popcount, parallel_frames=streams)
    return PlanResult(plan=with_loadable_parameters(network, plan) if request.weights == "ram" else plan)


def stage_levels(network: Network, part: FpgaPart, family: str, clock: float) -> int:
    """Adder levels between registers: the most with which a plan of moderate size reaches the clock.

    Parameters
    ----------
    network : Network
    part : FpgaPart
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
        if reached[levels] >= clock:
            return levels
    # More registers than help cost area alone.
    return max(reached, key=lambda levels: (reached[levels], levels))


def part_limits(part: FpgaPart) -> Budget:
    """What a plan may use of a part, and of those parts of its family that hold more of something."""
    others = sorted((one for one in PARTS.values() if one.family == part.family), key=lambda one: one.luts)
    return Budget(
        sites=FILL * part.luts,
        block_rams=part.block_rams,
        larger=tuple(
            (one.name, Budget(sites=FILL * one.luts, block_rams=one.block_rams))
            for one in others
            if one.luts > part.luts or one.block_rams > part.block_rams
        ),
    )


def board_limits(network: Network, board: Board) -> Budget:
    """What a plan may use of a board: what its link leaves."""
    buffers = (capacity_of(board, frame_bytes(network)), *RAMS)
    return Budget(
        sites=FILL * board.part.luts - LINK_SITES,
        block_rams=board.part.block_rams
        - sum(block_rams(depth, 8, board.family, writable=True)[0] for depth in buffers),
    )


def _for_part(network: Network, request: PlanRequest, part: FpgaPart, family: str) -> PlanResult:
    """The best plan on a part, at the clock that it is expected to reach.

    More registers make for a faster clock, and for a larger design with fewer lanes: what is better is tried.
    """
    if request.stage_levels is not None:
        levels = [request.stage_levels]
    else:
        levels = list(range(DEFAULT_LEVELS, 0, -1)) if part.name in FMAX_PARTS else [DEFAULT_LEVELS]
    tasks = [
        _Task(
            network=network, part=part, limits=part_limits(part), streams=request.streams or 1,
            popcount=Popcount(style=STYLE[family], levels_per_stage=n),
            runtime_loadable=request.weights == "ram", clock=request.clock,
        )
        for n in levels
    ]  # fmt: skip
    goal = request.goal
    assert goal
    if goal == "area":
        assert request.fps is not None
        best = _smallest(tasks, request.fps)
    elif goal == "fps":
        found = (_fastest_of_all(task) if request.streams is None else task.fastest() for task in tasks)
        best = max((task.expected(one) for task, one in zip(tasks, found, strict=True)), key=lambda one: one.fps)
    else:
        best = min((task.expected(_soonest(task)) for task in tasks), key=lambda one: one.latency)
    return PlanResult(
        plan=best.found.plan, pipeline=best.pipeline, search=_report(tasks[0], best.found, goal, fmax=best.fmax)
    )


def _for_board(network: Network, request: PlanRequest, board: Board) -> PlanResult:
    """The best plan on a board."""
    levels = BOARD_LEVELS if request.stage_levels is None else request.stage_levels
    task = _Task(
        network=network, part=board.part, limits=board_limits(network, board), streams=1,
        popcount=Popcount(style=STYLE[board.family], levels_per_stage=levels),
        runtime_loadable=request.weights == "ram", clock=_RESERVE * board.first_clock,
    )  # fmt: skip
    goal = request.goal or "link"
    if request.fps is not None:
        goal, found = "area", task.cheapest(task.cycles(request.fps))
    elif goal == "link":
        found = _keeping_up(task, link_rate(network, board))
    else:
        found = task.fastest()
    return PlanResult(plan=found.plan, search=_report(task, found, goal, board=board.name))


def _report(
    task: _Task, found: SearchResult, goal: str, *, board: str | None = None, fmax: float | None = None
) -> PlanSearch:
    return PlanSearch(
        part=task.part.name,
        board=board,
        goal=goal,
        streams=found.plan.parallel_frames,
        cycles=found.cycles,
        sites=found.sites,
        block_rams=found.block_rams,
        available_sites=int(task.limits.sites),
        available_block_rams=int(task.limits.block_rams),
        bound=None if goal == "latency" else found.bound,
        clock=task.clock,
        fmax=fmax,
    )


def _smallest(tasks: Sequence[_Task], fps: float) -> _Expected:
    """The smallest plan that is expected to reach a frame rate; if there is none, the one that comes nearest to it."""
    first = _cheapest(tasks[0], fps)
    found = [one for task in tasks for one in _at_expected_clock(task, fps)] or [tasks[0].expected(first)]
    enough = [one for one in found if one.fps >= fps * (1 - 1e-9)]
    return min(enough, key=lambda one: one.found.sites) if enough else max(found, key=lambda one: one.fps)


def _at_expected_clock(task: _Task, fps: float) -> list[_Expected]:
    """Plans for a frame rate: at the clock asked for, then at what the last one is expected to reach, until it does."""
    found: list[_Expected] = []
    clock = task.clock
    while not found or found[-1].fps < fps * (1 - 1e-9):
        try:
            found.append(task.expected(task.cheapest(task.cycles(fps, clock))))
        except PlanError:
            break
        if found[-1].clock >= clock:
            break
        clock = found[-1].clock
    return found


def _cheapest(task: _Task, fps: float) -> SearchResult:
    """The smallest plan for a frame rate; if there is none, the error says which rate there is."""
    try:
        return task.cheapest(task.cycles(fps))
    except PlanError as error:
        if not 0 < fps < inf:
            raise
        rate = task.streams * task.clock / task.fastest().cycles
        raise PlanError(
            f"{str(error).rstrip('.')}; the most that {task.part.name} can do at {task.clock / 1e6:,.10g} MHz is about "
            f"{rate:,.0f} frames/s."
        ) from error


def _keeping_up(task: _Task, fps: float) -> SearchResult:
    """The smallest plan for a frame rate; if there is none, the fastest that fits."""
    cycles = int(task.clock / fps)
    if least_cycles(task.network) <= cycles:
        try:
            return task.cheapest(cycles)
        except PlanError:
            # Then as near to the rate as can be.
            pass
    return task.fastest()


def _fastest_of_all(task: _Task) -> SearchResult:
    """Most frames a second, side by side or not.

    Parallel frames share memories and nothing else, so they help where block RAM binds, until the LUT
    sites are used up as well.
    """
    best = alone = task.fastest()
    if alone.block_rams < SCARCE * task.limits.block_rams:
        return best
    most = min(int(task.limits.sites / alone.sites), MAX_STREAMS)
    for streams in sorted({2, most - 1, most}):
        if not 2 <= streams <= most:
            continue
        found = task.fastest(streams)
        if streams * best.cycles > best.plan.parallel_frames * found.cycles:
            best = found
    return best


def _soonest(task: _Task) -> SearchResult:
    """Of the fastest plan and of slower ones, which leave more to the layers that a frame waits for, the soonest.

    A frame takes as long when FIFOs are fitted: `fit_depths` sees to it.
    """
    best = task.fastest()
    found, latency = best, _latency(lower(task.network, best.plan))
    for slower in (1.25, 1.6, 2.0, 3.0):
        cycles = int(best.cycles * slower)
        if cycles < least_cycles(task.network):
            continue
        try:
            other = task.cheapest(cycles)
        except PlanError:
            continue
        if (later := _latency(lower(task.network, other.plan))) < latency:
            found, latency = other, later
    return found


def _latency(pipeline: Pipeline) -> int:
    """Cycles from the first beat of a frame to its result, if no other frame comes."""
    times = schedule(pipeline, 1)
    return int(times[-1][-1] - times[0][0])
