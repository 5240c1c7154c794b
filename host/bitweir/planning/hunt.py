"""The best plan in time: at the clock that each is expected to reach, not in cycles.

More registers make for a faster clock, and for a larger design with fewer lanes. So does a layer folded otherwise: a
shorter popcount, weights in LUTs in place of block RAM. A plan is found in two ways that take turns: the fewest cycles
for what is there; and, where a block of that plan holds back the clock, the fewest cycles among plans of which each
block keeps a faster clock, as long as this gains more than it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil, inf
from typing import Literal

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.cost import fmax, fmax_error
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.network import Network
from bitweir_hw.parts import FpgaPart
from bitweir_hw.plan import MAX_STREAMS, Plan, check_plan, least_cycles
from bitweir_hw.popcount import Popcount
from bitweir_hw.search import Budget, Outside, Pace, Search, SearchResult, TooLargeError, few_streamed, sharing

from .descent import changes, descend
from .expected import Expected, round_clock

__all__ = ["LEVELS", "MOST_BEATS", "Expected", "Hunt"]

#: Adder levels between registers that are tried, in this order.
LEVELS = (1, 2, 3, 0)
#: By how much the clock is to rise, and what is tried where that gains nothing.
_STEPS = (2.0, 1.4, 1.15, 1.05)
#: What another number of adder levels must promise, beside the best plan so far, to be searched for.
_PROMISE = 1.05
#: Share of the block RAMs from which they bind.
_SCARCE = 0.9
#: How much slower than the fastest plan those are that may answer sooner.
_SLOWER = (1.25, 1.6, 2.0, 3.0)
#: Hz, at most, for which the search counts what a memory of weights gives in a cycle: few plans are slower. A plan is
#: then judged at its own clock.
_MEMORY_CLOCK = 50e6
#: By how much faster plans are, of which one may be smaller than the slowest; and how much larger they are once no
#: faster one is.
_QUICKER, _MORE = 3, 1.5
#: Clocks to try for a frame rate.
_CLOCKS = 6
#: Beats of a frame on all streams of the largest accelerator of which single changes are judged, one by one.
MOST_BEATS = 300_000


@dataclass(kw_only=True)
class Hunt:
    """A search for plans of a network on a part.

    Parameters
    ----------
    network : Network
    part : FpgaPart
    family : str
        Whose popcounts are used.
    limits : Budget
    clock : float
        Hz: the highest that is wanted.
    whole : bool
        Nobody asked for it, so that clocks are told as `round_clock` makes them.
    levels : tuple of int
        Adder levels between registers to try.
    streams : int or None
        Parallel frames; None for as many as serve a goal best.
    runtime_loadable : bool
        Parameters are in RAM.
    load_width : int
        Bytes of these that are loaded in a cycle.
    progress : callable
        Takes the share that is done, and which search of how many runs.
    weight_bandwidth : float, optional
        Bytes a second of a memory outside the chip, from which weights of layers may come where they do not fit.
    memory_clock : float, optional
        Hz at which the memory gives that, where it has the clock of the accelerator; else it gives the same at all.
    """

    network: Network
    part: FpgaPart
    family: str
    limits: Budget
    clock: float
    whole: bool = False
    levels: tuple[int, ...] = LEVELS
    streams: int | None = 1
    runtime_loadable: bool = False
    load_width: int = 1
    weight_bandwidth: float | None = None
    memory_clock: float | None = None
    progress: Callable[[float | str], None] = lambda how_far: None
    _searches: dict[tuple[int, int], Search] = field(default_factory=dict)

    @property
    def _frames(self) -> int:
        """Parallel frames, where one number must do."""
        return 1 if self.streams is None else self.streams

    def on(self, other: Hunt) -> Hunt:
        """The search of `other`, on a part of the same family, with what is known from this one."""
        return replace(other, _searches=self._searches)

    def with_memory(self, bandwidth: float) -> Hunt:
        """The same search with weights from outside the chip, at so many bytes a second."""
        return replace(self, weight_bandwidth=bandwidth, memory_clock=None, _searches={})

    def with_board_memory(self, bandwidth: float, clock: float, limits_of: Callable[[int], Budget]) -> Hunt:
        """The same search with weights from the memory of a board, which has the accelerator's clock.

        Parameters
        ----------
        bandwidth : float
            Bytes a second.
        clock : float
            Hz: the highest of the memory, at which it gives that.
        limits_of : callable
            What is left beside a reader of weights of so many layers.
        """
        streamed, hunt = 1, self
        while True:
            hunt = replace(
                self, weight_bandwidth=bandwidth, memory_clock=clock, clock=min(self.clock, clock),
                limits=limits_of(streamed), _searches={},
            )  # fmt: skip
            found = len(hunt._outside.layers) if hunt._outside else 0
            if found <= streamed:
                return hunt
            # The reader of more layers leaves less.
            streamed = found

    def bandwidth_at(self, clock: float) -> float | None:
        """Bytes a second that the memory outside the chip gives at a clock of the accelerator; None without one."""
        if self.weight_bandwidth is None or self.memory_clock is None:
            return self.weight_bandwidth
        return self.weight_bandwidth * clock / self.memory_clock

    # ---- goals

    def fits(self, levels: int) -> bool:
        """Whether a plan fits, at whatever speed, with one of the first so many numbers of adder levels."""
        for level in self.levels[:levels]:
            search = self.search(level, self._frames)
            if search.slowest_that_fits(self.limits) is not None:
                return True
        return False

    def fastest_of_one_level(self) -> Expected:
        """The plan with the fewest cycles for the first number of adder levels: hardly slower than the best.

        Raises
        ------
        PlanError
            Nothing fits.
        """
        return self.expected(self.search(self.levels[0], self._frames).fastest(self.limits))

    def most_frames(self) -> Expected:
        """The plan with the most frames a second.

        Parallel frames share memories and nothing else, so they help where block RAM binds, until the LUT sites are
        used up as well.

        Raises
        ------
        PlanError
            Nothing fits.
        """
        best = self._over_levels(self._quickest, self._frames)
        if self.streams is None and best.found.block_rams >= _SCARCE * self.limits.block_rams:
            best = self._with_parallel_frames(best)
        return self._descended(best, lambda one: (-one.fps, one.found.sites), "cycles")

    def _with_parallel_frames(self, best: Expected) -> Expected:
        """The fastest plan of those with more parallel frames, as block RAM binds."""
        level = best.found.plan.popcount.levels_per_stage
        most = min(int(self.limits.sites / best.found.sites), MAX_STREAMS)
        for streams in sorted({2, most - 1, most}):
            if 2 <= streams <= most:
                found = self._quickest(level, streams, best)
                best = max((best, *([found] if found else [])), key=lambda one: one.fps)
        return best

    def soonest(self) -> Expected:
        """The plan with the least latency.

        Raises
        ------
        PlanError
            Nothing fits.
        """
        best: Expected | None = None
        for level in self._each_level():
            if best and self._clock_with(best, level) < best.clock / _PROMISE and level > 1:
                # More adder levels than one between registers save at most some cycles.
                continue
            for found in self._soon(level):
                if best is None or found.latency < best.latency:
                    best = found
        assert best
        return self._descended(best, lambda one: (one.latency, one.found.sites), "cycles")

    def smallest(self, fps: float) -> Expected:
        """The plan with the fewest LUT sites that is expected to reach a frame rate.

        If there is none, it is the one with the most frames/s, where the error of the estimate is larger than what is
        missing.

        Raises
        ------
        PlanError
            Nothing fits, or the frame rate is farther off; the text says which there is.
        """
        if not 0 < fps < inf:
            raise PlanError(f"Frame rate must be positive, not {fps:,.10g} frames/s.")
        found = self._smallest(fps, sure=False)
        if isinstance(found, Expected):
            return self._descended(found, lambda one: (one.fps < fps * (1 - 1e-9), one.found.sites), "sites")
        best = self.most_frames()
        if best.fps * (1 + fmax_error(self.part)) < fps:
            clock = round_clock(best.clock) if self.whole else best.clock
            most = (
                f"most that {self.part.name} is expected to do is about {best.fps * clock / best.clock:,.0f} frames/s, "
                f"at {clock / 1e6:,.4g} MHz."
            )
            if isinstance(found, TooLargeError):
                raise found.with_note(f"The {most}")
            why = f"{str(found).rstrip('.')}; the" if found else f"{fps:,.10g} frames/s cannot be reached: the"
            raise PlanError(f"{why} {most}") from found
        return best

    def keeping_up(self, fps: float) -> Expected:
        """The plan with the fewest LUT sites that reaches a frame rate even if the estimate of its clock is too high.

        Too high by as much as it ever was. If there is none, it is the plan with the most frames/s.

        Raises
        ------
        PlanError
            Nothing fits.
        """
        found = self._smallest(fps, sure=True)
        if not isinstance(found, Expected):
            return self.most_frames()
        return self._descended(found, lambda one: (one.sure_fps < fps * (1 - 1e-9), one.found.sites), "sites")

    def in_step(self, cycles: int, clock: float) -> Expected:
        """The plan of at most so many cycles a frame with the highest clock, up to the one that is given.

        Of equals, the one with the fewest LUT sites.

        Raises
        ------
        PlanError
            Nothing fits.
        """
        found: list[Expected] = []
        refused: PlanError | None = None
        for level in self._each_level():
            try:
                found.append(self.expected(self.search(level, self._frames).cheapest(cycles, self.limits)))
                if found[-1].fmax < clock:
                    pace = self._pace(clock, found[-1])
                    found.append(self.expected(self.search(level, self._frames).cheapest(cycles, self.limits, pace)))
            except PlanError as error:
                refused = refused or error
        if not found:
            assert refused
            raise refused
        return max(found, key=lambda one: (min(one.fmax, clock), -one.found.sites))

    # ---- steps

    def _descended(
        self, best: Expected, rank: Callable[[Expected], tuple[float, ...]], bounded: Literal["cycles", "sites"]
    ) -> Expected:
        """A plan of which no single change is better; of large networks, which reports advise nothing of, as it is.

        Its bound, of cycles or of sites, is 0 where what was proved is of other plans.
        """
        if sum(stream.beats for stream in best.pipeline.streams) > MOST_BEATS:
            return best
        parallel = self.streams is None and self._outside is None
        found = descend(
            best, plan_of=lambda one: one.found.plan, judge=self._judged, rank=rank,
            around=lambda plan: changes(self.network, plan, levels=self.levels, parallel=parallel),
        )  # fmt: skip
        old, new = best.found.plan, found.found.plan
        alike = (old.popcount, old.parallel_frames) == (new.popcount, new.parallel_frames)
        holds = alike and best.found.bound <= getattr(found.found, bounded)
        return replace(found, found=replace(found.found, bound=best.found.bound if holds else 0.0))

    def _judged(self, plan: Plan) -> Expected | None:
        """What a plan is expected to do; None if it is illegal or does not fit."""
        try:
            check_plan(self.network, plan)
            found = self.search(plan.popcount.levels_per_stage, plan.parallel_frames).priced(plan.foldings)
        except PlanError:
            return None
        return self.expected(found) if self.limits.holds(found) else None

    def _each_level(self) -> Iterator[int]:
        """The numbers of adder levels, with what share of them was tried."""
        for number, level in enumerate(self.levels):
            self.progress(number / len(self.levels))
            self.progress(f"search {number + 1} of {len(self.levels)}")
            yield level

    def search(self, level: int, streams: int) -> Search:
        """Plans with so many adder levels between registers; all share what blocks cost."""
        key = (level, streams)
        if key not in self._searches:
            self._searches[key] = Search(
                self.network, self.part.family, popcount=self._popcount(level), parallel_frames=streams,
                runtime_loadable=self.runtime_loadable, load_width=self.load_width,
                shared=next(iter(self._searches.values()), None), outside=self._outside,
            )  # fmt: skip
        return self._searches[key]

    @cached_property
    def _outside(self) -> Outside | None:
        """Layers whose weights come from outside: few enough that all others fit, at whatever speed."""
        if self.weight_bandwidth is None:
            return None
        search = Search(
            self.network, self.part.family, popcount=self._popcount(self.levels[0]), parallel_frames=self._frames,
            runtime_loadable=self.runtime_loadable, load_width=self.load_width,
        )  # fmt: skip
        if search.slowest_that_fits(self.limits) is not None:
            return None
        streaming = few_streamed(search, search.slowest, self.limits)
        if streaming is None:
            return None
        clock = min(self.clock, _MEMORY_CLOCK)
        rate = 8 * (self.bandwidth_at(clock) or 0.0) / clock
        return sharing(search, replace(streaming.outside, bits_per_cycle=rate), self.limits)

    def _with_memory(self, found: SearchResult, pipeline: Pipeline, clock: float) -> SearchResult:
        """The plan with the cycles that a frame takes at a clock: at a slower one, the memory gives more in each."""
        bandwidth = self.bandwidth_at(clock)
        if self._outside is None or bandwidth is None:
            return found
        busy = max(block.cycles for block in pipeline.blocks)
        return replace(found, cycles=max(busy, ceil(pipeline.weight_bits * clock / (8 * bandwidth))))

    def _memory_bound(self, one: Expected) -> bool:
        """Whether a frame takes as long as its weights from outside: no clock and no folding changes that."""
        return self._outside is not None and max(block.cycles for block in one.pipeline.blocks) < one.found.cycles

    def _popcount(self, level: int) -> Popcount:
        popcount = Popcount.of(self.family, level)
        return popcount if self.family == self.part.family else replace(popcount, carry4=False)

    def expected(self, found: SearchResult) -> Expected:
        """A plan with the clock that it is expected to reach."""
        pipeline = lower(self.network, found.plan)
        reached = fmax(pipeline, self.part, block_rams=found.block_rams)
        clock = min(self.clock, reached)
        return Expected(
            found=self._with_memory(found, pipeline, clock), pipeline=pipeline, fmax=reached, clock=clock,
            sure=min(self.clock, reached * (1 - fmax_error(self.part))),
        )  # fmt: skip

    def _over_levels(self, find: Callable[[int, int, Expected | None], Expected | None], streams: int) -> Expected:
        """The fastest of what each number of adder levels gives."""
        best, refused = None, list[PlanError]()
        for level in self._each_level():
            try:
                found = find(level, streams, best)
            except PlanError as error:
                refused.append(error)
                if len(refused) > 1 and best is None:
                    # The others take much the same.
                    break
                continue
            if found and (best is None or found.fps > best.fps):
                best = found
        if best is None:
            raise refused[0]
        return best

    def _quickest(self, level: int, streams: int, beat: Expected | None) -> Expected | None:
        """The plan with the most frames a second; None where one plan is not likely to be beaten."""
        search = self.search(level, streams)
        if beat and self._memory_bound(beat):
            return None
        if beat:
            clock = min(self._clock_with(beat, level) * _PROMISE, self.clock)
            cycles = int(streams * clock / beat.fps)
            if cycles < least_cycles(self.network) or not search.fits(cycles, self.limits):
                return None
        return self._faster_clock(search, self.expected(search.fastest(self.limits)))

    def _clock_with(self, one: Expected, level: int) -> float:
        """Hz that a plan may reach with so many adder levels between registers."""
        plan = one.found.plan
        if plan.popcount.levels_per_stage == level:
            return one.fmax
        return fmax(lower(self.network, replace(plan, popcount=self._popcount(level))), self.part)

    def _faster_clock(self, search: Search, best: Expected) -> Expected:
        """A plan with more frames a second, since each of its blocks keeps a faster clock."""
        first, pace = best, None
        for step in () if self._memory_bound(best) else _STEPS:
            while best.fmax < self.clock:
                clock = min(self.clock, best.fmax * step)
                # As many frames a second as before, at least.
                cycles = int(best.found.cycles * clock / best.clock)
                tried = self._pace(clock, best)
                try:
                    found = self.expected(search.cheapest(cycles, self.limits, tried))
                except PlanError:
                    break
                if found.fps <= best.fps * (1 + 1e-9):
                    break
                best, pace = found, tried
        if pace:
            least, most = first.found.cycles, best.found.cycles
            fewer = self.expected(search.fastest(self.limits, pace, least=least, most=most))
            best = max((best, fewer), key=lambda one: one.fps)
        # What is proved of cycles holds for all plans with as many adder levels.
        return replace(best, found=replace(best.found, bound=min(first.found.bound, best.found.cycles)))

    def _pace(self, clock: float, like: Expected) -> Pace:
        return Pace(part=self.part, nanoseconds=1e9 / clock, block_rams=like.found.block_rams)

    def _soon(self, level: int) -> Iterator[Expected]:
        """The fastest plan, and slower ones, which leave more to the layers that a frame waits for.

        A frame takes as long when FIFOs are fitted: `fit_depths` sees to it.
        """
        search = self.search(level, self._frames)
        first = search.fastest(self.limits)
        yield self.expected(first)
        for slower in _SLOWER:
            if (cycles := int(first.cycles * slower)) >= least_cycles(self.network):
                try:
                    yield self.expected(search.cheapest(cycles, self.limits))
                except PlanError:
                    continue

    def _smallest(self, fps: float, *, sure: bool) -> Expected | PlanError | None:
        """The smallest plan for a frame rate, at the clock that is expected or sure; or why there is none, if known."""
        found: list[Expected] = []
        refused: PlanError | None = None
        for level in self._each_level():
            try:
                found += self._enough(level, fps, sure=sure)
            except PlanError as error:
                refused = refused or error

        def enough(one: Expected) -> bool:
            return (one.sure_fps if sure else one.fps) >= fps * (1 - 1e-9)

        fast = [one for one in found if enough(one)]
        if not fast:
            return None if found else refused
        best = min(fast, key=lambda one: one.found.sites)
        return min((best, *filter(enough, self._quicker(best))), key=lambda one: one.found.sites)

    def _quicker(self, best: Expected) -> Iterator[Expected]:
        """Plans of fewer cycles than a frame may take: few lanes have deep memories, and may need more than some do."""
        search, cycles = self.search(best.found.plan.popcount.levels_per_stage, self._frames), best.found.cycles
        while (cycles := cycles // _QUICKER) >= search.least:
            with suppress(PlanError):
                yield (one := self.expected(search.cheapest(cycles, self.limits)))
                if one.found.sites > _MORE * best.found.sites:
                    return

    def _enough(self, level: int, fps: float, *, sure: bool) -> list[Expected]:
        """Plans with so many adder levels between registers: at the highest clock, then at what each reaches."""
        search, streams = self.search(level, self._frames), self._frames
        share = 1 - fmax_error(self.part) if sure else 1.0
        found: list[Expected] = []
        clock = self.clock
        for _ in range(_CLOCKS):
            cycles = int(streams * clock / fps * (1 + 1e-12))
            try:
                found.append(self.expected(search.cheapest(cycles, self.limits)))
            except PlanError:
                if found:
                    break
                raise
            reached = found[-1].sure if sure else found[-1].clock
            if reached >= clock * (1 - 1e-9):
                break
            with suppress(PlanError):
                # Perhaps another plan keeps this clock; else the next one is lower.
                pace = self._pace(clock / share, found[-1])
                found.append(self.expected(search.cheapest(cycles, self.limits, pace)))
            clock = reached
        return found
