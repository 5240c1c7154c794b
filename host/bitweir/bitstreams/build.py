"""From a network to a bitstream for a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bitweir_hw.boards import BOARDS, Board, board_of
from bitweir_hw.errors import PlanError
from bitweir_hw.network import Network

from ..design import Design, DesignFolder
from ..planning import PlanRequest, PlanSearch, choose, target_for
from ..progress import Progress, silent
from ..schemas import Json
from ..synthesis.logs import logs_kept
from ..synthesis.pins import check_pins
from ..synthesis.results import Routed
from .bitstream import Options, bitstream_name, write_bitstream
from .outlook import check_clock, check_size

__all__ = ["BoardBuild", "build_for_board"]


@dataclass(frozen=True, kw_only=True, eq=False)
class BoardBuild:
    """A bitstream, and the results of the steps that made it.

    Parameters
    ----------
    written : DesignFolder
        The design, and the folder with all that was written.
    bitstream : Path
        The file that the board loads.
    search : PlanSearch or None
        What the search for the plan found; None where the foldings were given.
    routed : Routed
        Content of ``routed-BOARD.json``.
    """

    written: DesignFolder
    bitstream: Path
    search: PlanSearch | None
    routed: Routed

    @property
    def folder(self) -> Path:
        """The folder with all that was written."""
        return self.written.folder

    def to_dict(self) -> Json:
        """The figures, as JSON has them."""
        return {
            "folder": str(self.folder),
            "bitstream": str(self.bitstream),
            **({"search": self.search.to_dict()} if self.search else {}),
            "routed": self.routed.to_dict(),
        }


def check_link(board: Board) -> None:
    """Refuse a board without a link.

    Raises
    ------
    PlanError
    """
    if not board.has_link:
        raise PlanError(
            f"Board {board.name} has no link, so no frame could come to it: give it a UART (baud and pins rx and tx) "
            "or SPI (a table spi). Without one, generate --board plans for it and writes Verilog for a design of your "
            "own, with --axi behind a bus."
        )


def build_for_board(
    network: Network,
    request: PlanRequest,
    folder: Path,
    *,
    options: Options | None = None,
    models: Sequence[Path] = (),
    progress: Progress = silent,
) -> BoardBuild:
    """Plan, synthesise, route and pack a network for a board.

    Parameters
    ----------
    network : Network
    request : PlanRequest
        With a board.
    folder : Path
        See `write_bitstream`. Where a tool fails, its logs go to ``FOLDER.failed`` beside it.
    options : Options, optional
        How to route.
    models : sequence of Path
        Files that the network came from.
    progress : Progress
        Shows what is under way.

    Raises
    ------
    BitweirError
        The board has no link, there is no such plan, its part or the clock is far out of reach by
        estimate, the design does not route, or a tool or the folder is missing.
    """
    assert request.board
    board, options = board_of(request.board), options or Options()
    check_link(board)
    if board.name not in BOARDS:
        with logs_kept(folder), progress(f"Looking at the pins of {board.title}"):
            check_pins(board)
    with progress("Choosing the plan") as done:
        result = choose(network, request, progress=done)
        target = target_for(request, result)
    with progress("Fitting FIFOs") as done:
        design = Design.fitted(network, result.plan, target, progress=done)
    check_size(design, board)
    check_clock(design, board, options.clock)
    with logs_kept(folder), progress(f"Synthesising and routing for {board.title}") as done:
        written, routed = write_bitstream(design, board, folder, options=options, models=models, told=done)
    return BoardBuild(
        written=written, bitstream=folder / bitstream_name(network, board),
        search=result.search and result.search.of_design(design.pipeline), routed=routed,
    )  # fmt: skip
