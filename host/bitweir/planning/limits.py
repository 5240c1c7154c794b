"""What a plan may use of a part or a board: what routes, less what is kept free."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from math import ceil, inf

from bitweir_hw.boards import Board
from bitweir_hw.cost import block_rams
from bitweir_hw.errors import PlanError
from bitweir_hw.link.endpoint import RAMS
from bitweir_hw.network import Network
from bitweir_hw.parts import FpgaPart
from bitweir_hw.search import Budget

from .link import capacity_of, frame_bytes

__all__ = ["LINK_FFS", "LINK_SITES", "ROUTES", "Reserve", "Routable", "board_limits", "part_limits"]


@dataclass(frozen=True, kw_only=True)
class Routable:
    """Shares of a part that designs may fill and still route.

    Parameters
    ----------
    sites, ffs, block_rams : float
    lut_rams : float
        Where `FpgaPart.lut_rams` says how many there are.
    why : str
        What was seen, as a sentence without its end.
    """

    sites: float
    ffs: float
    block_rams: float
    lut_rams: float = 1.0
    why: str


#: By family, between what was seen to route and what was not; nextpnr 0.11, accelerators with their link, seed 1.
ROUTES = {
    # CNV of 24,194 of 83,640 sites and 181 of 208 block RAMs routed in eleven minutes, 7,762 of 24,288 sites in two.
    # TFC of 11,690 of 24,288 did not in 20, beside other work, nor CNV of 70,000 of 83,640 in 90.
    "ecp5": Routable(
        sites=0.4, ffs=0.7, block_rams=0.9,
        why="designs that fill 32 % of the LUT sites of an ECP5 were routed, and one that fills 48 % was not",
    ),
    # A logic cell has a LUT and a flip-flop, and a flip-flop behind no LUT, as 0.37 to 0.65 of them are, has one to
    # itself: both shares together fill 84 % of the cells. Of 5,280, 4,014 with 29 of 30 block RAMs routed; 5,266 (3,184
    # LUT sites and 2,936 flip-flops, and a harness) did not in 8 minutes, nor did 30 block RAMs.
    "ice40": Routable(
        sites=0.55, ffs=0.45, block_rams=0.95,
        why="designs that fill 76 % of the logic cells of an iCE40 were routed, and one that fills all was not",
    ),
    # 5,549 of 8,640 sites routed; 7,083 sites found no legal placement, and with 26 block RAMs
    # the placer did not end. Of 270 distributed RAMs 91 were placed in a design of 5,000 sites, and 191 in one of as
    # many were not: the only tiles that can be one are full of other cells by then.
    "gowin": Routable(
        sites=0.65, ffs=0.75, block_rams=0.9, lut_rams=0.5,
        why="designs that fill 64 % of the LUT sites of a GW1N were routed, and one that fills 82 % was not placed",
    ),
    # Nothing was routed here: a rule of thumb.
    "xilinx": Routable(
        sites=0.8, ffs=0.8, block_rams=0.95, why="no design for Xilinx 7 was routed, and fuller ones often do not route"
    ),
    # Nor here: as of Xilinx 7, and of the families whose fabric is alike.
    "ultrascale": Routable(
        sites=0.8, ffs=0.8, block_rams=0.95,
        why="no design for UltraScale+ was routed, and fuller ones often do not route",
    ),
    "nexus": Routable(
        sites=0.4, ffs=0.7, block_rams=0.9, why="no design for Nexus was routed, and fuller ones do not route on ECP5"
    ),
    "gw5a": Routable(
        sites=0.65, ffs=0.75, block_rams=0.9, lut_rams=0.5,
        why="no design for GW5A was routed, and fuller ones do not route on GW1N",
    ),
}  # fmt: skip
#: LUTs of a board left to the link, the clock and the reset; `benchmarks/link_size.py` measures the first.
LINK_SITES = 800
#: Flip-flops of these, likewise.
LINK_FFS = 700
#: LUT sites and flip-flops of what loads and reads streamed weights from the SDRAM of a board, and those for each
#: layer, which has a block RAM, too: as `cost.estimate_reader` has them for words of 512 bits.
MEMORY_SITES, MEMORY_FFS = 800, 600
STREAM_SITES, STREAM_FFS = 750, 1_700


@dataclass(frozen=True, kw_only=True)
class Reserve:
    """What is kept free of a part for the rest of a user's chip.

    Parameters
    ----------
    luts, bram : int or str
        LUTs and block RAMs: a count, as ``500`` or ``"500"``, or a share of the part, as ``"20%"``.

    Raises
    ------
    PlanError
        One is neither, or is negative.
    """

    luts: int | str = 0
    bram: int | str = 0

    def __post_init__(self) -> None:
        _amount("LUTs", self.luts, 100)
        _amount("block RAMs", self.bram, 100)

    def __bool__(self) -> bool:
        """Whether anything is kept free."""
        return any(_amount("", amount, 100) for amount in (self.luts, self.bram))

    def of(self, part: FpgaPart) -> tuple[int, int]:
        """LUTs and block RAMs of a part.

        Raises
        ------
        PlanError
            The part has fewer.
        """
        found = (_amount("LUTs", self.luts, part.luts), _amount("block RAMs", self.bram, part.block_rams))
        for what, count, has in zip(("LUTs", "block RAMs"), found, (part.luts, part.block_rams), strict=True):
            if count > has:
                raise PlanError(f"The reserve must leave some of {part.name}, which has {has:,} {what}, not {count:,}.")
        return found

    def told(self, part: FpgaPart) -> str:
        """What is kept free, as ``"after the reserve of 500 LUTs"``; nothing where nothing is."""
        parts = [f"{n:,} {what}" for n, what in zip(self.of(part), ("LUTs", "block RAMs"), strict=True) if n]
        return f"after the reserve of {' and '.join(parts)}" if parts else ""


def _amount(what: str, text: int | str, of: int) -> int:
    """A count, or a share of `of`, rounded up."""
    share = isinstance(text, str) and text.endswith("%")
    try:
        number = float(str(text)[:-1]) if share else int(text) if isinstance(text, str) else operator.index(text)
    except (TypeError, ValueError):
        number = -1
    if not number >= 0 or (share and number > 100):
        raise PlanError(f"The reserve of {what} must be a count or a share of 0 to 100 %, as 500 or 20%, not {text!r}.")
    return ceil(number * of / 100 - 1e-9) if share else int(number)


def part_limits(part: FpgaPart, reserve: Reserve | None = None) -> Budget:
    """What a plan may use of a part.

    Parameters
    ----------
    part : FpgaPart
    reserve : Reserve, optional
        What is kept free.

    Raises
    ------
    PlanError
        The part has less than is to be kept free.
    """
    routes, reserve = ROUTES[part.family], reserve or Reserve()
    luts, rams = reserve.of(part)
    return Budget(
        sites=max(routes.sites * part.luts - luts, 0),
        block_rams=max(int(routes.block_rams * part.block_rams) - rams, 0),
        ffs=max(routes.ffs * part.ffs - luts * part.ffs / part.luts, 0),
        lut_rams=inf if part.lut_rams is None else max(routes.lut_rams * part.lut_rams * (1 - luts / part.luts), 0),
        counted=Budget(
            sites=part.luts - luts, block_rams=part.block_rams - rams, ffs=part.ffs, lut_rams=part.lut_rams or inf
        ),
        why=routes.why,
        reserved=reserve.told(part),
    )


def board_limits(network: Network, board: Board, reserve: Reserve | None = None, *, streamed: int = 0) -> Budget:
    """What a plan may use of a board: what its link, if any, leaves, and what reads the weights of so many layers.

    Other parameters and errors as in `part_limits`.
    """
    sites, ffs = LINK_SITES + streamed * STREAM_SITES, LINK_FFS + streamed * STREAM_FFS
    if streamed:
        sites, ffs = sites + MEMORY_SITES, ffs + MEMORY_FFS
    whole = part_limits(board.part, reserve)
    if not board.has_link:
        return whole
    buffers = (capacity_of(board, frame_bytes(network)), *RAMS)
    link = sum(block_rams(depth, 8, board.family, writable=True)[0] for depth in buffers)

    def without_link(budget: Budget) -> Budget:
        return replace(
            budget,
            sites=max(budget.sites - sites, 0),
            block_rams=max(budget.block_rams - link - streamed, 0),
            ffs=max(budget.ffs - ffs, 0),
        )

    assert whole.counted
    return replace(without_link(whole), counted=without_link(whole.counted))
