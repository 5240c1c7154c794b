"""Parameters that are loaded: from a stream of bytes to the memories of all blocks, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import crc, data, stream, wiring
from amaranth.lib.wiring import In, Out

from .fifo import Fifo, wrap_increment

__all__ = [
    "CHAIN",
    "CRC_BYTES",
    "LOAD",
    "LOADER_STATES",
    "MemoryLoader",
    "FrameGate",
    "Loader",
    "chain_ports",
    "pass_on",
]

#: What the load stream carries: a byte of the image, and whether it is the first.
LOAD = data.StructLayout({"data": 8, "first": 1})
#: Bytes of the CRC-32 at the end of an image.
CRC_BYTES = 4
#: The states of `Loader`, from 0 on: Amaranth numbers them as they are first named.
LOADER_STATES = ("IDLE", "LOADING", "CLOSING", "CHECKING", "PLACING")
#: Bytes on their way from memory to memory: all begin anew with `start`; a byte is there with `valid`.
CHAIN = wiring.Signature({"start": Out(1), "valid": Out(1), "data": Out(8)})


def chain_ports() -> dict[str, wiring.Member]:
    """The members of what the chain goes through: `load`, where bytes come in, and `on`, where they leave."""
    return {"load": In(CHAIN), "on": Out(CHAIN)}


def pass_on(m: Module, outer: Any, parts: Sequence[Any]) -> None:
    """Lead the chain from `outer` through its parts, in order, and back."""
    source = wiring.flipped(outer.load)
    for part in parts:
        wiring.connect(m, source, part.load)
        source = part.on
    wiring.connect(m, source, wiring.flipped(outer.on))


class MemoryLoader(wiring.Component):
    """Takes the bytes of one memory out of the chain and lets all later ones pass.

    A word is ``ceil(width / 8)`` bytes, the lowest bits first; words come in the order of their addresses.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | latency           | 1 cycle for bytes that pass; a word is written with its last byte |
    | registers         | ``8 * (ceil(width / 8) - 1)`` for a word, an address, a count,    |
    |                   | and 11 for the chain                                              |

    Parameters
    ----------
    depth, width : int
        Words, and bits of a word.

    Members
    -------
    load : In(CHAIN)
    on : Out(CHAIN)
    write : Out(1)
    address : Out(range(depth))
    word : Out(width)
        What to write in this cycle, and where.
    """

    write: Signal
    address: Signal
    word: Signal

    def __init__(self, *, depth: int, width: int) -> None:
        self.depth, self.width = depth, width
        super().__init__({**chain_ports(), "write": Out(1), "address": Out(range(depth)), "word": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size = -(-self.width // 8)
        count, full = Signal(range(size)), Signal(init=1)
        before = Signal(8 * (size - 1), reset_less=True)
        take, last = Signal(), Signal()
        word = Cat(before, self.load.data)
        m.d.comb += [
            take.eq(self.load.valid & ~full),
            last.eq(count == size - 1),
            self.write.eq(take & last),
            self.word.eq(word),
        ]
        with m.If(self.load.start):
            m.d.sync += [count.eq(0), self.address.eq(0), full.eq(0)]
        with m.Elif(take):
            m.d.sync += [before.eq(word[8:]), count.eq(wrap_increment(count, size))]
            with m.If(last):
                m.d.sync += [
                    self.address.eq(wrap_increment(self.address, self.depth)),
                    full.eq(self.address == self.depth - 1),
                ]
        m.d.sync += [
            self.on.start.eq(self.load.start),
            self.on.valid.eq(self.load.valid & full),
            self.on.data.eq(self.load.data),
        ]
        return m


class FrameGate(wiring.Component):
    """Lets frames through while parameters are in place; a frame that has begun goes on.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | latency           | none: beats pass in the cycle in which they come                  |
    | registers         | a count of beats, and one of frames under way                     |

    Parameters
    ----------
    width, beats : int
        Of a beat, and of a frame.
    most : int
        Frames that can be under way.

    Members
    -------
    i : In(stream.Signature(width))
    o : Out(stream.Signature(width))
    loaded : In(1)
    closing : In(1)
        No frame may begin any more.
    done : In(1)
        The last beat of a result leaves the accelerator.
    quiet : Out(1)
        No frame is under way.
    """

    i: stream.Interface
    o: stream.Interface
    loaded: Signal
    closing: Signal
    done: Signal
    quiet: Signal

    def __init__(self, *, width: int, beats: int, most: int) -> None:
        self.beats, self.most = beats, most
        super().__init__(
            {
                "i": In(stream.Signature(width)),
                "o": Out(stream.Signature(width)),
                "loaded": In(1),
                "closing": In(1),
                "done": In(1),
                "quiet": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beat, under_way = Signal(range(self.beats)), Signal(range(self.most + 1))
        begins, lets, take, waits = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            begins.eq(beat == 0),
            # A beat that was offered already must stay until it moves.
            lets.eq(self.loaded & ~(self.closing & begins & ~waits)),
            self.o.valid.eq(self.i.valid & lets),
            self.o.payload.eq(self.i.payload),
            self.i.ready.eq(self.o.ready & lets),
            take.eq(self.i.valid & self.i.ready),
            self.quiet.eq(begins & ~waits & (under_way == 0)),
        ]
        m.d.sync += waits.eq(self.o.valid & ~self.o.ready)
        with m.If(take):
            m.d.sync += beat.eq(wrap_increment(beat, self.beats))
        m.d.sync += under_way.eq(under_way + (take & begins) - self.done)
        return m


class Loader(wiring.Component):
    """Takes an image of all parameters: lets its bytes into the chain, and frames only behind a right one.

    A byte with `first` begins a load, whatever came before. From then on no frame begins; the byte itself
    waits until all frames under way are done. Frames may come again when the image is complete, its CRC-32 is right,
    and its last byte has reached its place. Until then, and after a wrong image, the accelerator takes none. Bytes
    behind an image are dropped.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles            | one for each byte                                                 |
    | latency           | ``hops + 4`` cycles from the last byte to `loaded`                |
    | resources         | a CRC-32 of bytes, a count of bytes, a FIFO of two bytes          |

    Parameters
    ----------
    size : int
        Bytes of the image without its CRC-32.
    initial : int
        CRC-32, as `zlib.crc32` tells it, of what comes before the image: what it must fit to.

    Members
    -------
    load : In(stream.Signature(LOAD))
    chain : Out(CHAIN)
        To the first memory.
    end : In(CHAIN)
        From the last one.
    quiet : In(1)
    loaded, closing : Out(1)
        See `FrameGate`.
    failed : Out(1)
        The last image was wrong.
    checksum : Out(32)
        While `loaded`: the CRC-32 at the end of the image.
    settled : Out(1)
        All bytes that came before this cycle are taken, and what they change is changed.
    """

    load: stream.Interface
    quiet: Signal
    loaded: Signal
    closing: Signal
    failed: Signal
    checksum: Signal
    settled: Signal

    def __init__(self, *, size: int, initial: int) -> None:
        self.size, self.initial = size, initial
        super().__init__(
            {
                "load": In(stream.Signature(LOAD)),
                "chain": Out(CHAIN),
                "end": In(CHAIN),
                "quiet": In(1),
                "loaded": Out(1),
                "closing": Out(1),
                "failed": Out(1),
                "checksum": Out(32),
                "settled": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bytes = fifo = Fifo(width=LOAD.size, depth=2)
        m.submodules.crc = check = crc.Processor(self._algorithm()(data_width=8))
        byte = LOAD(fifo.o.payload)
        m.d.comb += [
            fifo.i.valid.eq(self.load.valid),
            fifo.i.payload.eq(self.load.payload),
            self.load.ready.eq(fifo.i.ready),
            check.data.eq(byte.data),
        ]

        # Bytes that are still to come; the last four are the CRC-32.
        left = Signal(range(self.size + CRC_BYTES + 1))
        take = Signal()
        m.d.comb += [take.eq(fifo.o.valid & fifo.o.ready), check.valid.eq(take)]
        m.d.sync += [self.chain.start.eq(0), self.chain.valid.eq(0), self.chain.data.eq(byte.data)]
        with m.FSM() as fsm:
            m.d.comb += self.settled.eq(~fifo.o.valid & (fsm.ongoing("IDLE") | fsm.ongoing("LOADING")))
            with m.State("IDLE"):
                m.d.comb += fifo.o.ready.eq(~byte.first)
                with m.If(fifo.o.valid & byte.first):
                    m.next = "CLOSING"
            with m.State("CLOSING"):
                m.d.comb += [self.closing.eq(1), check.start.eq(1)]
                m.d.sync += left.eq(self.size + CRC_BYTES)
                with m.If(self.quiet):
                    m.d.sync += [self.loaded.eq(0), self.failed.eq(0), self.chain.start.eq(1)]
                    m.next = "LOADING"
            with m.State("LOADING"):
                # A first byte behind others begins anew.
                m.d.comb += fifo.o.ready.eq(~byte.first | (left == self.size + CRC_BYTES))
                with m.If(fifo.o.valid & ~fifo.o.ready):
                    m.next = "CLOSING"
                with m.If(take):
                    m.d.sync += [left.eq(left - 1), self.chain.valid.eq(left > CRC_BYTES)]
                    # The last four bytes stay.
                    m.d.sync += self.checksum.eq(Cat(self.checksum[8:], byte.data))
                    with m.If(left == 1):
                        m.next = "CHECKING"
            with m.State("CHECKING"):
                # One byte more goes through the chain: it comes out behind the last that has found its place.
                m.d.sync += [self.chain.valid.eq(check.match_detected), self.failed.eq(~check.match_detected)]
                m.next = "IDLE"
                with m.If(check.match_detected):
                    m.next = "PLACING"
            with m.State("PLACING"), m.If(self.end.valid):
                m.d.sync += self.loaded.eq(1)
                m.next = "IDLE"
        return m

    def _algorithm(self) -> crc.Algorithm:
        """The CRC-32 that begins where that of what comes before has ended."""
        register = self.initial ^ 0xFFFFFFFF
        return crc.Algorithm(
            crc_width=32,
            polynomial=0x04C11DB7,
            initial_crc=int(f"{register:032b}"[::-1], 2),
            reflect_input=True,
            reflect_output=True,
            xor_output=0xFFFFFFFF,
        )
