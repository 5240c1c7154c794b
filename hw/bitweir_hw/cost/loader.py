"""What loads parameters costs, beside their memories: see `gateware.loading`."""

from __future__ import annotations

from ..accelerator.parameters import image_beats, load_width, most_frames
from ..arithmetic import ceil_div
from ..blocks.pipeline import Pipeline
from ..resources.terms import Terms, adder, counter, index_bits

__all__ = ["loader"]

#: LUTs of a CRC-32 of eight bits at once, with its comparison: measured, 125 to 135 on all families.
CRC_LUTS = 130
#: LUTs of the comparison of a `crc.BeatCrc` with a constant.
_COMPARED = 11


def loader(pipeline: Pipeline, family: str) -> Terms:
    """The loader and the gate of frames; nothing where parameters are fixed."""
    terms = Terms()
    if not (size := image_beats(pipeline)):
        return terms
    beats, width = pipeline.input.beats, load_width(pipeline)
    bits, wide = 8 * width, width > 1
    left, under_way = index_bits(size + 1), index_bits(most_frames(pipeline) + 1)
    # The CRC-32 and that which the image has; two beats that wait; the chain; states.
    terms.ff = 2 * 32 + 2 * (bits + 1 + wide) + 2 + bits + 2 + 3 + wide
    # Beats that are left, and of a frame; frames.
    terms.ff += left + index_bits(beats) + under_way + 3
    # Of wide beats, what the CRC-32 comes from, and marks of the next one.
    terms.ff += 32 + 5 if wide else 0
    # Each bit of a wide one is the exclusive or of about half the bits of a beat, and of two more.
    terms.luts["crc"] += 32 * ceil_div(bits // 2 + 1, 3) + _COMPARED if wide else CRC_LUTS
    # What waits, and what is left of it.
    terms.luts["load"] += 30 + 5 * (width - 1)
    # Frames are counted up and down.
    for bits in (left, under_way, under_way):
        adder(terms, bits, family)
    counter(terms, beats, family)
    return terms
