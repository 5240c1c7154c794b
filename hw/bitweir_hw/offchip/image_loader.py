"""An image of weights from a stream of bytes into an SDRAM, and back as a check."""

from __future__ import annotations

import zlib

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import crc, stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.fifo import Fifo
from ..gateware.loading import CRC_BYTES, LOAD
from .reader import answer_signature
from .sdram import read_layout, write_layout
from .sdram_parts import SdramSpec

__all__ = ["ImageLoader", "image_with_crc"]


def image_with_crc(image: bytes) -> bytes:
    """What an `ImageLoader` takes: the image, and its CRC-32 as `zlib.crc32` tells it, little-endian."""
    return image + zlib.crc32(image).to_bytes(CRC_BYTES, "little")


class ImageLoader(wiring.Component):
    """Writes an image from address 0 on, reads all of it back, and tells whether it is in memory as it was sent.

    A byte with `first` begins an image, whatever came before. The CRC-32 is that of what the memory gives when all is
    written: so it covers the way there, the chip, and the way back. Once an image was right, all bytes are dropped:
    what is read meanwhile does not change until reset.

    | property  | formula                                                                          |
    |-----------|----------------------------------------------------------------------------------|
    | cycles    | one a byte, or what the memory takes for two; then what the memory takes to read |
    |           | all bursts                                                                       |
    | latency   | 4 cycles from the last beat that is read to `loaded`                             |
    | resources | a CRC-32 of beats, counters of bytes, beats and bursts, FIFOs of two bytes and   |
    |           | two beats                                                                        |

    Parameters
    ----------
    spec : SdramSpec
    expected : int, optional
        The CRC-32 of the only image that is right; by default any image with its own CRC-32 behind it is.

    Members
    -------
    load : In(stream.Signature(loading.LOAD))
        ``layout.bytes`` bytes and the CRC-32 of them, see `image_with_crc`.
    write : Out(stream.Signature(write_layout(part)))
    request : Out(stream.Signature(read_layout(spec)))
    answer : In(answer_signature(16))
        Of the memory; a write that was taken is done before a request is. All before `loaded` is for the loader.
    loaded : Out(1)
        The image is in memory, and its CRC-32 is right.
    load_failed : Out(1)
        That of the last image was wrong.
    load_settled : Out(1)
        All bytes that came before this cycle are taken, and what they change is changed.
    load_checksum : Out(32)
        While `loaded`: the CRC-32 of the image.
    """

    load: stream.Interface
    write: stream.Interface
    request: stream.Interface
    loaded: Signal
    load_failed: Signal
    load_settled: Signal
    load_checksum: Signal

    def __init__(self, spec: SdramSpec, *, expected: int | None = None) -> None:
        self.spec, self.expected = spec, expected
        super().__init__(
            {
                "load": In(stream.Signature(LOAD)),
                "write": Out(stream.Signature(write_layout(spec.part))),
                "request": Out(stream.Signature(read_layout(spec))),
                "answer": In(answer_signature(16)),
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
        byte = LOAD(taken.o.payload)
        left, low, odd = Signal(range(total + 1)), Signal(8, reset_less=True), Signal()
        beat = Signal(layout["beat"].width)
        # What the next byte is, from registers: the first one, one of the image, the last one.
        fresh, content, final = Signal(), Signal(), Signal()
        take, begin = Signal(), Signal()
        m.d.comb += [
            taken.i.valid.eq(self.load.valid),
            taken.i.payload.eq(self.load.payload),
            self.load.ready.eq(taken.i.ready),
            beats.i.payload.eq(Cat(beat, low, byte.data)),
            self.write.valid.eq(beats.o.valid),
            self.write.payload.eq(layout(beats.o.payload)),
            beats.o.ready.eq(self.write.ready),
        ]
        reads, whole, right = self._read_back(m, begin)
        with m.FSM() as fsm:
            waits = fsm.ongoing("IDLE") | fsm.ongoing("LOADING") | fsm.ongoing("DONE")
            m.d.comb += self.load_settled.eq(~taken.o.valid & waits)
            with m.State("IDLE"):
                m.d.comb += taken.o.ready.eq(~byte.first)
                with m.If(taken.o.valid & byte.first):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += begin.eq(1)
                m.d.sync += [left.eq(total), beat.eq(0), odd.eq(0), self.load_failed.eq(0)]
                m.d.sync += [fresh.eq(1), content.eq(1), final.eq(0)]
                m.next = "LOADING"
            with m.State("LOADING"):
                again = byte.first & ~fresh
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
                        left.eq(left - 1),
                        fresh.eq(0),
                        final.eq(left == 2),
                        self.load_checksum.eq(Cat(self.load_checksum[8:], byte.data)),
                    ]
                    with m.If(left == CRC_BYTES + 1):
                        m.d.sync += content.eq(0)
                    with m.If(odd):
                        # Behind the image it does not count any more.
                        m.d.sync += beat.eq(beat + 1)
                    with m.If(final):
                        m.next = "WRITING"
            with m.State("WRITING"), m.If(~beats.o.valid):
                # Writes that have left are in memory before what is read later.
                m.next = "READING"
            with m.State("READING"):
                m.d.comb += reads.eq(1)
                with m.If(whole):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += [self.loaded.eq(right), self.load_failed.eq(~right)]
                m.next = "IDLE"
                with m.If(right):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += taken.o.ready.eq(1)
        return m

    def _read_back(self, m: Module, begin: Signal) -> tuple[Signal, Signal, Signal]:
        """Read all bursts.

        Returns
        -------
        reads : Signal
            To be driven: whether it may go on.
        whole, right : Signal
            All beats have come; and their CRC-32 is that of the image, and of the expected one.
        """
        layout, asked = self.spec.layout, read_layout(self.spec)
        bursts = layout.bytes // layout.burst_bytes
        m.submodules.crc = check = crc.Processor(crc.catalog.CRC32_ISO_HDLC(data_width=16))
        # Bursts to be asked for, and those whose end has not come; the address of the next one.
        asks, ends = Signal(range(bursts + 1)), Signal(range(bursts + 1))
        address = Signal(asked["address"].width)
        reads, whole, right, held, came = Signal(), Signal(), Signal(), Signal(16, reset_less=True), Signal()
        asking, coming, same, wanted = Signal(), Signal(), Signal(), Signal(init=self.expected is None)
        m.d.comb += [
            self.request.valid.eq(reads & asking),
            self.request.payload.eq(Cat(address, Const(layout.burst_beats - 1, asked["more"].width))),
            check.start.eq(begin),
            check.data.eq(held),
            check.valid.eq(came),
            whole.eq(~coming & ~came),
            right.eq(same & wanted),
        ]
        # In a cycle of its own, as a beat comes from a register at the pins and the CRC takes some levels.
        m.d.sync += [held.eq(self.answer.data), came.eq(self.answer.valid & reads)]
        with m.If(self.answer.valid & self.answer.last & reads):
            m.d.sync += [ends.eq(ends - 1), coming.eq(ends != 1)]
        with m.If(self.request.valid & self.request.ready):
            m.d.sync += [asks.eq(asks - 1), asking.eq(asks != 1), address.eq(address + layout.burst_bytes)]
        with m.If(begin):
            m.d.sync += [asks.eq(bursts), ends.eq(bursts), asking.eq(1), coming.eq(1), address.eq(0)]
        # A cycle before `CHECK` both are known.
        m.d.sync += same.eq(check.crc == self.load_checksum)
        if self.expected is not None:
            m.d.sync += wanted.eq(self.load_checksum == self.expected)
        return reads, whole, right
