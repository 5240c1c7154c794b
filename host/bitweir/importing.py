"""Model files to a network file, and whether the network still computes what the files say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bitweir_hw.files import network_bytes

from .folders import whole_file
from .images import load_images
from .import_report import ImportReport, describe
from .importers.compare.comparison import compare_frames
from .importers.compare.report import comparison_report
from .model_files import Imported
from .progress import Progress, silent
from .results import save_result

__all__ = ["import_models"]


def import_models(
    imported: Imported,
    target: Path,
    *,
    images: Path | None = None,
    limit: int | None = None,
    save: Path | None = None,
    rounding: bool = False,
    progress: Progress = silent,
) -> tuple[ImportReport, str | None]:
    """Write a network, and compare it with its files where there are images.

    Parameters
    ----------
    imported : Imported
    target : Path
        The .npz file to write; it is left as it is if the network differs from its files.
    images : Path or None
        See `images.load_images`.
    limit : int or None
        Use only so many images.
    save : Path or None
        Where results go; see `results.save_result`.
    rounding : bool
        Take the nearest where images hold what the input does not take.
    progress : Progress

    Returns
    -------
    report : ImportReport
    difference : str or None
        One sentence if the network differs from its files.
    """
    network = imported.network
    report, difference = describe(imported), None
    if images is not None:
        loaded = load_images(images, network, limit=limit, rounding=rounding)
        with progress(f"Comparing {len(loaded):,} frames") as done:
            found = compare_frames(network, imported.members, loaded.frames, loaded.codes, done)
        report = replace(report, comparison=comparison_report(found, loaded.labels, rounded=loaded.rounded))
        difference = found.difference
        if save is not None:
            save_result(save, network, found.result)
    if difference is None:
        whole_file(target, network_bytes(network))
        report = replace(report, output=str(target))
    return report, difference
