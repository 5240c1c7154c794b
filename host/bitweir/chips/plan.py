"""Where a network is cut for several chips, and the plan of each: the most frames/s of the slowest of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

from bitweir_hw.checked import real, whole
from bitweir_hw.chips import MAX_LATENCY
from bitweir_hw.errors import NetworkError, PlanError
from bitweir_hw.network import Conv, Dense, Network
from bitweir_hw.network.cuts import cut_format, cut_places, cut_trouble, split
from bitweir_hw.parts import Part, part_of
from bitweir_hw.search import TooLargeError

from ..planning import PlanRequest, PlanResult, PlanSearch, choose_fastest, choose_in_step
from ..progress import Progress, silent

__all__ = ["ChipsRequest", "ChipsResult", "choose_chips", "named_cuts"]

#: Chips, at most.
MOST_CHIPS = 16
#: What another plan must gain to be taken.
_GAIN = 1.001


@dataclass(frozen=True, kw_only=True)
class ChipsRequest:
    """What a user asks of several chips.

    Parameters
    ----------
    parts : tuple of FpgaPart or str
        Parts, or the names of listed ones, in the order in which frames pass.
    clock : float or None
        Hz, at most.
    streams : int
        Parallel frames, of all chips.
    stage_levels, reserve_luts, reserve_bram
        Of each chip, as in `PlanRequest`.
    cuts : tuple of str
        Layers behind which the network is cut; empty for where it serves frames/s best.
    bandwidth : float or None
        Bytes a second of each channel; None for a whole beat of results in every cycle.
    latency : int
        Cycles from chip to chip.

    Raises
    ------
    PlanError
        There is no such part, or the numbers are out of range.
    """

    parts: tuple[Part, ...]
    clock: float | None = None
    streams: int = 1
    stage_levels: int | None = None
    reserve_luts: int | str = 0
    reserve_bram: int | str = 0
    cuts: tuple[str, ...] = ()
    bandwidth: float | None = None
    latency: int = 0

    def __post_init__(self) -> None:
        if not 2 <= len(self.parts) <= MOST_CHIPS:
            raise PlanError(f"Several chips are 2 to {MOST_CHIPS} parts, not {len(self.parts)}: one is for generate.")
        for part in self.parts:
            part_of(part)
        if self.cuts and len(self.cuts) != len(self.parts) - 1:
            raise PlanError(f"{len(self.parts)} parts take {len(self.parts) - 1} cuts, or none, not {len(self.cuts)}.")
        if self.bandwidth is not None:
            bandwidth = real(self.bandwidth, "The bandwidth of a channel", over=True, unit="bytes/s")
            object.__setattr__(self, "bandwidth", bandwidth)
        latency = whole(self.latency, "The latency of a channel in cycles", low=0, high=MAX_LATENCY)
        object.__setattr__(self, "latency", latency)
        # The same rules as for one chip, before anything is computed.
        checked = self.of_part(self.parts[0])
        for name in ("clock", "streams", "stage_levels"):
            object.__setattr__(self, name, getattr(checked, name))

    def of_part(self, part: Part) -> PlanRequest:
        """What is asked of one chip."""
        return PlanRequest(
            part=part, goal="fps", clock=self.clock, streams=self.streams, stage_levels=self.stage_levels,
            reserve_luts=self.reserve_luts, reserve_bram=self.reserve_bram,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ChipsResult:
    """Cuts, and the plan of each chip.

    Parameters
    ----------
    cuts : tuple of int
        Numbers of layers in front of each cut.
    plans : tuple of PlanResult
        One for each chip, each with what its search found.
    channel_fps : float
        Frames/s that the slowest channel carries at most.
    """

    cuts: tuple[int, ...]
    plans: tuple[PlanResult, ...]
    channel_fps: float

    @property
    def searches(self) -> tuple[PlanSearch, ...]:
        """What the search found for each chip."""
        return tuple(plan.search for plan in self.plans if plan.search)

    @property
    def fps(self) -> float:
        """Frames/s of the slowest chip or channel, with all chips at one clock."""
        return min(self.channel_fps, *(one.streams * self.clock / one.cycles for one in self.searches))

    @property
    def clock(self) -> float:
        """Hz: what all chips are expected to reach."""
        return min(one.expected_clock for one in self.searches)


def named_cuts(network: Network, names: Sequence[str]) -> tuple[int, ...]:
    """Numbers of layers in front of cuts, from the names of the layers behind which they lie.

    Raises
    ------
    PlanError
        There is no such layer in the outermost row, they are not in order, or the network cannot be cut there.
    """
    layers = [layer.name for layer in network.layers]
    for name in names:
        if name not in layers[:-1]:
            raise PlanError(f"A cut must lie behind {' or '.join(layers[:-1])}, not behind {name!r}.")
    cuts = tuple(layers.index(name) + 1 for name in names)
    try:
        split(network, cuts)
    except NetworkError as error:
        raise PlanError(str(error)) from error
    return cuts


def choose_chips(network: Network, request: ChipsRequest, *, progress: Progress = silent) -> ChipsResult:
    """The cuts and plans with the most frames/s of the slowest chip or channel.

    The more layers a chip has, the fewer frames/s it reaches, and the more does the rest: so where both meet is found
    by bisection, for two chips, and in the same way for a chip and all behind it. Then neighbours are tried as long as
    one could be better. Chips that could do more than the slowest one get the smallest plan that keeps its pace.

    Parameters
    ----------
    network : Network
    request : ChipsRequest
    progress : Progress
        Shows what is under way.

    Raises
    ------
    PlanError
        The network has no place for as many cuts, or fits on the chips with none of them; the text says what binds.
    """
    search = _Search(network, request, progress)
    if request.cuts:
        return search.given(named_cuts(network, request.cuts))
    chips = len(request.parts)
    most = len(search.cuts_behind(0))
    if most < chips - 1:
        reasons = [cut_trouble(network, cut) for cut in range(1, len(network.layers))]
        why = next((f" {reason}" for reason in reasons if reason), "")
        raise PlanError(
            f"Network {network.name!r} can be cut into {most + 1} at most with weights in each, too few for "
            f"{chips} chips."
            f"{why}"
        )
    _, cuts = search.best(0, 0)
    if not cuts:
        raise PlanError(search.why())
    return search.result(cuts)


@dataclass(kw_only=True, eq=False)
class _Found:
    """The plan of some layers on a part, or why there is none."""

    plan: PlanResult | None = None
    why: str = ""

    @property
    def fps(self) -> float:
        return self.plan.search.fps if self.plan and self.plan.search else 0.0


@dataclass(eq=False)
class _Search:
    network: Network
    request: ChipsRequest
    progress: Progress
    _found: dict[tuple[Part, int, int, float | None], _Found] = field(default_factory=dict)
    _best: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        weighted = [bool(_weights(layer)) for layer in self.network.layers]
        self.places = [cut for cut in cut_places(self.network) if any(weighted[:cut]) and any(weighted[cut:])]
        self._weighted = weighted

    def cuts_behind(self, first: int) -> list[int]:
        """As many cuts behind one as there can be, with weights between each two."""
        found: list[int] = []
        for cut in self.places:
            if any(self._weighted[first:cut]):
                found.append(cut)
                first = cut
        return found

    def found(self, part: Part, first: int, last: int, clock: float | None = None) -> _Found:
        """The best plan of layers `first` to `last - 1` on a part, with a clock of at most so much."""
        clock = clock or self.request.clock
        key = (part, first, last, clock)
        if key not in self._found:
            with self.progress(f"Planning {self._told(first, last)} for {part_of(part).name}") as done:
                try:
                    request = replace(self.request.of_part(part), clock=clock)
                    plan = choose_fastest(self._part(first, last), request, progress=done)
                    self._found[key] = _Found(plan=plan)
                except TooLargeError as error:
                    # What it needs; what would do instead is for one chip.
                    self._found[key] = _Found(why=f"{error.args[0]}.")
                except PlanError as error:
                    self._found[key] = _Found(why=str(error))
        return self._found[key]

    def channel_fps(self, cut: int) -> float:
        """Frames/s that a channel carries at most."""
        if self.request.bandwidth is None:
            return inf
        where = split(self.network, [cut])[0].end
        return 8 * self.request.bandwidth / (where.size * cut_format(where).bits)

    def best(self, chip: int, first: int) -> tuple[float, tuple[int, ...]]:
        """The most frames/s of the layers from `first` on, on the chips from `chip` on; and the cuts behind these."""
        key = (chip, first)
        if key not in self._best:
            self._best[key] = self._of_chips(chip, first)
        return self._best[key]

    def _of_chips(self, chip: int, first: int) -> tuple[float, tuple[int, ...]]:
        parts, end = self.request.parts, len(self.network.layers)
        if chip == len(parts) - 1:
            return self.found(parts[chip], first, end).fps, (end,)
        needed = len(parts) - 2 - chip
        places = [cut for cut in self.places if any(self._weighted[first:cut]) and len(self.cuts_behind(cut)) >= needed]
        best: tuple[float, tuple[int, ...]] = (0.0, ())

        def mine(place: int) -> float:
            return self.found(parts[chip], first, places[place]).fps

        def others(place: int) -> tuple[float, tuple[int, ...]]:
            return self.best(chip + 1, places[place])

        def attempt(place: int) -> float:
            """What neither this place nor, on the side of it where less is left, any other can exceed."""
            nonlocal best
            one, (other, cuts) = mine(place), others(place)
            value = min(one, other, self.channel_fps(places[place]))
            if value > best[0]:
                best = value, (places[place], *cuts)
            return min(one, other)

        low, high = 0, len(places)
        while low < high:
            middle = (low + high) // 2
            attempt(middle)
            # Where this chip holds nothing, it has too many layers, whatever the others do.
            if mine(middle) and mine(middle) >= others(middle)[0]:
                low = middle + 1
            else:
                high = middle
        for side in (range(low, len(places)), range(low - 1, -1, -1)):
            for place in side:
                if self.channel_fps(places[place]) > best[0] and attempt(place) <= best[0]:
                    break
        return best

    def given(self, cuts: tuple[int, ...]) -> ChipsResult:
        """The plans for cuts that somebody chose."""
        ends = (0, *cuts, len(self.network.layers))
        found = [
            self.found(part, first, last) for part, first, last in zip(self.request.parts, ends, ends[1:], strict=False)
        ]
        for number, one in enumerate(found):
            if one.plan is None:
                raise PlanError(
                    f"Chip {number} ({part_of(self.request.parts[number]).name}) cannot hold its layers: {one.why}"
                )
        return self.result((*cuts, len(self.network.layers)))

    def result(self, cuts: tuple[int, ...]) -> ChipsResult:
        """Of the best cuts; the last of them is the end.

        The chip with the most cycles a frame sets the pace, and all others get the smallest plan that keeps it. Where
        one does not keep its clock either, all are planned again for what that one reaches, as fewer registers and
        more lanes may serve a slower clock better.
        """
        best: ChipsResult | None = None
        channel_fps = min(self.channel_fps(cut) for cut in cuts[:-1])
        ends, clock = (0, *cuts), self.request.clock
        while True:
            plans = self._at_one_clock(ends, clock, channel_fps)
            found = ChipsResult(cuts=cuts[:-1], plans=plans, channel_fps=channel_fps)
            if best and found.fps <= best.fps * _GAIN:
                return best
            if clock and found.clock > clock / _GAIN:
                return found
            best, clock = found, found.clock

    def _at_one_clock(self, ends: tuple[int, ...], clock: float | None, channel_fps: float) -> tuple[PlanResult, ...]:
        """The plans of all chips between cuts, with a clock of at most so much, and no faster than channels."""
        plans = [
            self.found(part, first, last, clock).plan
            for part, first, last in zip(self.request.parts, ends, ends[1:], strict=False)
        ]
        searches = [plan.search for plan in plans if plan and plan.search]
        pace = max(searches, key=lambda one: one.cycles)
        cycles = max(pace.cycles, int(pace.streams * pace.expected_clock / channel_fps))
        return tuple(
            plan
            if one is pace and cycles == pace.cycles
            else self._in_step(one.part, first, last, cycles, pace.expected_clock)
            for plan, one, first, last in zip(plans, searches, ends, ends[1:], strict=False)
            if plan
        )

    def _in_step(self, part: Part, first: int, last: int, cycles: int, clock: float) -> PlanResult:
        """The smallest plan of so many cycles a frame that keeps a clock, if any does."""
        with self.progress(
            f"Planning {self._told(first, last)} for {part_of(part).name} at the pace of the slowest chip"
        ) as done:
            return choose_in_step(
                self._part(first, last), self.request.of_part(part), cycles=cycles, clock=clock,
                progress=done,
            )  # fmt: skip

    def _part(self, first: int, last: int) -> Network:
        """Layers `first` to `last - 1` as a network."""
        whole = [cut for cut in (first, last) if 0 < cut < len(self.network.layers)]
        return split(self.network, whole)[1 if first else 0]

    def _told(self, first: int, last: int) -> str:
        names = self.network.layers[first].name, self.network.layers[last - 1].name
        return names[0] if last - first == 1 else f"{names[0]} to {names[1]}"

    def why(self) -> str:
        """Why nothing fits: for the cut where least is left over, on either side."""
        refused = [(key, one.why) for key, one in self._found.items() if one.plan is None]
        (part, first, last, _), why = min(refused, key=lambda entry: entry[0][2] - entry[0][1])
        names = ", ".join(part_of(part).name for part in self.request.parts)
        alone = last - first == 1 or not self._between(first, last)
        least = "what cannot be cut and does not fit" if alone else "the least that was tried and does not fit"
        return (
            f"However it is cut, network {self.network.name!r} does not fit on {names}: {least} is "
            f"{self._told(first, last)} on {part_of(part).name}. {why} Larger parts, or more of them, may do."
        )

    def _between(self, first: int, last: int) -> bool:
        return any(first < cut < last for cut in self.places)


def _weights(layer: object) -> list[Dense | Conv]:
    """The layers with weights in a layer."""
    if isinstance(layer, Dense | Conv):
        return [layer]
    return [found for branch in getattr(layer, "branches", ()) for inner in branch for found in _weights(inner)]
