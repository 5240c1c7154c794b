"""The best plan for a part: all foldings together, by dynamic programming over the estimated cost of blocks.

A plan is priced in two currencies, LUT sites and block RAMs. With a price of p sites for each block RAM, the
cheapest plan for a given interval is found exactly: along a series of layers, the only thing that a layer
passes on to the next is how many lanes its stream has, so the best way to each number of lanes is all
that must be remembered. Another price finds another compromise. And whatever the price, `price of the
cheapest plan - p * block RAMs of the part` is less than the sites of any plan that fits (Lagrange's
relaxation; Geoffrion 1974): that is the bound which the result states.

Plans between two prices, which are best at none, are found in a second step: the foldings that some price chose are
combined anew, keeping every way to each number of lanes that no other beats in both currencies.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property, lru_cache
from math import inf

from ..arithmetic import ceil_div, divisors
from ..blocks import MatVecSpec
from ..cost import estimate_loader
from ..errors import PlanError
from ..lower.layers import build, meeting_lanes
from ..lower.ranges import with_loadable_parameters
from ..memory import STREAM, WIRED
from ..network.layers import Branched, Conv, Dense, Layer, Map, in_series
from ..network.network import Network
from ..plan import (
    Folding,
    Plan,
    check_plan,
    group_channels,
    least_cycles,
    several_groups,
    step_counts,
    weighted,
    window_words,
)
from ..popcount.dot_product import Popcount
from ..words import counted
from .outside import Outside
from .prices import Fitted, Learned, Option, Pace, Prices, Probe
from .results import Budget, SearchResult, TooLargeError
from .streaming import few_streamed, frame_bits
from .ways import AtPrice, Frontier, Way, Ways, put, unfold
from .wiring import wirings

__all__ = ["Search", "cheapest", "fastest"]

#: Speeds that are looked at where the slowest plan does not fit.
_TRIES = 9


def cheapest(
    network: Network,
    *,
    family: str,
    cycles: int,
    limits: Budget,
    popcount: Popcount | None = None,
    parallel_frames: int = 1,
    runtime_loadable: bool = False,
    load_width: int = 1,
) -> SearchResult:
    """The plan with the fewest LUT sites that takes at most so many cycles a frame: `Search.cheapest`."""
    search = Search(
        network, family, popcount=popcount, parallel_frames=parallel_frames, runtime_loadable=runtime_loadable,
        load_width=load_width,
    )  # fmt: skip
    return search.cheapest(cycles, limits)


def fastest(
    network: Network,
    *,
    family: str,
    limits: Budget,
    popcount: Popcount | None = None,
    parallel_frames: int = 1,
    runtime_loadable: bool = False,
    load_width: int = 1,
) -> SearchResult:
    """The plan with the fewest cycles a frame that fits: `Search.fastest`."""
    search = Search(
        network, family, popcount=popcount, parallel_frames=parallel_frames, runtime_loadable=runtime_loadable,
        load_width=load_width,
    )  # fmt: skip
    return search.fastest(limits)


class Search:
    """The plans of a network with one kind of popcounts. What it learns for one question helps with the next.

    Parameters
    ----------
    network : Network
    family : str
        Whose cost counts; one of `cost` knows.
    popcount : Popcount, optional
        The family's best if not given.
    parallel_frames : int
        V.
    runtime_loadable : bool
        With parameters in RAM.
    load_width : int
        Bytes of these that are loaded in a cycle.
    shared : Search, optional
        Of the same family: what it knows of blocks serves here, too.
    outside : Outside, optional
        Layers whose weights come from outside the chip.
    """

    def __init__(
        self,
        network: Network,
        family: str,
        *,
        popcount: Popcount | None = None,
        parallel_frames: int = 1,
        runtime_loadable: bool = False,
        load_width: int = 1,
        shared: Search | None = None,
        outside: Outside | None = None,
    ) -> None:
        self.network, self.outside = network, outside or Outside()
        self.layers = weighted(network)
        start = tuple(self._first(layer) for layer, _ in self.layers)
        popcount = popcount or Popcount.of(family)
        plan = check_plan(network, Plan(foldings=start, popcount=popcount, parallel_frames=parallel_frames))
        self.plan = with_loadable_parameters(network, plan, load_width=load_width) if runtime_loadable else plan
        # Bounds of sums are others where parameters are loaded, and what loads them has a width.
        alike = shared is not None and _loading(shared.plan) == _loading(self.plan)
        self._learned: Learned = shared._learned if shared and alike else Learned()
        #: Sites that belong to no layer, more or less: the folding hardly matters.
        self._loader = float(estimate_loader(build(Fitted(network, self.plan, self._learned)), family).sites)
        self._units: dict[str, MatVecSpec] = {}
        #: Without a pace, and those that count now.
        self._usual_prices: Prices = Prices(
            family, shared=shared._usual_prices if shared else None, outside=self.outside
        )
        self._prices: Prices = self._usual_prices
        #: Plans that were built, with what they take.
        self._known: dict[tuple[Folding, ...], SearchResult] = {}
        #: Which ways are kept.
        self._rule: AtPrice | Frontier = AtPrice(0.0)
        #: The first price to try: that of the last question, as intervals that follow each other need much the same.
        self._usual = 1.0

    def _first(self, layer: Dense | Conv) -> Folding:
        """A folding to begin with: it tells how many pixels share weights."""
        share = self.outside.share(layer.name)
        return Folding(pe=1, simd=1, memory=STREAM, share=share) if share > 1 else Folding(pe=1, simd=1)

    def cheapest(self, cycles: int, limits: Budget, pace: Pace | None = None) -> SearchResult:
        """The plan with the fewest LUT sites that takes at most so many cycles a frame.

        Parameters
        ----------
        cycles : int
            A frame, or V frames.
        limits : Budget
            Of the part.
        pace : Pace, optional
            Which each block must keep.

        Raises
        ------
        PlanError
            No plan is fast enough, or none was found that fits; names the resource that binds.
        """
        self._keep(pace)
        self.check_ii(cycles)
        found, bound = self.within(cycles, limits)
        if found is None:
            raise self.too_large(cycles, limits)
        return replace(found, bound=bound)

    def fastest(
        self, limits: Budget, pace: Pace | None = None, *, least: int = 0, most: int | None = None
    ) -> SearchResult:
        """The plan with the fewest cycles a frame that fits.

        Parameters
        ----------
        limits, pace
            As in `cheapest`, and so are the errors.
        least : int
            No plan with fewer cycles fits: known from a search in which more was allowed.
        most : int, optional
            A plan with so many cycles fits.
        """
        self._keep(pace)
        intervals = self._intervals
        if most is None and self.outside.known is not None and self.within(self.outside.known, limits)[0] is not None:
            # Where a frame takes longer, blocks that have time for it may take more block RAM in place of LUTs.
            most = self.outside.known
        high = len(intervals) - 1 if most is None else bisect_left(intervals, most, 0, len(intervals) - 1)
        low = bisect_left(intervals, least, 0, high)
        best, _ = self.within(intervals[high], limits)
        if best is None and (fitting := self.slowest_that_fits(limits, pace)) is not None:
            high = bisect_left(intervals, fitting)
            low = min(low, high)
            best, _ = self.within(intervals[high], limits)
        if best is None:
            raise self.too_large(intervals[high], limits)
        # Fewer cycles never need less: bisect for the first interval that fits, and remember the last proved not to.
        proved = float(max(self.least, least))
        while low < high:
            middle = (low + high) // 2
            found, bound = self.within(intervals[middle], limits)
            if found is not None:
                best, high = found, middle
            else:
                if bound > limits.sites:
                    proved = max(proved, intervals[middle + 1])
                low = middle + 1
        assert best is not None
        return replace(best, bound=min(proved, best.cycles))

    def fits(self, cycles: int, limits: Budget, pace: Pace | None = None) -> bool:
        """Whether a plan of at most so many cycles a frame was found that fits."""
        self._keep(pace)
        return cycles >= self.least and self.within(cycles, limits)[0] is not None

    def _keep(self, pace: Pace | None) -> None:
        """Ask for a pace, or for none, from now on."""
        if self._prices.pace != pace:
            usual = self._usual_prices
            self._prices = Prices(usual.family, pace, usual, self.outside) if pace else usual
            self._known = {}

    # ---- questions

    def check_ii(self, cycles: int) -> None:
        if cycles < self.least:
            why = " with weights from that memory" if self.outside.layers else ""
            raise PlanError(
                f"A frame takes at least {counted(self.least, 'cycle')}{why}, so it cannot take at most {cycles}."
            )

    @cached_property
    def least(self) -> int:
        """No plan takes fewer cycles: none of its blocks does, nor the memory of streamed weights."""
        bits = sum(
            frame_bits(layer, result) // self.outside.share(layer.name)
            for layer, result in self.layers
            if layer.name in self.outside.layers
        )
        return max(least_cycles(self.network), self.outside.cycles(bits))

    @property
    def slowest(self) -> int:
        """Cycles a frame from which on more allow no smaller plan."""
        return self._intervals[-1]

    def slowest_that_fits(self, limits: Budget, pace: Pace | None = None) -> int | None:
        """Cycles a frame of the slowest plan found that fits; None if there is none.

        Fewer lanes need fewer LUTs, but deeper memories: where there is no block RAM for these, faster plans may fit.
        """
        self._keep(pace)
        for cycles in self._some(self.slowest):
            if (
                self._at_price(cycles, 1e6)[0].block_rams <= limits.block_rams
                and self.within(cycles, limits)[0] is not None
            ):
                return cycles
        return None

    def _some(self, most: int) -> list[int]:
        """Some numbers of cycles a frame, from at most so many to the fewest."""
        last = max(bisect_left(self._intervals, most + 1) - 1, 0)
        numbers = {last - last * n // (_TRIES - 1) for n in range(_TRIES)}
        return [min(most, self._intervals[number]) for number in sorted(numbers, reverse=True)]

    @cached_property
    def _intervals(self) -> list[int]:
        """Every number of cycles a frame that some folding of some layer takes."""
        least = self.least
        found = {least}
        for layer, result in self.layers:
            vectors, synapses = result.pixels * layer.groups, _quotients(layer.inputs)
            neurons = _quotients(layer.outputs // layer.groups)
            found |= {max(least, vectors * n * s) for n in neurons for s in synapses}
            # Several groups at once take whole pixels of each.
            taps = _quotients(layer.inputs // group_channels(layer))
            found |= {max(least, vectors // g * t) for g in divisors(layer.groups) if g > 1 for t in taps}
            found |= {max(least, result.pixels * steps) for steps in step_counts(self.network, layer)}
        return sorted(found)

    def within(self, cycles: int, limits: Budget) -> tuple[SearchResult | None, float]:
        """The cheapest plan found that fits, and a number of sites that no plan falls below."""
        best: SearchResult | None = None
        bound = 0.0
        low, high, price = 0.0, inf, 0.0
        seen: dict[str, set[Folding]] = {layer.name: set() for layer, _ in self.layers}
        for _ in range(20):
            found, score = self._at_price(cycles, price)
            for (layer, _), folding in zip(self.layers, found.plan.foldings, strict=True):
                seen[layer.name].add(folding if folding.memory == WIRED else replace(folding, memory="auto", share=1))
            bound = max(bound, score - price * limits.block_rams if price else score)
            fits = found.block_rams <= limits.block_rams
            if limits.holds(found) and (best is None or found.sites < best.sites):
                best = found
            if bound > limits.sites or (price == 0 and fits) or limits.block_rams == inf:
                break
            low, high = (low, price) if fits else (price, high)
            # Prices from a site to many thousand: first around the last one, then by halving what is left.
            price = (4 * price or self._usual) if high == inf else (low + high) / 2 if low else high / 4
            if price > 1e6 or (high < inf and high - low < max(0.5, 0.05 * high)):
                break
        self._usual = min(max(1.0, low), 1e4)
        if price and bound <= limits.sites:
            between = self._between(cycles, limits, seen)
            if between and (best is None or between.sites < best.sites):
                best = between
        return best, bound

    def too_large(self, cycles: int, limits: Budget) -> TooLargeError:
        """Why nothing fits."""
        found, _ = self._at_price(cycles, 0.0)
        slow, *quicker = (self._at_price(each, 1e6)[0] for each in self._some(cycles))
        within = [one for one in quicker if one.sites <= limits.sites]
        small = min((slow, *within), key=lambda one: one.block_rams)
        what = f"{limits.sites:,.0f} LUT sites and {limits.block_rams:,.0f} block RAMs"
        if limits.reserved:
            what += f" {limits.reserved}"
        if small.block_rams > limits.block_rams:
            needs = f"at least {small.block_rams:,} block RAMs"
        elif found.sites <= limits.sites and found.block_rams <= limits.block_rams:
            needs = f"about {found.ffs:,} flip-flops, of which it may have {limits.ffs:,.0f}"
            if found.ffs <= limits.ffs:
                needs = f"about {found.lut_rams:,} LUT RAMs, of which it may have {limits.lut_rams:,.0f}"
        else:
            needs = f"about {found.sites:,} LUT sites and {found.block_rams:,} block RAMs"
        counted = limits.counted
        return TooLargeError(
            f"The network must fit into {what} at {cycles:,} cycles a frame, but needs {needs}",
            f"By count it fits; {limits.why}." if counted and (counted.holds(found) or counted.holds(small)) else "",
            slower=cycles < self._intervals[-1],
            streaming=lambda: few_streamed(self, cycles, limits) if slow.block_rams > limits.block_rams else None,
        )

    def streaming_from(self, outside: Outside) -> Search:
        """The same search with weights from outside."""
        search = Search(
            self.network, self._prices.family, popcount=self.plan.popcount,
            parallel_frames=self.plan.parallel_frames, shared=self, outside=outside,
        )  # fmt: skip
        search._usual_prices.alike(self._usual_prices)
        return search

    # ---- dynamic programming

    def _at_price(self, cycles: int, price: float) -> tuple[SearchResult, float]:
        """The cheapest plan when a block RAM costs so many sites, and what it costs."""
        self._rule = rule = AtPrice(price)
        (way,) = self._ways(cycles)
        return self._built(way), rule.score(way)

    def _between(self, cycles: int, limits: Budget, among: dict[str, set[Folding]]) -> SearchResult | None:
        """The cheapest plan of some foldings of each layer that fits."""
        self._rule = Frontier(limits, among)
        # What the plan costs as it is built may differ a little from what its parts cost.
        for way in sorted(self._ways(cycles), key=lambda way: way.sites)[:8]:
            found = self._built(way)
            if limits.holds(found):
                return found
        return None

    def _ways(self, cycles: int) -> list[Way]:
        """The best ways through the whole network; at a price, only one."""
        probe = Probe(self.network, self.plan, self._learned, cycles, self._units)
        ends = self._series(probe, self.network.layers, {probe.start(): [Way(sites=self._loader)]})
        return self._rule.kept([way for ways in ends.values() for way in ways])

    def _built(self, way: Way) -> SearchResult:
        foldings = dict(unfold(way.choices))
        chosen = tuple(foldings[layer.name] for layer, _ in self.layers)
        if chosen not in self._known:
            self._known[chosen] = self.costed(chosen)
        return self._known[chosen]

    def priced(self, chosen: tuple[Folding, ...]) -> SearchResult:
        """What a plan takes, whatever pace was asked for last; with no bound."""
        self._keep(None)
        if chosen not in self._known:
            self._known[chosen] = self.costed(chosen)
        return self._known[chosen]

    def costed(self, chosen: tuple[Folding, ...]) -> SearchResult:
        plan = replace(self.plan, foldings=chosen)
        pipeline = build(Fitted(self.network, plan, self._learned))
        totals = [self._prices.of([block]) for block in pipeline.blocks]
        loader = estimate_loader(pipeline, self._prices.family)
        return SearchResult(
            plan=plan,
            cycles=max(*(block.cycles for block in pipeline.blocks), self.outside.cycles(pipeline.weight_bits)),
            sites=round(loader.sites + sum(sites for sites, _ in totals)),
            block_rams=round(sum(rams for _, rams in totals)),
            ffs=loader.ff + sum(map(self._prices.ffs, pipeline.blocks)),
            lut_rams=loader.lutram + sum(map(self._prices.lut_rams, pipeline.blocks)),
            bound=0.0,
        )

    def _series(self, probe: Probe, layers: tuple[Layer, ...], ways: Ways) -> Ways:
        for layer in layers:
            if not ways:
                break
            if isinstance(layer, Dense | Conv):
                ways = self._weighted(probe, layer, ways)
            elif isinstance(layer, Branched):
                ways = self._branched(probe, layer, ways)
            else:
                ways = self._plain(probe, layer, ways)
        return ways

    def _weighted(self, probe: Probe, layer: Dense | Conv, ways: Ways) -> Ways:
        result: Ways = {}
        some = next(iter(ways))
        free = replace(some, stream=None, lanes=0)
        for folding in self._foldings(probe, layer, some.map):
            if not self._rule.tries(layer.name, folding):
                continue
            option = self._prices.option(probe, layer, folding, free)
            own = self._rule.kept([Way(sites, rams, (layer.name, chosen)) for chosen, sites, rams in option.memories])
            reached = self._reached(probe, ways, option, folding)
            put(
                result,
                option.end,
                [way.longer((unit.sites, unit.rams), unit.choices) for way in reached for unit in own],
            )
        return self._pruned(result)

    def _reached(self, probe: Probe, ways: Ways, option: Option, folding: Folding) -> list[Way]:
        """The best ways to the stream that an option wants."""
        costs = []
        for cursor, before in ways.items():
            sites, rams = self._prices.conversion(probe, cursor, option.lanes, option.length)
            if (cursor.lanes, cursor.length) == (option.lanes, option.length):
                sites -= self._prices.saved(cursor, folding)
            costs.append((before, (sites, rams)))
        return self._rule.longer(costs)

    def _pruned(self, ways: Ways) -> Ways:
        kept = {cursor: self._rule.kept(entries) for cursor, entries in ways.items()}
        return {cursor: entries for cursor, entries in kept.items() if entries}

    def _plain(self, probe: Probe, layer: Layer, ways: Ways) -> Ways:
        result: Ways = {}
        for cursor, before in ways.items():
            end, cost = self._prices.plain(probe, layer, cursor)
            put(result, end, [way.longer(cost) for way in before])
        return self._pruned(result)

    def _branched(self, probe: Probe, layer: Branched, ways: Ways) -> Ways:
        """Branches are chosen each for itself: they share only the lanes at the fork and those where they meet."""
        result: Ways = {}
        source = next(iter(ways)).map
        end_map = probe.output_map(layer, source)
        channels = [in_series(branch, source).channels for branch in layer.branches]
        lanes = meeting_lanes(probe, layer, channels, end_map)
        for cursor, before in ways.items():
            starts, cost = self._prices.fork(probe, layer, cursor)
            reached = [way.longer(cost) for way in before]
            chosen, counted = [], [0.0, 0.0]
            for branch, start, count, length in zip(layer.branches, starts, lanes, channels, strict=True):
                found = self._series(probe, branch, {start: [Way()]})
                ends = {end: self._prices.conversion(probe, end, count, length) for end in found}
                whole = self._rule.kept([way.longer(ends[end]) for end, entries in found.items() for way in entries])
                reached = self._rule.kept(
                    [way.longer((more.sites, more.rams), more.choices) for way in reached for more in whole]
                )
                if not reached:
                    return {}
                chosen.append(next(iter(found)))
                counted = [sum(pair) for pair in zip(counted, ends[chosen[-1]], strict=True)]
            # Any end of a branch shows what it costs to meet, once its conversion is left out: each way has its own.
            after, (sites, rams) = self._prices.meeting(probe, layer, chosen, end_map)
            put(result, after, [way.longer((sites - counted[0], rams - counted[1])) for way in reached])
        return self._pruned(result)

    def _foldings(self, probe: Probe, layer: Dense | Conv, source: Map) -> Iterable[Folding]:
        """Foldings that keep the interval, and of which no smaller one does."""
        vectors = layer.output_map(source).pixels * layer.groups
        budget = probe.ii // vectors
        neurons = layer.outputs // layer.groups
        whole = window_words(layer) if isinstance(layer, Conv) else []
        for folds in _quotients(neurons):
            if folds > budget:
                continue
            pe = ceil_div(neurons, folds)
            least = ceil_div(layer.inputs, min(budget // folds, layer.inputs))
            wanted = {least, *[simd for simd in whole if simd >= least][:2]}
            yield from (Folding(pe=pe, simd=simd) for simd in sorted(wanted))
        for pe, least in several_groups(layer, probe.ii // (vectors // layer.groups)):
            larger = [simd for simd in whole if simd >= least and simd % group_channels(layer) == 0]
            yield from (Folding(pe=pe, simd=simd) for simd in sorted({least, *larger[:2]}))
        if not probe.runtime_loadable:
            yield from wirings(self.network, layer, probe.ii * layer.groups // vectors)


def _loading(plan: Plan) -> tuple[str, int]:
    """How parameters come into an accelerator."""
    return plan.weights, plan.load_width


@lru_cache(maxsize=4096)
def _quotients(number: int) -> list[int]:
    """All values of ``ceil(number / k)``, ascending: other counts do the same as the next of these."""
    return sorted({ceil_div(number, k) for k in range(1, number + 1)})
