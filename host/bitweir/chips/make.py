"""From what a user asks of several chips to their folder."""

from __future__ import annotations

from pathlib import Path

from bitweir_hw.errors import PlanError
from bitweir_hw.network import Network

from ..progress import Progress, silent
from ..target import Target
from .design import ChipsDesign
from .plan import ChipsRequest, choose_chips
from .several import SeveralChips

__all__ = ["make_chips"]


def make_chips(network: Network, request: ChipsRequest, folder: Path, *, progress: Progress = silent) -> SeveralChips:
    """Plan a network on several chips, and write all that they need into a folder.

    Raises
    ------
    PlanError
        See `choose_chips`; or a channel carries less than a bit in a cycle.
    FileError
        Something else is in the folder, or it cannot be written.
    """
    result = choose_chips(network, request, progress=progress)
    # A round number, not above.
    clock = max(int(result.clock / 1e5), 1) * 1e5
    width = None if request.bandwidth is None else int(8 * request.bandwidth / clock * (1 + 1e-12))
    if width == 0:
        raise PlanError(
            f"A channel must carry a bit in a cycle or more: at {clock / 1e6:,.4g} MHz that is {clock / 8:,.0f} "
            f"bytes/s, not {request.bandwidth:,.10g}."
        )
    with progress("Fitting FIFOs and credits") as done:
        design = ChipsDesign.fitted(
            network, result.cuts, [plan.plan for plan in result.plans],
            [Target.of(clock=clock, part=part) for part in request.parts], width=width, latency=request.latency,
            progress=done,
        )  # fmt: skip
    with progress("Generating Verilog"):
        written = design.write(folder)
    return SeveralChips(written=written, searches=result.searches)
