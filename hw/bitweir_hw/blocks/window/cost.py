"""What the sliding window costs, and its longest paths."""

from __future__ import annotations

from math import gcd

import numpy as np

from ...arithmetic import trailing_zeros
from ...resources.fifos import credited
from ...resources.memories import ram
from ...resources.paths import Path, behind
from ...resources.terms import Terms, adder, counter, index_bits, stepped
from .spec import WindowSpec

__all__ = ["cost", "paths"]


def cost(spec: WindowSpec, family: str) -> Terms:
    """`blocks.window.gateware`: copies of the buffer, their addresses, counters, fill levels, padding."""
    buffer = spec.buffer
    copy = ram(spec.words, spec.i_bits, family, block=buffer.block, layout=buffer.layout)
    if copy.luts["word"]:
        # In registers, of which Yosys leaves out those of words that are never read.
        unread = spec.words - (spec.words >> _fixed_bits(spec))
        copy.ff -= unread * spec.i_bits
        copy.luts["read"] -= unread * spec.i_bits
        copy.luts["word"] -= unread
    terms = copy.times(spec.taps)
    terms += credited(spec.o_bits, spec.fifo_depth, family)
    terms.ff += spec.latency
    for count in spec.loops:
        terms.ff += index_bits(count)
        counter(terms, count, family)
    at = index_bits(spec.words)
    # The address to read, of each tap that to write; how far the next beat is; whether the first has begun.
    terms.ff += 2 * at + 1
    adder(terms, at + 1, family)
    # Adding the depth where an address went round leaves its lowest zeros alone.
    adder(terms, at - trailing_zeros(spec.words), family)
    for _ in range(spec.taps):
        stepped(terms, spec.words, family)
    moves = {(int(a), int(d)) for a, d in zip(spec.arrivals.flat, spec.departures.flat, strict=True)} | {(0, 0)}
    moves = {(a * spec.pixel_words, d * spec.pixel_words) for a, d in moves}
    room = index_bits(spec.words + 1) + 1
    ahead = max(room, max(spec.pixel_words * int(spec.needed.flat[0]), max(a for a, _ in moves)).bit_length() + 1)
    for bits in (room, ahead):
        terms.ff += bits
        adder(terms, bits, family)
    # What a beat adds to the fill levels: bits that differ.
    sums = [(-depart, -arrive) for arrive, depart in moves]
    columns = {tuple(row[n] >> at & 1 for row in sums) for n in range(2) for at in range(ahead + 1)}
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


def _fixed_bits(spec: WindowSpec) -> int:
    """Lowest bits of the address to read that are 0 in every beat: whatever is added to it has them."""
    pixel, line = spec.pixel_words, spec.shape[1] * spec.pixel_words
    (down, right), (along, across) = spec.stride, spec.tap_shape
    steps = (down * line, right * pixel, spec.group_words, along * line, across * pixel, 1)
    moves = [step for step, count in zip(steps, spec.loops, strict=True) if count > 1]
    return trailing_zeros(gcd(spec.words, spec.shape[0] * line, *moves))


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


def paths(spec: WindowSpec) -> list[Path]:
    """The next address and what chooses it; fill levels, to which a beat and a word add at once; ends of loops."""
    at = index_bits(spec.words)
    loops = sum(count > 1 for count in spec.loops)
    return [
        Path(adders=(at + 1,), luts=1),
        Path(adders=(at + 2,), luts=2),
        Path(luts=2 + (loops > 2)),
        # A word outside the map is replaced, and goes through the output FIFO.
        *behind(spec.buffer),
        Path(block=spec.buffer.block, registered=spec.buffer.block, luts=2),
    ]
