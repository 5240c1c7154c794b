"""The memory of streamed weights on a board: an SDRAM chip, and what reads and loads it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from ..blocks.pipeline import Pipeline
from ..offchip import ImageLayout, ReaderSpec, SdramPart, SdramSpec, SdramWeightReader
from .weight_image import weight_image, weight_layout

__all__ = ["BoardMemory", "board_layout", "reader_spec"]

#: Beats of a burst: more would need a faster clock for refreshes in time, and fewer would waste cycles.
BURST_BEATS = 128
#: Bursts that the buffer of a layer holds: 1 KiB, as deep as a block RAM of 16 bits may be.
BUFFER_BURSTS = 4
#: Of the width converters.
STAGE_LEVELS = 1


def board_layout(pipeline: Pipeline) -> ImageLayout:
    """Where the words of all streamed layers lie in the SDRAM of a board.

    Raises
    ------
    PlanError
        No weights are streamed.
    """
    return weight_layout(pipeline, beat_bytes=2, burst_beats=BURST_BEATS)


def reader_spec(layout: ImageLayout) -> ReaderSpec:
    """The reader of a board's memory, with an address as long as any may be."""
    return ReaderSpec(layout=layout, outstanding=4, buffer_bursts=BUFFER_BURSTS, stage_levels=STAGE_LEVELS)


@dataclass(frozen=True, kw_only=True)
class BoardMemory:
    """An SDRAM chip with the image of one accelerator.

    Parameters
    ----------
    sdram : SdramSpec
        Its layout is `board_layout`.
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
        layout = board_layout(pipeline)
        sdram = SdramSpec(part=part, clock=clock, layout=layout, late=late)
        return cls(sdram=sdram, checksum=zlib.crc32(weight_image(pipeline, layout)))

    def reader(self) -> SdramWeightReader:
        """What loads the image and gives the accelerator its words."""
        return SdramWeightReader(
            self.sdram, loads=True, expected=self.checksum, buffer_bursts=BUFFER_BURSTS, stage_levels=STAGE_LEVELS
        )
