"""What a pool costs, and its longest paths."""

from __future__ import annotations

from math import ceil, log2, prod

from ...arithmetic import trailing_zeros
from ...resources.fifos import credited
from ...resources.memories import ram
from ...resources.paths import Path
from ...resources.terms import Terms, adder, compare, counter, index_bits, stepped
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
        # The address of the partial result of a beat and of the next; whether they may be one.
        at = index_bits(spec.partial_words)
        terms.ff += 2 * at + (at > 0)
        counter(terms, spec.partial_words, family)
        if spec.shape[2] > 1:
            adder(terms, index_bits(spec.partial_words), family)
    terms += credited(places * _result_bits(spec, bits), spec.fifo_depth, family)
    # What windows of one pixel need not tell apart is not counted.
    whole = spec.kernel == (1, 1) and spec.stride == (1, 1)
    words = spec.shape[2] if not whole or spec.least is not None else 1
    stepped(terms, spec.shape[3], family, last=True)
    stepped(terms, words, family, last=True)
    changing = _changing(spec)
    # What is known of the next beat: its word, whether it is the first, inside, or completes a window.
    terms.ff += (index_bits(words) if changing else 0) + 3 * (elements_of_window > spec.taps)
    for axis in (0, 1) if not whole else ():
        count, stride = spec.positions[axis], spec.stride[axis]
        tail = spec.shape[axis] - (count - 1) * stride
        # Which row of windows it is decides about the rows that are left over, which column also where a row ends.
        stepped(terms, count if axis or tail != stride else 1, family, last=True)
        phase = max(tail, stride if count > 1 else 0)
        terms.ff += index_bits(phase) + 4
        counter(terms, phase, family)
    terms.ff += _stage_bits(spec, places, bits, changing)
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


def _changing(spec: PoolSpec) -> int:
    """Lanes of which the least is wanted in some words."""
    return 0 if spec.least is None else int((spec.least != spec.least[0]).any(axis=0).sum())


def _stage_bits(spec: PoolSpec, places: int, bits: int, changing: int) -> int:
    """Registers of the stages: values of the tree over taps, then partial results, each with its place."""
    if not spec.stage_levels:
        return 0
    kept = prod(spec.kernel) * spec.shape[3] > 1
    memory = kept and spec.partial_words > 1
    # That it is there; first, inside and completes; lanes that are inverted; two addresses and whether both are one.
    place = (
        1
        + 3 * kept
        + changing
        + memory * (2 * index_bits(spec.partial_words) + (spec.shape[2] == 1 or spec.shape[3] > 1))
    )
    total, widths = 0, [spec.i_lane_bits] * spec.taps
    for _ in range(spec.tree_stages):
        for _ in range(spec.stage_tree_levels):
            pairs = [max(a, b) + (spec.kind == "sum") for a, b in zip(widths[::2], widths[1::2], strict=False)]
            widths = pairs + widths[2 * len(pairs) :]
        total += places * sum(widths) + place
    return total + places * bits + 1 + changing


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
    """A tree over the taps, then the partial result; with stages each by itself.

    From beat to beat a partial result is chosen, compared and chosen again: that no register can break.
    """
    depth = ceil(log2(spec.taps + 1))
    if spec.stage_levels:
        bits = spec.o_lane_bits
        control = [Path(luts=3)]
        if spec.partial_words > 1:
            control.append(Path(adders=(index_bits(spec.partial_words),), luts=1))
        if spec.is_or:
            return [*control, Path(block=spec.memories()[0].block, luts=2), Path(luts=2 * spec.stage_levels)]
        least = spec.kind == "max"
        stage = Path(adders=(bits,) * spec.stage_tree_levels, luts=1 + least * spec.stage_tree_levels)
        loop = Path(block=spec.memories()[0].block, adders=(bits,), luts=1 + least)
        odd = spec.kind == "sum" and spec.format is not None
        return [*control, stage, loop, Path(adders=(bits,) if odd else (), luts=1)]
    start = spec.memories()[0].block
    if spec.kind == "max" and spec.i_lane_bits == 1:
        return [Path(block=start, luts=2 + depth)]
    return [Path(block=start, adders=(spec.o_lane_bits,) * depth, luts=1 + depth)]
