"""What a user asks of a plan, and what the search for it found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.boards import Board, board_of
from bitweir_hw.checked import chosen, hertz, real, text, whole
from bitweir_hw.cost import estimate_pipeline, fmax, fmax_basis, fmax_error, highest_clock
from bitweir_hw.errors import OptionsError
from bitweir_hw.parts import BLOCK_RAM, FpgaPart, Part, part_of
from bitweir_hw.plan import WEIGHTS, Plan, check_load_width, check_parallel_frames
from bitweir_hw.search import MOST_WIRED
from bitweir_hw.words import counted

from ..weight_memory import check_bandwidth
from .expected import round_clock
from .limits import Reserve

__all__ = [
    "BOARD_GOALS",
    "GOALS",
    "PART_GOALS",
    "PlanRequest",
    "PlanResult",
    "PlanSearch",
    "block_ram_share",
    "told_levels",
]

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
    clock : float or None
        Hz. With a goal or a board, at most: each plan is judged at the clock that it is expected to reach, and None is
        for the highest that the part has (`bitweir_hw.cost.highest_clock`). Else None is for `DEFAULT_CLOCK`.
    folding : str or None
        SIMDxPE for each layer, as in ``"16x4,8x10"``, or ``wired``; it excludes all goals, on a board, too.
    fps : float or None
        Frames a second to reach: with the fewest lanes without a part, with the fewest LUT sites with one.
    part : FpgaPart or str or None
        A part, or the name of a listed one.
    board : Board or str or None
        A board, or the name of a listed one; it says the part.
    goal : str or None
        What is best: one of `PART_GOALS` with a part, or of `BOARD_GOALS` with a board, where None is ``"link"``.
    family : str or None
        FPGA family whose primitives popcounts and wired layers use, or ``"generic"``; None for that of the part, or
        generic.
    stage_levels : int or None
        Adder levels between registers, 0 for none. None: what is best for a goal; with a part and a folding, the most,
        up to 2, with which a plan of moderate size reaches the clock; else 2, or 1 on a board.
    streams : int or None
        Parallel frames; None: for goal ``"fps"`` on a part as many as serve it best, else 1.
    weights : str
        One of `WEIGHTS`; see `Plan`.
    load_width : int
        Bytes of parameters in RAM that are loaded in a cycle; see `Plan`.
    reserve_luts, reserve_bram : int or str
        LUTs and block RAMs that are kept free of the part or the board for the rest of a chip: a count, or a share such
        as ``"20%"``.
    weight_bandwidth : float or None
        Bytes a second of a memory outside the chip, from which weights of layers may come where they do not fit on a
        part; with a goal.

    Raises
    ------
    OptionsError
        The wishes exclude each other.
    PlanError
        There is no such part, board, goal or kind of weights, or a number is out of its limits.
    """

    clock: float | None = None
    folding: str | None = None
    fps: float | None = None
    part: Part | None = None
    board: Board | str | None = None
    goal: str | None = None
    family: str | None = None
    stage_levels: int | None = None
    streams: int | None = 1
    weights: str = "rom"
    load_width: int = 1
    reserve_luts: int | str = 0
    reserve_bram: int | str = 0
    weight_bandwidth: float | None = None

    def __post_init__(self) -> None:
        self._check_values()
        if self.part is not None:
            part = part_of(self.part)
            if self.family not in (None, "generic", part.family):
                raise OptionsError(
                    f"Part {part.name} is of family {part.family}, and has no primitives of {self.family}: leave the "
                    "family out, or name generic."
                )
        if self.board is not None:
            board_of(self.board)
        chosen(self.weights, "The kind of weights", WEIGHTS)
        if self.goal is not None:
            chosen(self.goal, "The goal", BOARD_GOALS if self.board else PART_GOALS)
        check_load_width(self.weights, self.load_width)
        if self.board:
            self._check_board()
        elif self.folding is not None and (self.fps is not None or self.goal is not None):
            raise OptionsError("A folding excludes a frame rate and a goal, as it determines the frame rate.")
        elif self.goal and not self.part:
            raise OptionsError(f"Goal {self.goal} needs a part, as what is best depends on the part: name one.")
        elif self.goal and (self.goal == "area") != (self.fps is not None):
            raise OptionsError("Goal area needs a frame rate, and the other goals exclude it.")
        if self.weight_bandwidth is not None:
            self._check_bandwidth(self.weight_bandwidth)
        if self.reserve and not self.board and not self.goal:
            raise OptionsError(
                "A reserve needs a part and a goal, or a board: what is left of it is what a plan may use."
            )

    def _check_values(self) -> None:
        """Numbers as plain ones, whatever types they come in."""
        for name, checked in (
            ("clock", hertz),
            ("folding", lambda value: text(value, "The folding", "16x4,8x10")),
            ("fps", lambda value: real(value, "The frame rate", over=True, unit="frames/s")),
            ("stage_levels", lambda value: whole(value, "The number of adder levels between registers", low=0)),
            ("streams", check_parallel_frames),
        ):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, checked(value))

    @property
    def reserve(self) -> Reserve:
        """What is kept free."""
        return Reserve(luts=self.reserve_luts, bram=self.reserve_bram)

    def _check_bandwidth(self, bandwidth: float) -> None:
        check_bandwidth(bandwidth)
        if self.board or not self.goal:
            raise OptionsError(
                "A bandwidth of weights needs a part and a goal, and no board: the search says which layers it is for."
            )
        if self.weights != "rom":
            raise OptionsError("A bandwidth of weights excludes parameters in RAM, which hold all weights on the chip.")

    def _check_board(self) -> None:
        if self.part is not None or self.family is not None:
            raise OptionsError("A board determines the part and the family: name neither.")
        if self.folding is not None and (self.fps is not None or self.goal is not None):
            raise OptionsError("A folding excludes a frame rate and a goal, as it determines the frame rate.")
        if self.folding is not None and self.reserve:
            raise OptionsError("A reserve is for plans that are searched for: a folding excludes it.")
        if self.streams not in (None, 1):
            raise OptionsError(f"A board takes one frame at a time, not {self.streams} parallel frames.")


@dataclass(frozen=True, kw_only=True)
class PlanSearch:
    """What the search for a plan found, beside what there is.

    Parameters
    ----------
    part : FpgaPart
    board : str or None
        Name of the board, where it was made for one.
    goal : str
        One of `GOALS`.
    streams : int
        Parallel frames.
    cycles : int
        Between frames, or groups of parallel frames.
    sites, block_rams, ffs : int
        LUT sites, block RAMs and flip-flops of the plan, as estimated.
    available_sites, available_block_rams, available_ffs : int
        How many of these the plan may use.
    bound : float or None
        LUT sites (goals area and link) or cycles a frame (goal fps) below which no plan of those that the search
        compares gets, according to the cost model; None where that is not known: for goal latency, and for a plan
        that single changes made another one.
    clock : float or None
        Hz, that was asked for, if any was.
    fmax : float
        Hz that a router may reach.
    stage_levels : int
        Adder levels between registers.
    whole : bool
        Whether the target gets a round number of 0.1 MHz, as nobody asked for a clock.
    wanted : float or None
        Frames/s that were asked for, if any were.
    reserved : str
        What is kept free, as ``"after the reserve of 500 LUTs"``; empty for nothing.
    streamed : tuple of str
        Layers whose weights come from outside the chip.
    folded : tuple of str
        Dense layers with more weights than the search tries wired, but for which there may be room so.
    weight_bytes : float
        Bytes of these that a frame takes.
    weight_bandwidth : float or None
        Bytes a second that may come, if that was asked for.
    """

    part: FpgaPart
    board: str | None
    goal: str
    streams: int
    cycles: int
    sites: int
    block_rams: int
    ffs: int
    available_sites: int
    available_block_rams: int
    available_ffs: int
    bound: float | None
    clock: float | None
    fmax: float
    stage_levels: int
    whole: bool = False
    wanted: float | None = None
    reserved: str = ""
    streamed: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    weight_bytes: float = 0.0
    weight_bandwidth: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The figures, as JSON has them."""
        part = self.part
        told: dict[str, Any] = {
            "goal": self.goal,
            "cycles": self.cycles,
            "sites": self.sites,
            "most_sites": self.available_sites,
            "block_rams": self.block_rams,
            "most_block_rams": self.available_block_rams,
            "ffs": self.ffs,
            "most_ffs": self.available_ffs,
            "fps": self.fps,
            "clock_mhz": None if self.clock is None else self.clock / 1e6,
            "expected_clock_mhz": self.expected_clock / 1e6,
            "fmax_mhz": self.fmax / 1e6,
            "fmax_error": fmax_error(self.part),
            "fmax_from": fmax_basis(self.part),
            "stage_levels": self.stage_levels,
        }
        if self.weight_bandwidth is not None:
            told |= {
                "streamed": list(self.streamed),
                "weight_bytes_per_frame": self.weight_bytes,
                "weight_bytes_per_second": self.weight_bandwidth,
            }
        if self.board:
            return told
        return told | {
            "part": part.name,
            "streams": self.streams,
            "part_sites": part.luts,
            "part_block_rams": part.block_rams,
            "bound": self.bound,
        }

    @property
    def expected_clock(self) -> float:
        """Hz: what was asked for, or `fmax` where that is lower or nobody asked, or the highest of the part.

        What a target is made for, where nobody asked: a round number, not above.
        """
        expected = min(self.fmax, highest_clock(self.part) if self.clock is None else self.clock)
        return round_clock(expected) if self.whole else expected

    def of_design(self, pipeline: Pipeline) -> PlanSearch:
        """The same with the figures of the design, whose FIFOs are fitted, as its reports tell them."""
        cost = estimate_pipeline(pipeline, self.part.family)[1]
        return replace(self, sites=cost.sites, block_rams=cost.bram, ffs=cost.ff, fmax=fmax(pipeline, self.part))

    @property
    def fps(self) -> float:
        """Frames/s at the clock that is expected."""
        return self.streams * self.expected_clock / self.cycles

    @property
    def summary(self) -> str:
        """The result of the search in a few sentences."""
        part = self.part
        told = (
            f"Planned for {part.name}, goal {self.goal}: about {self.sites:,} of {part.luts:,} LUT sites and "
            f"{block_ram_share(part, self.block_rams)}"
        )
        if self.reserved:
            told += f", of {self.available_sites:,} and {self.available_block_rams:,} that it may use {self.reserved}"
        told += "."
        error, basis = fmax_error(self.part), fmax_basis(self.part)
        rate = f"about {self.fps:,.0f} frames/s at {self.expected_clock / 1e6:,.4g} MHz expected"
        within = f"within {error:.0%}" + (", by a model, not by routed designs" if basis == "model" else "")
        if self.clock is not None and self.fmax * (1 - error) >= self.clock:
            told += f" It is expected to reach {self.clock / 1e6:,.6g} MHz: {self.fps:,.0f} frames/s."
        elif self.clock is not None:
            told += f" A router may not reach {self.clock / 1e6:,.6g} MHz: {rate}, {within}."
        else:
            told += f" It takes {rate}, {within}."
        if self.wanted and self.fps < self.wanted * (1 - 1e-9):
            told += f" No plan that was found is expected to reach {self.wanted:,.0f} frames/s."
        if self.streamed:
            told += (
                f" Weights of {', '.join(self.streamed)} come from outside the chip: {self.weight_bytes / 1e6:,.3g} MB "
                f"for each frame, from a memory of {(self.weight_bandwidth or 0) / 1e6:,.6g} MB/s."
            )
        elif self.weight_bandwidth is not None:
            told += " All weights fit on the chip: nothing comes from outside."
        if self.streams > 1:
            told += f" It has {self.streams} parallel frames."
        told += f" {told_levels(self.stage_levels)}"
        told += f" {self._quality}"
        if self.folded:
            told += (
                f" Layers of more than {MOST_WIRED:,} weights were not tried wired ({', '.join(self.folded)}), where "
                f"each takes a frame in a cycle: compare --folding wired."
            )
        return told

    @property
    def _quality(self) -> str:
        """The bound on the distance from the best plan, as a sentence."""
        if self.bound is None:
            return "It is the best plan that the search tried."
        if self.goal == "fps":
            if self.bound < self.cycles:
                return (
                    f"No plan with as many adder levels between registers takes fewer than "
                    f"{counted(self.bound, 'cycle')}; this one takes {self.cycles:,}."
                )
            side = f" with {self.streams} parallel frames" if self.streams > 1 else ""
            return (
                "According to the cost model, no plan that was compared and fits takes fewer cycles with as many adder "
                f"levels between registers{side.replace(' with', ' and')}."
            )
        gap = max(1 - self.bound / self.sites, 0.0) if self.sites else 0.0
        return (
            f"According to the cost model, no plan that was compared, of at most {counted(self.cycles, 'cycle')} with "
            f"as many adder levels between registers, can be more than {gap:.1%} smaller."
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


def told_levels(levels: int) -> str:
    """Adder levels between registers, as a sentence."""
    if not levels:
        return "There are no registers between adders."
    return f"A register follows every {counted(levels, 'adder level') if levels > 1 else 'adder level'}."


def block_ram_share(part: FpgaPart, count: int) -> str:
    """The number of block RAMs used of a part, in both units where they have two sizes."""
    ram, of = BLOCK_RAM[part.family], part.block_rams
    if not ram.tile:
        return f"{count:,} of {of:,} block RAMs"
    return f"{count:,} of {of:,} block RAMs ({ram.name}; {ram.tiles(count):,} of {ram.tiles(of):,} {ram.tile} tiles)"
