"""What no router can do for a design, told before an hour of synthesis and routing."""

from __future__ import annotations

from bitweir_hw.boards import Board
from bitweir_hw.cost import estimate_pipeline, extrapolated, fmax, fmax_error, network_errors
from bitweir_hw.errors import PlanError

from ..design import Design

__all__ = ["check_clock", "check_size"]

#: What is counted, and what a part calls it. Flip-flops share their sites with LUTs.
_COUNTED = (("LUT sites", "sites", "luts"), ("block RAMs", "bram", "block_rams"))
#: Worst errors of the estimate are taken so many times, as designs of a new kind may be further off.
_DOUBT = 2


def check_size(design: Design, board: Board) -> None:
    """Refuse a design that the part of a board cannot hold, even if the estimate is too high by twice its worst error.

    The link comes on top.

    Raises
    ------
    PlanError
    """
    total, worst = estimate_pipeline(design.pipeline, board.family)[1], network_errors(board.family)
    doubt = _DOUBT * (1 + bool(extrapolated(design.pipeline, board.family)))
    for name, key, has in _COUNTED:
        used, available = getattr(total, key), getattr(board.part, has)
        # error = estimate / measurement - 1
        least = used / (1 + doubt * worst[key][2] / 100)
        if least > available:
            raise PlanError(
                f"The design does not fit {board.title}: {used:,} {name} are estimated for the accelerator alone, "
                f"no fewer than {int(least):,} with the error of the estimate, and its part has {available:,}. "
                "Take fewer lanes (--folding), or leave --folding out: the search finds a plan that fits."
            )


def check_clock(design: Design, board: Board, asked: float | None) -> None:
    """Refuse a clock that is out of reach by twice the error of the estimate.

    Parameters
    ----------
    design : Design
    board : Board
    asked : float or None
        Hz, at most; None where the fastest is to be found.

    Raises
    ------
    PlanError
    """
    if asked is None:
        return
    pll = board.fastest(asked)
    clock = pll.clock if pll else board.oscillator
    estimate, error = fmax(design.pipeline, board.part), fmax_error(board.part)
    most = estimate * (1 + _DOUBT * error)
    if clock > most:
        made = "" if clock == asked else f" (the next that {board.title} makes of {asked / 1e6:.6g})"
        levels = design.plan.popcount.levels_per_stage
        more = "" if levels == 1 else " --stage-levels 1 puts registers behind every adder level."
        raise PlanError(
            f"A clock of {clock / 1e6:.2f} MHz{made} is out of reach on {board.title}: {estimate / 1e6:.4g} MHz are "
            f"estimated, and designs that were routed were within {error:.0%}. Leave --clock out, and the fastest "
            f"clock is found, or ask for {most / 1e6:.3g} MHz or less.{more}"
        )
