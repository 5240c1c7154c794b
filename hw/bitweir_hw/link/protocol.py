"""What both ends of the link agree on; `docs/link.md` explains it."""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass, fields
from enum import IntEnum
from typing import ClassVar

from ..accelerator.parameters import image_bytes
from ..arithmetic import ceil_div
from ..blocks import EndSpec, ResultSpec
from ..blocks.pipeline import Pipeline
from ..errors import LinkError
from ..network.readout import READOUTS

__all__ = ["ANSWER", "CHECK_BYTES", "COUNT_AT", "HEADER", "KIND_BITS", "NUMBER_BITS", "VERSION", "Identity", "Kind"]

#: Numbers had 16 bits in versions 1 to 3, whose packets are no packets now.
VERSION = 4
#: Of the number of a request: none ever comes twice, so an answer that was held back for however long counts no more.
NUMBER_BITS = 64
#: Kind, number and count.
HEADER = struct.Struct("<BQH")
#: The place of the low byte of the count.
COUNT_AT = HEADER.size - 2
#: Low bits of a kind that tell it from all others.
KIND_BITS = 3
#: Of the CRC-32 that ends a packet.
CHECK_BYTES = 4
#: Added to the kind of a request, it makes the kind of its answer.
ANSWER = 0x80


class Kind(IntEnum):
    """What a request asks for."""

    HELLO = 1
    CLASSES = 2
    SCORES = 3
    #: The next three only where an image is loaded: its first piece, and by turns those behind it.
    LOAD = 4
    LOAD_ODD = 5
    LOAD_EVEN = 6

    @property
    def loads(self) -> bool:
        """Whether it carries a piece of an image; other kinds with a payload carry frames."""
        return self >= Kind.LOAD

    @classmethod
    def known(cls, *, loads: bool) -> list[Kind]:
        """What a device takes, with an image to load or without."""
        return [kind for kind in cls if loads or not kind.loads]


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
        Bits of a score, and scores of a frame; or of its labels or codes.
    digest : bytes, 16
        First bytes of the SHA-256 of the network.
    plan : bytes, 8
        First bytes of the SHA-256 of the plan's file.
    loads : bool
        Whether parameters are in RAM.
    parameters : int
        CRC-32 at the end of the image that is in place; 0: none, or there is no image to load.
    result : str
        What frames give, one of `READOUTS`. Scores are signed, labels and codes are not.
    weights : bool
        Whether weights are streamed from a memory outside the chip, of which the image is loaded; the network is that
        of `digest` nevertheless.
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
    loads: bool = False
    parameters: int = 0
    result: str = "class"
    weights: bool = False

    _LAYOUT: ClassVar[struct.Struct] = struct.Struct("<4sBBH7I2BH16s8sI")
    #: The first bytes, and the place of the version, of all versions of the protocol.
    MAGIC: ClassVar[bytes] = b"weir"
    VERSION_AT: ClassVar[int] = 4
    _LOADS: ClassVar[int] = 1
    _WEIGHTS: ClassVar[int] = 16
    #: Between these flags, in three bits: the kind of result.
    _RESULTS: ClassVar[tuple[str, ...]] = tuple(READOUTS)
    SIZE: ClassVar[int] = _LAYOUT.size
    #: The least and the most that a field may be.
    _RANGES: ClassVar[dict[str, tuple[int, int]]] = {
        "clock": (1, 10**10), "cycles": (1, (1 << 32) - 1), "vectors": (1, 1 << 26), "length": (1, 1 << 26),
        "lanes": (1, 1 << 20), "lane_bits": (1, 64), "score_bits": (1, 64), "classes": (1, (1 << 16) - 1),
        "output_lanes": (1, (1 << 16) - 1), "capacity": (HEADER.size + 1, 1 << 28),
    }  # fmt: skip
    #: Bytes of a frame, and seconds that one may take.
    _MOST_BYTES: ClassVar[int] = 1 << 28
    _MOST_SECONDS: ClassVar[int] = 3600
    #: Bytes that never change; those of `parameters` come behind them.
    FIXED: ClassVar[int] = SIZE - 4

    @classmethod
    def of(
        cls, pipeline: Pipeline, *, capacity: int, clock: int, cycles: int, latency: int, digest: bytes, plan: bytes
    ) -> Identity:
        """The identity of an accelerator that holds no parameters yet; V must be 1.

        Raises
        ------
        LinkError
            There are parallel frames.
        """
        last = pipeline.nodes[-1].block
        assert isinstance(last, EndSpec)
        if pipeline.parallel_frames != 1:
            raise LinkError(
                f"The link takes one frame at a time, but the plan has {pipeline.parallel_frames} parallel frames."
            )
        if last.classes > cls._RANGES["classes"][1]:
            raise LinkError(
                f"The link carries at most {cls._RANGES['classes'][1]:,} numbers of a result, but a frame has "
                f"{last.classes:,}: take a smaller map as the result, or another port than the link."
            )
        stream = pipeline.input
        return cls(
            output_lanes=last.lanes, capacity=capacity, clock=clock, cycles=cycles, latency=latency,
            vectors=stream.vectors, length=stream.length, lanes=stream.lanes, lane_bits=stream.lane_bits,
            score_bits=last.lane_bits, classes=last.classes, digest=digest[:16], plan=plan[:8],
            loads=bool(image_bytes(pipeline)), result=last.kind if isinstance(last, ResultSpec) else "class",
            weights=bool(pipeline.weight_streams),
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """As the device sends it."""
        *fixed, loads, parameters, result, weights = astuple(self)
        flags = self._LOADS * loads | self._RESULTS.index(result) << 1 | self._WEIGHTS * weights
        return self._LAYOUT.pack(self.MAGIC, VERSION, flags, *fixed, parameters)

    @classmethod
    def from_bytes(cls, data: bytes) -> Identity:
        """Undo `to_bytes`.

        Raises
        ------
        LinkError
            That is no identity, or one of another version of the protocol.
        """
        if len(data) != cls.SIZE or data[:4] != cls.MAGIC:
            raise LinkError("What answers is no bitweir accelerator.")
        _, version, flags, *fixed, parameters = cls._LAYOUT.unpack(data)
        if version != VERSION:
            raise LinkError(f"The device speaks version {version} of the protocol, this host version {VERSION}.")
        result = cls._result(flags >> 1 & 7)
        values = [*fixed, bool(flags & cls._LOADS), parameters, result, bool(flags & cls._WEIGHTS)]
        identity = cls(**dict(zip((field.name for field in fields(cls)), values, strict=True)))
        identity._check()
        return identity

    @classmethod
    def _result(cls, number: int) -> str:
        """The kind of result of this number."""
        if number >= len(cls._RESULTS):
            raise LinkError("What answers is no bitweir accelerator: its result is of no known kind.")
        return cls._RESULTS[number]

    def _check(self) -> None:
        """Raise a `LinkError` for numbers that no accelerator has: they would take memory and time without end."""
        for name, (least, most) in self._RANGES.items():
            if not least <= (value := getattr(self, name)) <= most:
                raise LinkError(
                    f"What answers says that its {name} is {value:,}, not {least:,} to {most:,}: it is not an "
                    f"accelerator, "
                    "or it is damaged."
                )
        if self.frame_bytes > self._MOST_BYTES:
            raise LinkError(
                f"What answers says that a frame has {self.frame_bytes:,} bytes, more than {self._MOST_BYTES:,}: "
                "it is not an accelerator, or it is damaged."
            )
        if max(self.cycles, self.latency) > self._MOST_SECONDS * self.clock:
            raise LinkError(
                f"What answers says that a frame takes {max(self.cycles, self.latency):,} cycles at {self.clock:,} Hz, "
                f"more than {self._MOST_SECONDS:,} s: it is not an accelerator, or it is damaged."
            )

    @property
    def takes_image(self) -> bool:
        """Whether there is an image to load, of parameters or of weights, and no answer about frames before it."""
        return self.loads or self.weights

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
        """Bytes of a class in an answer; 0 where the result is none."""
        return (ceil_div((self.classes - 1).bit_length(), 8) or 1) if self.result == "class" else 0

    @property
    def scores_bytes(self) -> int:
        """Bytes of the scores of a frame in an answer."""
        return ceil_div(self.classes * self.score_bits, 8)
