"""The clock that the cost model expects beside the one that nextpnr reaches, for whole boards with their link.

    python benchmarks/routed_clock.py [NETWORK@BOARD ...]

NETWORK is one that ships, or a network file. Prints the estimate for the accelerator alone, the routed Fmax of the
board with seed 1, how much the estimate is off, and where the longest path lies: if that is in the link, the
accelerator could be faster.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bitweir.bitstreams.bitstream import Options, write_bitstream
from bitweir.design import Design
from bitweir.importers import load_model
from bitweir.planning import PlanRequest, choose
from bitweir.shipped import located
from bitweir_hw.boards import BOARDS
from bitweir_hw.cost import fmax

PAIRS = [f"{network}@{board}" for board in ("ulx3s_85f", "icebreaker", "tangnano9k") for network in ("digits", "cnn")]


def measure(pair: str) -> None:
    name, _, board_name = pair.rpartition("@")
    board = BOARDS[board_name]
    files, scale = located((Path(name),), None)
    network = load_model(files[0], input_scale=scale)
    design = Design.fitted(network, choose(network, PlanRequest(board=board_name)).plan)
    estimate = fmax(design.pipeline, board.part_name)
    with tempfile.TemporaryDirectory() as folder:
        told = write_bitstream(design, board, Path(folder) / "build", options=Options())[1]
    routed = told.fmax_mhz
    guess = (
        "no estimate"
        if estimate is None
        else f"{estimate / 1e6:6.1f} MHz estimated, ratio {estimate / 1e6 / routed:.2f}"
    )
    place = ", ".join(sorted({end.block for end in (told.path.start, told.path.end)}))
    print(
        f"{network.name:10} {board.title:26} {routed:6.1f} MHz routed  {guess:32}  longest path in {place}", flush=True
    )


def main() -> None:
    for pair in sys.argv[1:] or PAIRS:
        measure(pair)


if __name__ == "__main__":
    main()
