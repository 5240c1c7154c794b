"""Parameters that are loaded: from a stream of their bytes to the memories of all blocks, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import crc, data, stream, wiring
from amaranth.lib.wiring import In, Out

from .crc import LATENCY, BeatCrc
from .fifo import Fifo, wrap_increment

__all__ = [
    "CRC_BYTES",
    "LOAD",
    "LOADER_STATES",
    "BeatCollector",
    "FrameGate",
    "Loader",
    "MemoryLoader",
    "chain_ports",
    "chain_signature",
    "crc_beats",
    "load_layout",
    "pass_on",
]

#: Bytes of the CRC-32 at the end of an image.
CRC_BYTES = 4
#: States of `Loader` before "CHECKING" with beats of several bytes: their CRC-32 is known later.
_ENDS = tuple(f"ENDING{n}" for n in range(LATENCY))
#: The states of `Loader`, from 0 on: Amaranth numbers them as they are first named.
LOADER_STATES = ("IDLE", "LOADING", "CLOSING", "CHECKING", "PLACING", *_ENDS)


def load_layout(load_width: int) -> data.StructLayout:
    """What a beat of the load stream carries.

    ``load_width`` bytes of the image, the first in the lowest bits; whether they are the first; and, where they are
    several, `bad`: some of them are missing, so that the image is wrong.
    """
    return data.StructLayout({"data": 8 * load_width, "first": 1, **({"bad": 1} if load_width > 1 else {})})


#: The load stream of a byte a beat.
LOAD = load_layout(1)


def crc_beats(load_width: int) -> int:
    """Beats of the CRC-32 at the end of an image: in beats of more than four bytes, zeros stand before it."""
    return -(-CRC_BYTES // load_width)


def chain_signature(load_width: int) -> wiring.Signature:
    """Beats on their way from memory to memory: all begin anew with `start`; a beat is there with `valid`."""
    return wiring.Signature({"start": Out(1), "valid": Out(1), "data": Out(8 * load_width)})


def chain_ports(load_width: int) -> dict[str, wiring.Member]:
    """The members of what the chain goes through: `load`, where beats come in, and `on`, where they leave."""
    return {"load": In(chain_signature(load_width)), "on": Out(chain_signature(load_width))}


def pass_on(m: Module, outer: Any, parts: Sequence[Any]) -> None:
    """Lead the chain from `outer` through its parts, in order, and back."""
    source = wiring.flipped(outer.load)
    for part in parts:
        wiring.connect(m, source, part.load)
        source = part.on
    wiring.connect(m, source, wiring.flipped(outer.on))


class MemoryLoader(wiring.Component):
    """Takes the beats of one memory out of the chain and lets all later ones pass.

    A word is ``beats = ceil(width / bits)`` beats of ``bits = 8 * load_width``, the lowest bits first; words come in
    the order of their addresses.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | latency           | 1 cycle for beats that pass; a word is written with its last beat |
    | registers         | ``bits * (beats - 1)`` for a word, an address, a count, and       |
    |                   | ``bits + 3`` for the chain                                        |

    Parameters
    ----------
    depth, width : int
        Words, and bits of a word.
    load_width : int
        Bytes of a beat.

    Members
    -------
    load : In(chain_signature(load_width))
    on : Out(chain_signature(load_width))
    write : Out(1)
    address : Out(range(depth))
    word : Out(width)
        What to write in this cycle, and where.
    """

    write: Signal
    address: Signal
    word: Signal

    def __init__(self, *, depth: int, width: int, load_width: int = 1) -> None:
        self.depth, self.width, self.load_width = depth, width, load_width
        super().__init__({**chain_ports(load_width), "write": Out(1), "address": Out(range(depth)), "word": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = 8 * self.load_width
        size = -(-self.width // bits)
        count, full = Signal(range(size)), Signal(init=1)
        before = Signal(bits * (size - 1), reset_less=True)
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
            m.d.sync += [before.eq(word[bits:]), count.eq(wrap_increment(count, size))]
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


class _Marks(NamedTuple):
    """Whether the next beat is the first, one before the CRC-32, the last; what a load begins with, and a beat does."""

    fresh: Value
    content: Value
    final: Value
    begin: tuple[Any, ...]
    step: tuple[Any, ...]


class Loader(wiring.Component):
    """Takes an image of all parameters: lets its beats into the chain, and frames only behind a right one.

    A beat with `first` begins a load, whatever came before. From then on no frame begins; the beat itself
    waits until all frames under way are done. Frames may come again when the image is complete, its CRC-32 is right,
    and its last beat has reached its place. Until then, and after a wrong image, the accelerator takes none. Beats
    behind an image are dropped. A beat that is `bad` makes the image wrong at once, whatever it carries.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles            | one for each beat                                                 |
    | latency           | ``hops + 4`` cycles from the last beat to `loaded`; 3 more with   |
    |                   | beats of several bytes                                            |
    | resources         | a CRC-32 of beats, a count of beats, a FIFO of two beats          |

    Parameters
    ----------
    size : int
        Beats of the image without those of its CRC-32.
    initial : int
        CRC-32, as `zlib.crc32` tells it, of what comes before the image: what it must fit to.
    load_width : int
        Bytes of a beat.

    Members
    -------
    load : In(stream.Signature(load_layout(load_width)))
    chain : Out(chain_signature(load_width))
        To the first memory.
    end : In(chain_signature(load_width))
        From the last one.
    quiet : In(1)
    loaded, closing : Out(1)
        See `FrameGate`.
    failed : Out(1)
        The last image was wrong.
    checksum : Out(32)
        While `loaded`: the CRC-32 at the end of the image.
    settled : Out(1)
        All beats that came before this cycle are taken, and what they change is changed.
    """

    load: stream.Interface
    quiet: Signal
    loaded: Signal
    closing: Signal
    failed: Signal
    checksum: Signal
    settled: Signal

    def __init__(self, *, size: int, initial: int, load_width: int = 1) -> None:
        self.size, self.initial, self.load_width = size, initial, load_width
        super().__init__(
            {
                "load": In(stream.Signature(load_layout(load_width))),
                "chain": Out(chain_signature(load_width)),
                "end": In(chain_signature(load_width)),
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
        layout, crc_size = load_layout(self.load_width), crc_beats(self.load_width)
        # The name is that of a byte a beat, which bitstreams have that were made before there were wider ones.
        m.submodules.bytes = fifo = Fifo(width=layout.size, depth=2)
        m.submodules.crc = check = self._check()
        beat = layout(fifo.o.payload)
        m.d.comb += [
            fifo.i.valid.eq(self.load.valid),
            fifo.i.payload.eq(self.load.payload),
            self.load.ready.eq(fifo.i.ready),
            # Of several bytes a register later, as that many bits take some levels.
            check.data.eq(beat.data if self.load_width == 1 else self.chain.data),
        ]

        # Beats that are still to come; the last ones are the CRC-32.
        left = Signal(range(self.size + crc_size + 1))
        marks = self._marks(left)
        ends = [*(_ENDS if self.load_width > 1 else ()), "CHECKING"]
        take = Signal()
        m.d.comb += take.eq(fifo.o.valid & fifo.o.ready)
        if self.load_width == 1:
            m.d.comb += check.valid.eq(take)
        else:
            m.d.sync += check.valid.eq(take)
        m.d.sync += [self.chain.start.eq(0), self.chain.valid.eq(0), self.chain.data.eq(beat.data)]
        with m.FSM() as fsm:
            for state in LOADER_STATES if self.load_width > 1 else ():
                fsm.ongoing(state)
            m.d.comb += self.settled.eq(~fifo.o.valid & (fsm.ongoing("IDLE") | fsm.ongoing("LOADING")))
            with m.State("IDLE"):
                m.d.comb += fifo.o.ready.eq(~beat.first)
                with m.If(fifo.o.valid & beat.first):
                    m.next = "CLOSING"
            with m.State("CLOSING"):
                m.d.comb += [self.closing.eq(1), check.start.eq(1)]
                m.d.sync += [left.eq(self.size + crc_size), *marks.begin]
                with m.If(self.quiet):
                    m.d.sync += [self.loaded.eq(0), self.failed.eq(0), self.chain.start.eq(1)]
                    m.next = "LOADING"
            with m.State("LOADING"):
                # A first beat behind others begins anew.
                m.d.comb += fifo.o.ready.eq(~beat.first | marks.fresh)
                with m.If(fifo.o.valid & ~fifo.o.ready):
                    m.next = "CLOSING"
                with m.If(take):
                    m.d.sync += [left.eq(left - 1), self.chain.valid.eq(marks.content), *marks.step]
                    # The last four bytes stay.
                    m.d.sync += self.checksum.eq(Cat(self.checksum, beat.data)[-32:])
                    with m.If(marks.final):
                        m.next = ends[0]
                    if self.load_width > 1:
                        with m.If(beat.bad):
                            m.d.sync += self.failed.eq(1)
                            m.next = "IDLE"
            for state, following in pairwise(ends):
                with m.State(state):
                    m.next = following
            with m.State("CHECKING"):
                # One beat more goes through the chain: it comes out behind the last that has found its place.
                m.d.sync += [self.chain.valid.eq(check.match_detected), self.failed.eq(~check.match_detected)]
                m.next = "IDLE"
                with m.If(check.match_detected):
                    m.next = "PLACING"
            with m.State("PLACING"), m.If(self.end.valid):
                m.d.sync += self.loaded.eq(1)
                m.next = "IDLE"
        return m

    def _marks(self, left: Signal) -> _Marks:
        """What the next beat is; of wide ones from registers, as these are for high clocks."""
        crc_size = crc_beats(self.load_width)
        if self.load_width == 1:
            return _Marks(left == self.size + crc_size, left > crc_size, left == 1, (), ())
        fresh, content, final = Signal(), Signal(), Signal()
        begin = (fresh.eq(1), content.eq(1), final.eq(0))
        step = (fresh.eq(0), content.eq(left > crc_size + 1), final.eq(left == 2))
        return _Marks(fresh, content, final, begin, step)

    def _check(self) -> crc.Processor | BeatCrc:
        """What takes the CRC-32."""
        if self.load_width == 1:
            return crc.Processor(self._algorithm()(data_width=8))
        return BeatCrc(load_width=self.load_width, initial=self.initial)

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


class BeatCollector(wiring.Component):
    """Makes beats of several bytes from a load stream of single ones.

    A byte with `first` begins a beat. What is left of the beat before is dropped.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles            | one for each byte, and one for the beat                           |
    | latency           | 1 cycle from the last byte of a beat                              |
    | registers         | those of a beat, a count of bytes, and two                        |

    Parameters
    ----------
    load_width : int
        Bytes of a beat, a power of two above 1.

    Members
    -------
    i : In(stream.Signature(LOAD))
    o : Out(stream.Signature(load_layout(load_width)))
    begun : Out(1)
        A first byte has come, and its beat is not complete: a load begins.
    """

    i: stream.Interface
    o: stream.Interface
    begun: Signal

    def __init__(self, *, load_width: int) -> None:
        self.load_width = load_width
        members = {"i": In(stream.Signature(LOAD)), "o": Out(stream.Signature(load_layout(load_width)))}
        super().__init__({**members, "begun": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count, last = Signal(range(self.load_width)), Signal()
        m.d.comb += [
            self.i.ready.eq(~self.o.valid),
            last.eq((count == self.load_width - 1) & ~self.i.payload.first),
            self.begun.eq(self.o.payload.first & ~self.o.valid),
        ]
        with m.If(self.i.valid & self.i.ready):
            # A power of two of bytes: the count begins anew by itself.
            m.d.sync += [
                self.o.valid.eq(last),
                self.o.payload.data.eq(Cat(self.o.payload.data, self.i.payload.data)[8:]),
                self.o.payload.first.eq(self.o.payload.first | self.i.payload.first),
                count.eq(Mux(self.i.payload.first, 1, count + 1)),
            ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(0), self.o.payload.first.eq(0)]
        return m
