"""A wired layer, see `blocks.wired.gateware`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from ...arithmetic import ceil_div, signed_bits
from ...memory import Memory
from ...network.layers import Integers
from ...popcount.dot_product import Popcount
from ...wired import STYLE, Circuit, Reuse, SumGraph, build, naive, wire
from ...wired.schedule import Schedule, schedule
from ..machines import Collect
from ..matvec.spec import MatVecSpec

__all__ = ["WiredSpec"]

#: The family for which sums are shared and built, a key of `wired.STYLE`, by the style of popcounts: of Xilinx the one
#: without cells of its own, unless `Popcount.carry4` says otherwise.
FAMILY = {"ecp5": "ecp5", "fused": "generic", "tree": "ice40", "xc7": "ultrascale"}


class _Planned(NamedTuple):
    """What neurons share, what they would do alone, and the way and the circuit that were chosen."""

    graph: SumGraph
    alone: SumGraph
    way: str
    circuit: Circuit


@lru_cache(maxsize=256)
def _finish(
    highest: tuple[int, ...], arrays: tuple[tuple[bytes, tuple[int, ...]] | None, ...], family: str
) -> tuple[SumGraph, Circuit]:
    """What follows numbers from 0 to `highest`: a constant for each, and its thresholds."""
    constants, thresholds = (
        None if array is None else np.frombuffer(array[0], np.int64).reshape(array[1]) for array in arrays
    )
    alone = np.eye(len(highest), dtype=np.int64)
    graph = naive(alone, [(0, high) for high in highest], constants=constants, thresholds=thresholds)
    return graph, build(graph, STYLE[family])


@lru_cache(maxsize=256)
def _circuit(arrays: tuple[tuple[bytes, tuple[int, ...]] | None, ...], most: int, family: str) -> _Planned:
    """The graph of a layer and its circuit, once for each: to find them takes time."""
    matrix, constants, thresholds = (
        None if array is None else np.frombuffer(array[0], np.int64).reshape(array[1]) for array in arrays
    )
    assert matrix is not None
    inputs = ((0, most),) * matrix.shape[1]
    found = wire(matrix, inputs, constants=constants, thresholds=thresholds, family=family)
    alone = naive(matrix, inputs, constants=constants, thresholds=thresholds)
    return _Planned(found.graph, alone, found.way, build(found.graph, STYLE[family]))


@dataclass(frozen=True, kw_only=True, eq=False)
class WiredSpec:
    """Sums of products of a vector with constant weights, for each vector of a frame.

    A vector comes in one beat: K elements, or `run` of each of Q parts, then the next `run` of each, and so on. Each
    neuron sees the elements of one part.

    With several steps, each takes some bits of all elements, the lowest first: weights are the same for all bits, so
    one circuit serves all steps. What it finds is added to a half, a quarter ... of what there was before.

    A sum is ``offsets[class, m] + sum_k weights[m, k] * code[k]``, where codes are the elements, and class is that of
    the pixel: ``row_classes[y] * (columns of classes) + column_classes[x]``.

    Parameters
    ----------
    name, layer : str
        Of the block, and the layer that it computes.
    weights : int64 array, (M, K)
        The rows of the first part first.
    offsets : int64 array, (classes, M)
    lane_bits : int
        Bits of an element.
    flip : bool
        Whether elements are numbers in two's complement: codes count from the lowest number up.
    thresholds : int64 array, (M, T), or None
        The output is how many of its thresholds a sum reaches; one, 0, if offsets differ between pixels. Without, it is
        ``(sum << shift) + low``.
    code_bits : int
        Bits of an output where there are thresholds.
    sum_bits : int
        Bits of a sum, signed, where it is handed on.
    shift, low : int
        See `thresholds`.
    positions, row_classes, column_classes, parts, run, parallel_frames
        As in `MatVecSpec`.
    steps : int
        Cycles a vector, 1 to `lane_bits`.
    before, after : int or None
        Of a block in a chain, see `blocks.chain`: cycles from the beat that the chain takes to this block's, and from
        its results to those of the chain. None where it takes beats, or hands them on, over a stream of its own.
    popcount : Popcount
        For which family sums are built, and how many levels of them lie between registers.
    """

    name: str
    layer: str
    weights: Integers
    offsets: Integers
    lane_bits: int
    flip: bool = False
    thresholds: Integers | None
    code_bits: int = 1
    sum_bits: int
    shift: int = 0
    low: int = 0
    positions: tuple[int, int] = (1, 1)
    row_classes: tuple[int, ...] = (0,)
    column_classes: tuple[int, ...] = (0,)
    popcount: Popcount
    parallel_frames: int = 1
    parts: int = 1
    run: int = 1
    steps: int = 1
    before: int | None = None
    after: int | None = None

    @classmethod
    def of(cls, unit: MatVecSpec, thresholds: Integers | None = None, code_bits: int = 1, steps: int = 1) -> WiredSpec:
        """The block that does what a unit with a word of all weights does.

        Parameters
        ----------
        unit : MatVecSpec
        thresholds : int64 array, (M, T), optional
            Of what the unit hands on, to be reached in its place; only with the same offsets for all pixels.
        code_bits : int
            Of a number of thresholds.
        steps : int
        """
        bits = unit.weights.dtype == np.bool_
        weights = (2 * unit.weights[0].astype(np.int64) - 1) if bits else unit.weights[0].astype(np.int64)
        # What the unit counts too much: the inverted bits of inputs where weights are negative.
        most = (1 << unit.lane_bits) - 1
        if bits:
            surplus = most * (~unit.weights[0]).sum(axis=1, dtype=np.int64)
        else:
            each = sum(most << plane.exponent for plane in unit.planes if plane.negative)
            surplus = np.full(unit.rows, each * unit.columns, np.int64)
        if unit.threshold:
            thresholds = np.zeros((unit.rows, 1), np.int64)
        elif thresholds is not None:
            thresholds = -((unit.low - thresholds) >> unit.shift)
        return cls(
            name=unit.name,
            layer=unit.layer,
            weights=weights,
            offsets=unit.initial_accumulators[:, 0] + surplus,
            lane_bits=unit.lane_bits,
            flip=unit.flip,
            thresholds=thresholds,
            code_bits=code_bits,
            sum_bits=unit.acc_bits,
            shift=unit.shift,
            low=unit.low,
            positions=unit.positions,
            row_classes=unit.row_classes,
            column_classes=unit.column_classes,
            popcount=unit.popcount,
            parallel_frames=unit.parallel_frames,
            parts=unit.parts,
            run=unit.run,
            steps=steps,
        )

    @property
    def rows(self) -> int:
        """M, the neurons."""
        return int(self.weights.shape[0])

    @property
    def columns(self) -> int:
        """K, the inputs of a neuron: of one part."""
        return int(self.weights.shape[1])

    @property
    def vectors(self) -> int:
        """Vectors of a frame."""
        return self.positions[0] * self.positions[1]

    @property
    def cycles(self) -> int:
        """Cycles a frame."""
        return self.vectors * self.steps

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.vectors

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.vectors

    @property
    def lanes(self) -> int:
        """Products of an input and a weight each cycle, for each of the V frames."""
        return ceil_div(self.rows * self.columns, self.steps)

    @property
    def step_bits(self) -> int:
        """Bits of an element that a step takes."""
        return ceil_div(self.lane_bits, self.steps)

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.parts * self.columns * self.lane_bits * self.parallel_frames

    @property
    def o_lane_bits(self) -> int:
        """Bits of one output element."""
        return self.sum_bits + self.shift if self.thresholds is None else self.code_bits

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.rows * self.o_lane_bits * self.parallel_frames

    @property
    def by_class(self) -> bool:
        """Whether offsets differ between pixels: then they are added behind the sums."""
        return len(self.offsets) > 1

    @cached_property
    def matrix(self) -> Integers:
        """The weight of each element of a beat, (M, Q * K)."""
        if self.parts == 1:
            return self.weights
        taps = self.columns // self.run
        whole = np.zeros((self.parts, self.rows // self.parts, taps, self.parts, self.run), np.int64)
        split = self.weights.reshape(self.parts, -1, taps, self.run)
        for part in range(self.parts):
            whole[part, :, :, part] = split[part]
        return whole.reshape(self.rows, -1)

    @cached_property
    def _planned(self) -> _Planned:
        # Offsets that differ between pixels are added behind the sums, and so is all where sums take several steps.
        return _circuit(
            _stored(self.matrix, *((None, None) if self.steps > 1 else self._ending)),
            (1 << self.step_bits) - 1,
            self.family,
        )

    @property
    def _ending(self) -> tuple[Integers | None, Integers | None]:
        """What is added to sums, and their thresholds, where these are the same for all pixels."""
        return (None, None) if self.by_class else (self.offsets[0], self.thresholds)

    @property
    def family(self) -> str:
        """The family for whose cells sums are built, a key of `wired.STYLE`."""
        return "xilinx" if self.popcount.carry4 else FAMILY[self.popcount.style]

    @property
    def graph(self) -> SumGraph:
        """The sums that neurons share, with thresholds where there are any and they are the same for all pixels."""
        return self._planned.graph

    @property
    def alone(self) -> SumGraph:
        """The same sums if each neuron made its own."""
        return self._planned.alone

    @property
    def way(self) -> str:
        """How sums are shared, in some words."""
        return self._planned.way

    @property
    def circuit(self) -> Circuit:
        """The graph as LUTs and adders; of each step, where there are several."""
        return self._planned.circuit

    @cached_property
    def schedule(self) -> Schedule:
        """The stage of each step of the circuit."""
        return schedule(self.circuit, self.popcount.levels_per_stage)

    @cached_property
    def last_schedule(self) -> Schedule:
        """That of `last_circuit`."""
        return self.schedule if self.steps == 1 else schedule(self.last_circuit, self.popcount.levels_per_stage)

    @property
    def last_circuit(self) -> Circuit:
        """The circuit that makes results: with several steps, what follows the accumulators."""
        return self.circuit if self.steps == 1 else self._finished[1]

    @property
    def circuits(self) -> list[tuple[Circuit, Schedule]]:
        """All circuits of a frame."""
        first = [(self.circuit, self.schedule)] if self.steps > 1 else []
        return [*first, (self.last_circuit, self.last_schedule)]

    @property
    def reuse(self) -> Reuse:
        """What neurons share, of a vector; without what a spanning tree tells."""
        found = Reuse.of(self.alone, self.graph)
        if self.steps == 1:
            return found
        more = self.rows * (self.steps - 1) + self._finished[0].operations
        return found.times(self.steps) + Reuse(more, more, 0, 0)

    @cached_property
    def _finished(self) -> tuple[SumGraph, Circuit]:
        """What follows accumulators."""
        added = np.array([output.offset for output in self.circuit.outputs]) * self._places
        highest = self._ends[1] - added
        constants, thresholds = self._ending
        constants = added if constants is None else constants + added
        return _finish(tuple(map(int, highest)), _stored(constants, thresholds), self.family)

    @property
    def _places(self) -> int:
        """What a number counts that each step finds: 1, 1 + 2, ..."""
        return sum(1 << self.step_bits * step for step in range(self.steps))

    @property
    def accumulators(self) -> tuple[int, ...]:
        """Bits of each sum of what a step finds and what is left of those before; 0 for one that is always 0."""
        found = []
        for output in self.circuit.outputs:
            # It never gets beyond g + g / 2 + g / 4 + ...
            found.append((output.greatest << self.step_bits) // ((1 << self.step_bits) - 1))
        return tuple(most.bit_length() for most in found)

    @property
    def first_stage(self) -> int:
        """With several steps, cycles from taking a beat to what the first one found: elements are in a register."""
        each = self.popcount.levels_per_stage
        return 1 + self.schedule.last + (each > 0)

    @property
    def entry(self) -> int:
        """Registers of the inputs before all else: those of a layer in parts go far."""
        return int(self.steps == 1 and self.schedule.parts > 1)

    @property
    def inner_stages(self) -> int:
        """Cycles from taking a beat to what the last circuit gives: registers between levels."""
        if self.steps == 1:
            return self.entry + self.schedule.last
        each = self.popcount.levels_per_stage
        return self.first_stage + self.steps - 1 + (each > 0) + self.last_schedule.last

    @property
    def sum_stages(self) -> int:
        """Cycles up to the results of the circuit, which are in a register; with offsets by class, until those are."""
        found = self.inner_stages + (self.popcount.levels_per_stage > 0)
        return max(found, 1 + self.offset_memory.layout.registers) if self.by_class else found

    @property
    def latency(self) -> int:
        """Cycles from taking a beat to the write of its result.

        One for each register between the sums, and one behind the offsets where these differ between pixels.
        """
        return self.sum_stages + (self.by_class and self.popcount.levels_per_stage > 0)

    @property
    def chained(self) -> bool:
        """Whether another block stands in front of it or behind it without a stream between."""
        return self.before is not None or self.after is not None

    @property
    def back(self) -> int:
        """Cycles after which it is known where beats are taken that a result has left: the end of a chain is far."""
        return int(self.chained)

    @property
    def fifo_depth(self) -> int:
        """Results under way or waiting, so that a beat moves every cycle, or as often as it can; then one more.

        Of a block in a chain, those of the whole chain.
        """
        under_way = (self.before or 0) + self.latency + (self.after or 0)
        return ceil_div(under_way + 2 + self.back, self.steps) + (self.steps > 1)

    @property
    def machine(self) -> Collect:
        """When it moves beats: one for each that comes."""
        return Collect(completes=np.ones(1, np.int64), latency=self.latency, depth=self.fifo_depth, every=self.steps)

    @property
    def offset_memory(self) -> Memory:
        """What holds the offsets, by class of pixels."""
        return Memory(
            role="thresholds",
            depth=len(self.offsets),
            width=self.rows * self.offset_bits,
            levels=self.popcount.levels_per_stage if self.popcount.style != "tree" else 0,
        )

    @property
    def offset_bits(self) -> int:
        """Bits of a sum with its offset, signed."""
        if self.thresholds is None:
            return self.sum_bits
        least, most = self._ends
        ends = least + self.offsets.min(axis=0), most + self.offsets.max(axis=0)
        return signed_bits(int(ends[0].min()), int(ends[1].max()))

    def offset_words(self) -> list[int]:
        """Content of the offset memory: for each class a word of M offsets, each with what the circuit leaves out."""
        bits = self.offset_bits
        mask = (1 << bits) - 1
        return [
            sum(
                (int(one) + output.offset & mask) << n * bits
                for n, (one, output) in enumerate(zip(row, self.last_circuit.outputs, strict=True))
            )
            for row in self.offsets
        ]

    @property
    def _ends(self) -> tuple[Integers, Integers]:
        """The least and the highest sum of products of each neuron."""
        ends = self.weights * ((1 << self.lane_bits) - 1)
        return np.minimum(ends, 0).sum(axis=1), np.maximum(ends, 0).sum(axis=1)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        output = Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True)
        kept = (output,) if self.after is None else ()
        return (self.offset_memory, *kept) if self.by_class else kept


def _stored(*arrays: Integers | None) -> tuple[tuple[bytes, tuple[int, ...]] | None, ...]:
    """Arrays as keys."""
    return tuple(None if array is None else (np.asarray(array, np.int64).tobytes(), array.shape) for array in arrays)
