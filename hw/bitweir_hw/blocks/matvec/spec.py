"""The matrix-vector-threshold unit (MVTU), see `blocks.matvec.gateware`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...arithmetic import ceil_div
from ...memory import STREAM, Memory
from ...network.layers import Integers
from ...popcount.dot_product import DotProduct, Plane, Popcount
from ...resources.memories import block_rams
from ..machines import Buffered
from .planes import weight_planes, word_bits

#: What a block RAM is worth in LUTs where presets could take either: about what parts have of both.
BLOCK_LUTS = 300

#: Counters of rows, columns and pixels of a kernel, beside inputs that are masked.
_MASK_LUTS = 60

#: Words of weights that wait where they come over a stream: the depth of a LUT RAM of ECP5 and Gowin.
PREFETCH = 16

__all__ = ["MatVecSpec"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MatVecSpec:
    """Sums of products of a vector with M rows of weights, for each vector of a frame.

    A frame is ``positions[0] * positions[1]`` pixels of G vectors each; vector g of a pixel meets
    weights ``[g]``. A vector may have several parts side by side, each for its share of the rows, in order: it
    has `run` elements of each part, then the next `run` of each, and so on.

    An accumulator ends with ``initial_accumulators[class, g, m] + T``, where T is the sum of
    `popcount.elements`, and class is that of the pixel: ``row_classes[y] * (columns of classes) + column_classes[x]``.

    Parameters
    ----------
    name, layer : str
        Of the block, and the layer that it computes.
    weights : bool or int64 array, (G, M, K)
        As in `layers.Dense`.
    initial_accumulators : int64 array, (classes, G, M)
        Start values of accumulators, in terms of the accumulator.
    positions : (int, int)
        Rows and columns of the map that it makes.
    row_classes, column_classes : tuple of int
        A class from 0 on for each row and each column, rising by at most 1.
    threshold : bool
        Whether the output is the sign (1 for ``acc >= 0``) or ``(acc << shift) + low``.
    pe, simd : int
        The folding, P and S.
    lane_bits : int
        Bits of an input element, B.
    flip : bool
        Whether input elements are numbers in two's complement: their highest bit is inverted, so
        that they count from the lowest number up.
    acc_bits : int
        Bits of an accumulator, signed.
    shift, low : int
        See `threshold`.
    popcount : Popcount
    memory : str
        Where weights sit: see `plan.Folding`. With ``"stream"`` they come over a stream, presets stay.
    runtime_loadable : tuple of Plane, or None
        Where weights and presets are loaded: the planes that weights are stored in; see `weight_planes`.
    load_width : int
        Bytes that are loaded in a cycle.
    parallel_frames : int
        V, the frames that share each weight word.
    parts : int
        Q, parts of a vector. More than one only where P is M, and S and K are multiples of `run`.
    run : int
        Elements of a part that follow each other.
    shared_pixels : int
        M, pixels that each word of streamed weights serves, one after the other. Only where G is 1; it divides the
        columns of the map.
    outside : (tuple, tuple), or None
        Of a convolution of -1 and +1 whose padding counts 0: for each row of the map which rows of a kernel lie
        outside, and for each column which columns of a kernel.
    kernel : (int, int)
        With `outside`, its rows and columns.
    masked : bool
        Whether weights are replaced where inputs are outside: half of them by 0, half by 1, which counts 0. Each word
        of inputs is marked as it arrives; presets then need no classes. Else presets bring what padding counts.
    """

    name: str
    layer: str
    weights: NDArray[np.bool_] | Integers
    initial_accumulators: Integers
    positions: tuple[int, int] = (1, 1)
    row_classes: tuple[int, ...] = (0,)
    column_classes: tuple[int, ...] = (0,)
    threshold: bool
    pe: int
    simd: int
    lane_bits: int = 1
    flip: bool = False
    acc_bits: int
    shift: int = 0
    low: int = 0
    popcount: Popcount
    memory: str = "auto"
    runtime_loadable: tuple[Plane, ...] | None = None
    load_width: int = 1
    parallel_frames: int = 1
    parts: int = 1
    run: int = 1
    shared_pixels: int = 1
    outside: tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]] | None = None
    kernel: tuple[int, int] = (1, 1)
    masked: bool = False

    @property
    def groups(self) -> int:
        """G, the vectors of a pixel."""
        return int(self.weights.shape[0])

    @property
    def rows(self) -> int:
        """M, the neurons that see one vector."""
        return int(self.weights.shape[1])

    @property
    def columns(self) -> int:
        """K, the inputs of a neuron: of one part."""
        return int(self.weights.shape[2])

    @property
    def neuron_folds(self) -> int:
        """Groups of P neurons, ``ceil(M / P)``."""
        return ceil_div(self.rows, self.pe)

    @property
    def synapse_folds(self) -> int:
        """Words of S inputs, ``ceil(K / S)``."""
        return ceil_div(self.columns, self.simd)

    @property
    def fold(self) -> int:
        """Cycles a vector: the product of both folds, the interval between vectors."""
        return self.neuron_folds * self.synapse_folds

    @property
    def vectors(self) -> int:
        """Vectors of a frame."""
        return self.positions[0] * self.positions[1] * self.groups

    @property
    def cycles(self) -> int:
        """Cycles a frame."""
        return self.vectors * self.fold

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.vectors * self.synapse_folds

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.vectors * self.neuron_folds

    @cached_property
    def planes(self) -> tuple[Plane, ...]:
        """What a weight is made of; see `weight_planes`."""
        return self.runtime_loadable or weight_planes(self.weights)

    @cached_property
    def dot(self) -> DotProduct:
        """The sum that an element makes each cycle."""
        return DotProduct(simd=self.simd, bits=self.lane_bits, planes=self.planes)

    @property
    def weight_words_per_pixel(self) -> int:
        """Words of weights, which are all used, in order, for each pixel."""
        return self.groups * self.fold

    @property
    def streamed(self) -> bool:
        """Whether weights come over a stream."""
        return self.memory == STREAM

    @property
    def unrolled(self) -> bool:
        """Whether there is one word of weights, which never changes."""
        return self.weight_words_per_pixel == 1 and self.runtime_loadable is None and not self.streamed

    @property
    def built(self) -> Popcount:
        """How sums are built: `popcount`, but of portable operators where weights never change.

        ECP5's carry cells hide constants from synthesis. Of 64 random weights each of eight elements took 102 sites
        with them and 86 without, of weights of -1, 0 and 1 199 and 122; only XNOR of words of four bits took more
        without, 458 to 385.
        """
        words = self.lane_bits > 1 and self.planes == (Plane(xnor=True),)
        return self.popcount.portable() if self.unrolled and not words else self.popcount

    @property
    def lanes(self) -> int:
        """Products of an input and a weight each cycle, for each of the V frames."""
        return self.pe * self.simd

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.parts * self.simd * self.lane_bits * self.parallel_frames

    @property
    def o_lane_bits(self) -> int:
        """Bits of one output element."""
        return 1 if self.threshold else self.acc_bits + self.shift

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.pe * self.o_lane_bits * self.parallel_frames

    @property
    def buffer_words(self) -> int:
        """Words of the input buffer: two vectors, or two words where nothing is replayed; of M pixels, all twice."""
        if self.shared_pixels > 1:
            return 2 * self.shared_pixels * self.synapse_folds
        return 2 * self.synapse_folds if self.neuron_folds > 1 else 2

    @property
    def latency(self) -> int:
        """Cycles from the issue of a group's last word to the write of its result.

        One for the memories and those of `memory_stage`, the registers of the sum, one for the accumulator.
        """
        return 2 + self.memory_stage + self.dot.stages(self.popcount)

    @property
    def memory_stage(self) -> int:
        """Registers between the memories and the sum: those behind the slowest, see `memory.Layout`.

        Presets are needed as many cycles later as the sum has stages; their address follows a cycle after it is due.
        """
        if self.riding_bits:
            presets = 0
        else:
            presets = self.preset_memory.layout.registers - max(0, self.dot.stages(self.popcount) - 1)
        # Streamed weights wait in LUT RAM, which has no registers behind it.
        weights = 0 if self.streamed else self.stored_memory.layout.registers
        return max(weights, self.sources[2].layout.registers, presets)

    @property
    def prefetched(self) -> int:
        """Streamed words that are taken ahead. A word is read `memory_stage` cycles after its step, and stays so long.

        So as many more have a place.
        """
        return PREFETCH - self.memory_stage if self.streamed else 0

    @property
    def fifo_depth(self) -> int:
        """Results that may be under way or waiting.

        A place is taken at issue and free again two cycles after the write, if nobody waits: so
        many keep one group every `synapse_folds` cycles going. One more evens out a follower that
        keeps up but takes its beats at uneven times, as a width converter does.

        Of M pixels, results are put in order in `batches` of places. Where they come in order, they come in a row.
        """
        if self.batch > 1:
            return self.batches * self.batch
        if self.shared_pixels > 1:
            return self.latency + 3
        return ceil_div(self.latency + 2, self.synapse_folds) + 1

    @property
    def batch(self) -> int:
        """Results of M pixels, which come by groups of neurons and leave by pixels; 1 where that is the same."""
        return self.shared_pixels * self.neuron_folds if min(self.shared_pixels, self.neuron_folds) > 1 else 1

    @property
    def batches(self) -> int:
        """Batches that have a place.

        One is lent at the first issue of a batch and free when its last result has left, three cycles after the
        write if it were alone: so many keep the unit going.
        """
        work = self.shared_pixels * self.fold
        return max(2, ceil_div(work + self.latency + 3 + self.batch, work))

    @property
    def machine(self) -> Buffered:
        """When it moves beats: the words of a vector once for each group of neurons, a result with each last one."""
        groups, words = self.neuron_folds, self.synapse_folds
        if self.shared_pixels > 1:
            return self._machine_of_pixels
        programme = np.zeros((groups, 2, 4), np.int64)
        programme[:, 0, 0], programme[:, 1, 0] = words - 1, 1
        programme[:, 1, 1] = 1
        # Words arrive while the first group is at work, and for the next vector with the last step of all.
        programme[0, 0, 2] = programme[-1, 1, 2] = 1
        programme[-1, :, 3] = 1
        programme = programme[programme[..., 0] > 0]
        return Buffered(
            room=self.buffer_words, start=1, programme=programme, latency=self.latency, depth=self.fifo_depth,
            prefetched=self.prefetched,
        )  # fmt: skip

    @property
    def _machine_of_pixels(self) -> Buffered:
        """Once all words of M pixels are there, each word of each of them in turn, for each group of neurons."""
        pixels, words = self.shared_pixels, self.synapse_folds
        group = [(pixels * (words - 1), 0, 0, 0), (pixels, 1, 0, 0)]
        *before, (count, result, _, _) = group * self.neuron_folds
        all_words = pixels * words
        programme = [*before, (count - 1, result, 0, 0), (1, result, all_words, all_words)]
        return Buffered(
            room=self.buffer_words, start=all_words, programme=np.array([row for row in programme if row[0]]),
            # Results that are put in order are read from a memory, in one cycle more.
            latency=self.latency + (self.batch > 1), depth=self.fifo_depth, batch=self.batch,
            prefetched=self.prefetched, shared=pixels,
        )  # fmt: skip

    @property
    def weight_width(self) -> int:
        """Bits of the weights of a word."""
        return self.lanes * len(self.planes)

    @property
    def weight_memory(self) -> Memory:
        """What holds weights; where these are streamed, those that were taken ahead."""
        if self.streamed:
            return Memory(role="weights", depth=PREFETCH, width=self.weight_width, writable=True, style="lut")
        return Memory(
            role="weights",
            depth=self.weight_words_per_pixel,
            width=self.weight_width,
            writable=self.runtime_loadable is not None,
            style=self.memory,
            levels=self._bank_levels,
            # Elsewhere the register that stands first behind a block RAM is at the end of a wire already.
            landing=self.popcount.style == "ecp5" and self.popcount.levels_per_stage == 1,
        )

    @property
    def stored_memory(self) -> Memory:
        """What holds weights and what rides with them."""
        return replace(self.weight_memory, width=self.weight_width + self.riding_bits)

    @property
    def _bank_levels(self) -> int:
        """Levels of multiplexers between registers; block RAM of iCE40, for which trees are, has no registers."""
        return self.popcount.levels_per_stage if self.popcount.style != "tree" else 0

    @property
    def preset_memory(self) -> Memory:
        """What holds presets where they have a memory of their own."""
        return Memory(
            role="thresholds",
            depth=self._preset_depth,
            width=self.pe * self.acc_bits,
            writable=self.runtime_loadable is not None,
            levels=self._bank_levels,
        )

    @property
    def _preset_depth(self) -> int:
        if self.presets_by_pixel:
            classes = (max(self.row_classes) + 1) * (max(self.preset_columns) + 1)
            return classes * self.neuron_folds * self.shared_pixels
        return self.initial_accumulators.size // self.rows * self.neuron_folds

    @property
    def presets_by_pixel(self) -> bool:
        """Whether the presets of M pixels differ: then there are words for each of them."""
        return self.shared_pixels > 1 and len(self.initial_accumulators) > 1

    @cached_property
    def preset_columns(self) -> tuple[int, ...]:
        """A class for each column of the map, or for M columns side by side; rising by at most 1."""
        if not self.presets_by_pixel:
            return self.column_classes
        together = self._column_groups
        rises = [0, *(int(a != b) for a, b in itertools.pairwise(together))]
        return tuple(itertools.accumulate(rises))

    @property
    def _column_groups(self) -> list[tuple[int, ...]]:
        """The classes of M columns side by side."""
        columns, pixels = self.column_classes, self.shared_pixels
        return [columns[at : at + pixels] for at in range(0, len(columns), pixels)]

    @property
    def riding_bits(self) -> int:
        """Bits of presets in each word of the weight memory, beside its weights; 0 where they have a memory."""
        return ceil_div(self._presets_ride.size, self.synapse_folds)

    @cached_property
    def _presets_ride(self) -> NDArray[np.intp]:
        """The bits of a word of presets that ride with the weights: those that differ between words, or none.

        All words of a group of neurons bring a part of the presets of the next group. That is worth while where
        weights are in block RAM with room to the side, or where it costs less than what presets take otherwise.
        """
        weights, own = self.weight_memory, self.preset_memory
        none = np.zeros(0, np.intp)
        # Streamed weights are in no block RAM.
        if self.runtime_loadable is not None or len(self.initial_accumulators) > 1 or not weights.block:
            return none
        if own.depth * self.synapse_folds != weights.depth or own.depth == 1:
            return none
        bits = self._preset_bits()
        riding = np.flatnonzero((bits != bits[0]).any(axis=0))
        each = ceil_div(riding.size, self.synapse_folds)
        more = self._price(weights.depth, self.weight_width + each) - self._price(weights.depth, self.weight_width)
        if own.block:
            saved = self._price(own.depth, riding.size)
        else:
            # About a LUT for each bit of 16 words; the lowest two bits of an address are hardly a function.
            saved = riding.size * ceil_div(own.depth, 16) * 3 // 4 if own.depth > 4 else 0
        return riding if saved and more <= saved else none

    def _price(self, depth: int, width: int) -> int:
        """What so many words in block RAM cost in LUTs, with the multiplexers of their banks.

        Of block RAMs of the family that the style of popcount is for, or of 18 kbit, as most families have them.
        """
        rams, banks = block_rams(depth, width, "ice40" if self.popcount.style == "tree" else "ecp5", writable=False)
        return BLOCK_LUTS * rams + (banks - 1) * width * 3 // 4

    @property
    def sources(self) -> tuple[Memory, Memory, Memory]:
        """The memories that processing elements read: weights, presets, inputs.

        Presets that ride with the weights are columns of the same memory.
        """
        weights, own, riding = self.weight_memory, self.preset_memory, self.riding_bits
        return (
            weights,
            Memory(role="thresholds", depth=weights.depth, width=riding, style="block") if riding else own,
            Memory(
                role="buffer",
                depth=self.buffer_words,
                width=self.i_bits + self.masked,
                writable=True,
                levels=self._bank_levels,
            ),
        )

    @property
    def mask_pays(self) -> bool:
        """Whether a mask, a LUT for each weight of a word and counters, is worth the block RAM of presets."""
        presets = self.preset_memory
        if not presets.block:
            return False
        saved = block_rams(presets.depth, presets.width, "ecp5", writable=False)[0]
        return BLOCK_LUTS * saved >= self.lanes + _MASK_LUTS

    def with_mask(self) -> MatVecSpec:
        """The same unit masked, where each word is of one pixel of a window, and some pixel has no padding."""
        taps = self.kernel[0] * self.kernel[1]
        if self.outside is None or self.simd % 2 or self.columns % (taps * self.simd) or self.groups * self.parts > 1:
            return self
        if not all(() in side for side in self.outside):
            return self
        row, column = (side.index(()) for side in self.outside)
        inside = self.row_classes[row] * (max(self.column_classes) + 1) + self.column_classes[column]
        return replace(
            self, masked=True, initial_accumulators=self.initial_accumulators[inside][None], row_classes=(0,),
            column_classes=(0,),
        )  # fmt: skip

    def memories(self) -> tuple[Memory, ...]:
        """What it stores. Presets that ride are bits of the words of weights."""
        weights, presets, inputs = self.sources
        parameters = (replace(self.stored_memory, riding=presets.width),) if self.riding_bits else (weights, presets)
        return *parameters, inputs, Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True)

    def weight_words(self) -> list[int]:
        """Content of the weight memory, or of the stream: a word for each cycle of the vectors of a pixel.

        Element p has the bits from ``p * planes * S`` on, plane by plane. Padding is 1; padded
        inputs are 0, so that they never count.
        """
        return [int.from_bytes(row.tobytes(), "little") for row in self.weight_rows()]

    def stored_words(self) -> list[int]:
        """`stored_rows` as numbers."""
        return [int.from_bytes(row.tobytes(), "little") for row in self.stored_rows()]

    def weight_rows(self, words: NDArray[np.intp] | None = None) -> NDArray[np.uint8]:
        """The words of `weight_words` as bytes, the lowest first, (words, bytes); those that are named, or all."""
        bits = word_bits(self.weights, self.planes, pe=self.pe, simd=self.simd, words=words)
        return np.packbits(bits, axis=1, bitorder="little")

    def stored_rows(self) -> NDArray[np.uint8]:
        """The words of the weight memory as bytes: weights, and above them what rides with them.

        A register of presets moves down by `riding_bits` with each word, and takes those of the word as its highest.
        After the last word of a group it holds the presets of the next one.
        """
        rows = self.weight_rows()
        if not self.riding_bits:
            return rows
        weights = np.unpackbits(rows, axis=1, count=self.weight_width, bitorder="little").astype(bool)
        return np.packbits(np.hstack((weights, self.riding_rows())), axis=1, bitorder="little")

    def riding_rows(self) -> NDArray[np.bool_]:
        """What rides with each word of weights, (words, `riding_bits`)."""
        presets = self._preset_bits()[:, self._presets_ride]
        filled = np.zeros((len(presets), self.riding_bits * self.synapse_folds), bool)
        filled[:, filled.shape[1] - presets.shape[1] :] = np.roll(presets, -1, axis=0)
        return filled.reshape(self.weight_words_per_pixel, self.riding_bits)

    def preset_sources(self) -> list[int | None]:
        """For each bit of a word of presets, its place in the register of those that ride; None if it never changes."""
        places: list[int | None] = [None] * (self.pe * self.acc_bits)
        for place, bit in enumerate(self._presets_ride):
            places[bit] = place
        return places

    def _preset_bits(self) -> NDArray[np.bool_]:
        """The bits of `preset_rows`, (words, P * accumulator bits)."""
        return (
            ((self._preset_values()[..., None] >> np.arange(self.acc_bits)) & 1)
            .astype(bool)
            .reshape(-1, self.pe * self.acc_bits)
        )

    def _preset_values(self) -> Integers:
        """Start values of the elements for each group of neurons, (words, P)."""
        lowest = -(1 << (self.acc_bits - 1))
        shape = (len(self.initial_accumulators), self.groups, self.neuron_folds * self.pe)
        presets = np.full(shape, lowest if self.threshold else 0, np.int64)
        presets[:, :, : self.rows] = self.initial_accumulators
        if self.presets_by_pixel:
            return self._by_pixel(presets)
        return presets.reshape(-1, self.pe)

    def _by_pixel(self, presets: Integers) -> Integers:
        """Of each row, for M columns at a time, for each group of neurons those of each pixel."""
        count = max(self.column_classes) + 1
        groups = [group for group, _ in itertools.groupby(self._column_groups)]
        rows = range(max(self.row_classes) + 1)
        classes = np.array([[[row * count + column for column in group] for group in groups] for row in rows])
        by_group = presets.reshape(-1, self.neuron_folds, self.pe)[classes]
        return by_group.swapaxes(2, 3).reshape(-1, self.pe)

    def preset_words(self) -> list[int]:
        """Content of the preset memory: a word of P accumulators for each group of neurons.

        In the order (class, g, group), or (class, group, pixel) where `presets_by_pixel`. Padding is never seen.
        """
        return [int.from_bytes(row.tobytes(), "little") for row in self.preset_rows()]

    def preset_rows(self) -> NDArray[np.uint8]:
        """The words of `preset_words` as bytes, the lowest first, (words, bytes)."""
        return np.packbits(self._preset_bits(), axis=1, bitorder="little")
