"""An SPI peripheral: bytes both ways at once, in mode 0, the highest bit first, while CS is low."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..errors import LinkError

__all__ = ["ESCAPE", "ESCAPED", "NOTHING", "SpiPeripheral", "check_rate", "highest_rate"]

#: What is sent while there is nothing to send; and what it and `ESCAPE` are replaced by: as in SLIP (RFC 1055).
NOTHING, ESCAPE = 0x00, 0xDB
ESCAPED = {NOTHING: 0xDC, ESCAPE: 0xDD}
#: Cycles that a period of SCK lasts at least, and those until CIPO changes after a rise of SCK, at most.
_LEAST_CYCLES, _DELAY = 4, 3
#: Nanoseconds that pins, wires and the controller's set-up time take beside these.
_OUTSIDE = 25


def highest_rate(clock: int) -> int:
    """The highest rate of SCK in Hz, for a clock in Hz: ``min(clock / 4, 1 / (3 / clock + 25 ns))``.

    A period has 4 cycles, so that SCK is seen high and low if neither lasts less than 30 % of it. CIPO changes up to 3
    cycles after a rise of SCK; pins, wires and the controller, which takes it at the next one, may take 25 ns of what
    is left.
    """
    return min(clock // _LEAST_CYCLES, clock * 10**9 // (_DELAY * 10**9 + _OUTSIDE * clock))


def check_rate(clock: int, rate: int) -> None:
    """Refuse a rate of SCK above `highest_rate`.

    Raises
    ------
    LinkError
    """
    most = highest_rate(clock)
    if not 0 < rate <= most:
        raise LinkError(
            f"The rate of SCK must be between 1 and {most} Hz, as the link's clock has {clock} Hz, not {rate}."
        )


class SpiPeripheral(wiring.Component):
    """Bytes from a controller and to it, sampled with the clock of the link.

    The controller takes a bit at each rise of SCK, and so does the peripheral. CIPO changes when that rise is seen, 2
    to 3 cycles later, and not at the fall, which leaves a whole period for its way. CS must fall half a period before
    the first rise of SCK, and rise half a period after the last; SCK is low meanwhile.

    While there is nothing to send, zeros are sent, amid a packet, too, as the controller does not wait. So a zero of
    the packets themselves is sent as two bytes, and so is the byte that begins such a pair: see `ESCAPED`. The first
    byte of a transfer is always 0, so what is sent is chosen long before its first bit. A byte that a rise of CS cuts
    off is dropped on the way in, and on the way out it is sent again in the next transfer.

    | property  | formula                                                                               |
    |-----------|---------------------------------------------------------------------------------------|
    | latency   | 3 cycles, to a cycle, from the rise of SCK that ends a byte to the byte; one that is  |
    |           | offered goes out with the next byte that begins, but the first of a transfer          |
    | cycles    | a byte each way in 8 periods of SCK, at least 32 cycles; some sent take two           |
    | resources | 43 registers                                                                          |

    Members
    -------
    sck, cs, copi : In(1)
        Not synchronous to the clock. CS selects when low.
    cipo : Out(1)
        For the pin, which drives while CS is low.
    i : In(stream.Signature(8))
        To the controller. A byte is taken when it begins to be sent.
    o : Out(stream.Signature(8))
        From the controller. A byte waits for as long as the next one takes.
    error : Out(1)
        For one cycle: bits were lost, as CS rose amid a byte or the byte before still waited.
    """

    sck: Signal
    cs: Signal
    copi: Signal
    cipo: Signal
    i: stream.Interface
    o: stream.Interface
    error: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "sck": In(1),
                "cs": In(1, init=1),
                "copi": In(1),
                "cipo": Out(1),
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sck, cs, copi = Signal(), Signal(init=1), Signal()
        m.submodules.sck = FFSynchronizer(self.sck, sck)
        m.submodules.cs = FFSynchronizer(self.cs, cs, init=1)
        m.submodules.copi = FFSynchronizer(self.copi, copi)
        before, rise, end = Signal(), Signal(), Signal()
        bit, taken = Signal(range(8)), Signal(7, reset_less=True)
        m.d.sync += [before.eq(sck), self.error.eq(0)]
        m.d.comb += [rise.eq(sck & ~before & ~cs), end.eq(rise & (bit == 7))]
        with m.If(cs):
            m.d.sync += [bit.eq(0), self.error.eq(bit != 0)]
        with m.Elif(rise):
            m.d.sync += [bit.eq(bit + 1), taken.eq(Cat(copi, taken))]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(end):
            with m.If(self.o.valid):
                m.d.sync += self.error.eq(1)
            with m.Else():
                m.d.sync += [self.o.payload.eq(Cat(copi, taken)), self.o.valid.eq(1)]
        self._send(m, cs, rise, end)
        return m

    def _send(self, m: Module, cs: Signal, rise: Signal, end: Signal) -> None:
        """Choose what is sent next when a byte ends, and shift it out."""
        # A byte that has not been sent whole stays, turned by as many bits as have been; real: it is what is sent now.
        byte, full, real, turned = Signal(8, reset_less=True), Signal(), Signal(), Signal(range(8))
        # Registers, as what is offered may come from a memory late in its cycle.
        offered, special, escaped = Signal(), Signal(reset_less=True), Signal()
        free, pair = Signal(), Signal()
        m.d.comb += [
            self.cipo.eq(byte[7] & real),
            free.eq(real | ~full),
            pair.eq(special & ~escaped),
            self.i.ready.eq(end & free & offered & ~pair),
        ]
        m.d.sync += [
            # Behind a byte that is taken it is late by a cycle, of the 32 and more until the next one.
            offered.eq(self.i.valid),
            special.eq((self.i.payload == NOTHING) | (self.i.payload == ESCAPE)),
        ]
        with m.If(rise & real | ~real & (turned != 0)):
            m.d.sync += [byte.eq(byte.rotate_left(1)), turned.eq(turned + 1)]
        with m.If(cs):
            m.d.sync += real.eq(0)
        with m.If(end):
            m.d.sync += [full.eq(offered | ~free), real.eq(offered | ~free)]
            with m.If(free & offered):
                # The codes of 0x00 and 0xDB differ in the lowest bit, as these do.
                code = Cat(self.i.payload[0], Const(ESCAPED[NOTHING] >> 1, 7))
                m.d.sync += [
                    byte.eq(Mux(pair, ESCAPE, Mux(special, code, self.i.payload))),
                    escaped.eq(pair),
                ]
