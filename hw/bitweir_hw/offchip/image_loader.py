"""An image of weights from a stream of bytes into an SDRAM."""

from __future__ import annotations

import zlib

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import crc, stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.fifo import Fifo
from ..gateware.loading import CRC_BYTES, LOAD
from .sdram import write_layout
from .sdram_parts import SdramSpec

__all__ = ["ImageLoader", "image_with_crc"]


def image_with_crc(image: bytes) -> bytes:
    """What an `ImageLoader` takes: the image, and its CRC-32 as `zlib.crc32` tells it, little-endian."""
    return image + zlib.crc32(image).to_bytes(CRC_BYTES, "little")


class ImageLoader(wiring.Component):
    """Writes an image from address 0 on, and tells whether it came whole.

    A byte with `first` begins an image, whatever came before. Once an image was right, all bytes are dropped: what is
    read meanwhile does not change until reset.

    | property  | formula                                                                          |
    |-----------|----------------------------------------------------------------------------------|
    | cycles    | one a byte, or what the memory takes for two                                     |
    | latency   | 3 cycles from the last byte to `loaded`, and what the memory takes for writes    |
    | resources | a CRC-32 of bytes, counters of bytes and beats, FIFOs of two bytes and two beats |

    Parameters
    ----------
    spec : SdramSpec

    Members
    -------
    load : In(stream.Signature(loading.LOAD))
        ``layout.bytes`` bytes and the CRC-32 of them, see `image_with_crc`.
    write : Out(stream.Signature(write_layout(part)))
    loaded : Out(1)
        The image is in memory, and its CRC-32 was right.
    load_failed : Out(1)
        That of the last image was wrong.
    load_settled : Out(1)
        All bytes that came before this cycle are taken, and what they change is changed.
    load_checksum : Out(32)
        While `loaded`: the CRC-32 at the end of the image.
    """

    load: stream.Interface
    write: stream.Interface
    loaded: Signal
    load_failed: Signal
    load_settled: Signal
    load_checksum: Signal

    def __init__(self, spec: SdramSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "load": In(stream.Signature(LOAD)),
                "write": Out(stream.Signature(write_layout(spec.part))),
                "loaded": Out(1),
                "load_failed": Out(1),
                "load_settled": Out(1),
                "load_checksum": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout, total = write_layout(self.spec.part), self.spec.layout.bytes + CRC_BYTES
        m.submodules.bytes = taken = Fifo(width=LOAD.size, depth=2)
        m.submodules.beats = beats = Fifo(width=layout.size, depth=2)
        m.submodules.crc = check = crc.Processor(crc.catalog.CRC32_ISO_HDLC(data_width=8))
        byte = LOAD(taken.o.payload)
        left, low, odd = Signal(range(total + 1)), Signal(8, reset_less=True), Signal()
        beat = Signal(layout["beat"].width)
        content, take = Signal(), Signal()
        m.d.comb += [
            taken.i.valid.eq(self.load.valid),
            taken.i.payload.eq(self.load.payload),
            self.load.ready.eq(taken.i.ready),
            content.eq(left > CRC_BYTES),
            beats.i.payload.eq(Cat(beat, low, byte.data)),
            check.data.eq(byte.data),
            check.valid.eq(take),
            self.write.valid.eq(beats.o.valid),
            self.write.payload.eq(layout(beats.o.payload)),
            beats.o.ready.eq(self.write.ready),
        ]
        with m.FSM() as fsm:
            waits = fsm.ongoing("IDLE") | fsm.ongoing("LOADING") | fsm.ongoing("DONE")
            m.d.comb += self.load_settled.eq(~taken.o.valid & waits)
            with m.State("IDLE"):
                m.d.comb += taken.o.ready.eq(~byte.first)
                with m.If(taken.o.valid & byte.first):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += check.start.eq(1)
                m.d.sync += [left.eq(total), beat.eq(0), odd.eq(0), self.load_failed.eq(0)]
                m.next = "LOADING"
            with m.State("LOADING"):
                again = byte.first & (left != total)
                m.d.comb += [
                    beats.i.valid.eq(taken.o.valid & ~again & content & odd),
                    taken.o.ready.eq(~again & (beats.i.ready | ~content | ~odd)),
                    take.eq(taken.o.valid & taken.o.ready),
                ]
                with m.If(taken.o.valid & again):
                    m.next = "BEGIN"
                with m.If(take):
                    m.d.sync += [
                        low.eq(byte.data),
                        odd.eq(~odd),
                        beat.eq(Mux(odd & content, beat + 1, beat)),
                        left.eq(left - 1),
                        self.load_checksum.eq(Cat(self.load_checksum[8:], byte.data)),
                    ]
                    with m.If(left == 1):
                        m.next = "CHECK"
            with m.State("CHECK"):
                # Writes that have left are in memory before what is read later.
                with m.If(~check.match_detected):
                    m.d.sync += self.load_failed.eq(1)
                    m.next = "IDLE"
                with m.Elif(~beats.o.valid):
                    m.d.sync += self.loaded.eq(1)
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += taken.o.ready.eq(1)
        return m
