"""What the matrix-vector-threshold unit costs, and its longest paths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...popcount.cost import elements
from ...popcount.dot_product import FULL_CHAIN
from ...resources.fifos import credited, ordered, prefetch
from ...resources.loading import loaded
from ...resources.memories import Seen, bits_seen, ram, rom
from ...resources.paths import Path, behind, level_path
from ...resources.terms import Terms, counter, fill_level, index_bits, stepped
from .spec import MatVecSpec
from .unrolled import MOST, constant_elements

__all__ = ["cost", "paths"]

#: Words of weights that are looked at first.
_FIRST_READ = 64


def cost(spec: MatVecSpec, family: str) -> Terms:
    """`blocks.matvec.gateware`: elements, weights, presets, the input buffer, an output FIFO, and counters.

    Beside what these need by themselves: counters of words and groups, marks of four bits that go with the sum, and
    for the buffer three addresses, two fill levels and, where the last word of a vector is padded, a gate a bit.
    """
    terms = Terms()
    copies, depth = spec.pe * spec.parallel_frames, spec.weight_words_per_pixel
    # A weight of W words is one of 2**W functions of the address, so elements share gates.
    variable = spec.runtime_loadable is not None or spec.streamed
    shared = depth <= 2 and not variable
    apart = copies if variable else min(copies, spec.parts * spec.parallel_frames << min(depth, 16))
    if spec.unrolled:
        # Its fill levels stay two, of sums of three bits.
        terms.ff += 2
        terms.carry += {"gowin": 6, "ice40": 1, "xilinx": 1}.get(family, 0)
    if spec.unrolled and spec.weight_width * spec.lane_bits <= MOST:
        terms += constant_elements(spec, family)
        terms.luts["unrolled"] += 1
    else:
        terms += elements(
            spec.dot, spec.built, copies=copies, apart=apart, width=spec.acc_bits, family=family,
            inputs=spec.parts * spec.parallel_frames,
        )  # fmt: skip
    if shared:
        for name in ("gate", "full adder", "late"):
            if name in terms.luts:
                terms.luts[f"shared {name}"] = terms.luts.pop(name)
    stored, inputs = spec.stored_memory, spec.sources[2]
    if spec.streamed:
        terms += prefetch(stored.width, stored.depth, spec.prefetched, family)
    elif spec.runtime_loadable:
        terms += loaded(
            depth, spec.weight_width, family, load_width=spec.load_width, style=spec.memory, layout=stored.layout
        )
    else:
        terms += rom(
            spec.stored_rows, depth, stored.width, family, style=spec.memory, layout=stored.layout,
            seen=_seen(spec, riding=spec.riding_bits > 0),
        )  # fmt: skip
    if spec.riding_bits:
        terms.ff += len([place for place in spec.preset_sources() if place is not None])
        terms.ff += spec.riding_bits * spec.dot.stages(spec.popcount)
    else:
        terms += _presets(spec, family)
    terms += ram(inputs.depth, inputs.width, family, block=inputs.block, layout=inputs.layout)
    terms.ff += (spec.memory_stage - inputs.layout.registers) * inputs.width
    if spec.masked:
        _masks(terms, spec, family)
    # Low bits that are 0 in all results are not kept, those that are 1 start as 0 in LUT RAM.
    ones = (spec.low & ((1 << _shift(spec)) - 1)).bit_count() * spec.pe * spec.parallel_frames
    kept = spec.o_bits - spec.pe * spec.parallel_frames * _shift(spec) + (ones if family != "ice40" else 0)
    if spec.batch > 1:
        terms += ordered(kept, spec.shared_pixels, spec.neuron_folds, spec.batches, family)
    else:
        terms += credited(kept, spec.fifo_depth, family)
    if spec.shared_pixels > 1:
        _of_pixels(terms, spec, family)
    if ones and family == "ice40":
        # Registers of which all lanes share one a word.
        terms.ff += spec.fifo_depth

    shares = spec.shared_pixels > 1
    words, replays = spec.buffer_words, spec.neuron_folds > 1 or shares
    for end in (spec.synapse_folds, spec.neuron_folds):
        # With whether it is the first one.
        stepped(terms, end, family, last=True)
        terms.ff += end > 1
    # Without a replay all words are new and used up at once, and both fill levels are one.
    for _ in range(1 + (replays and not shares)):
        # Where pixels share weights, of halves.
        fill_level(terms, 2 if shares else words, family, ends=1 + (not replays or shares))
    stepped(terms, words, family)
    if replays:
        # The half, and the address to read: no comparison.
        terms.ff += index_bits(words) + 1
        counter(terms, words, family)
        terms.luts["wrap"] += index_bits(words)
    else:
        stepped(terms, words, family)
    stages = 1 + spec.memory_stage + spec.dot.stages(spec.popcount)
    padded_rows = spec.neuron_folds * spec.pe - spec.rows
    padded_columns = spec.synapse_folds * spec.simd - spec.columns
    varying = 2 * (spec.synapse_folds > 1) + (replays and padded_rows > 0)
    constant = spec.synapse_folds == 1 or (not replays and padded_rows > 0)
    terms.ff += stages * (1 + varying + constant) + 1 + (padded_rows > 0)
    # The next preset is asked for from a register.
    terms.ff += spec.sources[1].depth > 1 and spec.dot.stages(spec.popcount) > 0
    if padded_columns:
        stepped(terms, spec.synapse_folds, family, last=True)
        terms.luts["padding"] += padded_columns * spec.parts * spec.lane_bits * spec.parallel_frames
    terms.luts["padding"] += padded_rows * spec.o_lane_bits * spec.parallel_frames
    if spec.flip:
        terms.luts["padding"] += spec.simd * spec.parts * spec.parallel_frames
    terms.luts["fixed"] += 1
    return terms


def _seen(spec: MatVecSpec, *, riding: bool) -> Seen:
    """What is seen in weights and in what rides with them: few words show most of it, as weights hardly repeat."""

    def seen(depth: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        count, width = spec.weight_words_per_pixel, spec.weight_width
        starts, words = np.arange(0, count, depth), np.arange(min(depth, _FIRST_READ))
        first = np.minimum(starts[:, None] + words, count - 1)
        zeros, ones = bits_seen(spec.weight_rows(first.ravel()), width, len(words))
        for bank in np.flatnonzero(~(zeros & ones).all(axis=1) & (depth > _FIRST_READ)):
            rows = spec.weight_rows(np.arange(starts[bank], min(starts[bank] + depth, count)))
            zeros[bank], ones[bank] = (one[0] for one in bits_seen(rows, width, depth))
        if not riding:
            return zeros, ones
        beside = spec.riding_rows()
        always, ever = np.logical_and.reduceat(beside, starts), np.logical_or.reduceat(beside, starts)
        return np.hstack((zeros, ~always)), np.hstack((ones, ever))

    return seen


def _of_pixels(terms: Terms, spec: MatVecSpec, family: str) -> None:
    """Where M pixels share weights: accumulators of all but one of them, counters of pixels, marks beside sums."""
    terms.ff += (spec.shared_pixels - 1) * spec.pe * spec.parallel_frames * spec.acc_bits
    for _ in range(2):
        stepped(terms, spec.shared_pixels, family, last=True)
    terms.ff += 1 + spec.memory_stage + spec.dot.stages(spec.popcount)


def _masks(terms: Terms, spec: MatVecSpec, family: str) -> None:
    """What is outside the map: counters of its places, marks, and a gate for each weight."""
    assert spec.outside
    rows, columns = spec.kernel
    for end in (spec.synapse_folds // (rows * columns), columns, rows, len(spec.outside[1])):
        stepped(terms, end, family, last=True)
    stepped(terms, len(spec.outside[0]), family)
    for places in spec.outside:
        marks = len(set(places) - {()})
        terms.ff += marks
        terms.luts["count"] += 3 * marks
    terms.luts["padding"] += spec.weight_width


def _shift(spec: MatVecSpec) -> int:
    return 0 if spec.threshold else spec.shift


def _presets(spec: MatVecSpec, family: str) -> Terms:
    depth = spec.preset_memory.depth
    width = spec.pe * spec.acc_bits
    if spec.runtime_loadable:
        terms = loaded(depth, width, family, load_width=spec.load_width, layout=spec.preset_memory.layout)
    else:
        terms = rom(spec.preset_rows, depth, width, family, layout=spec.preset_memory.layout)
    if len(spec.initial_accumulators) > 1:
        # Counters of the words of a class, of columns and of rows, with marks; a subtraction for the way back.
        each = spec.groups * spec.neuron_folds * (spec.shared_pixels if spec.presets_by_pixel else 1)
        for end, marks in ((each, 1), (len(spec.preset_columns), 2), (len(spec.row_classes), 2)):
            terms.ff += index_bits(end) + marks
            counter(terms, end, family)
        # How far the next word is, one of some constants.
        terms.ff += index_bits(depth)
        terms.luts["wrap"] += index_bits(depth)
    return terms


def paths(spec: MatVecSpec) -> list[Path]:
    """Control, and adder levels between registers: behind the weights or before the accumulator."""
    return _control(spec) + _sums(spec)


def _control(spec: MatVecSpec) -> list[Path]:
    """Fill levels and addresses; with presets of several classes, how far on the next word of these is."""
    depth = spec.weight_words_per_pixel
    found = [
        level_path(spec.buffer_words),
        level_path(spec.fifo_depth),
        Path(adders=(max(index_bits(depth), index_bits(spec.buffer_words)),), luts=1),
    ]
    if spec.streamed:
        # That a word is there decides beside all else.
        found.append(level_path(spec.prefetched))
    if len(spec.initial_accumulators) > 1:
        found.append(Path(luts=3))
    return found


def _sums(spec: MatVecSpec) -> list[Path]:
    style, each = spec.built.style, spec.popcount.levels_per_stage
    levels = spec.dot.plan(spec.built).levels
    stages = spec.dot.stages(spec.popcount)
    # A gate of a weight before its sum.
    gates = (style != "ecp5") + spec.masked
    width = spec.acc_bits
    # No chain is longer than all adders of its level; those of style tree are apart.
    positions = width if style == "tree" else min(spec.built.chain, width * spec.pe * spec.parallel_frames)
    last = levels - stages * each
    read = (spec.stored_memory, spec.sources[2], *(() if spec.riding_bits else (spec.preset_memory,)))
    found = [path for memory in read for path in behind(memory)]
    # Without multiplexers of banks, the sum follows the registers in block RAM, if no other is behind them: weights are
    # read as late as their memory allows, inputs wait.
    direct = any(
        memory.block and memory.layout.levels == 0 and registers < 2
        for memory, registers in zip(read, (spec.stored_memory.layout.registers, spec.memory_stage), strict=False)
    )
    if not stages:
        # Only the first chain is passed from end to end.
        later = (min(positions, FULL_CHAIN),) * (levels - 1)
        adders = (*(positions,)[:levels], *later, width)
        return [*found, Path(block=direct, registered=direct, adders=adders, luts=gates)]
    return [
        *found,
        Path(block=direct, registered=direct, adders=(positions,) * each, luts=gates),
        Path(adders=(positions,) * last + (width,), luts=gates),
    ]
