"""Blocks, their memories and what comes from outside the chip, in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from bitweir_hw.blocks import BLOCKS
from msgspec import UNSET, UnsetType

from ...schemas import Count, Positive, one_of


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
    riding : int
        Of these, bits of thresholds in words of weights: each word brings a part of the thresholds that come next.
    copies : int
    bits : int
        In all copies.
    kind : str
        A constant is one word that is never written: wires.
    block_rams : dict or None
        For each family, where it sits in block RAM: the same counts as in the estimates.
    """

    role: Annotated[str, one_of("weights", "thresholds", "buffer")]
    depth: Positive
    width: Positive
    riding: Count
    copies: Positive
    bits: Count
    kind: Annotated[str, one_of("block", "lut", "register", "constant")]
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
        For each vector, and in totals for a frame: additions of two numbers, comparisons with thresholds included, if
        each neuron made its own sum, and those that are made.
    reads_alone, reads : int
        As often: inputs that these take as operands, which a processor would read from memory. No weight is
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
        As stored, padding included; of thresholds that ride with weights, a few bits in each word of these.
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


def block_rams_held(blocks: tuple[BlockReport, ...], family: str) -> list[BlockRams]:
    """Block RAMs of a family that hold the memories of some blocks, for each memory that is in block RAM."""
    return [held for block in blocks for memory in block.memories if (held := memory.held_in(family))]
