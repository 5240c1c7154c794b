"""Weights that come over streams: where they lie in memory outside the chip, and the image of that memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..blocks.pipeline import Pipeline
from ..errors import PlanError
from ..offchip import ImageLayout, StreamedWeights, pack_image

__all__ = ["image_description", "weight_image", "weight_layout"]

#: Bytes of a beat and beats of a burst, if nobody says otherwise: bursts of 512 bytes.
BEAT_BYTES, BURST_BEATS = 16, 32


def weight_layout(pipeline: Pipeline, *, beat_bytes: int = BEAT_BYTES, burst_beats: int = BURST_BEATS) -> ImageLayout:
    """Where the words of all streamed layers lie, by the names of their blocks.

    Parameters
    ----------
    pipeline : Pipeline
    beat_bytes, burst_beats : int
        See `ImageLayout`.

    Raises
    ------
    PlanError
        No weights are streamed, or no image has such beats and bursts.
    """
    streams = tuple(
        StreamedWeights(name=streamed.block, width=streamed.bits, depth=streamed.words)
        for streamed in pipeline.weight_streams
    )
    if not streams:
        raise PlanError("Weights of a layer must come over a stream for an image of them: fold it like 64x32:stream.")
    return ImageLayout(streams=streams, beat_bytes=beat_bytes, burst_beats=burst_beats)


def weight_image(pipeline: Pipeline, layout: ImageLayout | None = None) -> bytes:
    """All words of all streamed layers, as they lie in memory.

    Parameters
    ----------
    pipeline : Pipeline
    layout : ImageLayout, optional
        By default that of `weight_layout`.

    Raises
    ------
    PlanError
        As `weight_layout`; or the layout is of other layers.
    """
    words = [
        np.unpackbits(streamed.rows(), axis=1, count=streamed.bits, bitorder="little")
        for streamed in pipeline.weight_streams
    ]
    return pack_image(layout or weight_layout(pipeline), words).tobytes()


def image_description(pipeline: Pipeline, layout: ImageLayout) -> dict[str, Any]:
    """What a reader of an image must know, as JSON has it; offsets are bytes from the start of the image."""
    return {
        "bytes": layout.bytes,
        "beat_bytes": layout.beat_bytes,
        "burst_beats": layout.burst_beats,
        "layers": [
            {
                "layer": streamed.layer,
                "port": streamed.port,
                "word_bits": streamed.bits,
                "words": streamed.words,
                "offset": base,
                "words_per_frame": streamed.frame_words,
            }
            for streamed, base in zip(pipeline.weight_streams, layout.bases, strict=True)
        ],
    }
