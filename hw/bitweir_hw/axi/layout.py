"""What packets of frames and results are made of; `docs/integration.md` shows it."""

from __future__ import annotations

from dataclasses import dataclass

from ..arithmetic import ceil_div
from ..blocks import EndSpec
from ..blocks.pipeline import Pipeline
from ..errors import PlanError

__all__ = ["TDATA_BYTES", "PacketLayout"]

#: Widths of tdata, in bytes.
TDATA_BYTES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class PacketLayout:
    """Bytes of a frame and of its result, and the transfers that carry them.

    A frame is its beats, one behind the other, beat 0 in the lowest bits, filled up to whole bytes. A result is
    the scores, class 0 in the lowest bits, filled up to whole bytes; then the class, a number of whole bytes. A
    result that is labels, scores or codes is these alone.
    Byte 0 comes first, in the lowest bits of tdata. Where V frames go side by side, one packet carries all V:
    their elements and scores as beats have them, then V classes.

    Parameters
    ----------
    tdata_bytes : int
        Bytes of a transfer of frames, one of `TDATA_BYTES`.
    beats, beat_bits : int
        Of a frame on the accelerator's input stream.
    classes : int
        The scores of a frame, or its labels or codes.
    score_bits : int
        Of a score.
    decides : bool
        Whether there is a class.
    parallel_frames : int
        V.
    result_tdata_bytes : int, optional
        Bytes of a transfer of results; as many as frames have if not given.
    class_only : bool
        Whether a result is its class, without the scores.

    Raises
    ------
    PlanError
        There is no such width of tdata, or no class where it is asked for alone.
    """

    tdata_bytes: int
    beats: int
    beat_bits: int
    classes: int
    score_bits: int
    parallel_frames: int = 1
    decides: bool = True
    result_tdata_bytes: int | None = None
    class_only: bool = False

    def __post_init__(self) -> None:
        for width in (self.tdata_bytes, self.sent_bytes):
            if width not in TDATA_BYTES:
                raise PlanError(
                    f"An AXI4-Stream must be {', '.join(map(str, TDATA_BYTES[:-1]))} or {TDATA_BYTES[-1]} bytes wide, "
                    f"not {width}."
                )
        if self.class_only and not self.decides:
            raise PlanError("The class alone can be sent only where the result is a class: this network has none.")

    @classmethod
    def of(
        cls,
        pipeline: Pipeline,
        tdata_bytes: int,
        *,
        result_tdata_bytes: int | None = None,
        class_only: bool = False,
    ) -> PacketLayout:
        """The layout for an accelerator."""
        last = pipeline.nodes[-1].block
        assert isinstance(last, EndSpec)
        return cls(
            tdata_bytes=tdata_bytes,
            beats=pipeline.input.beats,
            beat_bits=pipeline.input.bits,
            classes=last.classes,
            score_bits=last.lane_bits,
            parallel_frames=last.parallel_frames,
            decides=last.index_bits > 0,
            result_tdata_bytes=result_tdata_bytes,
            class_only=class_only,
        )

    @property
    def tdata_bits(self) -> int:
        """Bits of a transfer of frames."""
        return 8 * self.tdata_bytes

    @property
    def sent_bytes(self) -> int:
        """Bytes of a transfer of results."""
        return self.tdata_bytes if self.result_tdata_bytes is None else self.result_tdata_bytes

    @property
    def sent_bits(self) -> int:
        """Bits of a transfer of results."""
        return 8 * self.sent_bytes

    @property
    def frame_bits(self) -> int:
        """Bits of all beats of a frame."""
        return self.beats * self.beat_bits

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return ceil_div(self.frame_bits, 8)

    @property
    def frame_words(self) -> int:
        """Transfers of a frame."""
        return ceil_div(self.frame_bytes, self.tdata_bytes)

    @property
    def scores_bits(self) -> int:
        """Bits of all scores of a result; 0 where the class is sent alone."""
        return 0 if self.class_only else self.classes * self.score_bits * self.parallel_frames

    @property
    def scores_bytes(self) -> int:
        """Bytes of the scores of a result."""
        return ceil_div(self.scores_bits, 8)

    @property
    def class_bytes(self) -> int:
        """Bytes of one class; 0 where there is none."""
        return (ceil_div((self.classes - 1).bit_length(), 8) or 1) if self.decides else 0

    @property
    def result_bytes(self) -> int:
        """Bytes of a result."""
        return self.scores_bytes + self.class_bytes * self.parallel_frames

    @property
    def result_words(self) -> int:
        """Transfers of a result."""
        return ceil_div(self.result_bytes, self.sent_bytes)
