"""What a pool costs, and its longest paths."""

from __future__ import annotations

from math import ceil, log2, prod

from ...arithmetic import trailing_zeros
from ...resources.fifos import credited
from ...resources.memories import ram
from ...resources.paths import Path
from ...resources.terms import Terms, adder, compare, counter, index_bits
from .spec import PoolSpec

__all__ = ["cost", "paths"]


def cost(spec: PoolSpec, family: str) -> Terms:
    """`blocks.pool.gateware`: partial results, what combines elements, and counters of rows, columns and words."""
    elements_of_window = prod(spec.kernel) * spec.shape[3] * spec.taps
    places = spec.lanes * spec.parallel_frames
    bits = spec.o_lane_bits
    if spec.kind == "sum" and spec.format is not None:
        bits = (elements_of_window * ((1 << spec.i_lane_bits) - 1)).bit_length()
    terms = Terms()
    if elements_of_window > spec.taps:
        if spec.partial_words == 1:
            terms.rams.append(0)
            terms.ff += places * bits
        else:
            block = spec.memories()[0].block
            terms += ram(spec.partial_words, places * bits, family, block=block)
            if not (spec.shape[2] > 1 and spec.shape[3] == 1):
                terms.ff += 1 + places * bits
                terms.luts["select"] += places * bits
        terms.ff += index_bits(spec.partial_words)
        counter(terms, spec.partial_words, family)
        if spec.shape[2] > 1:
            adder(terms, index_bits(spec.partial_words), family)
    terms += credited(places * _result_bits(spec, bits), spec.fifo_depth, family)
    # What windows of one pixel need not tell apart is not counted.
    whole = spec.kernel == (1, 1) and spec.stride == (1, 1)
    ends = [spec.shape[3], spec.shape[2] if not whole or spec.least is not None else 1]
    for axis in (0, 1) if not whole else ():
        count, stride = spec.positions[axis], spec.stride[axis]
        tail = spec.shape[axis] - (count - 1) * stride
        # Which row of windows it is decides about the rows that are left over, which column also where a row ends.
        ends += [count if axis or tail != stride else 1, max(tail, stride if count > 1 else 0)]
    for end in ends:
        terms.ff += index_bits(end)
        counter(terms, end, family)
    merges = places * (spec.taps - (elements_of_window == spec.taps))
    if spec.kind == "sum":
        adder(terms, bits, family, merges)
        terms.luts["gate"] += places * bits
        step = abs(spec.format.step) if spec.format else 1
        odd = spec.format is not None and (step & (step - 1) or spec.format.offset)
        adder(terms, spec.o_lane_bits, family, places if odd else 0)
    elif spec.i_lane_bits == 1 and spec.format is not None:
        terms.luts["gate"] += places * -(-(spec.taps + 1) // 3)
    else:
        compare(terms, bits, family, merges)
        terms.luts["choose"] += merges * bits
    if spec.least is not None:
        terms.luts["gate"] += places * spec.i_lane_bits * (spec.taps + 1)
    terms.luts["fixed"] += 1
    return terms


def _result_bits(spec: PoolSpec, bits: int) -> int:
    """Bits of a result that are not constant: see `gateware.values.number`."""
    form = spec.format
    if spec.kind == "max" or form is None:
        return spec.o_lane_bits
    shift = trailing_zeros(form.step)
    base = form.offset * prod(spec.kernel) * spec.shape[3] * spec.taps >> shift
    if abs(form.step) >> shift == 1 and base in (0, -(1 << (bits - 1))):
        return bits
    return spec.o_lane_bits - shift


def paths(spec: PoolSpec) -> list[Path]:
    """A tree over the taps, then the partial result."""
    depth = ceil(log2(spec.taps + 1))
    start = spec.memories()[0].block
    if spec.kind == "max" and spec.i_lane_bits == 1:
        return [Path(block=start, luts=2 + depth)]
    return [Path(block=start, adders=(spec.o_lane_bits,) * depth, luts=1 + depth)]
