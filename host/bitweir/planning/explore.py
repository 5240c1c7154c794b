"""Explores a network on parts: the Pareto front of LUT sites, block RAMs and frames per second.

Every point is a pure function of what its job says, and kept by the hash of all that it depends on: an exploration
that was interrupted goes on where it was, and one that is asked for again takes no time.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from bitweir_hw.checked import hertz, whole
from bitweir_hw.cost import estimate_pipeline, fmax_basis, fmax_error, highest_clock
from bitweir_hw.errors import PlanError
from bitweir_hw.files import digest
from bitweir_hw.network import Network
from bitweir_hw.parts import FpgaPart, Part, part_of
from bitweir_hw.plan import check_parallel_frames, plan_from_foldings
from bitweir_hw.popcount import Popcount
from bitweir_hw.search import TooLargeError
from bitweir_hw.tools import yosys_version
from bitweir_sim.cache import cached, content_key, kept

from ..design import Design, DesignFolder
from ..jobs import Report, run, sources
from ..progress import Progress, silent
from ..synthesis.measure import synthesise
from .exploration import Exploration, ExploredNetwork, PartSize, Point
from .hunt import Expected, Hunt
from .limits import Reserve, part_limits
from .remedy import with_remedy

__all__ = ["SLOWEST", "ExploreRequest", "explore", "pareto"]

#: How much slower than the fastest plan the slowest pace is.
SLOWEST = 64
#: Points of a part, at most: far more than a plot shows.
MOST_POINTS = 1_000

_RESULT = "result.json"
_MEASURED = ("sites", "lut", "ff", "block_rams")
#: What is compared: fewer of these, and more frames a second.
_LESS = ("sites", "block_rams")

#: A point as it is kept: the fields of `Point` that its job knows, or why there is none.
_Kept = dict[str, Any]
_Share = Callable[[float | str], None]


@dataclass(frozen=True, kw_only=True)
class ExploreRequest:
    """What to explore.

    Parameters
    ----------
    parts : tuple of (FpgaPart or str)
        Parts, or names of listed ones.
    clock : float or None
        Hz, at most: each point is judged at the clock that it is expected to reach. None: the highest of each part.
    points : int
        Initiation intervals to try for each part.
    streams : int
        V.
    reserve_luts, reserve_bram : int or str
        What is kept free of each part; see `PlanRequest`.

    Raises
    ------
    PlanError
        There is no such part, or none is named; or a number is not positive.
    """

    parts: tuple[Part, ...]
    clock: float | None
    points: int
    streams: int = 1
    reserve_luts: int | str = 0
    reserve_bram: int | str = 0

    def __post_init__(self) -> None:
        names = [part.name for part in self.fpgas]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise PlanError(f"Each part must have a name of its own: {twice[0]} is there twice.")
        if not self.parts:
            raise PlanError("An exploration needs a part, not none.")
        if self.clock is not None:
            object.__setattr__(self, "clock", hertz(self.clock))
        object.__setattr__(self, "points", whole(self.points, "The number of points", high=MOST_POINTS))
        object.__setattr__(self, "streams", check_parallel_frames(self.streams))
        for part in self.fpgas:
            self.reserve.of(part)

    @property
    def fpgas(self) -> tuple[FpgaPart, ...]:
        """The parts, in their order."""
        return tuple(part_of(part) for part in self.parts)

    @property
    def reserve(self) -> Reserve:
        """What is kept free."""
        return Reserve(luts=self.reserve_luts, bram=self.reserve_bram)


@dataclass(frozen=True, kw_only=True)
class _Search:
    """The cheapest plan of a pace; without cycles, the plan with the most frames/s."""

    part: FpgaPart
    cycles: int | None
    #: Adder levels between registers; None for what is best.
    levels: int | None
    clock: float | None
    streams: int
    reserve_luts: int | str
    reserve_bram: int | str

    def tools(self) -> tuple[str, ...]:
        return ()

    def run(self, network: Network) -> _Kept:
        try:
            best = self._found(network)
        except PlanError as error:
            # That nothing fits is a result too, and takes as long to find.
            return {"error": str(error)}
        found, family = best.found, self.part.family
        total = estimate_pipeline(best.pipeline, family)[1]
        return {
            "part": self.part.name,
            "family": family,
            "clock_mhz": None if self.clock is None else self.clock / 1e6,
            "expected_clock_mhz": round(best.clock / 1e6, 3),
            "cycles": found.cycles,
            "frames_per_second": best.fps,
            "foldings": ",".join(map(str, found.plan.foldings)),
            "sites": found.sites,
            "lut": total.lut,
            "ff": total.ff,
            "block_rams": found.block_rams,
            "dsps": total.dsp,
            "stage_levels": found.plan.popcount.levels_per_stage,
            "fmax_mhz": round(best.fmax / 1e6, 1),
            "fmax_error": fmax_error(self.part),
            "fmax_from": fmax_basis(self.part),
            "bound": round(found.bound, 3),
        }

    def _found(self, network: Network) -> Expected:
        hunt = self._hunt(network, self.part)
        if self.cycles is not None:
            assert self.levels is not None
            return hunt.expected(hunt.search(self.levels, self.streams).cheapest(self.cycles, hunt.limits))
        try:
            best = hunt.most_frames()
        except TooLargeError as error:
            raise with_remedy(
                error, hunt, lambda part: self._hunt(network, part), lambda other: other.fits(2)
            ) from None
        # A bound in sites, as at other paces: that of the fastest plan is one in cycles. Both searches are heuristic
        # where block RAMs are scarce: at worst there is a plan, and no bound.
        bound = 0.0
        with suppress(PlanError):
            search = hunt.search(best.found.plan.popcount.levels_per_stage, self.streams)
            bound = search.cheapest(best.found.cycles, hunt.limits).bound
        return replace(best, found=replace(best.found, bound=min(bound, best.found.sites)))

    def _hunt(self, network: Network, part: FpgaPart) -> Hunt:
        return Hunt(
            network=network, part=part, family=part.family,
            limits=part_limits(part, Reserve(luts=self.reserve_luts, bram=self.reserve_bram)),
            clock=self.clock or highest_clock(part), streams=self.streams,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Measurement:
    """What Yosys makes of a plan: of what `generate` would write, so with FIFOs fitted."""

    family: str
    foldings: str
    stage_levels: int
    streams: int

    def tools(self) -> tuple[str, ...]:
        return (yosys_version(),)

    def run(self, network: Network) -> _Kept:
        popcount = Popcount.of(self.family, self.stage_levels)
        plan = plan_from_foldings(network, self.foldings, popcount=popcount, parallel_frames=self.streams)
        with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
            # No Verilog is written, as Yosys reads what it would be made from.
            build = DesignFolder(folder=Path(work), design=Design.fitted(network, plan))
            total = synthesise(build, self.family).total
        fitted = estimate_pipeline(build.pipeline, self.family)[1]
        return {
            "fitted_sites": fitted.sites,
            "fitted_lut": fitted.lut,
            "fitted_ff": fitted.ff,
            "fitted_block_rams": fitted.bram,
            # As the search counts them: with the sites that LUT RAM takes.
            "measured_sites": total.sites,
            "measured_lut": total.lut,
            "measured_ff": total.ff,
            "measured_block_rams": total.bram,
        }


_Job = _Search | _Measurement


def _key(network: str, job: _Job) -> str:
    return content_key("explore", type(job).__name__, json.dumps(asdict(job)), network, sources(), *job.tools())


def _kept(key: str) -> _Kept | None:
    folder = kept(key)
    if folder is None:
        return None
    result: _Kept = json.loads((folder / _RESULT).read_text())
    return result


def _keep(key: str, result: _Kept) -> None:
    def write(folder: Path) -> None:
        (folder / _RESULT).write_text(json.dumps(result))

    cached(key, write)


def _worker(network: Network, report: Report, job: _Job) -> _Kept:
    return job.run(network)


def _run(network: Network, jobs: Sequence[_Job], progress: _Share) -> list[_Kept]:
    """Results of all jobs, in their order; those not kept from before are computed in parallel, and kept at once."""
    identity = digest(network)
    keys = [_key(identity, job) for job in jobs]
    results = [_kept(key) for key in keys]
    missing = [number for number, result in enumerate(results) if result is None]
    progress(1 - len(missing) / max(len(jobs), 1))
    if missing:
        # Workers return results and keep none, so that they need no file system in common.
        # Closed at once after an error or Ctrl-C, so that what is under way ends within `workers`.
        with closing(run(_worker, network, [(jobs[number],) for number in missing])) as found:
            for done, (number, result) in enumerate(found, 1):
                _keep(keys[missing[number]], result)
                results[missing[number]] = result
                progress(1 - (len(missing) - done) / len(jobs))
                progress(f"trial {len(jobs) - len(missing) + done} of {len(jobs)}")
    return [result for result in results if result is not None]


def explore(
    network: Network, request: ExploreRequest, *, synth: bool = False, progress: Progress = silent
) -> Exploration:
    """Explore a network on parts: its points, those on the front of each part, and what Yosys measures of these.

    Parameters
    ----------
    network : Network
    request : ExploreRequest
    synth : bool
        Whether Yosys confirms the points of the front.
    progress : Progress
        Shows the share of the current step that is done.

    Raises
    ------
    PlanError
        The network fits no part.
    ToolError
        Yosys failed, or a worker has another version of bitweir.
    """
    with progress("Exploring") as done:
        points, notes = _points(network, request, done)
        if synth:
            _confirm(network, request, points, done)
    return Exploration(
        bitweir=metadata.version("bitweir"),
        network=ExploredNetwork(name=network.name, digest=digest(network)),
        clock_mhz=None if request.clock is None else request.clock / 1e6,
        streams=request.streams,
        parts={part.name: _size(part, request) for part in request.fpgas},
        points=tuple(Point(**point) for point in points),
        notes=tuple(notes),
    )


def _size(part: FpgaPart, request: ExploreRequest) -> PartSize:
    limits = part_limits(part, request.reserve)
    return PartSize(
        sites=part.luts,
        block_rams=part.block_rams,
        most_sites=int(limits.sites),
        most_block_rams=int(limits.block_rams),
    )


def _points(network: Network, request: ExploreRequest, done: _Share) -> tuple[list[_Kept], list[str]]:
    """The points of all parts, and why parts or paces have none."""
    notes: list[str] = []
    starts = _run(network, [_search(request, part) for part in request.fpgas], done)
    jobs: list[_Search] = []
    found: dict[tuple[str, str], _Kept] = {}
    for part, start in zip(request.fpgas, starts, strict=True):
        if "error" in start:
            notes.append(f"{part.name}: {start['error']}")
        else:
            found[part.name, start["foldings"]] = start
            slower = _ladder(start["cycles"], request.points)[1:]
            jobs += [_search(request, part, cycles, start["stage_levels"]) for cycles in slower]
    if len(notes) == len(request.parts):
        raise PlanError(notes[0])
    for job, point in zip(jobs, _run(network, jobs, done), strict=True):
        if "error" in point:
            notes.append(f"{job.part.name}: {point['error']}")
        else:
            # Paces that nothing is slow enough for end in the same plan.
            found.setdefault((point["part"], point["foldings"]), point)
    return [
        point for part in request.fpgas for point in pareto([p for p in found.values() if p["part"] == part.name])
    ], notes


def _search(request: ExploreRequest, part: FpgaPart, cycles: int | None = None, levels: int | None = None) -> _Search:
    return _Search(
        part=part, cycles=cycles, levels=levels, clock=request.clock, streams=request.streams,
        reserve_luts=request.reserve_luts, reserve_bram=request.reserve_bram,
    )  # fmt: skip


def _ladder(first: int, points: int) -> list[int]:
    """Paces from the fastest to the slowest, each the same factor slower than the one before."""
    return sorted({round(first * SLOWEST ** (step / max(points - 1, 1))) for step in range(points)})


def pareto(points: Sequence[_Kept]) -> list[_Kept]:
    """The points of one part, fastest first, with ``front``: whether no other beats them.

    A point beats another if it is as good in sites, block RAMs and frames a second, and better in one.
    """

    def values(point: _Kept) -> tuple[float, ...]:
        return (*(point[key] for key in _LESS), -point["frames_per_second"])

    def beaten(point: _Kept) -> bool:
        own = values(point)
        return any(
            values(other) != own and all(a <= b for a, b in zip(values(other), own, strict=True)) for other in points
        )

    ranked = sorted(points, key=lambda point: (-point["frames_per_second"], point["sites"], point["block_rams"]))
    return [{**point, "front": not beaten(point)} for point in ranked]


def _confirm(network: Network, request: ExploreRequest, points: list[_Kept], progress: _Share) -> None:
    """Add to the points of the front what Yosys measures, and by how many per cent estimates are off.

    The search knows no depths of FIFOs and takes the most that they may need. So that the error is that of the
    estimate alone, what is measured is compared with the estimate (``fitted_``) of the same FIFOs.
    """
    front = [point for point in points if point["front"]]
    # Parts of a family often share a plan, and Yosys knows families only.
    jobs = {
        (point["family"], point["foldings"]): _Measurement(
            family=point["family"],
            foldings=point["foldings"],
            stage_levels=point["stage_levels"],
            streams=request.streams,
        )
        for point in front
    }
    measured = dict(zip(jobs, _run(network, list(jobs.values()), progress), strict=True))
    for point in front:
        point.update(measured[point["family"], point["foldings"]])
        for key in _MEASURED:
            point[f"error_{key}_percent"] = _off(point[f"fitted_{key}"], point[f"measured_{key}"])


def _off(estimated: int, measured: int) -> float | None:
    if not measured:
        return None if estimated else 0.0
    return round(100 * (estimated / measured - 1), 2)
