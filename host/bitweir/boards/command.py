"""What `bitweir build` does, and tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bitweir_hw.boards import BOARDS
from rich.text import Text

from ..console import Output
from ..load import Imported
from ..report.routed import render_routed
from .bitstream import Options, bitstream_name, write_bitstream
from .planning import Wishes, plan_for

__all__ = ["build_for_board"]


def build_for_board(
    output: Output, imported: Imported, board_name: str, folder: Path, wishes: Wishes, options: Options
) -> dict[str, Any]:
    """Plan, synthesise, route and pack a network for a board; what became of it.

    Parameters
    ----------
    output : Output
    imported : Imported
    board_name : str
        A key of `BOARDS`.
    folder : Path
        See `write_bitstream`.
    wishes : Wishes
    options : Options

    Returns
    -------
    dict
        Folder, bitstream, what the search for the plan says, and ``routed`` as in ``routed-BOARD.json``.
    """
    board, network = BOARDS[board_name], imported.network
    with output.working("Choosing the plan"):
        plan, search = plan_for(network, board, wishes)
    with output.working(f"Synthesising and routing for {board.title}"):
        models = [member.path for member in imported.members]
        _, routed = write_bitstream(network, plan, board, folder, options=options, models=models)
    bitstream = folder / bitstream_name(network, board)
    output.show(*render_routed(routed), *map(Text, imported.told))
    output.show(Text(f"Written: {bitstream}; load it with bitweir program {folder}"))
    return {
        "folder": str(folder), "bitstream": str(bitstream), "search": search, "routed": routed,
        "comparison": imported.comparison,
    }  # fmt: skip
