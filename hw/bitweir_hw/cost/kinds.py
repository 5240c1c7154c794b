"""The formula of each kind of block: what the gateware is made of, counted from the specification.

Registers follow from the docstrings and tables of the gateware; so do memories. LUTs are counted by feature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import numpy as np

from ..arithmetic import signed_bits
from ..blocks import (
    AffineSpec,
    ArgmaxSpec,
    FifoSpec,
    ForkSpec,
    JoinSpec,
    MatVecSpec,
    PoolSpec,
    ResultSpec,
    ThresholdSpec,
    VoteSpec,
    WidthSpec,
    WindowSpec,
)
from ..blocks.matvec.unrolled import MOST, constant_elements
from ..blocks.width.gateware import Beats
from ..gateware.values import signed_digits
from ..memory import is_block
from ..network.layers import Format
from ..popcount.cost import elements
from ..resources.fifos import credited, fifo
from ..resources.memories import ram, rom
from ..resources.multipliers import multiply
from ..resources.terms import Terms, adder, compare, compare_constant, counter, index_bits
from .loading import loaded

__all__ = ["COSTS"]


def matvec(spec: MatVecSpec, family: str) -> Terms:
    """`blocks.matvec.gateware`: elements, weights, presets, the input buffer, an output FIFO, and counters.

    Beside what these need by themselves: counters of words and groups, marks of four bits that go with the sum, and
    for the buffer three addresses, two fill levels and, where the last word of a vector is padded, a gate a bit.
    """
    terms = Terms()
    copies, depth = spec.pe * spec.streams, spec.groups * spec.fold
    # A weight of W words is one of 2**W functions of the address, so elements share gates.
    shared = depth <= 2 and not spec.stored
    apart = copies if spec.stored else min(copies, spec.streams << min(depth, 16))
    if depth == 1 and not spec.stored:
        # Its fill levels stay two, of sums of three bits.
        terms.ff += 2
        terms.carry += {"gowin": 6, "ice40": 1, "xilinx": 1}.get(family, 0)
    if depth == 1 and not spec.stored and spec.weight_width * spec.lane_bits <= MOST:
        terms += constant_elements(spec, family)
        terms.luts["unrolled"] += 1
    else:
        terms += elements(spec.dot, spec.popcount, copies=copies, apart=apart, width=spec.acc_bits, family=family)
    if shared:
        for name in ("gate", "full adder", "late"):
            if name in terms.luts:
                terms.luts[f"shared {name}"] = terms.luts.pop(name)
    stage = spec.memory_stage
    if spec.stored:
        terms += loaded(depth, spec.weight_width, family, style=spec.memory, registers=stage)
    else:
        terms += rom(spec.weight_rows, depth, spec.weight_width, family, style=spec.memory, registers=stage)
    terms += _presets(spec, family)
    terms += ram(spec.buffer_words, spec.i_bits, family, block=is_block(spec.buffer_words, spec.i_bits))
    terms.ff += stage * spec.i_bits
    # Low bits that are 0 in all results are not kept, those that are 1 start as 0 in LUT RAM.
    ones = (spec.low & ((1 << _shift(spec)) - 1)).bit_count() * spec.pe * spec.streams
    kept = spec.o_bits - spec.pe * spec.streams * _shift(spec) + (ones if family != "ice40" else 0)
    terms += credited(kept, spec.fifo_depth, family)
    if ones and family == "ice40":
        # Registers of which all lanes share one a word.
        terms.ff += spec.fifo_depth

    words, replays = spec.buffer_words, spec.neuron_folds > 1
    for end in (spec.synapse_folds, spec.neuron_folds):
        terms.ff += index_bits(end)
        counter(terms, end, family)
    # Without a replay all words are new and used up at once, and both fill levels are one.
    for _ in range(1 + replays):
        terms.ff += words.bit_length()
        counter(terms, words + 1, family)
    terms.ff += 2 * index_bits(words) + replays
    for _ in range(2):
        counter(terms, words, family)
    if replays:
        terms.luts["wrap"] += index_bits(words)
    stages = 1 + spec.memory_stage + spec.dot.stages(spec.popcount)
    padded_rows = spec.neuron_folds * spec.pe - spec.rows
    padded_columns = spec.synapse_folds * spec.simd - spec.columns
    varying = 2 * (spec.synapse_folds > 1) + (replays and padded_rows > 0)
    constant = spec.synapse_folds == 1 or (not replays and padded_rows > 0)
    terms.ff += stages * (1 + varying + constant) + 1 + (padded_rows > 0)
    if padded_columns:
        terms.ff += index_bits(spec.synapse_folds)
        counter(terms, spec.synapse_folds, family)
        terms.luts["padding"] += padded_columns * spec.lane_bits * spec.streams
    terms.luts["padding"] += padded_rows * spec.o_lane_bits * spec.streams
    if spec.flip:
        terms.luts["padding"] += spec.simd * spec.streams
    terms.luts["fixed"] += 1
    return terms


def _shift(spec: MatVecSpec) -> int:
    return 0 if spec.threshold else spec.shift


def _presets(spec: MatVecSpec, family: str) -> Terms:
    depth = len(spec.presets) * spec.groups * spec.neuron_folds
    width = spec.pe * spec.acc_bits
    if spec.stored:
        terms = loaded(depth, width, family, registers=spec.memory_stage)
    else:
        terms = rom(spec.preset_words, depth, width, family, registers=spec.memory_stage)
    if len(spec.presets) > 1:
        # Counters of the words of a class, of columns and of rows, with marks; a subtraction for the way back.
        each = spec.groups * spec.neuron_folds
        for end, marks in ((each, 1), (len(spec.column_classes), 2), (len(spec.row_classes), 2)):
            terms.ff += index_bits(end) + marks
            counter(terms, end, family)
        terms.luts["wrap"] += index_bits(depth)
    return terms


def window(spec: WindowSpec, family: str) -> Terms:
    """`blocks.window.gateware`: copies of the buffer, two adders for each address, counters, fill levels, padding."""
    block = is_block(spec.words, spec.i_bits)
    terms = ram(spec.words, spec.i_bits, family, block=block).times(spec.taps)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.ff += (spec.latency - 1) * spec.o_bits + spec.latency
    for count in spec.loops:
        terms.ff += index_bits(count)
        counter(terms, count, family)
    at = index_bits(spec.words)
    # The address to write, and of each tap that to read; how far the next beat is; whether the first has begun.
    terms.ff += (spec.taps + 2) * at + 1
    for _ in range(spec.taps):
        adder(terms, at + 1, family)
        # Adding the depth where an address went round leaves its lowest zeros alone.
        adder(terms, at - _zeros(spec.words), family)
    counter(terms, spec.words, family)
    moves = {(int(a), int(d)) for a, d in zip(spec.arrivals.flat, spec.departures.flat, strict=True)} | {(0, 0)}
    moves = {(a * spec.pixel_words, d * spec.pixel_words) for a, d in moves}
    room = index_bits(spec.words + 1) + 1
    ahead = max(room, max(spec.pixel_words * int(spec.needed.flat[0]), max(a for a, _ in moves)).bit_length() + 1)
    for bits in (room, ahead):
        terms.ff += bits
        adder(terms, bits, family)
    # What a beat adds to the fill levels, without and with a word that is taken: bits that differ.
    sums = [(depart, depart - 1, -arrive, 1 - arrive) for arrive, depart in moves]
    columns = {tuple(row[n] >> at & 1 for row in sums) for n in range(4) for at in range(ahead + 1)}
    levels = sum(len(set(column)) > 1 for column in columns)
    terms.ff += levels
    terms.luts["case"] += levels * (len(moves) - 1)
    terms.luts["onward"] += at * sum(count > 1 for count in spec.loops)
    outside = _outside(spec)
    terms.ff += outside * (1 + spec.latency)
    terms.luts["padding"] += outside * spec.i_bits
    terms.luts["edges"] += outside * 4
    if len(set(spec.pad_words)) > 1:
        differ = 0
        for word in spec.pad_words:
            differ |= word ^ spec.pad_words[0]
        terms.ff += differ.bit_count() * (1 + spec.latency)
        terms.luts["edges"] += differ.bit_count() * 2
    terms.luts["fixed"] += 1
    return terms


def _zeros(number: int) -> int:
    """Zeros at the end of a number."""
    return (number & -number).bit_length() - 1


def _outside(spec: WindowSpec) -> int:
    """Taps that are outside the map in some window."""
    ever: list[list[bool]] = []
    for axis in (0, 1):
        starts = np.arange(spec.positions[axis]) * spec.stride[axis] - spec.pads[axis]
        taps, parts = spec.tap_shape[axis], spec.loops[3 + axis]
        places = starts[:, None, None] + np.arange(parts)[:, None] * taps + np.arange(taps)
        outside = ((places < 0) | (places >= spec.shape[axis])).any(axis=(0, 1))
        ever.append([bool(flag) for flag in np.atleast_1d(outside)])
    return sum(row or column for row in ever[0] for column in ever[1])


def width(spec: WidthSpec, family: str) -> Terms:
    """`blocks.width.gateware`: a queue of output beats, and what brings elements to their places."""
    beats = Beats(spec)
    terms = Terms(luts=Counter(fixed=1))
    # Beats are counted where their kinds differ.
    kinds = list(zip(beats.elements, beats.steps, strict=True))
    parts = spec.parts > 1 and kinds[-1] != kinds[-2]
    for end, counted in ((spec.part_beats, parts or kinds[0] != kinds[-1]), (spec.parts, parts)):
        terms.ff += index_bits(end) if counted else 0
        counter(terms, end if counted else 1, family)
    terms.ff += index_bits(beats.phases)
    adder(terms, index_bits(beats.phases), family, feature="phase")
    bits = beats.step * spec.lane_bits
    most = max(at for at, _, _ in beats.events)
    padded = spec.vector_beats * spec.o_lanes - spec.o_length
    if beats.phases > 1 and beats.collects:
        terms.ff += (beats.phases - 1) * bits
        terms.luts["places"] += beats.phases - 1
        terms.luts["padding"] += padded * spec.lane_bits
    elif beats.phases > 1:
        terms.ff += most * bits
        shifted = spec.i_bits
        for level in range(most.bit_length()):
            shifted += bits << level
            terms.luts["shift"] += min(shifted, most * bits + spec.i_bits)
        terms.luts["shift"] += most * bits
    if beats.most == 1:
        depth = 3 if any(at == 0 and count for at, _, count in beats.events) else 2
        terms += fifo(spec.o_bits, depth, family)
        terms.ff += 2 if depth == 3 and beats.phases > 1 else 0
        return terms
    terms.rams.append(0)
    # Words as they come, where the next one stands, how many are left; two output registers.
    terms.ff += beats.most * spec.o_bits + index_bits(beats.most) + beats.most.bit_length()
    terms.ff += 2 * spec.o_bits + 2
    terms.luts["select"] += (beats.most - 1) * spec.o_bits
    terms.luts["queue"] += 2 * spec.o_bits
    return terms


def fork(spec: ForkSpec, family: str) -> Terms:
    """`blocks.fork.gateware`: a FIFO for each output."""
    terms = fifo(spec.bits, spec.fifo_depth, family).times(spec.outputs)
    terms.luts["fixed"] += 1
    return terms


def buffer(spec: FifoSpec, family: str) -> Terms:
    """`gateware.fifo`."""
    terms = fifo(spec.bits, spec.depth, family)
    terms.luts["fixed"] += 1
    return terms


def join(spec: JoinSpec, family: str) -> Terms:
    """`blocks.add.gateware`: an adder for each input but the first, and for each digit of a factor beyond one."""
    places = spec.lanes * spec.streams
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
        useful = signed_bits(low, high) - (low >= 0) - min(map(_zeros, steps))
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
    shift = _zeros(step) if step else 0
    return step >> shift == 1 and offset >> shift in (0, -(1 << (form.bits - 1)))


def pool(spec: PoolSpec, family: str) -> Terms:
    """`blocks.pool.gateware`: partial results, what combines elements, and counters of rows, columns and words."""
    elements_of_window = prod(spec.kernel) * spec.shape[3] * spec.taps
    places = spec.lanes * spec.streams
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
    shift = _zeros(form.step)
    base = form.offset * prod(spec.kernel) * spec.shape[3] * spec.taps >> shift
    if abs(form.step) >> shift == 1 and base in (0, -(1 << (bits - 1))):
        return bits
    return spec.o_lane_bits - shift


def threshold(spec: ThresholdSpec, family: str) -> Terms:
    """`blocks.channel.threshold`: comparators of an element with T thresholds, and an encoder."""
    low = -(1 << (spec.i_lane_bits - 1)) if spec.signed else 0
    clipped = np.clip(spec.thresholds, low, low + (1 << spec.i_lane_bits))
    terms = _channels(spec, family, [clipped[:, t] for t in range(clipped.shape[1])])
    count = spec.thresholds.shape[1]
    places = spec.lanes * spec.streams * count
    bits = spec.i_lane_bits
    for lane in range(spec.lanes):
        for t in range(count):
            column = {int(value) for value in clipped[lane :: spec.lanes, t]}
            if len(column) > 1 or spec.stored:
                compare(terms, bits, family, spec.streams)
            else:
                (limit,) = column or {low}
                compare_constant(terms, bits, limit - low, family, spec.streams)
    terms.luts["encode"] += places - spec.lanes * spec.streams
    return terms


def affine(spec: AffineSpec, family: str) -> Terms:
    """`blocks.channel.affine`: a multiplier, where scales of a lane differ, and an adder."""
    step = spec.format.step if spec.format else 1
    base = spec.format.offset if spec.format else 0
    scale, offset = spec.scale * step, spec.scale * base + spec.offset
    terms = _channels(spec, family, [scale, offset])
    # Codes have no sign, and get one.
    wide = spec.i_lane_bits + (spec.format is not None)
    if spec.stored_bits:
        places = spec.lanes * spec.streams
        multiply(terms, wide, spec.stored_bits[0], family, places)
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
            terms.luts["multiply"] += wide * abs(max(scales)).bit_count() * spec.streams
        elif several or len(signed_digits(max(scales))) > 2:
            used = multiply(terms, wide, size, family, spec.streams)
            if family == "xilinx" and used and several:
                # A multiplier has registers before it; one alone adds, and has registers behind it.
                terms.ff -= spec.streams * (spec.i_lane_bits + (spec.o_lane_bits if used == 1 else 0))
                bits = 0 if used == 1 else bits
        elif len(scales) == len(offsets) == 1:
            # A constant is added above its lowest zeros.
            (value,) = offsets
            bits = max(0, spec.i_lane_bits + 1 - _zeros(value)) if value else 0
        adder(terms, bits, family, spec.streams)
        if not several and len(signed_digits(max(scales))) == 2:
            adder(terms, spec.o_lane_bits, family, spec.streams)
    return terms


def _channels(spec: ThresholdSpec | AffineSpec, family: str, constants: Iterable[Any]) -> Terms:
    """What blocks with constants for each channel share."""
    terms = _constants(spec, family, constants)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.ff += 2 + spec.i_bits + spec.o_bits
    terms.luts["fixed"] += 1
    return terms


def _constants(spec: ThresholdSpec | AffineSpec, family: str, constants: Iterable[Any]) -> Terms:
    if spec.stored_bits:
        return loaded(spec.vector_beats, spec.stored_width, family)
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


def _leader(spec: ArgmaxSpec | VoteSpec, family: str) -> Terms:
    """`blocks.scores.argmax.Leader`: a comparator and a multiplexer for each lane and frame, a leader and its index."""
    beats, index = spec.cycles, max(1, index_bits(spec.classes))
    terms = Terms(ff=index_bits(beats) + spec.streams * index)
    counter(terms, beats, family)
    merges = spec.lanes - (beats == 1)
    if beats > 1:
        terms.ff += spec.streams * spec.lane_bits
    compare(terms, spec.lane_bits, family, merges * spec.streams)
    terms.luts["choose"] += spec.streams * (spec.lanes - 1) * (spec.lane_bits + index_bits(spec.lanes))
    terms.luts["choose"] += spec.streams * index
    padded = beats * spec.lanes - spec.classes
    terms.luts["padding"] += padded * spec.lane_bits * spec.streams
    terms.luts["fixed"] += 1
    return terms


def argmax(spec: ArgmaxSpec, family: str) -> Terms:
    """`blocks.scores.argmax`: the leader, and the scores that pass."""
    terms = _leader(spec, family)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    return terms


def vote(spec: VoteSpec, family: str) -> Terms:
    """`blocks.scores.vote`: the leader, and a decoder of M bits for each frame."""
    terms = _leader(spec, family)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.luts["decode"] += spec.o_bits
    return terms


def result(spec: ResultSpec, family: str) -> Terms:
    """`blocks.scores.result`: a counter of beats, and a gate for each bit that pads the last one."""
    terms = Terms()
    counter(terms, spec.cycles, family)
    terms.ff += index_bits(spec.cycles)
    padded = spec.cycles * spec.lanes - spec.classes
    terms.luts["padding"] += padded * spec.lane_bits * spec.streams
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    return terms


#: The formula of each kind of block.
COSTS: dict[type, Callable[[Any, str], Terms]] = {
    MatVecSpec: matvec,
    WindowSpec: window,
    WidthSpec: width,
    ForkSpec: fork,
    FifoSpec: buffer,
    JoinSpec: join,
    PoolSpec: pool,
    ThresholdSpec: threshold,
    AffineSpec: affine,
    VoteSpec: vote,
    ArgmaxSpec: argmax,
    ResultSpec: result,
}
