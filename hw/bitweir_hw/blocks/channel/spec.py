"""The specifications of blocks that work on each element by itself."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...arithmetic import ceil_div, signed_bits, signed_digits, sum_levels
from ...memory import LUT_BITS, LUT_DEPTH, Memory
from ...network.formats import Format, Integers
from ..machines import Buffered, Collect, one_to_one

__all__ = ["AffineSpec", "ChannelSpec", "PiecewiseSpec", "ThresholdSpec", "common_factor", "in_reach"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelSpec:
    """A block that makes one element of one, with constants for each channel, a beat every cycle.

    Parameters
    ----------
    name, layer : str
        Of the block, and the layer that it computes.
    lanes : int
        Elements of a beat.
    i_lane_bits, o_lane_bits : int
        Bits of an element before and after.
    pixels : int
        Vectors of C elements in a frame.
    parallel_frames : int
        V, the frames side by side.
    stage_levels : int
        Levels of logic between registers; 0 for as few registers as can be.
    multiplier_bits : int
        Bits of a piece of a factor, where products are divided: see `arithmetic.products`.
    load_width : int
        Bytes that are loaded in a cycle, where constants are loaded.
    """

    name: str
    layer: str
    lanes: int
    i_lane_bits: int
    o_lane_bits: int
    pixels: int = 1
    parallel_frames: int = 1
    stage_levels: int = 0
    multiplier_bits: int = 17
    load_width: int = 1

    @property
    def latency(self) -> int:
        """Cycles from taking a beat to the write of its result: constants, registers between levels, the result."""
        return 2 + len(self.registers)

    @property
    def registers(self) -> tuple[int, ...]:
        """After which levels of logic, counted from 1, a register stands; one follows the last anyway."""
        if not self.stage_levels:
            return ()
        first = self.stage_levels if not self.reads else 1
        return tuple(range(first, self.levels, self.stage_levels))

    @property
    def reads(self) -> bool:
        """Whether the first level is that of constants out of a block RAM, with no logic."""
        return self.stage_levels > 0 and self.memory.block

    @property
    def levels(self) -> int:
        """Levels of logic between constants and results."""
        return self.reads + self._levels

    @cached_property
    @abstractmethod
    def _levels(self) -> int:
        """Levels without that of constants."""

    @property
    def piece(self) -> int:
        """Bits of a piece of a factor; 0 where products are whole."""
        return self.multiplier_bits if self.stage_levels else 0

    def lane_constants(self, lane: int) -> list[tuple[int, int]]:
        """The least and the highest of each constant of a lane, in all its channels or all that could be loaded."""
        if self.loadable_bits:
            return [(-1 << (bits - 1), (1 << (bits - 1)) - 1) for bits in self.loadable_bits]
        rows = [self.constants(channel) for channel in range(lane, self.channels, self.lanes)] or [self.constants(0)]
        return [(min(column), max(column)) for column in zip(*rows, strict=True)]

    def _sum_levels(self, bits: int, scale: tuple[int, int], offset: tuple[int, int]) -> int:
        """Levels of an element of so many bits times a scale, and an offset, of which the ends are given."""
        terms: list[tuple[int, int | None, int]] = [
            (bits, scale[0] if scale[0] == scale[1] else None, signed_bits(*scale))
        ]
        if offset != (0, 0):
            terms.append((0, 1, 2))
        return sum_levels(terms, self.piece)

    @property
    @abstractmethod
    def channels(self) -> int:
        """C, the elements of a vector."""

    @abstractmethod
    def constants(self, channel: int) -> list[int]:
        """The constants of a channel, as many for each."""

    @property
    @abstractmethod
    def loadable_bits(self) -> tuple[int, ...] | None:
        """Where constants are loaded: the bits of each of a channel, signed; None where they are fixed."""

    @property
    @abstractmethod
    def memory(self) -> Memory:
        """What holds the constants."""

    def memories(self) -> tuple[Memory, ...]:
        """What it stores: constants, and results that wait."""
        return self.memory, Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True)

    @property
    def loadable_width(self) -> int:
        """Bits of a word of constants that are loaded: lane by lane, one constant after the other."""
        return self.lanes * sum(self.loadable_bits or ())

    def loadable_words(self) -> list[int]:
        """The words of constants that are loaded, one a beat of a vector. Those of padding are never seen."""
        words = []
        for first in range(0, self.channels, self.lanes):
            word = at = 0
            for channel in range(first, min(first + self.lanes, self.channels)):
                for constant, bits in zip(self.constants(channel), self.loadable_bits or (), strict=True):
                    word |= (constant & ((1 << bits) - 1)) << at
                    at += bits
            words.append(word)
        return words

    @property
    def vector_beats(self) -> int:
        """Beats of a vector."""
        return ceil_div(self.channels, self.lanes)

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each beat."""
        return self.i_beats

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.pixels * self.vector_beats

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.i_beats

    @property
    def machine(self) -> Collect | Buffered:
        """When it moves beats: one for each that comes."""
        return one_to_one(latency=self.latency, depth=self.fifo_depth)

    @property
    def fifo_depth(self) -> int:
        """Results under way or waiting, so that a beat moves every cycle."""
        return self.latency + 2

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.lanes * self.i_lane_bits * self.parallel_frames

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.lanes * self.o_lane_bits * self.parallel_frames


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdSpec(ChannelSpec):
    """Codes from numbers: how many thresholds each reaches, see `blocks.channel.threshold`.

    Parameters
    ----------
    thresholds : int64 array, (C, T)
        Ascending in each row, in terms of the element as a number.
    signed : bool
        Whether elements are in two's complement.
    runtime_loadable : bool
        Whether thresholds are loaded.
    """

    thresholds: Integers
    signed: bool
    runtime_loadable: bool = False

    @property
    def channels(self) -> int:
        """C, the elements of a vector."""
        return len(self.thresholds)

    @cached_property
    def _levels(self) -> int:
        """A comparison, and an encoder, of which a level is two multiplexers of a bit."""
        return 1 + self.thresholds.shape[1].bit_length() // 2

    @property
    def constant_bits(self) -> int:
        """Bits of a threshold, as signed as the elements: one more than an element, so that it can be out of reach."""
        return self.i_lane_bits + 1

    def constants(self, channel: int) -> list[int]:
        """The thresholds; those out of reach as near as says the same."""
        return in_reach(self.thresholds[channel], self.i_lane_bits, signed=self.signed)

    @property
    def loadable_bits(self) -> tuple[int, ...] | None:
        """As signed numbers: one more for elements that are not signed."""
        return (self.constant_bits + (not self.signed),) * self.thresholds.shape[1] if self.runtime_loadable else None

    @property
    def memory(self) -> Memory:
        """What holds the constants."""
        return Memory(
            role="thresholds",
            depth=self.vector_beats,
            width=self.loadable_width or self.lanes * self.thresholds.shape[1] * self.constant_bits,
            writable=self.runtime_loadable,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class AffineSpec(ChannelSpec):
    """A scale and an offset for each channel, see `blocks.channel.affine`; what leaves is signed.

    Parameters
    ----------
    format : Format or None
        Of codes that arrive; None for signed numbers.
    scale, offset : int64 array, (C,)
    runtime_loadable : ((int, int), (int, int)), or None
        Where they are loaded, the least and the highest scale and offset.
    serial : bool
        Whether an element takes a step for each bit of the result, see `blocks.channel.serial`; else one.
    """

    format: Format | None = None
    scale: Integers
    offset: Integers
    runtime_loadable: tuple[tuple[int, int], tuple[int, int]] | None = None
    serial: bool = False

    @cached_property
    def _levels(self) -> int:
        """Products and sums of the lane with the most."""
        lanes = [(scale, offset) for scale, offset in map(self.lane_constants, range(self.lanes))]
        return max(1, *(self._sum_levels(_signed_bits(self), *ends) for ends in lanes))

    @property
    def steps(self) -> int:
        """Steps of a beat: in series one for each bit of the result, and one in which the last is done."""
        return self.o_lane_bits + 1 if self.serial else 1

    @property
    def cycles(self) -> int:
        """Cycles a frame: one for each beat; in series a beat is taken when the result before it is gone."""
        return self.i_beats * (self.steps + 4 if self.serial else 1)

    @property
    def latency(self) -> int:
        """Cycles from taking a beat to the write of its result; in series from the first step."""
        return self.o_lane_bits + 2 if self.serial else super().latency

    @property
    def fifo_depth(self) -> int:
        """Results under way or waiting; in series one, in the register in which it grows."""
        return 1 if self.serial else super().fifo_depth

    @property
    def machine(self) -> Collect | Buffered:
        """When it moves beats: one for each that comes; in series the first step needs a free output."""
        if not self.serial:
            return super().machine
        programme = np.array([[1, 1, 0, 0], [self.steps - 2, 0, 0, 0], [1, 0, 1, 1]], np.int64)
        if self.steps == 2:
            programme = programme[[0, 2]]
        return Buffered(room=1, start=1, programme=programme, latency=self.latency, depth=self.fifo_depth)

    @property
    def channels(self) -> int:
        """C, the elements of a vector."""
        return len(self.scale)

    def constants(self, channel: int) -> list[int]:
        """What a code is multiplied with, and what is added; the meaning of codes went into both."""
        return list(_folded(self.format, int(self.scale[channel]), int(self.offset[channel])))

    @property
    def loadable_bits(self) -> tuple[int, ...] | None:
        """Enough for all that the limits allow."""
        return _folded_bits(self.format, self.runtime_loadable)

    @property
    def loadable_width(self) -> int:
        """Bits of a word of constants that are loaded; in series a bit of both for each lane."""
        return 2 * self.lanes if self.serial and self.loadable_bits else super().loadable_width

    def loadable_words(self) -> list[int]:
        """The words of constants that are loaded, one a step."""
        return self.digits() if self.serial else super().loadable_words()

    @property
    def style(self) -> str:
        """Where constants sit: of digits, words are short and no bit is alike, so LUTs would soon be many."""
        words = self.vector_beats * self.o_lane_bits
        return "block" if self.serial and words > LUT_DEPTH and 2 * self.lanes * words >= LUT_BITS // 4 else "auto"

    def digits(self) -> list[int]:
        """For each step of a vector, of each lane a bit of the scale and one of the offset, those of lane 0 lowest."""
        words = []
        for first in range(0, self.channels, self.lanes):
            pairs = []
            for channel in range(first, first + self.lanes):
                # Padding may have any constants: those of the beat before cost least.
                inside = channel if channel < self.channels else max(channel - self.lanes, 0)
                pairs += self.constants(inside if inside < self.channels else 0)
            words += [sum((number >> at & 1) << n for n, number in enumerate(pairs)) for at in range(self.o_lane_bits)]
        return words

    @property
    def memory(self) -> Memory:
        """Scales and offsets are counted with the results' width."""
        return Memory(
            role="weights",
            depth=self.vector_beats * (self.o_lane_bits if self.serial else 1),
            width=self.loadable_width or 2 * self.lanes * (1 if self.serial else self.o_lane_bits),
            writable=self.runtime_loadable is not None,
            style=self.style,
        )

    @property
    def multiplies(self) -> bool:
        """Whether elements meet scales that differ, or that two digits do not make up."""
        if self.loadable_bits:
            return True
        step = 1 if self.format is None else self.format.step
        scales = [step * scale for scale in self.scale.tolist()]
        lanes = [set(scales[lane :: self.lanes]) for lane in range(min(self.lanes, self.channels))]
        return any(len(found) > 1 or len(signed_digits(*found)) > 2 for found in lanes)


@dataclass(frozen=True, kw_only=True, eq=False)
class PiecewiseSpec(ChannelSpec):
    """Straight pieces for each channel, see `blocks.channel.piecewise`; what leaves is signed.

    Parameters
    ----------
    format : Format or None
        Of codes that arrive; None for signed numbers.
    thresholds : int64 array, (C, T)
        Ascending in each row, in terms of the element as it arrives: of codes the code.
    scale, offset : int64 array, (C, T + 1)
        Of values, as the layer has them.
    shift : int
        Low bits that are left out.
    runtime_loadable : ((int, int), (int, int)), or None
        Where all are loaded, the least and the highest scale and offset.
    """

    format: Format | None = None
    thresholds: Integers
    scale: Integers
    offset: Integers
    shift: int = 0
    runtime_loadable: tuple[tuple[int, int], tuple[int, int]] | None = None

    @property
    def registers(self) -> tuple[int, ...]:
        """Also without stages the piece is chosen a cycle before its product."""
        return super().registers if self.stage_levels else (self.choices,)

    @property
    def choices(self) -> int:
        """Levels of the comparison and of what it chooses, two multiplexers each; the last one may gate the element."""
        return 1 + ceil_div(self.pieces, 2)

    @cached_property
    def _levels(self) -> int:
        """The choice, then products and sums of the lane with the most."""
        count = self.pieces - 1
        lanes = []
        for lane in range(self.lanes):
            ends = self.lane_constants(lane)
            scales, offsets = ends[count : 2 * count + 1], ends[2 * count + 1 :]
            factor = common_factor(scales)
            scale = (factor, factor) if factor is not None else _hull(scales)
            lanes.append(self._sum_levels(_signed_bits(self), scale, _hull(offsets)))
        return self.choices + max(1, *lanes)

    @property
    def channels(self) -> int:
        """C, the elements of a vector."""
        return len(self.scale)

    @property
    def pieces(self) -> int:
        """Pieces of a channel, one more than thresholds."""
        return int(self.scale.shape[1])

    def constants(self, channel: int) -> list[int]:
        """Thresholds, then what a code is multiplied with in each piece, then what is added there."""
        pairs = [
            _folded(self.format, int(scale), int(offset))
            for scale, offset in zip(self.scale[channel], self.offset[channel], strict=True)
        ]
        thresholds = in_reach(self.thresholds[channel], self.i_lane_bits, signed=self.format is None)
        return [*thresholds, *(scale for scale, _ in pairs), *(offset for _, offset in pairs)]

    @property
    def loadable_bits(self) -> tuple[int, ...] | None:
        """Thresholds as signed numbers that can be out of reach; scales and offsets as the limits allow."""
        folded = _folded_bits(self.format, self.runtime_loadable)
        if folded is None:
            return None
        threshold = self.i_lane_bits + 1 + (self.format is not None)
        return (threshold,) * (self.pieces - 1) + tuple(bits for bits in folded for _ in range(self.pieces))

    @property
    def memory(self) -> Memory:
        """Scales and offsets are counted with the results' width."""
        bits = (self.pieces - 1) * (self.i_lane_bits + 1) + 2 * self.pieces * self.o_lane_bits
        return Memory(
            role="weights",
            depth=self.vector_beats,
            width=self.loadable_width or self.lanes * bits,
            writable=self.runtime_loadable is not None,
        )


def common_factor(scales: list[tuple[int, int]]) -> int | None:
    """The one number that all scales are which are not 0; None if there are several, or one is not fixed."""
    if any(low != high for low, high in scales):
        return None
    numbers = {low for low, _ in scales if low}
    return next(iter(numbers), 0) if len(numbers) < 2 else None


def _signed_bits(spec: AffineSpec | PiecewiseSpec) -> int:
    """Bits of an element as a signed number."""
    return spec.i_lane_bits + (spec.format is not None)


def _hull(ranges: list[tuple[int, int]]) -> tuple[int, int]:
    """The least and the highest of several numbers."""
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def in_reach(thresholds: Integers, bits: int, *, signed: bool) -> list[int]:
    """Thresholds of elements of so many bits; those out of reach as near as says the same."""
    low = -(1 << (bits - 1)) if signed else 0
    return [min(max(int(t), low), low + (1 << bits)) for t in thresholds]


def _folded(form: Format | None, scale: int, offset: int) -> tuple[int, int]:
    """Scale and offset for the codes of a format, in place of their values."""
    return (scale, offset) if form is None else (scale * form.step, scale * form.offset + offset)


def _folded_bits(form: Format | None, limits: tuple[tuple[int, int], tuple[int, int]] | None) -> tuple[int, ...] | None:
    """Bits for all scales and offsets within limits, folded; None where nothing is loaded."""
    if limits is None:
        return None
    ends = [_folded(form, scale, offset) for scale in limits[0] for offset in limits[1]]
    return tuple(signed_bits(min(values), max(values)) for values in zip(*ends, strict=True))
