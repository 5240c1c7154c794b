"""What loads parameters costs, beside their memories: see `gateware.loading`."""

from __future__ import annotations

from ..accelerator.parameters import image_bytes, most_frames
from ..blocks.pipeline import Pipeline
from ..resources.terms import Terms, adder, counter, index_bits

__all__ = ["loader"]

#: LUTs of a CRC-32 of eight bits at once, with its comparison: measured, 125 to 135 on all families.
CRC_LUTS = 130


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
