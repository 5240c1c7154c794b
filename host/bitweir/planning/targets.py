"""The target of a plan that was found."""

from __future__ import annotations

from bitweir_hw.boards import board_of

from ..target import DEFAULT_CLOCK, Target
from .request import PlanRequest, PlanResult

__all__ = ["target_for"]


def target_for(request: PlanRequest, result: PlanResult) -> Target:
    """The target of a plan: with the clock that was asked for, else the one that a search expects.

    Without either, the clock is the one that `build` routes a board for first, or `DEFAULT_CLOCK`.
    """
    board = board_of(request.board) if request.board else None
    clock = request.clock or (board.first_clock if board else DEFAULT_CLOCK)
    if request.clock is None and result.search:
        clock = result.search.expected_clock
    if board:
        streamed = result.pipeline is not None and bool(result.pipeline.weight_streams)
        return Target.of_board(board, clock=clock, streamed=streamed)
    return Target.of(clock=clock, part=request.part, family=request.family)
