"""Simulations in pieces: images are divided, each piece is a run of its own from reset, and results are merged.

Pieces that are done are kept in the cache until all are, so that a simulation that was interrupted goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.files import digest, plan_text
from bitweir_hw.tools import yosys_version
from bitweir_sim.cache import cached, content_key, drop, kept, kept_names
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.golden import Result

from ..design import Design
from ..images import Images
from ..jobs import Report, at_once, run, sources
from ..progress import Shown
from ..weight_memory import Weights
from .engines import loading_cycles
from .measuring import Measured, measure

__all__ = ["Journal", "Work", "divided", "run_pieces"]

#: What a run costs before its first result is at most this share of a piece, where there are images enough.
_START = 0.05
#: Pieces for each worker: the more, the less is lost with one.
_PIECES = 16
_FIGURES, _ARRAYS = "figures.json", "arrays.npz"


@dataclass(frozen=True, kw_only=True)
class Work:
    """What all pieces have in common.

    Parameters
    ----------
    design : Design
    engine : str
        One of `ENGINES`.
    weights : Weights
    """

    design: Design
    engine: str
    weights: Weights


def divided(gaps: Sequence[tuple[int, int]], work: Work, *, at_once: int) -> list[slice]:
    """Cut images into pieces.

    Parameters
    ----------
    gaps : sequence of (int, int)
        Images that are not done: first, and the one behind the last.
    work : Work
        Parallel frames of its design stay together.
    at_once : int
        Workers.

    Returns
    -------
    list of slice
        Of about equal length: long enough that a start costs little and the interval can be measured, if that leaves
        a piece for each worker.
    """
    frames, timing = work.design.pipeline.parallel_frames, work.weights.timing
    groups = sum(ceil((stop - first) / frames) for first, stop in gaps)
    settled = len(timing.finished) + timing.period
    fill = loading_cycles(work.design) + timing.last_cycle(1) - timing.interval
    least = max(ceil(fill / (_START * float(timing.interval))), settled)
    size = frames * min(max(least, ceil(groups / (_PIECES * at_once))), ceil(groups / at_once))
    return [slice(at, min(at + size, stop)) for first, stop in gaps for at in range(first, stop, size)]


def run_pieces(
    work: Work, images: Images, journal: Journal, *, progress: Report
) -> tuple[list[Measured], list[Measured]]:
    """Simulate images in pieces, where `jobs.workers` says; those in the journal are not simulated again.

    Parameters
    ----------
    work : Work
    images : Images
    journal : Journal
        Of this work and these images; it is removed when all is done.
    progress : callable
        Takes the share of all images that is done.

    Returns
    -------
    list of Measured
        In the order of the images.
    list of Measured
        Those of them that were in the journal.

    Raises
    ------
    SimulationError
        A piece ends without all results, or (cocotb) differs; of several, the one with the lowest images.
    ToolError
        A tool or a worker failed.
    """
    before = journal.pieces()
    done = {piece.start: piece for piece in before}
    gaps = list(_gaps(sorted((piece.start, piece.stop) for piece in before), len(images)))
    parts = divided(gaps, work, at_once=at_once())
    bar = _Bar(len(images), sum(map(len, before)), parts, progress)
    failed: dict[int, str] = {}
    waited = {part.start for part in parts}
    with closing(run(_piece, work, [(images.part(part),) for part in parts], told=bar.told)) as found:
        for number, piece in found:
            bar.told(number, 1.0)
            waited.discard(parts[number].start)
            if isinstance(piece, str):
                failed[parts[number].start] = piece
            else:
                journal.keep(piece)
                done[piece.start] = piece
            # Whoever is first in time: the first in the order of the images is told.
            if failed and not any(at < min(failed) for at in waited):
                break
    # There is an answer, also where it is a fault: the same command begins anew.
    journal.remove()
    if failed:
        part = next(part for part in parts if part.start == min(failed))
        raise SimulationError(f"Images {part.start} to {part.stop - 1}: {failed[part.start]}")
    return [done[at] for at in sorted(done)], before


def _piece(work: Work, report: Report, images: Images) -> Measured | str:
    """A worker's piece, or the sentence that tells what went wrong in it."""

    @contextmanager
    def progress(what: str) -> Iterator[Shown]:
        # Of the golden model's share nobody wants to know: it ends soon.
        simulates = not what.startswith("Comparing")
        yield lambda how_far: report(how_far) if simulates and not isinstance(how_far, str) else None

    try:
        return measure(work.design, images, engine=work.engine, weights=work.weights, progress=progress).without_trace()
    except SimulationError as error:
        return str(error)


def _gaps(intervals: Sequence[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """What intervals leave of the numbers below `end`."""
    at = 0
    for first, stop in [*intervals, (end, end)]:
        if at < first:
            yield at, first
        at = stop


@dataclass
class _Bar:
    """The share of all images that is done, from the shares of pieces."""

    images: int
    before: int
    parts: Sequence[slice]
    progress: Report
    shares: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tell()

    def told(self, number: int, share: float) -> None:
        """A piece is so far; a worker that died begins anew, which is not told."""
        self.shares[number] = max(share, self.shares.get(number, 0.0))
        self._tell()

    def _tell(self) -> None:
        done = sum(
            share * (self.parts[number].stop - self.parts[number].start) for number, share in list(self.shares.items())
        )
        self.progress((self.before + done) / self.images)


class Journal:
    """The pieces of a simulation that are done, in the cache.

    Parameters
    ----------
    name : str
        See `of`.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @classmethod
    def of(cls, work: Work, images: Images, *settings: str) -> Journal:
        """The journal of what is simulated: its name is a hash of all that results depend on.

        Parameters
        ----------
        work : Work
        images : Images
        *settings : str
            What else they depend on.
        """
        codes = images.codes
        name = content_key(
            "simulation", digest(work.design.network), plan_text(work.design.plan), work.engine, sources(),
            yosys_version(), f"{codes.dtype.str} {codes.shape}", codes.tobytes(), *settings,
        )  # fmt: skip
        return cls(name)

    def pieces(self) -> list[Measured]:
        """What is kept: pieces that do not overlap, as other runs may have cut the images in another way."""
        found: list[Measured] = []
        for name in kept_names(self._name):
            # One that was damaged is simulated again.
            if folder := kept(name):
                piece = _read(folder)
                if all(piece.stop <= other.start or other.stop <= piece.start for other in found):
                    found.append(piece)
        return found

    def keep(self, piece: Measured) -> None:
        """Write a piece: whole, or not at all."""
        cached(f"{self._name}-{piece.start}-{piece.stop}", lambda folder: _write(folder, piece))

    def remove(self) -> None:
        """Remove all pieces."""
        for name in kept_names(self._name):
            drop(name)


_ARRAY_FIELDS = ("scores", "classes", "labels")


def _write(folder: Path, piece: Measured) -> None:
    arrays = {name: getattr(piece.result, name) for name in _ARRAY_FIELDS}
    np.savez(
        folder / _ARRAYS, differ=piece.differ, **{name: array for name, array in arrays.items() if array is not None}
    )
    (folder / _FIGURES).write_text(json.dumps(piece.figures()))


def _read(folder: Path) -> Measured:
    figures: dict[str, Any] = json.loads((folder / _FIGURES).read_text())
    with np.load(folder / _ARRAYS, allow_pickle=False) as file:
        arrays = dict(file)
    differ = arrays.pop("differ")
    return Measured(result=Result(**arrays), differ=differ, **figures)
