"""The device's end of the link, between bytes and beats."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import EndSpec
from ..blocks.pipeline import Pipeline
from ..errors import LinkError
from ..gateware.loading import LOAD
from .answers import Answerer
from .cobs import CobsDecoder, CobsEncoder
from .protocol import HEADER, Identity
from .reader import Reader
from .receiver import Receiver

__all__ = ["RAMS", "Endpoint", "check_capacity"]

#: Bytes of the block RAMs beside the ring of requests: of the encoder, of pending headers, of the identity.
RAMS = (CobsEncoder.DEPTH, Reader.QUEUE_BYTES, Identity.FIXED)


def check_capacity(identity: Identity) -> None:
    """Refuse a capacity that no device can have.

    Raises
    ------
    LinkError
        It is no power of two, or a request of one frame has no room.
    """
    least, capacity = HEADER.size + identity.frame_bytes, identity.capacity
    if capacity < least or capacity & (capacity - 1):
        raise LinkError(
            f"The capacity must be a power of two from {1 << (least - 1).bit_length()} bytes on, "
            f"so that a request of one frame has room, not {capacity}."
        )


class Endpoint(wiring.Component):
    """Takes requests from a byte stream, and answers them with what an accelerator computes: see `docs/link.md`.

    If answers are not taken, or the accelerator is slow, requests wait: first in the accelerator, then in
    a ring of `capacity` bytes. What comes when that is full is dropped.

    | property  | formula                                                                             |
    |-----------|-------------------------------------------------------------------------------------|
    | cycles    | 10 for each byte, those that come and those that go: less than a UART, which needs  |
    |           | at least 40; see `Unpacker` for frames, whose beats go through a `Crossing`: only   |
    |           | beats of one bit may take longer than their bytes on the wire                       |
    | ready     | always within 10 cycles                                                             |
    | resources | a block RAM for each of `RAMS` and one of `capacity` bytes; with beats of 64 bits   |
    |           | and one score a beat about 445 LUTs on iCE40 (`benchmarks/link_size.py`)            |

    Parameters
    ----------
    pipeline : Pipeline
        Of the accelerator, as `lower.lower` makes it.
    identity : Identity
        As `Identity.of` makes it of the same pipeline; its `capacity` is a power of two.

    Members
    -------
    i, o : stream.Signature(8)
        Bytes that come from the host, and that go to it.
    frames : Out(stream.Signature(pipeline.input.bits))
        To the accelerator.
    results : In(stream.Signature(o_bits of the last block))
        From the accelerator; see `argmax.result_layout`.
    busy : Out(1)
        There are requests that are not answered.
    dropped : Out(1)
        For one cycle: a packet was dropped.
    load : Out(stream.Signature(LOAD))
    loaded, settled : In(1)
    checksum : In(32)
        Where there is an image to load: to and from what takes it, see `gateware.loading.Loader` and `Reader`.
        `checksum` is read only while no byte is on its way.

    Raises
    ------
    LinkError
        See `check_capacity`.
    """

    i: stream.Interface
    o: stream.Interface
    frames: stream.Interface
    results: stream.Interface
    busy: Signal
    dropped: Signal

    def __init__(self, pipeline: Pipeline, identity: Identity) -> None:
        timing = {
            name: getattr(identity, name) for name in ("capacity", "clock", "cycles", "latency", "digest", "plan")
        }
        if identity != Identity.of(pipeline, **timing):
            raise ValueError("identity must be that of the pipeline")
        check_capacity(identity)
        self.pipeline, self.identity = pipeline, identity
        spec = pipeline.nodes[-1].block
        assert isinstance(spec, EndSpec)
        self.spec = spec
        loading = {
            "load": Out(stream.Signature(LOAD)), "loaded": In(1), "settled": In(1), "checksum": In(32),
        }  # fmt: skip
        super().__init__(
            {
                **(loading if identity.takes_image else {}),
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "frames": Out(stream.Signature(identity.beat_bits)),
                "results": In(stream.Signature(spec.o_bits)),
                "busy": Out(1),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        identity = self.identity
        most = (identity.capacity - HEADER.size) // identity.frame_bytes
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = receiver = Receiver(
            capacity=identity.capacity, frame_bytes=identity.frame_bytes, loads=identity.takes_image
        )
        m.submodules.reader = reader = Reader(
            frame_bytes=identity.frame_bytes, most=most, beat_bits=identity.beat_bits,
            frame_bits=identity.frame_bits, loads=identity.takes_image,
        )  # fmt: skip
        m.submodules.answerer = answerer = Answerer(identity, self.spec, most=most)
        m.submodules.encoder = encoder = CobsEncoder()
        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        wiring.connect(m, decoder.o, receiver.i)
        wiring.connect(m, receiver.o, reader.i)
        wiring.connect(m, reader.frames, wiring.flipped(self.frames))
        wiring.connect(m, reader.headers, answerer.headers)
        wiring.connect(m, wiring.flipped(self.results), answerer.results)
        wiring.connect(m, answerer.o, encoder.i)
        wiring.connect(m, encoder.o, wiring.flipped(self.o))
        m.d.comb += [
            self.busy.eq(receiver.o.valid | answerer.busy),
            self.dropped.eq(receiver.dropped),
        ]
        if identity.takes_image:
            wiring.connect(m, reader.load, wiring.flipped(self.load))
            m.d.comb += [
                reader.loaded.eq(self.loaded),
                reader.settled.eq(self.settled),
                reader.answered.eq(~answerer.busy),
                answerer.loaded.eq(self.loaded),
                answerer.checksum.eq(self.checksum),
            ]
        return m
