"""What both ends of the link agree on; `docs/link.md` explains it."""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass, fields
from enum import IntEnum
from typing import ClassVar

from ..blocks import ArgmaxSpec
from ..blocks.arithmetic import ceil_div
from ..errors import LinkError
from ..pipeline import Pipeline

__all__ = ["ANSWER", "CHECK_BYTES", "HEADER", "VERSION", "Identity", "Kind"]

VERSION = 1
#: Kind, number and count.
HEADER = struct.Struct("<BHH")
#: Of the CRC-32 that ends a packet.
CHECK_BYTES = 4
#: Added to the kind of a request, it makes the kind of its answer.
ANSWER = 0x80


class Kind(IntEnum):
    """What a request asks for."""

    HELLO = 1
    CLASSES = 2
    SCORES = 3


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a device tells of itself: see `docs/link.md`.

    Parameters
    ----------
    output_lanes : int
        Scores of an output beat.
    capacity : int
        Bytes of requests that the device has room for.
    clock : int
        Hz.
    cycles, latency : int
        Clock cycles a frame takes in steady state, and from its first beat to its class.
    vectors, length, lanes, lane_bits : int
        Of the input stream: see `pipeline.Stream`.
    score_bits, classes : int
    digest : bytes, 16
        First bytes of the SHA-256 of the network.
    plan : bytes, 8
        First bytes of the SHA-256 of the plan's file.
    """

    output_lanes: int
    capacity: int
    clock: int
    cycles: int
    latency: int
    vectors: int
    length: int
    lanes: int
    lane_bits: int
    score_bits: int
    classes: int
    digest: bytes
    plan: bytes

    _LAYOUT: ClassVar[struct.Struct] = struct.Struct("<4sBBH7I2BH16s8s")
    _MAGIC: ClassVar[bytes] = b"weir"
    SIZE: ClassVar[int] = _LAYOUT.size

    @classmethod
    def of(
        cls, pipeline: Pipeline, *, capacity: int, clock: int, cycles: int, latency: int, digest: bytes, plan: bytes
    ) -> Identity:
        """The identity of an accelerator; V must be 1.

        Raises
        ------
        LinkError
            Frames go side by side.
        """
        last = pipeline.nodes[-1].block
        assert isinstance(last, ArgmaxSpec)
        if pipeline.frames != 1:
            raise LinkError(f"The link takes one frame at a time, the plan {pipeline.frames} side by side.")
        stream = pipeline.input
        return cls(
            output_lanes=last.lanes, capacity=capacity, clock=clock, cycles=cycles, latency=latency,
            vectors=stream.vectors, length=stream.length, lanes=stream.lanes, lane_bits=stream.lane_bits,
            score_bits=last.lane_bits, classes=last.classes, digest=digest[:16], plan=plan[:8],
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """As the device sends it."""
        return self._LAYOUT.pack(self._MAGIC, VERSION, 0, *astuple(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Identity:
        """Undo `to_bytes`.

        Raises
        ------
        LinkError
            That is no identity, or one of another version of the protocol.
        """
        if len(data) != cls.SIZE or data[:4] != cls._MAGIC:
            raise LinkError("What answers is no bitweir accelerator.")
        _, version, _, *rest = cls._LAYOUT.unpack(data)
        if version != VERSION:
            raise LinkError(f"The device speaks version {version} of the protocol, this host version {VERSION}.")
        return cls(**dict(zip((field.name for field in fields(cls)), rest, strict=True)))

    @property
    def beat_bits(self) -> int:
        """Bits of an input beat."""
        return self.lanes * self.lane_bits

    @property
    def frame_bits(self) -> int:
        """Bits of all beats of a frame."""
        return self.vectors * ceil_div(self.length, self.lanes) * self.beat_bits

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame in a request."""
        return ceil_div(self.frame_bits, 8)

    @property
    def class_bytes(self) -> int:
        """Bytes of a class in an answer."""
        return ceil_div((self.classes - 1).bit_length(), 8) or 1

    @property
    def scores_bytes(self) -> int:
        """Bytes of the scores of a frame in an answer."""
        return ceil_div(self.classes * self.score_bits, 8)
