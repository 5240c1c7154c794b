"""What a weighted sum of streams costs, and its longest paths."""

from __future__ import annotations

from amaranth.hdl import Signal

from ...arithmetic import signed_bits, signed_digits, trailing_zeros
from ...network.formats import Format
from ...resources.fifos import credited
from ...resources.multipliers import multiply
from ...resources.paths import Path, joined
from ...resources.stages import CountedStages
from ...resources.terms import Terms, adder, index_bits
from .gateware import staged
from .spec import AddSpec, bare

__all__ = ["cost", "paths"]


def cost(spec: AddSpec, family: str) -> Terms:
    """`blocks.add.gateware`: an adder for each input but the first, and for each digit of a factor beyond one."""
    places = spec.lanes * spec.parallel_frames
    low = high = 0
    terms, steps, bits, more = Terms(), [], [], spec.inputs - 2 + bool(spec.constant)
    for factor, given, size in zip(spec.factors, spec.formats, spec.i_lane_bits, strict=True):
        form = given or Format(bits=size, offset=-(1 << (size - 1)))
        ends = [factor * form.offset, factor * (form.offset + form.step * (form.codes - 1))]
        low, high = low + min(ends), high + max(ends)
        steps.append(abs(factor * form.step) or 1)
        bits.append(signed_bits(min(ends), max(ends)))
        digits = len(signed_digits(steps[-1]))
        if digits > 2 and size > 1:
            multiply(terms, size + (given is not None), steps[-1].bit_length() + 1, family, places)
        elif not given or not bare(form, factor):
            more += digits > 1
    # Of two numbers Yosys sees which bits are constant or copies of the sign, of more it does not.
    if spec.inputs > 2:
        useful = max(bits) + index_bits(spec.inputs)
    else:
        useful = signed_bits(low, high) - (low >= 0) - min(map(trailing_zeros, steps))
    terms += credited(spec.o_bits - places * (low >= 0), spec.fifo_depth, family)
    terms.ff += spec.latency + useful * places + _stage_bits(spec)
    adder(terms, useful, family, places)
    terms.luts["add more"] += places * useful * more
    terms.luts["inputs"] += spec.inputs
    terms.luts["fixed"] += 1
    return terms


def paths(spec: AddSpec) -> list[Path]:
    """Products, and a tree of adders, as many of them as registers leave together."""
    multiplies = any(factor is not None and len(signed_digits(factor)) > 2 for _, factor in spec.terms)
    products = Path(adders=(spec.o_lane_bits,), luts=1) if spec.piece == 2 else Path(multipliers=1)
    levels = [products] * multiplies + [Path(adders=(spec.o_lane_bits,))] * max(1, spec.levels - multiplies)
    return joined(levels, spec.registers)


def _stage_bits(spec: AddSpec) -> int:
    """Flip-flops between levels of logic: those that the gateware makes for elements of such sizes."""
    stages = CountedStages(spec.registers, {}, {})
    staged(spec, stages, [Signal(bits) for bits in spec.i_lane_bits])
    return spec.lanes * spec.parallel_frames * stages.bits
