"""What a report holds: typed, frozen, and the same in every form of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from bitweir_hw.blocks import BLOCKS
from msgspec import UNSET, Meta, UnsetType

from ..schemas import Count, Digest, Json, Positive, Rate, one_of, to_dict
from ..synthesis.flows import FAMILIES
from ..synthesis.results import Measured, Resources, Routed

__all__ = [
    "Bands",
    "BlockRams",
    "BlockReport",
    "BlockSpan",
    "Estimate",
    "Fit",
    "FitRow",
    "FmaxEstimate",
    "Folding",
    "Format",
    "LayerNeeds",
    "MemoryReport",
    "NetworkReport",
    "PartReport",
    "Percentiles",
    "PlanReport",
    "Popcount",
    "ReportData",
    "ResourceBands",
    "ResourceErrors",
    "ResultReport",
    "Reuse",
    "Roofline",
    "Run",
    "StreamReport",
    "SynthesisErrors",
    "TargetReport",
    "Timeline",
    "Timing",
    "Totals",
    "WeightMemoryReport",
    "WeightStreamReport",
    "block_rams_held",
]

#: An FPGA family.
Family = Annotated[str, one_of(*FAMILIES)]
#: An exact number: an integer or a quotient of two.
Fraction = Annotated[str, Meta(pattern="^-?[0-9]+(/[0-9]+)?$")]


# ---- network and plan


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a code means: its value is offset + step * code."""

    bits: Positive
    offset: int
    step: int


@dataclass(frozen=True, kw_only=True)
class ResultReport:
    """What the result of the network is.

    Parameters
    ----------
    kind : str
    scale, offset : tuple of str
        One for all outputs, one for each, or none: scale * value + offset is the model's number.
    rounded : bool
        Whether they are the nearest of 64 significant bits, not exact.
    format : Format or None
        Of codes and labels.
    rule : tuple of str
        The same in words.
    shape : tuple of int, optional
        Of a map, (H, W, C), or (H, W) for classes of its pixels; left out of a vector.
    parts : list of [str, int], optional
        Names of several outputs of the model, and how many channels each has.
    """

    kind: Annotated[str, one_of("class", "labels", "scores", "codes", "classes")]
    scale: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    rounded: bool
    format: Format | None
    rule: tuple[str, ...]
    shape: tuple[int, ...] | UnsetType = UNSET
    parts: tuple[tuple[str, int], ...] | UnsetType = UNSET


@dataclass(frozen=True, kw_only=True)
class NetworkReport:
    """The network of the design.

    Parameters
    ----------
    name : str
    digest : str
        Hash of weights, thresholds and input rule.
    elements : int
        Elements of a frame on the input stream.
    input : tuple of str
        What images hold, and how they become codes, a sentence each.
    outputs : int
        Scores, labels or codes of a frame.
    result : ResultReport
    notes : tuple of str
        What the import found, a sentence each.
    """

    name: str
    digest: Digest
    elements: Positive
    input: tuple[str, ...]
    outputs: Positive
    result: ResultReport
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Folding:
    """The parallelism of a layer with weights, and where these are, if the plan says so."""

    simd: Positive
    pe: Positive
    memory: Annotated[str, one_of("block", "lut", "stream", "wired")] | UnsetType = UNSET

    def __str__(self) -> str:
        told = {"block": " in block RAM", "lut": " in LUTs", "stream": " streamed", "wired": " wired"}
        return f"{self.simd}×{self.pe}" + ("" if self.memory is UNSET else told[str(self.memory)])


@dataclass(frozen=True, kw_only=True)
class Popcount:
    """How popcounts are built.

    Parameters
    ----------
    style : str
    levels_per_stage : int
        Adder levels between registers; 0 for none.
    """

    style: str
    levels_per_stage: Count


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """The plan of the design.

    Parameters
    ----------
    foldings : tuple of Folding
        For each layer with weights.
    popcount : Popcount
    streams : int
        Parallel frames.
    depths : dict
        Beats that FIFOs hold, by the name of their block.
    """

    foldings: tuple[Folding, ...]
    popcount: Popcount
    streams: Positive
    depths: dict[str, Positive]


# ---- time


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How fast the design is.

    Parameters
    ----------
    clock_mhz : float
        Of the target, or as the user gave it: what is asked for.
    expected_clock_mhz : float
        What is expected of it on the part: never above clock_mhz.
    expected_error : float
        The share by which that may be too high or too low, and so all that follows from it; 0 where it was routed, or
        where the estimate is so far above that nobody doubts it.
    expected_from : str
        A router, an estimate that was fitted to routed designs, or a model of a family of which nothing was routed.
    cycles_per_frame : float
        In steady state.
    latency_cycles : int
        First beat in to last beat out of one frame alone.
    frames_per_second : float
        At expected_clock_mhz.
    latency_us : float
        Microseconds, at expected_clock_mhz.
    giga_operations_per_second : float
        Billions of binary operations a second, at expected_clock_mhz.
    input_beats, output_beats : int
        For a frame, or for a group of parallel frames.
    period_frames : int
        Frames after which steady state repeats.
    period_cycles : int
        Cycles of these.
    """

    clock_mhz: Rate
    expected_clock_mhz: Rate
    expected_error: float
    expected_from: Literal["routed", "estimate", "model"]
    cycles_per_frame: float
    latency_cycles: Positive
    frames_per_second: float
    latency_us: float
    giga_operations_per_second: float
    input_beats: Positive
    output_beats: Positive
    period_frames: Positive
    period_cycles: Positive


@dataclass(frozen=True, kw_only=True)
class StreamReport:
    """What a stream carries, and what it does in a period of steady state, whose cycles its four counts add up to.

    Parameters
    ----------
    name : str
    sender : str
        A block, or source.
    receiver : str
        A block, or sink.
    moved : int
        Cycles in which a beat moved.
    starved : int
        Cycles in which the receiver was ready, and nothing was offered.
    blocked : int
        Cycles in which a beat was offered and not taken.
    idle : int
        Cycles in which nothing was offered, and the receiver was not ready.
    starved_by : str or None
        The block that the receiver waits for in the end.
    blocked_by : str or None
        The block that the sender waits for in the end.
    layer : str
        The layer whose elements it carries, or input.
    bits : int
        Of a beat.
    lanes : int
        Elements of a beat, of all parallel frames.
    lane_bits : int
        Of an element.
    beats : int
        For a frame, or for a group of parallel frames.
    """

    name: str
    sender: str
    receiver: str
    moved: Count
    starved: Count
    blocked: Count
    idle: Count
    starved_by: str | None
    blocked_by: str | None
    layer: str
    bits: Positive
    lanes: Positive
    lane_bits: Positive
    beats: Positive


@dataclass(frozen=True, kw_only=True)
class BlockSpan:
    """The cycles in which a block takes and gives the first and last beats of a frame."""

    name: str
    first_in: Count
    last_in: Count
    first_out: Count
    last_out: Count


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """One frame, or the frames side by side, on its way in steady state; cycles from its first beat at the input.

    Parameters
    ----------
    frame : int
        Frames, or groups of parallel frames, before it, since reset.
    cycles : int
        First beat in to last beat out.
    interval : float
        Cycles to the next frame or group, on average.
    blocks : tuple of BlockSpan
    """

    frame: Count
    cycles: Positive
    interval: float
    blocks: tuple[BlockSpan, ...]


# ---- blocks


@dataclass(frozen=True, kw_only=True)
class BlockRams:
    """Block RAMs of a family that hold a memory.

    Parameters
    ----------
    count : int
    full : float
        Share of their bits that is used, at most 1: bits that are the same in all words take no place.
    """

    count: Positive
    full: float


@dataclass(frozen=True, kw_only=True)
class MemoryReport:
    """A memory of a block.

    Parameters
    ----------
    role : str
    depth : int
        Words.
    width : int
        Bits of a word.
    copies : int
    bits : int
        In all copies.
    kind : str
    block_rams : dict or None
        For each family, where it sits in block RAM: the same counts as in the estimates.
    """

    role: Annotated[str, one_of("weights", "thresholds", "buffer")]
    depth: Positive
    width: Positive
    copies: Positive
    bits: Count
    kind: Annotated[str, one_of("block", "lut", "register")]
    block_rams: dict[str, BlockRams] | None

    def held_in(self, family: str) -> BlockRams | None:
        """Block RAMs of a family that hold it; None where it is not in block RAM."""
        return (self.block_rams or {}).get(family)


@dataclass(frozen=True, kw_only=True)
class Reuse:
    """What neurons of wired layers share, as Fu et al. count it (arXiv 1810.02068, 2018).

    Parameters
    ----------
    additions_alone, additions : int
        For each vector: additions of two numbers, comparisons with thresholds included, if each neuron made its own
        sum, and those that are made.
    reads_alone, reads : int
        For each vector: inputs that these take as operands, which a processor would read from memory. No weight is
        read at all.
    operations_skipped, reads_skipped : float
        Shares of a frame's that are not made, since other neurons have made them before.
    """

    additions_alone: Count
    additions: Count
    reads_alone: Count
    reads: Count
    operations_skipped: float
    reads_skipped: float


@dataclass(frozen=True, kw_only=True)
class BlockReport:
    """A block of the pipeline; what only blocks with weights have is unset in others.

    Parameters
    ----------
    name : str
        Of the instance in the Verilog.
    layer : str
        The layer that it belongs to.
    kind : str
    cycles : int
        For a frame, or for a group of parallel frames, if nobody waits.
    operations : int
        A frame: 2 for each use of a weight.
    lanes : int
        Products of an input and a weight a cycle; 2 operations each.
    utilisation : float or None
        operations / (2 * lanes * cycles_per_frame)
    memories : tuple of MemoryReport
    weight_bits, threshold_bits : int
        Padding included.
    buffer_bits : int
        Of buffers for data on the way.
    outputs : int
        Neurons.
    inputs : int
    vectors : int
        Vectors of inputs in a frame: one for each pixel, and for each group of channels or several groups at once.
    pe, simd : int
    reuse : Reuse, optional
        Of a wired layer.
    """

    name: str
    layer: str
    kind: Annotated[str, one_of(*(block.title for block in BLOCKS))]
    cycles: Positive
    operations: Count = 0
    lanes: Count = 0
    utilisation: float | None = None
    memories: tuple[MemoryReport, ...]
    weight_bits: Count
    threshold_bits: Count
    buffer_bits: Count
    outputs: Positive | UnsetType = UNSET
    inputs: Positive | UnsetType = UNSET
    vectors: Positive | UnsetType = UNSET
    pe: Positive | UnsetType = UNSET
    simd: Positive | UnsetType = UNSET
    reuse: Reuse | UnsetType = UNSET


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over all blocks; see there. Reuse is that of all wired layers, if there are any."""

    operations: Count
    lanes: Count
    utilisation: float | None
    weight_bits: Count
    threshold_bits: Count
    buffer_bits: Count
    reuse: Reuse | UnsetType = UNSET

    @property
    def bits(self) -> int:
        """Of all memories."""
        return self.weight_bits + self.threshold_bits + self.buffer_bits


@dataclass(frozen=True, kw_only=True)
class WeightStreamReport:
    """The stream over which the weights of a layer come from outside the chip.

    Parameters
    ----------
    block, layer : str
    port : str
        Of the accelerator.
    word_bits : int
    words : int
        Of the layer; they are used over and over, once for each pixel of its result.
    words_per_frame : int
        For a frame, or for a group of parallel frames.
    megabytes_per_second : float
        What it takes at the throughput and the clock of the report, in 10^6 bytes.
    peak_megabytes_per_second : float
        A word in every cycle.
    """

    block: str
    layer: str
    port: str
    word_bits: Positive
    words: Positive
    words_per_frame: Positive
    megabytes_per_second: float
    peak_megabytes_per_second: float


@dataclass(frozen=True, kw_only=True)
class ReaderReport:
    """What reads streamed weights from the memory of a board, beside the accelerator: estimates.

    Parameters
    ----------
    sites, ff, bram : int
        LUT sites, flip-flops and block RAMs.
    error : float
        The share by which sites and flip-flops may be off.
    """

    sites: Count
    ff: Count
    bram: Count
    error: float


@dataclass(frozen=True, kw_only=True)
class WeightMemoryReport:
    """What a memory of streamed weights leaves of the throughput, where all layers have fixed shares of it.

    Parameters
    ----------
    megabytes_per_second : float
        What it gives, in 10^6 bytes.
    latency_cycles : int
        Before the first word.
    cycles_per_frame : float
    frames_per_second : float
        At the clock of the report.
    reader : ReaderReport
        Only where the memory is that of a board.
    """

    megabytes_per_second: float
    latency_cycles: Count
    cycles_per_frame: float
    frames_per_second: float
    reader: ReaderReport | UnsetType = UNSET


# ---- estimates


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """How far estimates were off, as shares.

    Parameters
    ----------
    median : float
    most : float
        What 95 % keep.
    worst : float
    """

    median: Annotated[float, Meta(ge=0)]
    most: Annotated[float, Meta(ge=0)]
    worst: Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class ResourceBands:
    """How far estimates of each resource were off."""

    lut: Percentiles
    ff: Percentiles
    carry: Percentiles
    bram: Percentiles
    lutram: Percentiles
    dsp: Percentiles
    sites: Percentiles


@dataclass(frozen=True, kw_only=True)
class Bands:
    """How far estimates were off when the cost model was measured.

    Parameters
    ----------
    blocks : dict
        By block, of blocks of its kind; null for one that is made for another family.
    total : ResourceBands
        Of whole accelerators that were drawn for this.
    designs : int
        How many accelerators were drawn.
    extrapolated : tuple of str
        What this design has that none of them had, so that estimates may be off by more.
    counted_as : str
        The family whose formulas and coefficients were used: another one where nothing was fitted to the family itself.
    """

    blocks: dict[str, ResourceBands | None]
    total: ResourceBands
    designs: Positive
    extrapolated: tuple[str, ...]
    counted_as: Family


@dataclass(frozen=True, kw_only=True)
class FmaxEstimate:
    """The clock that a router may reach.

    Parameters
    ----------
    part : str
    mhz : float
    error : float
        The worst share by which it was off on designs that no fit saw; of a model, what it may be.
    basis : str
        Designs that were routed, or a model of a family of which nothing was.
    """

    part: str
    mhz: Rate
    error: float
    basis: Literal["routed", "model"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What the cost model expects for a family.

    Parameters
    ----------
    blocks : dict
        By name.
    total : Resources
    bands : Bands
    fmax : FmaxEstimate
    """

    blocks: dict[str, Resources]
    total: Resources
    bands: Bands
    fmax: FmaxEstimate


@dataclass(frozen=True, kw_only=True)
class ResourceErrors:
    """estimate / measurement - 1 of each resource; null where nothing is measured."""

    lut: float | None
    ff: float | None
    carry: float | None
    bram: float | None
    lutram: float | None
    dsp: float | None
    sites: float | None


@dataclass(frozen=True, kw_only=True)
class SynthesisErrors:
    """How far the estimates for a family are from what was measured.

    Parameters
    ----------
    blocks : dict
        By name.
    total : ResourceErrors
    """

    blocks: dict[str, ResourceErrors]
    total: ResourceErrors


# ---- target and part


@dataclass(frozen=True, kw_only=True)
class TargetReport:
    """What the design was made for; null where nobody named it.

    Parameters
    ----------
    part, family, board : str or None
    clock_mhz : float
    overridden : tuple of str
        What this report takes in place of it: timing.clock_mhz and part.name.
    """

    part: str | None
    family: Family | None
    board: str | None
    clock_mhz: Rate
    overridden: tuple[Annotated[str, one_of("clock", "part")], ...]


@dataclass(frozen=True, kw_only=True)
class PartReport:
    """The part that the design is compared with.

    Parameters
    ----------
    name, family : str
    luts, ffs : int
    block_rams : int
        Of Xilinx in RAMB18: a RAMB36 is two.
    dsps : int
    memory_bits : int
        Of all block RAMs.
    source : str
        Where the figures are from.
    listed : bool
        Whether it is one of bitweir's own; else it is a user's.
    """

    name: str
    family: Family
    luts: Positive
    ffs: Positive
    block_rams: Positive
    dsps: Count
    memory_bits: Positive
    source: str
    listed: bool


# Not a dataclass, as JSON's key `from` is a word of Python.
class FitRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a design takes of a resource of a part.

    Parameters
    ----------
    resource : str
    used, available : int
    source : str
        How it is known; ``from`` in JSON.
    fits : bool
    """

    resource: Annotated[str, one_of("LUT sites", "flip-flops", "block RAMs", "DSPs", "LUT RAMs")]
    used: Count
    available: Count
    source: Literal["measured", "estimated"] = msgspec.field(name="from")
    fits: bool


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Whether the design fits the part that it is compared with.

    Parameters
    ----------
    fits : bool
    routed : bool
        Whether it was routed on a board with that part.
    resources : tuple of FitRow
    smallest : str or None
        Where it does not fit: the listed part with the fewest LUT sites, of any family that has its primitives, that
        holds it by count; null where none does.
    """

    fits: bool
    routed: bool
    resources: tuple[FitRow, ...]
    smallest: str | None | UnsetType = UNSET


# ---- roofline


@dataclass(frozen=True, kw_only=True)
class LayerNeeds:
    """What a layer, or all of the design, needs for a frame.

    Parameters
    ----------
    name : str
        Of the layer; not set in the total.
    operations : int
        For a frame.
    parameter_bits : int
        Weights and thresholds as stored, padding included.
    activation_bits : int
        Maps that layers take, held whole and twice.
    buffer_bits : int
        What the design holds instead.
    bits_read : float
        From block RAM, for a frame.
    giga_operations_per_second : float
        At the clock of the report.
    operations_per_bit_read : float or None
    compute_us : float
        operations / peak
    memory_us : float
        bits_read / bandwidth
    fits : bool
        parameter_bits + activation_bits <= memory_bits of the part
    binding : str
        What runs out first.
    """

    name: str | UnsetType = UNSET
    operations: Count
    parameter_bits: Count
    activation_bits: Count
    buffer_bits: Count
    bits_read: Annotated[float, Meta(ge=0)]
    giga_operations_per_second: float
    operations_per_bit_read: float | None
    compute_us: float
    memory_us: float
    fits: bool
    binding: Literal["logic", "bandwidth", "memory"]


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """What layers need against what the part can do at this clock: the resource-aware model analysis of FP-BNN.

    Parameters
    ----------
    sites_per_lane : float
        LUT sites for each lane of this design, everything included.
    sites_per_lane_from : str
    element_sites_per_lane : float
        Of a processing element of 64 lanes by itself.
    peak_giga_operations_per_second : float
        2 * clock * LUTs / sites_per_lane
    element_peak_giga_operations_per_second : float
        The same with elements alone.
    bandwidth_gigabits_per_second : float
        One port of every block RAM, at its widest.
    bound_frames_per_second : float or None
        1 / max(compute, memory) of the total.
    layers : tuple of LayerNeeds
        Those with operations.
    total : LayerNeeds
        Of all layers.
    """

    sites_per_lane: float
    sites_per_lane_from: Literal["measured", "estimated", "element"]
    element_sites_per_lane: float
    peak_giga_operations_per_second: float
    element_peak_giga_operations_per_second: float
    bandwidth_gigabits_per_second: float
    bound_frames_per_second: float | None
    layers: tuple[LayerNeeds, ...]
    total: LayerNeeds


# ---- all of it


@dataclass(frozen=True, kw_only=True)
class Run:
    """How long a tool ran."""

    what: str
    tool: str
    seconds: Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What a design costs and how fast it is.

    Parameters
    ----------
    schema : str
    version : int
        Raised when a program that reads reports would notice a change.
    bitweir : str
        Version that wrote the report.
    network : NetworkReport
    plan : PlanReport
    timing : Timing
    blocks : tuple of BlockReport
        In the order of the stream.
    streams : tuple of StreamReport
        In the order of the pipeline, the input first and the output last.
    timeline : Timeline
    weight_streams : tuple of WeightStreamReport
        Of layers whose weights come from outside the chip; not set where there are none.
    weight_memory : WeightMemoryReport
        What a memory leaves of the throughput; not set where none was named.
    total : Totals
    synthesis : dict
        What was measured, by family.
    routed : dict
        What place and route measured, by board.
    estimates : dict
        What the cost model expects, by family: those that were measured, and that of the part.
    errors : dict
        By family, for families with both.
    target : TargetReport
    part : PartReport
    fit : Fit
    roofline : Roofline
    tools : dict
        Versions.
    runs : tuple of Run
        How long tools ran for this report, or before for what it quotes.
    """

    schema: Literal["bitweir report"] = "bitweir report"
    version: Literal[5] = 5
    bitweir: str
    network: NetworkReport
    plan: PlanReport
    timing: Timing
    blocks: tuple[BlockReport, ...]
    streams: tuple[StreamReport, ...]
    timeline: Timeline
    weight_streams: tuple[WeightStreamReport, ...] | UnsetType = UNSET
    weight_memory: WeightMemoryReport | UnsetType = UNSET
    total: Totals
    synthesis: dict[Family, Measured]
    routed: dict[str, Routed]
    estimates: dict[Family, Estimate]
    errors: dict[Family, SynthesisErrors]
    target: TargetReport
    part: PartReport
    fit: Fit
    roofline: Roofline
    tools: dict[str, str]
    runs: tuple[Run, ...]

    @property
    def estimate(self) -> Estimate:
        """For the family of the part."""
        return self.estimates[self.part.family]

    @property
    def resources(self) -> tuple[Literal["measured", "estimated"], Measured | Estimate]:
        """What the design takes on the family of the part: measured where it was, or else estimated."""
        if (measured := self.synthesis.get(self.part.family)) is not None:
            return "measured", measured
        return "estimated", self.estimate

    def to_dict(self) -> Json:
        """The JSON object that `bitweir report` prints with ``--json``."""
        return to_dict(self)


def block_rams_held(blocks: tuple[BlockReport, ...], family: str) -> list[BlockRams]:
    """Block RAMs of a family that hold the memories of some blocks, for each memory that is in block RAM."""
    return [held for block in blocks for memory in block.memories if (held := memory.held_in(family))]
