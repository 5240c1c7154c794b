"""Feeds layers whose weights lie in memory outside the chip."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks.width.gateware import WidthConverter
from ..gateware.counters import sum_and_one
from ..gateware.fifo import Fifo
from .buffer import BeatBuffer
from .requests import BurstScheduler, pending_layout, request_layout
from .spec import ReaderSpec

__all__ = ["WeightReader", "answer_signature", "inner_reader", "reader_ports", "weight_ports"]


def answer_signature(beat_bits: int) -> wiring.Signature:
    """Beats of bursts, in the order of the requests, each in the cycle with `valid`.

    There is no `ready`: all that was asked for has a place. A beat with `error` is none. `last` marks the end of each
    burst.
    """
    return wiring.Signature({"valid": Out(1), "data": Out(beat_bits), "last": Out(1), "error": Out(1)})


def weight_ports(spec: ReaderSpec) -> wiring.Signature:
    """A stream of words for each layer, by its name."""
    words = {weights.name: Out(stream.Signature(weights.width)) for weights in spec.layout.streams}
    return wiring.Signature(words)


def reader_ports(spec: ReaderSpec) -> dict[str, wiring.Member]:
    """The members of a reader, whatever the memory."""
    return {
        "enable": In(1),
        "base": In(spec.address_bits),
        "weights": Out(weight_ports(spec)),
        "error": Out(1),
    }


class WeightReader(wiring.Component):
    """Reads the image of all streamed layers over and over, and gives each layer its words in order.

    Each layer has a buffer of its own. A burst is asked for only when its layer has space for a whole one, which is
    reserved then: so every beat that comes has a place, none ever waits between memory and buffer, and a layer that
    takes nothing holds no other up. There is no deadlock: a request waits for the memory alone.

    Layers that have space take turns (round robin). So none starves: between the cycle in which a layer has space and
    its request, each other layer is served once at most.

    What a layer gets is always a beginning of its endless sequence of words: a beat that is an error, that marks the
    end of a burst where there is none, or that was not asked for, sets `error` until reset. Neither it nor any beat
    behind it goes to a layer, so a word comes right or not at all.

    | property          | formula                                                                    |
    |-------------------|----------------------------------------------------------------------------|
    | requests          | one every 5 cycles: bursts of 5 beats and more can keep the bus busy       |
    | latency           | ``layers + 6`` cycles from `enable` to the first request; from a beat to   |
    |                   | the word that it completes 6 cycles, and the converter's                   |
    | resources, each   | a `BeatBuffer` of ``buffer_bursts * burst_beats`` beats, a                 |
    | layer             | `WidthConverter`, and a count of free places                               |
    | resources, once   | a `BurstScheduler`, a `Fifo` of `outstanding` bursts, a register of a beat |

    Parameters
    ----------
    spec : ReaderSpec

    Members
    -------
    enable : In(1)
        The image is in memory. From the first cycle with it on, reading goes on until reset.
    base : In(address_bits)
        Of the image, in bytes: a multiple of ``layout.burst_bytes``, of which all lies within the addresses; else
        `error` is set. It counts in the first cycle with `enable`.
    request : Out(stream.Signature(request_layout(spec)))
    answer : In(answer_signature(beat_bits))
        A beat comes at the earliest a cycle after its request has moved.
    weights : Out(weight_ports(spec))
    error : Out(1)
    """

    enable: Signal
    base: Signal
    request: stream.Interface
    error: Signal

    def __init__(self, spec: ReaderSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                **reader_ports(spec),
                "request": Out(stream.Signature(request_layout(spec))),
                "answer": In(answer_signature(spec.layout.beat_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, layout = self.spec, self.spec.layout
        burst = layout.burst_beats
        m.submodules.scheduler = scheduler = BurstScheduler(spec)
        wiring.connect(m, scheduler.request, wiring.flipped(self.request))
        put, beat = self._answers(m, scheduler)
        # One beat less for each behind the first, and one for the first.
        less = Cat(~scheduler.more, Const(1, 1)).as_signed()
        for number, weights in enumerate(layout.streams):
            m.submodules[f"{weights.name}_buffer"] = buffer = BeatBuffer(
                width=layout.beat_bits, depth=spec.buffer_beats, layout=spec.buffer_layout
            )
            m.submodules[f"{weights.name}_words"] = words = WidthConverter(spec.converters[number])
            wiring.connect(m, buffer.o, words.i)
            wiring.connect(m, words.o, wiring.flipped(getattr(self.weights, weights.name)))
            # Free places, less those of a burst: not negative where there is space for one.
            room = Signal(range(-burst, spec.buffer_beats - burst + 1), init=spec.buffer_beats - burst)
            m.d.comb += [
                scheduler.asks[number].eq(~room[-1]),
                buffer.put.eq(put[number]),
                buffer.beat.eq(beat),
            ]
            m.d.sync += room.eq(sum_and_one(room, Mux(scheduler.taken[number], less, 0), buffer.frees))
        return m

    def _answers(self, m: Module, scheduler: BurstScheduler) -> tuple[Signal, Signal]:
        """Lead beats to their layers: which one gets it (one bit each), and the beat, a cycle later."""
        spec = self.spec
        m.submodules.pending = pending = Fifo(width=pending_layout(spec).size, depth=spec.outstanding)
        layers = len(spec.layout.streams)
        head = pending_layout(spec)(pending.o.payload)
        come, ends, good = Signal(len(head.more)), Signal(), Signal()
        put, beat = Signal(layers), Signal(spec.layout.beat_bits, reset_less=True)
        m.d.comb += [
            scheduler.enable.eq(self.enable),
            scheduler.base.eq(self.base),
            scheduler.stop.eq(self.error),
            pending.i.valid.eq(scheduler.pending.valid),
            pending.i.payload.eq(scheduler.pending.payload),
            scheduler.pending.ready.eq(pending.i.ready),
            ends.eq(come == head.more),
            good.eq(pending.o.valid & ~self.answer.error & (self.answer.last == ends)),
            pending.o.ready.eq(self.answer.valid & ends),
        ]
        m.d.sync += [beat.eq(self.answer.data), put.eq(0)]
        with m.If(self.answer.valid):
            m.d.sync += come.eq(Mux(ends, 0, come + 1))
        with m.If(self.answer.valid & good & ~self.error):
            m.d.sync += put.eq(Cat(head.layer == layer for layer in range(layers)))
        with m.If(self.answer.valid & ~good | scheduler.failed):
            m.d.sync += self.error.eq(1)
        return put, beat


def inner_reader(m: Module, outer: Any) -> WeightReader:
    """The reader inside a component that has its ports, and leads its requests to a memory."""
    m.submodules.reader = reader = WeightReader(outer.spec)
    wiring.connect(m, reader.weights, wiring.flipped(outer.weights))
    m.d.comb += [reader.enable.eq(outer.enable), reader.base.eq(outer.base), outer.error.eq(reader.error)]
    return reader
