"""From what a user wants to a plan: foldings as given, a frame rate, or the best that a part or a board can do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from bitweir_hw.boards import BOARDS, Board, board_of
from bitweir_hw.boards.sdram_clock import HIGHEST
from bitweir_hw.cost import fmax, highest_clock
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.network import Dense, Network
from bitweir_hw.parts import FpgaPart, part_of
from bitweir_hw.plan import Plan, plan_for_fps, plan_from_foldings, plan_of_moderate_size, weighted
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.search import MOST_WIRED, TooLargeError, with_wired_layers

from ..board_memory import check_memory, least_bandwidth
from ..target import DEFAULT_CLOCK
from .hunt import LEVELS, Expected, Hunt
from .limits import board_limits, part_limits
from .link import link_rate
from .remedy import with_remedy
from .request import PlanRequest, PlanResult, PlanSearch

__all__ = [
    "BOARD_LEVELS",
    "DEFAULT_FPS",
    "DEFAULT_LEVELS",
    "choose",
    "choose_fastest",
    "choose_in_step",
    "stage_levels",
]

#: Without a goal: fast enough for most uses, small enough for small parts.
DEFAULT_FPS = 100_000.0
#: Adder levels between registers, where nothing is known of the clock.
DEFAULT_LEVELS = 2
#: Adder levels between registers on a board, for goal ``link``: its clock is to be high, and registers follow LUTs
#: anyway.
BOARD_LEVELS = 1
#: LUT sites that a weight of a wired layer takes at least, and the cycles of a frame that a wired layer may stand for.
_SITES_A_WEIGHT, _FEW_CYCLES = 0.25, 6
#: Numbers of adder levels with which a search knows that nothing fits: with others it is much the same.
_LEVELS_THAT_TELL = 2


def choose(
    network: Network, request: PlanRequest, *, progress: Callable[[float | str], None] = lambda how_far: None
) -> PlanResult:
    """The plan for what a user asks for.

    What is best on a part or a board is judged at the clock that each plan is expected to reach, or at the one of the
    request where that is lower. With goal ``link``, the plan for a board keeps up with the link even if the estimate of
    its clock is as wrong as it ever was; if nothing that fits does, it is the fastest that fits.

    Parameters
    ----------
    network : Network
    request : PlanRequest
    progress : callable
        Takes the share that is done, and which search of how many runs, where a part or a board is searched.

    Raises
    ------
    PlanError
        There is no such plan; the text names what binds, and for goal ``area`` on a part the best frame rate.
    """
    if request.board:
        return _for_board(network, request, board_of(request.board), progress)
    part = part_of(request.part) if request.part else None
    family = request.family or (part.family if part else "generic")
    if part and request.goal:
        return _for_part(network, request, part, family, progress)
    streams, clock = 1 if request.streams is None else request.streams, request.clock or DEFAULT_CLOCK
    levels = request.stage_levels
    if levels is None:
        levels = stage_levels(network, part, family, clock) if part else DEFAULT_LEVELS
    popcount = Popcount.of(family, levels)
    if request.folding is not None:
        plan = plan_from_foldings(network, request.folding, popcount=popcount, parallel_frames=streams)
    elif request.fps is not None:
        plan = plan_for_fps(network, request.fps, clock, popcount=popcount, parallel_frames=streams)
        plan = with_wired_layers(network, plan, family) if request.weights == "rom" else plan
    else:
        plan = plan_of_moderate_size(network, DEFAULT_FPS, clock, popcount=popcount, parallel_frames=streams)
    return PlanResult(plan=_with_parameters(network, plan, request))


def _with_parameters(network: Network, plan: Plan, request: PlanRequest) -> Plan:
    """The plan, with parameters in RAM if that is asked for."""
    if request.weights != "ram":
        return plan
    return with_loadable_parameters(network, plan, load_width=request.load_width)


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
    reached = {}
    for levels in range(DEFAULT_LEVELS, 0, -1):
        popcount = Popcount.of(family, levels)
        plan = plan_of_moderate_size(network, DEFAULT_FPS, clock, popcount=popcount)
        reached[levels] = fmax(lower(network, plan), part)
        if reached[levels] >= clock:
            return levels
    # More registers than help cost area alone.
    return max(reached, key=lambda levels: (reached[levels], levels))


def choose_fastest(
    network: Network, request: PlanRequest, *, progress: Callable[[float | str], None] = lambda how_far: None
) -> PlanResult:
    """The plan for goal ``fps`` on a part, as `choose`; a refusal does not look for what would do.

    Raises
    ------
    PlanError
        Nothing fits.
    """
    hunt = _hunt_on_part(network, request, progress)
    return _result(hunt, request, hunt.most_frames(), "fps")


def choose_in_step(
    network: Network,
    request: PlanRequest,
    *,
    cycles: int,
    clock: float,
    progress: Callable[[float | str], None] = lambda how_far: None,
) -> PlanResult:
    """The plan for a part with the highest clock, up to a given one, of those that take at most so many cycles a frame.

    Of equals, the smallest. So a chip keeps the pace of another one and is no larger than that asks for.

    Parameters
    ----------
    network : Network
    request : PlanRequest
        With a part.
    cycles : int
    clock : float
        Hz.
    progress : callable
        Takes the share that is done.

    Raises
    ------
    PlanError
        Nothing fits.
    """
    hunt = _hunt_on_part(network, request, progress)
    return _result(hunt, replace(request, clock=clock), hunt.in_step(cycles, clock), "area")


def _hunt_on_part(network: Network, request: PlanRequest, progress: Callable[[float | str], None]) -> Hunt:
    assert request.part
    part = part_of(request.part)
    return replace(_hunt(network, request, part, request.family or part.family), progress=progress)


def _for_part(
    network: Network, request: PlanRequest, part: FpgaPart, family: str, progress: Callable[[float | str], None]
) -> PlanResult:
    """The best plan on a part."""
    hunt, goal = replace(_hunt(network, request, part, family), progress=progress), request.goal
    assert goal
    try:
        return _result(hunt, request, _best(hunt, request), goal)
    except TooLargeError as error:
        raise with_remedy(
            error, hunt, lambda other: _hunt(network, request, other, request.family or other.family),
            lambda other: _would_do(other, request),
        ) from None  # fmt: skip


def _hunt(network: Network, request: PlanRequest, part: FpgaPart, family: str) -> Hunt:
    """The search on a part.

    Raises
    ------
    PlanError
        The part has less than is to be kept free, or not the primitives of the family.
    """
    if STYLE[family] == STYLE["ecp5"] != STYLE[part.family]:
        raise PlanError(f"{part.name} does not have the carry cells of ECP5: name another family, or none.")
    return Hunt(
        network=network, part=part, family=family, limits=part_limits(part, request.reserve),
        clock=request.clock or highest_clock(part), whole=request.clock is None,
        levels=_levels(request), streams=request.streams,
        runtime_loadable=request.weights == "ram", load_width=request.load_width,
        weight_bandwidth=request.weight_bandwidth,
    )  # fmt: skip


def _best(hunt: Hunt, request: PlanRequest) -> Expected:
    """What is best for a goal on a part."""
    if request.goal == "area":
        assert request.fps is not None
        return hunt.smallest(request.fps)
    return hunt.most_frames() if request.goal == "fps" else hunt.soonest()


def _would_do(hunt: Hunt, request: PlanRequest) -> bool:
    """Whether `_best` finds a plan, without looking for the best."""
    # `soonest` needs one with the first number of adder levels, `most_frames` one with the first or the second.
    if not hunt.fits(1 if request.goal == "latency" else 2):
        return False
    if request.goal == "area":
        with suppress(PlanError):
            _best(hunt, request)
            return True
        return False
    return True


def _for_board(
    network: Network, request: PlanRequest, board: Board, progress: Callable[[float | str], None]
) -> PlanResult:
    """The plan for a board: with the foldings that were asked for, or the best."""
    if request.folding is not None:
        levels = BOARD_LEVELS if request.stage_levels is None else request.stage_levels
        popcount = Popcount.of(board.family, levels)
        plan = plan_from_foldings(network, request.folding, popcount=popcount)
        plan = _with_parameters(network, plan, request)
        pipeline = lower(network, plan)
        check_memory(pipeline, board)
        return PlanResult(plan=plan, pipeline=pipeline)
    try:
        return _searched_on_board(network, request, board, progress)
    except TooLargeError as error:
        others = [name for name, other in BOARDS.items() if other.sdram and name != board.name]
        if board.sdram or not others:
            raise
        # That weights may be streamed is no way out where nothing reads them.
        raise error.without_streaming(
            f"take a board with more, or one with a memory for weights that do not fit, which {board.title} has not: "
            f"{' or '.join(others)}"
        ) from None


def _searched_on_board(
    network: Network, request: PlanRequest, board: Board, progress: Callable[[float | str], None]
) -> PlanResult:
    """The best plan on a board; with weights from its memory, if it has one and they do not fit."""
    goal = "area" if request.fps is not None else request.goal or ("link" if board.has_link else "fps")
    if goal == "link" and not board.has_link:
        raise PlanError(
            f"Goal link needs a link, and board {board.name} has none: take goal fps or a frame rate (--fps)."
        )
    hunt = Hunt(
        network=network, part=board.part, family=board.family, limits=board_limits(network, board, request.reserve),
        clock=request.clock or highest_clock(board.part), whole=request.clock is None,
        levels=(BOARD_LEVELS,) if goal == "link" and request.stage_levels is None else _levels(request),
        runtime_loadable=request.weights == "ram", load_width=request.load_width, progress=progress,
    )  # fmt: skip
    if board.sdram and request.weights != "ram" and not hunt.fits(_LEVELS_THAT_TELL):
        hunt = hunt.with_board_memory(
            least_bandwidth(board.sdram, HIGHEST), HIGHEST,
            lambda layers: board_limits(network, board, request.reserve, streamed=layers),
        )  # fmt: skip
    if goal == "fps":
        best = hunt.most_frames()
    elif request.fps is not None:
        best = hunt.smallest(request.fps)
    else:
        best = hunt.keeping_up(link_rate(network, board))
    return _result(hunt, request, best, goal, board=board.name)


def _levels(request: PlanRequest) -> tuple[int, ...]:
    return LEVELS if request.stage_levels is None else (request.stage_levels,)


def _result(hunt: Hunt, request: PlanRequest, best: Expected, goal: str, *, board: str | None = None) -> PlanResult:
    found = best.found
    search = PlanSearch(
        part=hunt.part,
        board=board,
        goal=goal,
        streams=found.plan.parallel_frames,
        cycles=found.cycles,
        sites=found.sites,
        block_rams=found.block_rams,
        ffs=found.ffs,
        available_sites=int(hunt.limits.sites),
        available_block_rams=int(hunt.limits.block_rams),
        available_ffs=int(hunt.limits.ffs),
        bound=None if goal == "latency" else found.bound or None,
        # The memory of a board holds back the clock of the accelerator.
        clock=hunt.clock if hunt.memory_clock else request.clock,
        fmax=best.fmax,
        stage_levels=found.plan.popcount.levels_per_stage,
        whole=request.clock is None,
        wanted=request.fps,
        reserved=hunt.limits.reserved,
        streamed=tuple(streamed.layer for streamed in best.pipeline.weight_streams),
        folded=_not_tried_wired(hunt, best) if goal != "link" else (),
        weight_bytes=best.pipeline.weight_bits / 8 / found.plan.parallel_frames,
        weight_bandwidth=hunt.bandwidth_at(best.clock),
    )
    return PlanResult(plan=found.plan, pipeline=best.pipeline, search=search)


def _not_tried_wired(hunt: Hunt, best: Expected) -> tuple[str, ...]:
    """Dense layers that are too large for the search to wire, but maybe not for the part."""
    layers = [layer for layer, _ in weighted(hunt.network)]
    frames = best.found.plan.parallel_frames
    if hunt.runtime_loadable or best.pipeline.weight_streams or not frames < best.found.cycles <= _FEW_CYCLES * frames:
        return ()
    if _SITES_A_WEIGHT * sum(layer.weights.size for layer in layers) > hunt.limits.sites:
        return ()
    return tuple(layer.name for layer in layers if isinstance(layer, Dense) and layer.weights.size > MOST_WIRED)
