"""What ports an AXI wrapper has."""

from __future__ import annotations

import operator
from contextlib import suppress
from dataclasses import dataclass

from ..accelerator.parameters import image_bytes, load_width
from ..accelerator.weight_image import BEAT_BYTES
from ..blocks.pipeline import Pipeline
from ..errors import OptionsError, PlanError
from .layout import TDATA_BYTES, PacketLayout

__all__ = ["MEMORY_BYTES", "AxiPorts"]

#: Bytes of data of the port of weights, if nobody says otherwise; what it can have.
MEMORY_BYTES, _WIDTHS = BEAT_BYTES, (4, 8, 16, 32, 64)
#: Bytes of parameters that are loaded in a cycle at most, if nobody says otherwise: those of a transfer that are more
#: take turns.
MOST_LOADED = 8


@dataclass(frozen=True, kw_only=True)
class AxiPorts:
    """The ports of a wrapper with AXI4-Stream.

    Parameters
    ----------
    frame_bytes : int
        Bytes of tdata of the stream of frames, one of `layout.TDATA_BYTES`.
    result_bytes : int, optional
        The same of the stream of results; as many as frames have if not given.
    load_bytes : int, optional
        The same of the stream of images, where parameters are in RAM; as many as frames have if not given.
    class_only : bool
        Whether a packet of results is the class alone, without the scores.
    checksums : bool
        Whether the CRC-32 of all frames and of all results is computed.
    memory_bytes : int, optional
        Bytes of data of the AXI4 port over which weights come, 4 to 64, where any are streamed; 16 if not given.
    lite : bool
        Whether an AXI4-Lite port with registers takes the place of the ports for control and status, and of the
        stream of images.

    Raises
    ------
    PlanError
        There is no such width, or images would come over two ports.
    """

    frame_bytes: int
    result_bytes: int | None = None
    load_bytes: int | None = None
    class_only: bool = False
    checksums: bool = False
    memory_bytes: int | None = None
    lite: bool = False

    def __post_init__(self) -> None:
        for name in ("frame_bytes", "result_bytes", "load_bytes", "memory_bytes"):
            # Integers of any type, such as those of NumPy; what is none is refused as any other width.
            value = getattr(self, name)
            with suppress(TypeError):
                object.__setattr__(self, name, value if isinstance(value, bool) else operator.index(value))
        for width in (self.frame_bytes, self.result_bytes, self.load_bytes):
            if width is not None and (type(width) is not int or width not in TDATA_BYTES):
                raise PlanError(
                    f"An AXI4-Stream must be {', '.join(map(str, TDATA_BYTES[:-1]))} or {TDATA_BYTES[-1]} bytes wide, "
                    f"not {width!r}."
                )
        if self.memory_bytes is not None and (type(self.memory_bytes) is not int or self.memory_bytes not in _WIDTHS):
            some = f"{', '.join(map(str, _WIDTHS[:-1]))} or {_WIDTHS[-1]}"
            raise PlanError(f"The AXI4 port of weights must have {some} bytes of data, not {self.memory_bytes!r}.")
        if self.lite and self.load_bytes is not None:
            raise OptionsError(
                "With AXI4-Lite, parameters are loaded through its registers: leave out the width of a stream for them."
            )

    def check(self, pipeline: Pipeline) -> None:
        """Check that an accelerator has what the ports are for.

        Raises
        ------
        PlanError
            It has no class, no parameters in RAM or no streamed weights, but a port for them is asked for.
        """
        if self.load_bytes is not None and not image_bytes(pipeline):
            raise OptionsError("A stream for parameters needs parameters in RAM: add --weights ram (weights='ram').")
        self.check_load_width(load_width(pipeline))
        if self.memory_bytes is not None and not pipeline.weight_streams:
            raise PlanError("A port for weights needs a layer whose weights are streamed: fold it like 64x32:stream.")
        self.layout(pipeline)

    def check_load_width(self, width: int) -> None:
        """Check that so many bytes of parameters can come in a cycle.

        Raises
        ------
        PlanError
            The port over which they come has fewer.
        """
        if width > self.image_tdata_bytes:
            port = "the window of AXI4-Lite" if self.lite else "their stream"
            raise PlanError(
                f"Parameters must be loaded at most {self.image_tdata_bytes} bytes a cycle, as many as {port} has, not "
                f"{width}: choose a smaller --load-width (in Python load_width=), or leave it out."
            )

    def layout(self, pipeline: Pipeline) -> PacketLayout:
        """What packets of an accelerator are made of.

        Raises
        ------
        PlanError
            The class alone is asked for, and there is none.
        """
        return PacketLayout.of(
            pipeline, self.frame_bytes, result_tdata_bytes=self.result_bytes, class_only=self.class_only
        )

    @property
    def image_tdata_bytes(self) -> int:
        """Bytes of a transfer of an image: the registers of AXI4-Lite have 4."""
        return 4 if self.lite else self.load_bytes or self.frame_bytes

    @property
    def load_width(self) -> int:
        """Bytes of parameters in RAM that are loaded in a cycle where nobody says otherwise: all that come."""
        return min(self.image_tdata_bytes, MOST_LOADED)

    @property
    def weight_bytes(self) -> int:
        """Bytes of data of the port of weights."""
        return MEMORY_BYTES if self.memory_bytes is None else self.memory_bytes
