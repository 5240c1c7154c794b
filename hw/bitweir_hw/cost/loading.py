"""What parameters in RAM cost beside their memories: see `gateware.loading`."""

from __future__ import annotations

from collections import Counter

from ..accelerator.parameters import image_bytes, most_frames
from ..arithmetic import ceil_div
from ..blocks.pipeline import Pipeline
from ..memory import is_block
from ..resources.memories import ram
from ..resources.terms import Terms, adder, counter, index_bits

__all__ = ["loaded", "loader"]

#: LUTs of a CRC-32 of eight bits at once, with its comparison: measured, 125 to 135 on all families.
CRC_LUTS = 130


def loaded(depth: int, width: int, family: str, *, style: str = "auto", registers: int = 0) -> Terms:
    """Words that are loaded, and then come in a fixed order: a RAM, or registers for one word, and a `Filler`.

    Parameters
    ----------
    depth, width : int
    family : str
    style : str
        One of `memory.STYLES`.
    registers : int
        How many stand behind each other at the output, beside that of the memory itself.
    """
    size = ceil_div(width, 8)
    # Bytes before the last of a word, where they are; whether all came; the chain.
    terms = Terms(ff=8 * (size - 1) + index_bits(size) + index_bits(depth) + 1 + 10, luts=Counter(fill=4))
    counter(terms, size, family)
    counter(terms, depth, family)
    terms.ff += registers * width
    if depth == 1:
        terms.ff += width
        terms.rams.append(0)
        return terms
    # The address that is read.
    terms.ff += index_bits(depth)
    counter(terms, depth, family)
    terms += ram(depth, width, family, block=is_block(depth, width, style))
    return terms


def loader(pipeline: Pipeline, family: str) -> Terms:
    """The loader and the gate of frames; nothing where parameters are fixed."""
    terms = Terms()
    if not (size := image_bytes(pipeline)):
        return terms
    beats = pipeline.input.beats
    left, under_way = index_bits(size + 5), index_bits(most_frames(pipeline) + 1)
    # The CRC-32, that which the image has, two bytes that wait, the chain, states; beats and frames.
    terms.ff = 2 * 32 + 2 * 9 + 2 + 10 + 3 + 2 + left + index_bits(beats) + under_way + 1
    terms.luts["crc"] += CRC_LUTS
    terms.luts["load"] += 30
    # Frames are counted up and down.
    for bits in (left, under_way, under_way):
        adder(terms, bits, family)
    counter(terms, beats, family)
    return terms
