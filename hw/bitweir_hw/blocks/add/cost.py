"""What a weighted sum of streams costs, and its longest paths."""

from __future__ import annotations

from math import ceil, log2

from ...arithmetic import signed_bits, signed_digits, trailing_zeros
from ...network.formats import Format
from ...resources.fifos import credited
from ...resources.multipliers import multiply
from ...resources.paths import Path
from ...resources.terms import Terms, adder, index_bits
from .spec import AddSpec

__all__ = ["cost", "paths"]


def cost(spec: AddSpec, family: str) -> Terms:
    """`blocks.add.gateware`: an adder for each input but the first, and for each digit of a factor beyond one."""
    places = spec.lanes * spec.parallel_frames
    low = high = 0
    terms, steps, bits, more = Terms(), [], [], spec.inputs - 2
    for factor, given, size in zip(spec.factors, spec.formats, spec.i_lane_bits, strict=True):
        form = given or Format(bits=size, offset=-(1 << (size - 1)))
        ends = [factor * form.offset, factor * (form.offset + form.step * (form.codes - 1))]
        low, high = low + min(ends), high + max(ends)
        steps.append(abs(factor * form.step) or 1)
        bits.append(signed_bits(min(ends), max(ends)))
        digits = len(signed_digits(steps[-1]))
        if digits > 2 and size > 1:
            multiply(terms, size + (given is not None), steps[-1].bit_length() + 1, family, places)
        else:
            more += digits > 1
        if given and not _bare(form, factor):
            adder(terms, bits[-1], family, places)
    # Of two numbers Yosys sees which bits are constant or copies of the sign, of more it does not.
    if spec.inputs > 2:
        useful = max(bits) + index_bits(spec.inputs)
    else:
        useful = signed_bits(low, high) - (low >= 0) - min(map(trailing_zeros, steps))
    terms += credited(spec.o_bits - places * (low >= 0), spec.fifo_depth, family)
    terms.ff += 1 + useful * places
    adder(terms, useful, family, places)
    terms.luts["add more"] += places * useful * more
    terms.luts["inputs"] += spec.inputs
    terms.luts["fixed"] += 1
    return terms


def _bare(form: Format, factor: int) -> bool:
    """Whether a code becomes a number without an adder, see `gateware.values.number`."""
    offset, step, top = factor * form.offset, factor * form.step, form.codes - 1
    if step < 0:
        offset, step = offset + step * top, -step
    shift = trailing_zeros(step) if step else 0
    return step >> shift == 1 and offset >> shift in (0, -(1 << (form.bits - 1)))


def paths(spec: AddSpec) -> list[Path]:
    """A tree of adders, two deep where numbers need one of their own, behind the multipliers of factors."""
    products = any(
        size > 1 and len(signed_digits(abs(factor * (form.step if form else 1)) or 1)) > 2
        for factor, form, size in zip(spec.factors, spec.formats, spec.i_lane_bits, strict=True)
    )
    return [
        Path(adders=(spec.o_lane_bits,) * (ceil(log2(spec.inputs)) + (not products)), luts=1, multipliers=int(products))
    ]
