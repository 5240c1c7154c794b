"""Designs side by side, from their folders."""

from __future__ import annotations

from pathlib import Path

from bitweir_hw.checked import hertz, place
from bitweir_hw.errors import OptionsError
from bitweir_hw.parts import FpgaPart

from .accelerator import Accelerator
from .design import DesignFolder
from .report.comparison import Comparison

__all__ = ["compare"]


def compare(
    *designs: Accelerator | Path | str, part: FpgaPart | Path | str | None = None, clock: float | None = None
) -> Comparison:
    """Compare designs: speed, resources, and the blocks of each.

    Parameters
    ----------
    *designs : Accelerator or path
        Two or more: what `generate` returned, or its folder.
    part : FpgaPart or path or str, optional
        FPGA for which all are told, in place of that of each.
    clock : float, optional
        Hz, for all, in place of that of each.

    Returns
    -------
    Comparison

    Raises
    ------
    FileError
        A folder is missing, was not made by bitweir, or was changed since.
    OptionsError
        There is only one design.
    PlanError
        A part or a clock is none.
    """
    if len(designs) < 2:
        raise OptionsError(f"There must be two designs or more to compare, not {len(designs)}.")
    clock = None if clock is None else hertz(clock)
    opened = [
        design if isinstance(design, Accelerator) else Accelerator(written=DesignFolder.open(place(design)))
        for design in designs
    ]
    reports = [design.report(part=part, clock=clock, advice=False) for design in opened]
    return Comparison.of(_names([design.folder for design in opened]), reports)


def _names(folders: list[Path]) -> list[str]:
    """The last parts of the paths, as few as tell all folders apart."""
    parts = [folder.absolute().parts for folder in folders]
    for count in range(1, max(map(len, parts), default=1)):
        names = ["/".join(each[-count:]) for each in parts]
        if len(set(names)) == len(set(folders)):
            return names
    return [str(folder) for folder in folders]
