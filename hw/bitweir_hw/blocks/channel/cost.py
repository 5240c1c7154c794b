"""What thresholds, affine maps and straight pieces cost, and their longest paths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from amaranth.hdl import Signal, Value, signed
from numpy.typing import NDArray

from ...arithmetic import ceil_div, signed_bits, signed_digits, trailing_zeros
from ...resources.fifos import credited
from ...resources.loading import loaded
from ...resources.memories import rom
from ...resources.multipliers import multiply
from ...resources.paths import Path, joined, rom_path
from ...resources.stages import CountedStages
from ...resources.terms import Terms, adder, compare, compare_constant, counter, index_bits
from .affine import Affine, ChannelPipe
from .piecewise import Piecewise
from .spec import AffineSpec, ChannelSpec, PiecewiseSpec, ThresholdSpec
from .threshold import Threshold

__all__ = [
    "affine_cost",
    "affine_paths",
    "piecewise_cost",
    "piecewise_paths",
    "threshold_cost",
    "threshold_paths",
]


def threshold_cost(spec: ThresholdSpec, family: str) -> Terms:
    """`blocks.channel.threshold`: comparators of an element with T thresholds, and an encoder."""
    low = -(1 << (spec.i_lane_bits - 1)) if spec.signed else 0
    clipped = np.clip(spec.thresholds, low, low + (1 << spec.i_lane_bits))
    terms = _channels(spec, family, [clipped[:, t] for t in range(clipped.shape[1])])
    places = spec.lanes * spec.parallel_frames
    _compared(terms, spec, family, clipped, low)
    terms.luts["encode"] += places * spec.thresholds.shape[1] - places
    return terms


def _compared(terms: Terms, spec: ChannelSpec, family: str, thresholds: NDArray[np.int64], low: int) -> None:
    """The comparators of all lanes with thresholds (C, T) of elements from `low` on."""
    bits = spec.i_lane_bits
    for lane in range(spec.lanes):
        for t in range(thresholds.shape[1]):
            column = {int(value) for value in thresholds[lane :: spec.lanes, t]}
            if len(column) > 1 or spec.loadable_bits:
                compare(terms, bits, family, spec.parallel_frames)
            else:
                (limit,) = column or {low}
                compare_constant(terms, bits, limit - low, family, spec.parallel_frames)


def piecewise_cost(spec: PiecewiseSpec, family: str) -> Terms:
    """`blocks.channel.piecewise`: comparators, what chooses a piece, a multiplier where scales differ, an adder."""
    rows = np.array([spec.constants(channel) for channel in range(spec.channels)], object)
    count = spec.pieces - 1
    terms = _channels(spec, family, rows.T)
    _compared(terms, spec, family, rows[:, :count], 0 if spec.format else -(1 << (spec.i_lane_bits - 1)))
    wide = spec.i_lane_bits + (spec.format is not None)
    frames = spec.parallel_frames
    for lane in range(spec.lanes):
        scales, offsets = np.split(rows[lane :: spec.lanes, count:], 2, axis=1) if lane < spec.channels else _IDLE
        numbers = {int(s) for s in scales.flat if s}
        several = len(numbers) > 1 or bool((scales != scales[0]).any())
        size = max(map(abs, numbers), default=0).bit_length() + 1
        held = _chosen_bits(offsets, scales) if several else _chosen_bits(offsets)
        if spec.loadable_bits:
            several, size = True, spec.loadable_bits[count]
            held = size + spec.loadable_bits[-1]
        inside = False
        terms.luts["choose"] += held * count * frames
        terms.ff += (held + spec.i_lane_bits) * frames
        if several or (numbers and len(signed_digits(*numbers)) > 2):
            carry = terms.carry
            used = _multiplied(terms, wide, size, spec, family)
            if family in ("ecp5", "gowin"):
                # The pieces of a product and the offset are one sum.
                terms.carry = carry
            elif family == "xilinx" and used and several:
                # A multiplier has registers before it; one alone adds, and has registers behind it.
                terms.ff -= frames * (spec.i_lane_bits + (spec.o_lane_bits + size - 3 if used == 1 else 0))
                inside = used == 1
        if numbers and not several:
            terms.luts["flat"] += spec.i_lane_bits * frames
        if not inside:
            adder(terms, spec.o_lane_bits + spec.shift, family, frames)
    return terms


#: The scales and offsets of a lane that only pads.
_IDLE = (np.zeros((1, 1), object), np.zeros((1, 1), object))


def _chosen_bits(*arrays: NDArray[Any]) -> int:
    """Bits that differ between the numbers of a lane, each of which a register holds; alike ones share it."""
    bits: set[tuple[int, ...]] = set()
    for numbers in arrays:
        column = [int(number) for number in numbers.flat]
        bits |= {tuple(number >> at & 1 for number in column) for at in range(signed_bits(min(column), max(column)))}
    return sum(len(set(bit)) > 1 for bit in bits)


def affine_cost(spec: AffineSpec, family: str) -> Terms:
    """`blocks.channel.affine`: a multiplier, where scales of a lane differ, and an adder."""
    if spec.serial:
        return _serial_cost(spec, family)
    step = spec.format.step if spec.format else 1
    base = spec.format.offset if spec.format else 0
    scale, offset = spec.scale * step, spec.scale * base + spec.offset
    terms = _channels(spec, family, [scale, offset])
    # Codes have no sign, and get one.
    wide = spec.i_lane_bits + (spec.format is not None)
    if spec.loadable_bits:
        places = spec.lanes * spec.parallel_frames
        _multiplied(terms, wide, spec.loadable_bits[0], spec, family, lanes=spec.lanes)
        adder(terms, spec.o_lane_bits, family, places)
        return terms
    for lane in range(spec.lanes):
        scales = {int(s) for s in scale[lane :: spec.lanes]} or {0}
        offsets = {int(s) for s in offset[lane :: spec.lanes]} or {0}
        bits = spec.o_lane_bits
        size = max(abs(s) for s in scales).bit_length() + 1
        several = len(scales) > 1
        if not several and family == "ice40" and len(signed_digits(max(scales))) > 2:
            # A row of adders for each bit of the constant.
            terms.luts["multiply"] += wide * abs(max(scales)).bit_count() * spec.parallel_frames
        elif several or len(signed_digits(max(scales))) > 2:
            used = _multiplied(terms, wide, size, spec, family, positive=min(scales) >= 0)
            if family == "xilinx" and used and several:
                # A multiplier has registers before it; one alone adds, and has registers behind it.
                terms.ff -= spec.parallel_frames * (spec.i_lane_bits + (spec.o_lane_bits if used == 1 else 0))
                bits = 0 if used == 1 else bits
        elif len(scales) == len(offsets) == 1:
            # A constant is added above its lowest zeros.
            (value,) = offsets
            bits = max(0, spec.i_lane_bits + 1 - trailing_zeros(value)) if value else 0
        adder(terms, bits, family, spec.parallel_frames)
        if not several and len(signed_digits(max(scales))) == 2:
            adder(terms, spec.o_lane_bits, family, spec.parallel_frames)
    return terms


def _multiplied(
    terms: Terms, a: int, b: int, spec: ChannelSpec, family: str, *, lanes: int = 1, positive: bool = False
) -> int:
    """Add products of two signed numbers, whole or in pieces (`gateware.stages`); the multipliers of one of them.

    Parameters
    ----------
    positive : bool
        Whether the second one never has its sign set.
    """
    sides = [_pieces(bits, spec.piece) if spec.piece > 2 else [bits] for bits in (a, b)]
    if positive and family == "xilinx" and len(sides[1]) > 1:
        # A sign that is never set adds no bit to the product, and whether a multiplier pays is asked of that.
        sides[1][-1] -= 1
    return sum(multiply(terms, x, y, family, spec.parallel_frames * lanes) for x in sides[0] for y in sides[1])


def _pieces(bits: int, piece: int) -> list[int]:
    """Bits of the pieces of a signed number, each with a sign."""
    whole = max(0, ceil_div(bits - 1, piece) - 1)
    return [piece + 1] * whole + [bits - whole * piece]


def _serial_cost(spec: AffineSpec, family: str) -> Terms:
    """`blocks.channel.serial`: a short adder for each lane and frame, and registers in place of all FIFOs."""
    places, bits = spec.lanes * spec.parallel_frames, spec.i_lane_bits
    words = spec.digits()
    if spec.loadable_bits:
        terms = loaded(len(words), spec.loadable_width, family, load_width=spec.load_width, style=spec.style)
        changing = 2 * spec.lanes
    else:
        columns = {tuple(word >> at & 1 for word in words) for at in range(2 * spec.lanes)}
        columns = {column for column in columns if len(set(column)) > 1}
        changing = len(columns)
        packed = [sum(bit << at for at, bit in enumerate(word)) for word in zip(*columns, strict=True)]
        terms = rom(lambda: packed, len(packed), changing, family, style=spec.style) if changing else Terms(rams=[0])
    terms.rams.append(0)
    # Digits, those of offsets twice; the element, what is added, what is left, and the result.
    terms.ff += changing + changing // 2 + spec.i_bits + 2 * places * bits + spec.o_bits
    # Whether a beat is in hand, its result lent and there; the step, its first and last; steps and ends under way.
    terms.ff += 5 + index_bits(spec.steps) + 3 + 2
    counter(terms, spec.steps, family)
    # The carry goes in through a position of its own, in ECP5 through half a cell.
    adder(terms, bits + 1 + (family == "ecp5"), family, places)
    terms.luts["gate"] += places * bits
    terms.luts["fixed"] += 1
    return terms


def _channels(spec: ChannelSpec, family: str, constants: Iterable[Any]) -> Terms:
    """What blocks with constants for each channel share."""
    terms = _constants(spec, family, constants)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.ff += spec.latency + spec.i_bits + spec.o_bits
    if spec.stage_levels:
        terms.ff += _stage_bits(spec)
    terms.luts["fixed"] += 1
    return terms


def _stage_bits(spec: ChannelSpec) -> int:
    """Flip-flops between levels of logic: those that the gateware makes for elements and constants of such sizes."""
    shared, sizes, found = dict[Any, tuple[Value, Value]](), dict[int, int](), 0
    components: dict[type, type[ChannelPipe]] = {
        ThresholdSpec: Threshold, AffineSpec: Affine, PiecewiseSpec: Piecewise
    }  # fmt: skip
    component = components[type(spec)]
    seen: set[tuple[int, ...]] = set()
    for lane in range(spec.lanes):
        constants: list[Value | int] = []
        rows = [spec.constants(channel) for channel in range(lane, spec.channels, spec.lanes)] or [spec.constants(0)]
        rows += rows[-1:] * (spec.vector_beats - len(rows))
        for (low, high), column in zip(spec.lane_constants(lane), zip(*rows, strict=True), strict=True):
            constants.append(low if low == high else Signal(signed(signed_bits(low, high))))
            if not spec.loadable_bits:
                # Bits that are the same in each beat, or those of another constant in each, are registered once.
                bits = {tuple(number >> at & 1 for number in column) for at in range(signed_bits(low, high))}
                bits = {bit for bit in bits if len(set(bit)) > 1} - seen
                seen |= bits
                sizes[id(constants[-1])] = len(bits)
        for _ in range(spec.parallel_frames):
            stages = CountedStages(spec.registers, shared, sizes)
            component.staged(spec, stages, Signal(spec.i_lane_bits), constants)
            found += stages.bits
    return found


def _constants(spec: ChannelSpec, family: str, constants: Iterable[Any]) -> Terms:
    if spec.loadable_bits:
        return loaded(spec.vector_beats, spec.loadable_width, family, load_width=spec.load_width)
    bits: dict[tuple[int, ...], None] = {}
    for lane in range(spec.lanes):
        for values in constants:
            column = [int(value) for value in values[lane :: spec.lanes]] or [int(values[0])]
            column += column[-1:] * (spec.vector_beats - len(column))
            for at in range(signed_bits(min(column), max(column))):
                bit = tuple(value >> at & 1 for value in column)
                if len(set(bit)) > 1:
                    bits[bit] = None
    if not bits:
        return Terms(rams=[0])
    words = [sum(bit << at for at, bit in enumerate(beat)) for beat in zip(*bits, strict=True)]
    return rom(lambda: words, len(words), len(bits), family)


def threshold_paths(spec: ThresholdSpec) -> list[Path]:
    """A comparison of signed numbers, and the multiplexers of the encoder."""
    encoder = [Path(luts=min(2, spec.o_lane_bits - 1 - at)) for at in range(0, spec.o_lane_bits - 1, 2)]
    return _stages(spec, [_comparison(spec), *encoder])


def affine_paths(spec: AffineSpec) -> list[Path]:
    """A multiplication and an addition; in series, the constants, the gates, and a short sum."""
    if spec.serial:
        held = spec.memory.block
        constants = Path(block=True, registered=True) if held else rom_path(spec.memory.depth)
        return [constants, Path(adders=(spec.i_lane_bits + 2,)), Path(luts=2)]
    return _stages(spec, _sum_paths(spec, spec.levels - spec.reads, spec.o_lane_bits, spec.multiplies))


def piecewise_paths(spec: PiecewiseSpec) -> list[Path]:
    """A comparison and what it chooses; then a multiplication and an addition."""
    choices = [Path(luts=min(2, spec.pieces - at)) for at in range(0, spec.pieces, 2)]
    scaled = len({int(scale) for scale in spec.scale.flat if scale}) > 1 or bool(spec.loadable_bits)
    sums = _sum_paths(spec, spec.levels - spec.reads - spec.choices, spec.o_lane_bits + spec.shift, scaled)
    return _stages(spec, [_comparison(spec), *choices, *sums])


def _comparison(spec: ChannelSpec) -> Path:
    """Of two signed numbers: what leaves the chain meets both signs in two LUTs."""
    return Path(adders=(spec.i_lane_bits + 1,), luts=2)


def _sum_paths(spec: ChannelSpec, levels: int, bits: int, multiplies: bool) -> list[Path]:
    """The paths of products, if there are any, and of a tree of sums."""
    products = Path(adders=(bits,), luts=1) if spec.piece == 2 else Path(multipliers=1)
    return [products] * multiplies + [Path(adders=(bits,))] * max(levels - multiplies, 0)


def _stages(spec: ChannelSpec, levels: list[Path]) -> list[Path]:
    """The paths between registers, from those of the levels between them; they start at the constants."""
    if spec.reads:
        levels = [Path(block=True, registered=True), *levels]
    elif spec.memory.block:
        levels = [replace(levels[0], block=True), *levels[1:]]
    return joined(levels, spec.registers)
