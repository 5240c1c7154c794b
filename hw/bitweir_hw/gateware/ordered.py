"""Results of several pixels that come group by group, and leave pixel by pixel."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring

from ..memory import is_block
from .counters import FillLevel, counter
from .credits import output_ports
from .fifo import wrap_increment

__all__ = ["OrderedOutput"]


class OrderedOutput(wiring.Component):
    """The end of a pipeline without stalls, as `credits.CreditedOutput`, that puts results in order.

    A batch is ``pixels * each`` results: first those of each pixel of group 0, then of group 1, and so on. They leave
    when all of a batch are in, those of a pixel one after the other; meanwhile other batches come.

    Resources: a memory of ``batches * pixels * each`` words with a register behind it, addresses, and two fill levels.

    Parameters
    ----------
    width : int
        Bits of a result.
    pixels, each : int
        Of a batch, and results of each pixel.
    batches : int
        How many have a place, 2 or more.

    Members
    -------
    free : Out(1)
        A place is free. From registers.
    start : In(1)
        Takes the place.
    done : In(1)
    result : In(width)
        Written with `done`.
    o : Out(stream.Signature(width))
    """

    o: stream.Interface
    free: Signal
    start: Signal
    done: Signal
    result: Signal

    def __init__(self, *, width: int, pixels: int, each: int, batches: int) -> None:
        self.width, self.pixels, self.each, self.batches = width, pixels, each, batches
        super().__init__(output_ports(width))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        batch = self.pixels * self.each
        words = self.batches * batch
        block = is_block(words, self.width)
        m.submodules.memory = store = memory.Memory(
            shape=self.width, depth=words, init=[], attrs={"ram_style": "block"} if block else {}
        )
        write, read = store.write_port(), store.read_port()
        fetch, filled, left, begun, valid, last = Signal(), Signal(), Signal(), Signal(), Signal(), Signal()

        # Places are lent batch by batch: one that has begun has room for all its results.
        place, _ = counter(m, "place", self.start, batch)
        lent = FillLevel(m, "lent", self.batches, change=begun ^ left, down=left)
        m.d.comb += [
            begun.eq(self.start & (place == 0)),
            self.free.eq((place != 0) | lent.space),
            write.en.eq(self.done),
            write.addr.eq(self._write_at(m, filled)),
            write.data.eq(self.result),
        ]

        r_at, _ = counter(m, "r_at", fetch, words)
        _, r_last = counter(m, "r_place", fetch, batch)
        whole = FillLevel(m, "whole", self.batches, change=filled ^ (fetch & r_last), down=fetch & r_last)
        m.d.comb += [
            fetch.eq((self.o.ready | ~valid) & whole.some),
            read.en.eq(fetch),
            read.addr.eq(r_at),
            self.o.valid.eq(valid),
            self.o.payload.eq(read.data),
            left.eq(valid & self.o.ready & last),
        ]
        with m.If(self.o.ready | ~valid):
            m.d.sync += [valid.eq(whole.some), last.eq(r_last)]
        return m

    def _write_at(self, m: Module, filled: Signal) -> Signal:
        """The address of the next result; `filled` becomes whether it is the last one of its batch."""
        words = self.batches * self.pixels * self.each
        at = Signal(range(words))
        _, last_pixel = counter(m, "w_pixel", self.done, self.pixels)
        _, last_group = counter(m, "w_group", self.done & last_pixel, self.each)
        m.d.comb += filled.eq(self.done & last_pixel & last_group)
        with m.If(self.done):
            with m.If(~last_pixel):
                m.d.sync += at.eq(at + self.each)
            with m.Elif(~last_group):
                m.d.sync += at.eq(at - ((self.pixels - 1) * self.each - 1))
            with m.Else():
                m.d.sync += at.eq(wrap_increment(at, words))
        return at
