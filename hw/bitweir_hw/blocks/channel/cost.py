"""What thresholds and affine maps cost, and their longest paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...arithmetic import signed_bits, trailing_zeros
from ...gateware.values import signed_digits
from ...resources.fifos import credited
from ...resources.loading import loaded
from ...resources.memories import rom
from ...resources.multipliers import multiply
from ...resources.paths import Path
from ...resources.terms import Terms, adder, compare, compare_constant
from .spec import AffineSpec, ThresholdSpec

__all__ = ["affine_cost", "affine_paths", "threshold_cost", "threshold_paths"]


def threshold_cost(spec: ThresholdSpec, family: str) -> Terms:
    """`blocks.channel.threshold`: comparators of an element with T thresholds, and an encoder."""
    low = -(1 << (spec.i_lane_bits - 1)) if spec.signed else 0
    clipped = np.clip(spec.thresholds, low, low + (1 << spec.i_lane_bits))
    terms = _channels(spec, family, [clipped[:, t] for t in range(clipped.shape[1])])
    count = spec.thresholds.shape[1]
    places = spec.lanes * spec.parallel_frames * count
    bits = spec.i_lane_bits
    for lane in range(spec.lanes):
        for t in range(count):
            column = {int(value) for value in clipped[lane :: spec.lanes, t]}
            if len(column) > 1 or spec.runtime_loadable:
                compare(terms, bits, family, spec.parallel_frames)
            else:
                (limit,) = column or {low}
                compare_constant(terms, bits, limit - low, family, spec.parallel_frames)
    terms.luts["encode"] += places - spec.lanes * spec.parallel_frames
    return terms


def affine_cost(spec: AffineSpec, family: str) -> Terms:
    """`blocks.channel.affine`: a multiplier, where scales of a lane differ, and an adder."""
    step = spec.format.step if spec.format else 1
    base = spec.format.offset if spec.format else 0
    scale, offset = spec.scale * step, spec.scale * base + spec.offset
    terms = _channels(spec, family, [scale, offset])
    # Codes have no sign, and get one.
    wide = spec.i_lane_bits + (spec.format is not None)
    if spec.loadable_bits:
        places = spec.lanes * spec.parallel_frames
        multiply(terms, wide, spec.loadable_bits[0], family, places)
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
            used = multiply(terms, wide, size, family, spec.parallel_frames)
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


def _channels(spec: ThresholdSpec | AffineSpec, family: str, constants: Iterable[Any]) -> Terms:
    """What blocks with constants for each channel share."""
    terms = _constants(spec, family, constants)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.ff += 2 + spec.i_bits + spec.o_bits
    terms.luts["fixed"] += 1
    return terms


def _constants(spec: ThresholdSpec | AffineSpec, family: str, constants: Iterable[Any]) -> Terms:
    if spec.loadable_bits:
        return loaded(spec.vector_beats, spec.loadable_width, family)
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
    """A comparison, and the multiplexers of the encoder."""
    start = spec.memories()[0].block
    return [Path(block=start, adders=(spec.i_lane_bits,), luts=spec.o_lane_bits - 1)]


def affine_paths(spec: AffineSpec) -> list[Path]:
    """A multiplication and an addition."""
    scaled = len(set(spec.scale.tolist())) > 1
    return [Path(block=spec.memories()[0].block, adders=(spec.o_lane_bits,), multipliers=scaled)]
