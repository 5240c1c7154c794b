"""The memory of streamed weights on a board: an SDRAM chip, and what reads and loads it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from ..blocks.pipeline import Pipeline
from ..offchip import SdramPart, SdramSpec, SdramWeightReader
from .weight_image import BEAT_BYTES, BURST_BEATS, weight_image, weight_layout

__all__ = ["BoardMemory"]


@dataclass(frozen=True, kw_only=True)
class BoardMemory:
    """An SDRAM chip with the image of one accelerator.

    Parameters
    ----------
    sdram : SdramSpec
        Its layout is that of the accelerator, so that its image is that of `weight_image`.
    checksum : int
        The CRC-32 of that image, without which there is no word.
    """

    sdram: SdramSpec
    checksum: int

    @classmethod
    def of(cls, pipeline: Pipeline, part: SdramPart, *, clock: int, late: int = 0) -> BoardMemory:
        """The memory of an accelerator.

        Parameters
        ----------
        pipeline : Pipeline
        part : SdramPart
        clock : int
            Hz, of both.
        late : int
            See `SdramSpec`.

        Raises
        ------
        PlanError
            No weights are streamed, the image does not fit, or the clock is too fast.
        """
        # Bursts of as many bytes as anywhere else, so that the image is the same.
        layout = weight_layout(pipeline, beat_bytes=2, burst_beats=BEAT_BYTES * BURST_BEATS // 2)
        sdram = SdramSpec(part=part, clock=clock, layout=layout, late=late)
        return cls(sdram=sdram, checksum=zlib.crc32(weight_image(pipeline, layout)))

    def reader(self) -> SdramWeightReader:
        """What loads the image and gives the accelerator its words."""
        return SdramWeightReader(self.sdram, loads=True, expected=self.checksum, stage_levels=1)
