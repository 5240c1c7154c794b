"""Plans for a board: as fast as its link, or as fast as fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bitweir_hw.arithmetic import ceil_div, signed_bits
from bitweir_hw.boards import Board
from bitweir_hw.cost import block_rams
from bitweir_hw.errors import PlanError
from bitweir_hw.link.endpoint import RAMS
from bitweir_hw.link.protocol import HEADER
from bitweir_hw.network import Network
from bitweir_hw.plan import Plan, least_cycles
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.search import Found, Limits, cheapest, fastest
from bitweir_sim.time.sizing import fit_depths

from ..planning import FILL

__all__ = ["GOALS", "LEVELS", "LINK_SITES", "Wishes", "baud_of", "capacity_of", "link_rate", "plan_for"]

#: ``link``: the fewest LUTs that keep up with the link. ``fps``: the most frames/s that fit.
GOALS = ("link", "fps")
#: LUTs left to the link, the clock and the reset; `benchmarks/link_size.py` measures the first.
LINK_SITES = 800
#: Adder levels between registers: the clock of a board is to be high, and registers follow LUTs anyway.
LEVELS = 1
#: How much slower than `Board.first_clock` a design may turn out and still keep up with the link.
_RESERVE = 0.65
_BITS_A_BYTE = 10


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a user asks for.

    Parameters
    ----------
    goal : str
        One of `GOALS`.
    fps : float or None
        Frames a second to reach with the fewest LUTs, in place of the goal.
    stage_levels : int
        Adder levels between registers.
    weights : str
        See `Plan`.
    """

    goal: str = "link"
    fps: float | None = None
    stage_levels: int = LEVELS
    weights: str = "rom"


def baud_of(board: Board, clock: float) -> int:
    """The fastest rate of the serial chip that the design can receive: a bit must last four cycles.

    Parameters
    ----------
    clock : float
        Hz.

    Raises
    ------
    PlanError
        The clock is too slow for any.
    """
    for baud in board.bauds:
        if 4 * baud <= clock:
            return baud
    raise PlanError(f"At a clock of {clock / 1e6:g} MHz a bit of {board.bauds[-1]:,} baud lasts less than 4 cycles.")


def capacity_of(board: Board, frame_bytes: int) -> int:
    """Bytes of requests that a device holds: those of the board, or what one frame takes."""
    return max(board.capacity, 1 << (HEADER.size + frame_bytes - 1).bit_length())


def link_rate(network: Network, board: Board, *, baud: int | None = None) -> float:
    """Frames a second that the wires carry at most, headers left out.

    Parameters
    ----------
    baud : int, optional
        The best rate of the board if not given.
    """
    return (baud or board.bauds[0]) / _BITS_A_BYTE / max(_frame_bytes(network), _result_bytes(network))


def _result_bytes(network: Network) -> int:
    """Bytes of a class, or of labels, scores or codes where these are the result."""
    if network.readout.kind == "class":
        return ceil_div(max(network.outputs - 1, 1).bit_length(), 8)
    end = network.end
    return ceil_div(end.size * (signed_bits(end.low, end.high) if end.format is None else end.format.bits), 8)


def plan_for(network: Network, board: Board, wishes: Wishes) -> tuple[Plan, dict[str, Any]]:
    """A plan that leaves room for the link, and what the search says of it.

    With goal ``link`` it keeps up with the link at 65 % of the clock that the board usually reaches; if nothing that
    fits does, it is the fastest that fits.

    Returns
    -------
    plan : Plan
        With FIFOs as deep as it takes.
    search : dict
        Goal, estimated sites and block RAMs, and those that there are for the plan.

    Raises
    ------
    PlanError
        Nothing fits, or nothing that fits is as fast as `wishes.fps`.
    """
    capacity = capacity_of(board, _frame_bytes(network))
    limits = Limits(
        sites=FILL * board.part.luts - LINK_SITES,
        block_rams=board.part.block_rams
        - sum(block_rams(depth, 8, board.family, writable=True)[0] for depth in (capacity, *RAMS)),
    )
    popcount = Popcount(style=STYLE[board.family], levels_per_stage=wishes.stage_levels)
    found = _found(network, board, wishes, limits, popcount)
    return fit_depths(network, found.plan), {
        "goal": wishes.goal if wishes.fps is None else "area",
        "cycles": found.cycles,
        "sites": found.sites,
        "most_sites": int(limits.sites),
        "block_rams": found.block_rams,
        "most_block_rams": int(limits.block_rams),
    }


def _found(network: Network, board: Board, wishes: Wishes, limits: Limits, popcount: Popcount) -> Found:
    settings: dict[str, Any] = {
        "family": board.family, "limits": limits, "popcount": popcount, "loaded": wishes.weights == "ram",
    }  # fmt: skip

    def cheap(fps: float) -> Found:
        return cheapest(network, cycles=int(_RESERVE * board.first_clock / fps), **settings)

    if wishes.fps is not None:
        if not wishes.fps > 0:
            raise PlanError(f"Frame rate must be positive, not {wishes.fps:,.10g} frames/s.")
        return cheap(wishes.fps)
    if wishes.goal == "link":
        rate = link_rate(network, board)
        if least_cycles(network) <= int(_RESERVE * board.first_clock / rate):
            try:
                return cheap(rate)
            except PlanError:
                # Then as near to it as can be.
                pass
    return fastest(network, **settings)


def _frame_bytes(network: Network) -> int:
    """Bytes of a frame; those that fill up its last beats are not known before there is a plan."""
    return ceil_div(network.input.size * network.input.format.bits, 8)
