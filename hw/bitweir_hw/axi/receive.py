"""Packets to frames: whole ones only."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import WidthSpec
from ..blocks.width.gateware import WidthConverter
from ..gateware.credits import CreditedOutput
from ..gateware.fifo import wrap_increment
from ..memory import is_block
from .checksum import Checksum
from .layout import PacketLayout

__all__ = ["COUNT_BITS", "FrameReceiver", "PacketBuffer", "transfer_layout"]

#: Bits of the counters of wrong packets.
COUNT_BITS = 8


def transfer_layout(tdata_bytes: int) -> data.StructLayout:
    """What a transfer carries: the bytes, which of them are there, and whether it is the last of its packet."""
    return data.StructLayout({"data": 8 * tdata_bytes, "keep": tdata_bytes, "last": 1})


class PacketBuffer(wiring.Component):
    """Holds each packet back until its end has come in the right place; drops all others whole.

    A packet is right if it has ``frame_words`` transfers and none of the frame's bytes is missing. What stands
    behind the frame in its last transfer is ignored. A packet that ends early, or in which a byte is missing,
    counts as short, one that goes on as long. Of a wrong packet nothing remains, and no cycle is lost after it.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | memory            | ``depth = max(2 * frame_words, 4)`` words of tdata                |
    | registers         | 3 words of tdata behind it                                        |
    | latency           | 3 cycles from the last transfer to the first word                 |
    | cycles a packet   | ``frame_words``: the next packet comes while this one leaves      |
    | ready             | a word of the memory is free, or the packet is dropped            |

    Members
    -------
    i : In(stream.Signature(transfer_layout(tdata_bytes)))
    o : Out(stream.Signature(8 * tdata_bytes))
    short_packets, long_packets : Out(8)
        How many were dropped; stays at the highest number.
    clear : In(1)
        Sets both to 0, or to 1 for a packet that is found wrong in this cycle.
    accepted, dropped : Out(1)
        A packet turns out to be right, or wrong, in this cycle.
    """

    i: stream.Interface
    o: stream.Interface
    short_packets: Signal
    long_packets: Signal
    clear: Signal
    accepted: Signal
    dropped: Signal

    def __init__(self, layout: PacketLayout) -> None:
        self.layout = layout
        self.depth = max(2 * layout.frame_words, 4)
        super().__init__(
            {
                "i": In(stream.Signature(transfer_layout(layout.tdata_bytes))),
                "o": Out(stream.Signature(layout.tdata_bits)),
                "short_packets": Out(COUNT_BITS),
                "long_packets": Out(COUNT_BITS),
                "clear": In(1),
                "accepted": Out(1),
                "dropped": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words, tail = (
            self.layout.frame_words,
            self.layout.frame_bytes - (self.layout.frame_words - 1) * len(self.i.payload.keep),
        )
        # Where in its packet a transfer is, and what is known of the packet.
        place, incomplete, dropping = Signal(range(words)), Signal(), Signal()
        take, final, missing = Signal(), Signal(), Signal()
        store, commit, short, long = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            take.eq(self.i.valid & self.i.ready),
            final.eq(place == words - 1),
            missing.eq(~Mux(final, self.i.payload.keep[:tail].all(), self.i.payload.keep.all())),
            store.eq(take & ~dropping),
            commit.eq(store & self.i.payload.last & final & ~missing & ~incomplete),
            short.eq(store & self.i.payload.last & ~commit),
            long.eq(store & ~self.i.payload.last & final),
            self.accepted.eq(commit),
            self.dropped.eq(short | long),
        ]
        with m.If(store):
            m.d.sync += [
                place.eq(Mux(self.i.payload.last | final, 0, place + 1)),
                incomplete.eq(~(self.i.payload.last | final) & (incomplete | missing)),
            ]
        with m.If(take):
            m.d.sync += dropping.eq((dropping | final) & ~self.i.payload.last)
        _count(m, self.short_packets, short, self.clear)
        _count(m, self.long_packets, long, self.clear)
        self._memory(m, store, commit, short | long, place, dropping)
        return m

    def _memory(self, m: Module, store: Value, commit: Value, drop: Value, place: Signal, dropping: Signal) -> None:
        """The ring: words go in behind a packet's start, to which a drop leads back; out go whole packets."""
        depth, words, width = self.depth, self.layout.frame_words, self.layout.tdata_bits
        attrs = {"ram_style": "block"} if is_block(depth, width) else {}
        m.submodules.memory = ring = memory.Memory(shape=width, depth=depth, init=[], attrs=attrs)
        m.submodules.output = output = CreditedOutput(width=width, depth=3)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        write, read = ring.write_port(), ring.read_port()
        w_at, start, r_at = (Signal(range(depth), name=name) for name in ("w_at", "start", "r_at"))
        # Words in the memory, and those of them that may leave.
        held, whole = Signal(range(depth + 1)), Signal(range(depth + 1))
        fetch = Signal()
        m.d.comb += [
            self.i.ready.eq((held != depth) | dropping),
            fetch.eq((whole != 0) & output.free),
            output.start.eq(fetch),
            output.result.eq(read.data),
            write.en.eq(store),
            write.addr.eq(w_at),
            write.data.eq(self.i.payload.data),
            read.en.eq(1),
            read.addr.eq(r_at),
        ]
        m.d.sync += [
            output.done.eq(fetch),
            held.eq(held + Mux(drop, -place, store) - fetch),
            whole.eq(whole + Mux(commit, words, 0) - fetch),
        ]
        with m.If(fetch):
            m.d.sync += r_at.eq(wrap_increment(r_at, depth))
        with m.If(drop):
            m.d.sync += w_at.eq(start)
        with m.Elif(store):
            m.d.sync += w_at.eq(wrap_increment(w_at, depth))
            with m.If(commit):
                m.d.sync += start.eq(wrap_increment(w_at, depth))


def _count(m: Module, counter: Signal, event: Value, clear: Value) -> None:
    """Count events, no further than the counter goes."""
    with m.If(clear):
        m.d.sync += counter.eq(event)
    with m.Elif(event & ~counter.all()):
        m.d.sync += counter.eq(counter + 1)


class FrameReceiver(wiring.Component):
    """The beats of the frames that come as right packets; see `PacketBuffer` for all others.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a frame    | max(``frame_words``, ``beats``)                                   |
    | latency           | that of `PacketBuffer`, and 1 cycle where words are not beats     |
    | resources         | a `PacketBuffer`, and a `WidthConverter` from words to beats      |

    Members
    -------
    i : In(stream.Signature(transfer_layout(tdata_bytes)))
    o : Out(stream.Signature(beat_bits))
    short_packets, long_packets : Out(8)
    clear : In(1)
    accepted, dropped : Out(1)
        See `PacketBuffer`.
    crc : Out(32)
        Where it is asked for: a `Checksum` of the right packets, as they leave their buffer.
    """

    i: stream.Interface
    o: stream.Interface
    short_packets: Signal
    long_packets: Signal
    clear: Signal
    accepted: Signal
    dropped: Signal

    def __init__(self, layout: PacketLayout, *, checksum: bool = False) -> None:
        self.layout, self.checksum = layout, checksum
        ports: dict[str, wiring.Member] = {
            "i": In(stream.Signature(transfer_layout(layout.tdata_bytes))),
            "o": Out(stream.Signature(layout.beat_bits)),
            "short_packets": Out(COUNT_BITS),
            "long_packets": Out(COUNT_BITS),
            "clear": In(1),
            "accepted": Out(1),
            "dropped": Out(1),
        }
        super().__init__(ports | {"crc": Out(32)} if checksum else ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self.layout
        m.submodules.packets = packets = PacketBuffer(layout)
        wiring.connect(m, wiring.flipped(self.i), packets.i)
        m.d.comb += [
            self.short_packets.eq(packets.short_packets),
            self.long_packets.eq(packets.long_packets),
            packets.clear.eq(self.clear),
            self.accepted.eq(packets.accepted),
            self.dropped.eq(packets.dropped),
        ]
        if self.checksum:
            m.submodules.checksum = checksum = Checksum(packet_bytes=layout.frame_bytes, word_bytes=layout.tdata_bytes)
            m.d.comb += [
                checksum.word.eq(packets.o.payload),
                checksum.moves.eq(packets.o.valid & packets.o.ready),
                checksum.clear.eq(self.clear),
                self.crc.eq(checksum.crc),
            ]
        source = packets.o
        spec = self._beats()
        if spec.i_lanes != spec.o_lanes:
            m.submodules.beats = beats = WidthConverter(spec)
            wiring.connect(m, packets.o, beats.i)
            source = beats.o
        m.d.comb += [
            self.o.valid.eq(source.valid),
            self.o.payload.eq(source.payload),
            source.ready.eq(self.o.ready),
        ]
        return m

    def _beats(self) -> WidthSpec:
        """From words to beats, in elements of a bit."""
        layout = self.layout
        # Where a frame is one beat, what fills up its last word needs no place of its own: wires do.
        one = layout.beats == 1
        length = layout.frame_words * layout.tdata_bits if one else layout.frame_bits
        return WidthSpec(
            name="beats", layer="input", i_length=length, o_length=length, i_lanes=layout.tdata_bits,
            o_lanes=length if one else layout.beat_bits, lane_bits=1,
        )  # fmt: skip
