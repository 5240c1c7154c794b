"""What parts of a plan cost: a layer in a folding, by itself; and what brings a stream from one to the next.

The search asks for the same parts again and again, so everything is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from ..blocks import BlockSpec, MatVecSpec, WiredSpec
from ..cost import estimate, slowest
from ..lower.accumulators import folded
from ..lower.builder import Builder, Cursor
from ..lower.layers import LOWERINGS, fork, meet
from ..memory import STREAM, WIRED, too_wide
from ..network.layers import Affine, Branched, Conv, Dense, Integers, Layer, Map
from ..network.network import Network
from ..parts import FpgaPart
from ..plan import Folding, Plan, words_of
from .outside import Outside

__all__ = ["Fitted", "Learned", "Option", "Pace", "Prices", "Probe"]

#: Weights of more words than this are not tried in LUTs, those of fewer bits not in block RAM.
LUT_DEPTH, BLOCK_BITS = 128, 512
#: Sites that are added to a block that is too slow: more than any part has, so that no plan with it fits.
_TOO_SLOW = 1e9


@dataclass(frozen=True, kw_only=True)
class Pace:
    """A clock that each block of a plan must be expected to keep.

    Parameters
    ----------
    part : FpgaPart
    nanoseconds : float
        The clock's period.
    block_rams : int
        About how many the plan has: they lie apart.
    """

    part: FpgaPart
    nanoseconds: float
    block_rams: int


@dataclass(frozen=True)
class Learned:
    """What takes time to find out of the weights of a network, and is the same for all plans.

    Parameters
    ----------
    maps : dict
        What leaves layers with weights or scales.
    counts : dict
        Of each layer, by name, what `row_counts` gives.
    """

    maps: dict[object, Map] = field(default_factory=dict)
    counts: dict[str, Integers] = field(default_factory=dict)


class Fitted(Builder):
    """A builder whose FIFOs are as deep as they will be, more or less, once the cycle model has fitted them."""

    def __init__(self, network: Network, plan: Plan, learned: Learned) -> None:
        super().__init__(network, plan)
        self._learned = learned

    def fifo_depth(self, name: str, enough: int, likely: int) -> int:
        return dict(self.plan.depths).get(name, likely)

    def output_map(self, layer: Layer, source: Map) -> Map:
        """As `Builder.output_map`, but once for each layer with weights or scales."""
        if not isinstance(layer, Dense | Conv | Affine):
            return super().output_map(layer, source)
        key = (layer.name, isinstance(layer, Affine) or layer.thresholds is None, source)
        if key not in self._learned.maps:
            self._learned.maps[key] = super().output_map(layer, source)
        return self._learned.maps[key]

    def counts(self, layer: Dense | Conv) -> Integers:
        """As `Builder.counts`, but once for each layer."""
        if layer.name not in self._learned.counts:
            self._learned.counts[layer.name] = super().counts(layer)
        return self._learned.counts[layer.name]


class Probe(Fitted):
    """A builder that prices one layer at a time."""

    def __init__(self, network: Network, plan: Plan, learned: Learned, ii: int, units: dict[str, MatVecSpec]) -> None:
        super().__init__(network, plan, learned)
        self.ii = ii
        self._units = units

    def taken(self) -> list[BlockSpec]:
        """What was put since the last call."""
        blocks = self.blocks
        self.forget()
        return blocks

    def unit(self, layer: Dense | Conv, source: Map, result: Map, lane_bits: int) -> MatVecSpec:
        # What accumulators start with depends hardly on the folding, and costs time.
        if layer.name not in self._units:
            self._units[layer.name] = super().unit(layer, source, result, lane_bits)
        return folded(self._units[layer.name], layer, self.folding(layer))


@dataclass(frozen=True, kw_only=True)
class Option:
    """One folding of a layer.

    Parameters
    ----------
    end : Cursor
        Behind the layer.
    lanes, length : int
        Of the stream that it wants.
    memories : tuple of (Folding, float, float)
        The same folding with weights in other memories, each with its sites and block RAMs.
    """

    end: Cursor
    lanes: int
    length: int
    memories: tuple[tuple[Folding, float, float], ...]


class Prices:
    """Sites and block RAMs of blocks, of conversions and of layers.

    Parameters
    ----------
    family : str
    pace : Pace, optional
        Blocks that do not keep it cost more than there is.
    shared : Prices, optional
        Without a pace, of the same family: what it knows of blocks serves here, too.
    outside : Outside, optional
        Layers whose weights come over a stream, where they are more than one word.
    """

    def __init__(
        self, family: str, pace: Pace | None = None, shared: Prices | None = None, outside: Outside | None = None
    ) -> None:
        self.family, self.pace, self.outside = family, pace, outside or Outside()
        self._costs: dict[object, tuple[float, float, int, int]] = shared._costs if shared else {}
        self._delays: dict[object, float] = shared._delays if shared else {}
        self._conversions: dict[object, tuple[float, float]] = {}
        self._options: dict[object, Option] = {}
        #: Sites of the FIFOs behind wired layers, by layer.
        self._fifos: dict[str, float] = {}
        self._plain: dict[object, tuple[Cursor, tuple[float, float]]] = {}
        self._forks: dict[object, tuple[list[Cursor], tuple[float, float]]] = {}
        self._meetings: dict[object, tuple[Cursor, tuple[float, float]]] = {}

    def option(self, probe: Probe, layer: Dense | Conv, folding: Folding, free: Cursor) -> Option:
        """A folding of a layer as if the stream came as it is wanted; what brings it there is priced for each way."""
        streamed = layer.name in self.outside.layers
        several = words_of(layer, folding) > 1 and folding.memory != WIRED
        share = self.outside.share(layer.name) if several else 1
        key = (probe.ii, layer.name, folding, free, streamed, share)
        if key not in self._options:
            probe.refold(layer, replace(folding, share=share))
            end = LOWERINGS[type(layer)](probe, layer, free)
            lanes, length = probe.input.lanes, probe.input.length
            blocks = probe.taken()
            memories = []
            if folding.memory == WIRED:
                memories.append((folding, *self.of(blocks)))
                self._fifos[layer.name] = memories[0][1] - self.of([_without_fifo(block) for block in blocks])[0]
            for style in _styles(blocks, streamed=streamed) if folding.memory != WIRED else ():
                styled = [replace(block, memory=style) if isinstance(block, MatVecSpec) else block for block in blocks]
                memories.append((replace(folding, memory=style, share=share), *self.of(styled)))
            self._options[key] = Option(end=end, lanes=lanes, length=length, memories=tuple(memories))
        return self._options[key]

    def plain(self, probe: Probe, layer: Layer, cursor: Cursor) -> tuple[Cursor, tuple[float, float]]:
        """A layer without a folding: what follows it, and what it takes."""
        key = (probe.ii, layer.name, cursor)
        if key not in self._plain:
            end = LOWERINGS[type(layer)](probe, layer, cursor)
            self._plain[key] = end, self.of(probe.taken())
        return self._plain[key]

    def fork(self, probe: Probe, layer: Branched, cursor: Cursor) -> tuple[list[Cursor], tuple[float, float]]:
        """Where branches start, and what their fork and FIFOs take."""
        key = (probe.ii, layer.name, cursor, self.outside.shares)
        if key not in self._forks:
            starts = fork(probe, layer, cursor)
            self._forks[key] = starts, self.of(probe.taken())
        return self._forks[key]

    def meeting(
        self, probe: Probe, layer: Branched, ends: list[Cursor], result: Map
    ) -> tuple[Cursor, tuple[float, float]]:
        """What follows branches with such ends, and what the block in which they meet takes, with conversions."""
        key = (probe.ii, layer.name, tuple(ends))
        if key not in self._meetings:
            end = meet(probe, layer, ends, result)
            self._meetings[key] = end, self.of(probe.taken())
        return self._meetings[key]

    def alike(self, other: Prices) -> Prices:
        """These prices, with what `other` knows of the same network, built alike; which layers are streamed differs."""
        self._conversions, self._options, self._plain = other._conversions, other._options, other._plain
        self._fifos = other._fifos
        self._forks, self._meetings = other._forks, other._meetings
        return self

    def conversion(self, probe: Probe, cursor: Cursor, lanes: int, length: int) -> tuple[float, float]:
        """What brings a stream to so many lanes, in vectors of so many elements."""
        if cursor.stream is None:
            return 0.0, 0.0
        key = ("width", cursor.lanes, cursor.length, cursor.vectors, cursor.lane_bits, lanes, length)
        if key not in self._conversions:
            probe.widened(cursor, "x", lanes, length)
            self._conversions[key] = self.of(probe.taken())
        return self._conversions[key]

    def saved(self, cursor: Cursor, folding: Folding) -> float:
        """Sites that are saved where a layer in such a folding takes the stream as it is: within a chain, a FIFO."""
        return self._fifos[cursor.layer] if cursor.chain and folding.memory == WIRED and folding.steps == 1 else 0.0

    def of(self, blocks: list[BlockSpec]) -> tuple[float, float]:
        """What blocks take."""
        sites = rams = 0.0
        for block in blocks:
            key = _key(block)
            own = self._known(key, block)
            sites, rams = sites + own[0], rams + own[1]
            if self.pace:
                sites += self._lateness(self.pace, key, block)
        return sites, rams

    def ffs(self, block: BlockSpec) -> int:
        """Flip-flops of a block."""
        return self._known(_key(block), block)[2]

    def lut_rams(self, block: BlockSpec) -> int:
        """Cells of distributed RAM of a block."""
        return self._known(_key(block), block)[3]

    def _known(self, key: object, block: BlockSpec) -> tuple[float, float, int, int]:
        if key not in self._costs:
            cost = estimate(block, self.family)
            self._costs[key] = (float(cost.sites), float(cost.bram), cost.ff, cost.lutram)
        return self._costs[key]

    def _lateness(self, pace: Pace, key: object, block: BlockSpec) -> float:
        """What is added to the sites of a block that does not keep the pace."""
        where = (pace.part, pace.block_rams, key)
        if where not in self._delays:
            self._delays[where] = slowest(block, pace.part, pace.block_rams)
        return _TOO_SLOW if self._delays[where] > pace.nanoseconds else 0.0


def _without_fifo(block: BlockSpec) -> BlockSpec:
    """A wired layer within a chain, which has one FIFO for all of its layers."""
    return replace(block, before=0, after=0) if isinstance(block, WiredSpec) and block.steps == 1 else block


def _styles(blocks: list[BlockSpec], *, streamed: bool) -> tuple[str, ...]:
    """Memories that may be right for the weights of a layer: the usual one first."""
    (unit,) = (block for block in blocks if isinstance(block, MatVecSpec))
    if streamed and unit.weight_words_per_pixel > 1:
        return (STREAM,)
    weights = unit.memories()[0]
    if weights.block:
        serves = weights.depth <= LUT_DEPTH and not too_wide(weights.depth, weights.width)
        return ("auto", "lut") if serves else ("auto",)
    return ("auto", "block") if weights.depth > 1 and weights.bits >= BLOCK_BITS else ("auto",)


def _key(block: BlockSpec) -> object:
    """What the price of a block depends on: its sizes, and of arrays only whose they are."""
    values = (getattr(block, entry.name) for entry in fields(block) if entry.name != "name")
    return type(block), tuple(getattr(value, "shape", value) for value in values)
