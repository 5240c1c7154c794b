"""What a user asks of a plan, and what the search for it found."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.boards import BOARDS
from bitweir_hw.errors import PlanError
from bitweir_hw.parts import BLOCK_RAM, PARTS, FpgaPart
from bitweir_hw.plan import WEIGHTS, Plan

from ..target import DEFAULT_CLOCK

__all__ = ["BOARD_GOALS", "GOALS", "PART_GOALS", "PlanRequest", "PlanResult", "PlanSearch", "block_ram_share"]

#: What can be best, and what that means.
GOALS = {
    "fps": "the most frames/s that fit",
    "area": "the fewest LUT sites for a frame rate",
    "latency": "the least latency",
    "link": "the fewest LUT sites that keep up with the link of a board",
}
#: The goals on a part, and those on a board; a board's frame rate stands for goal ``area``.
PART_GOALS = ("fps", "area", "latency")
BOARD_GOALS = ("link", "fps")


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """What a user asks for: a folding, a frame rate, or what is best on a part or a board.

    Parameters
    ----------
    clock : float
        Hz. Plans for a board reckon with the clock that designs usually reach on it.
    folding : str or None
        SIMDxPE for each layer, as in ``"16x4,8x10"``; it excludes all goals.
    fps : float or None
        Frames a second to reach: with the fewest lanes without a part, with the fewest LUT sites with one.
    part : str or None
        A key of `PARTS`.
    board : str or None
        A key of `BOARDS`, which says the part.
    goal : str or None
        What is best: one of `PART_GOALS` with a part, or of `BOARD_GOALS` with a board, where None is ``"link"``.
    family : str or None
        FPGA family whose primitives the popcounts use, or ``"generic"``; None for that of the part, or generic.
    stage_levels : int or None
        Adder levels between registers, 0 for none; None: the most with which the clock may be reached.
    streams : int or None
        Parallel frames; None: for goal ``"fps"`` on a part as many as serve it best, else 1.
    weights : str
        One of `WEIGHTS`; see `Plan`.

    Raises
    ------
    PlanError
        The wishes exclude each other, or there is no such part, board, goal or kind of weights.
    """

    clock: float = DEFAULT_CLOCK
    folding: str | None = None
    fps: float | None = None
    part: str | None = None
    board: str | None = None
    goal: str | None = None
    family: str | None = None
    stage_levels: int | None = None
    streams: int | None = 1
    weights: str = "rom"

    def __post_init__(self) -> None:
        if not 0 < self.clock < inf:
            raise PlanError(f"The clock must be a positive number of Hz, not {self.clock:g}.")
        for what, value, known in (
            ("part", self.part, sorted(PARTS)),
            ("board", self.board, sorted(BOARDS)),
            ("kind of weights", self.weights, WEIGHTS),
            ("goal", self.goal, BOARD_GOALS if self.board else PART_GOALS),
        ):
            if value is not None and value not in known:
                raise PlanError(f"The {what} must be one of {', '.join(known)}, not {value!r}.")
        if self.board:
            self._check_board()
        elif self.folding is not None and (self.fps is not None or self.goal is not None):
            raise PlanError("A folding excludes a frame rate and a goal, as it determines the frame rate.")
        elif self.goal and not self.part:
            raise PlanError(f"Goal {self.goal} needs a part, as what is best depends on the part: name one.")
        elif self.goal and (self.goal == "area") != (self.fps is not None):
            raise PlanError("Goal area needs a frame rate, and the other goals exclude it.")

    def _check_board(self) -> None:
        if self.part is not None or self.folding is not None or self.family is not None:
            raise PlanError(
                "A board determines the part and the family, and the plan is searched for: name no part, family or "
                "folding."
            )
        if self.streams not in (None, 1):
            raise PlanError(f"A board takes one frame at a time, not {self.streams} parallel frames.")


@dataclass(frozen=True, kw_only=True)
class PlanSearch:
    """What the search for a plan found, beside what there is.

    Parameters
    ----------
    part : str
        Key of `PARTS`.
    board : str or None
        Key of `BOARDS`, where it was made for one.
    goal : str
        One of `GOALS`.
    streams : int
        Parallel frames.
    cycles : int
        Between frames, or groups of parallel frames.
    sites, block_rams : int
        LUT sites and block RAMs of the plan, as estimated.
    available_sites, available_block_rams : int
        How many of these the plan may use.
    bound : float or None
        LUT sites (goals area and link) or cycles a frame (goal fps) below which no plan gets, according to the cost
        model; None for goal latency.
    clock : float
        Hz, that was asked for.
    fmax : float or None
        Hz that a router may reach; None where that cannot be estimated.
    """

    part: str
    board: str | None
    goal: str
    streams: int
    cycles: int
    sites: int
    block_rams: int
    available_sites: int
    available_block_rams: int
    bound: float | None
    clock: float
    fmax: float | None

    def to_dict(self) -> dict[str, Any]:
        """The figures, as JSON has them."""
        if self.board:
            return {
                "goal": self.goal,
                "cycles": self.cycles,
                "sites": self.sites,
                "most_sites": self.available_sites,
                "block_rams": self.block_rams,
                "most_block_rams": self.available_block_rams,
            }
        part = PARTS[self.part]
        return {
            "part": self.part,
            "goal": self.goal,
            "streams": self.streams,
            "cycles": self.cycles,
            "sites": self.sites,
            "part_sites": part.luts,
            "block_rams": self.block_rams,
            "part_block_rams": part.block_rams,
            "bound": self.bound,
            "fps": self.fps,
            "clock_mhz": self.clock / 1e6,
            "fmax_mhz": None if self.fmax is None else self.fmax / 1e6,
        }

    @property
    def fps(self) -> float:
        """Frames/s at the clock that was asked for, or at `fmax` where that is lower."""
        return self.streams * min(self.clock, self.fmax or self.clock) / self.cycles

    @property
    def summary(self) -> str:
        """The result of the search in a few sentences."""
        part = PARTS[self.part]
        told = (
            f"Planned for {self.part}, goal {self.goal}: about {self.sites:,} of {part.luts:,} LUT sites and "
            f"{block_ram_share(part, self.block_rams)}."
        )
        if self.fmax and self.fmax < self.clock:
            told += (
                f" A router may reach only {self.fmax / 1e6:.0f} MHz, not {self.clock / 1e6:,.6g} MHz: about "
                f"{self.fps:,.0f} frames/s."
            )
        if self.streams > 1:
            told += f" It has {self.streams} parallel frames."
        return f"{told} {self._quality}"

    @property
    def _quality(self) -> str:
        """The bound on the distance from the best plan, as a sentence."""
        if self.bound is None:
            return "It is the best plan that the search tried."
        if self.goal == "fps":
            if self.bound < self.cycles:
                return (
                    f"No plan with as many adder levels between registers takes fewer than {self.bound:,.0f} cycles; "
                    f"this one takes {self.cycles:,}."
                )
            side = f" with {self.streams} parallel frames" if self.streams > 1 else ""
            return (
                "According to the cost model, no plan that fits takes fewer cycles with as many adder levels between "
                f"registers{side.replace(' with', ' and')}."
            )
        gap = max(1 - self.bound / self.sites, 0.0) if self.sites else 0.0
        return (
            f"According to the cost model, no plan of at most {self.cycles:,} cycles with as many adder levels between "
            f"registers can be more than {gap:.1%} smaller."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanResult:
    """A plan, and what the search says about it where there was one.

    Parameters
    ----------
    plan : Plan
        Its FIFOs are not fitted yet; see `Design.fitted`.
    search : PlanSearch or None
        None where the user gave a folding or a frame rate without a part.
    pipeline : Pipeline or None
        What the plan was lowered to, if the search needed that.
    """

    plan: Plan
    search: PlanSearch | None = None
    pipeline: Pipeline | None = None


def block_ram_share(part: FpgaPart, count: int) -> str:
    """The number of block RAMs used of a part, in both units where they have two sizes."""
    ram, of = BLOCK_RAM[part.family], part.block_rams
    if not ram.tile:
        return f"{count:,} of {of:,} block RAMs"
    return f"{count:,} of {of:,} block RAMs ({ram.name}; {ram.tiles(count):,} of {ram.tiles(of):,} {ram.tile} tiles)"
