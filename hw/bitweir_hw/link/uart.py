"""A UART: bytes over one wire each way, 8 data bits, no parity, one stop bit, the lowest bit first."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..errors import LinkError

__all__ = ["UartReceiver", "UartTransmitter", "phase_step"]

#: Cycles a bit lasts at least.
_LEAST_CYCLES = 4
#: The share by which the mean length of a bit may be wrong.
_ACCURACY = 5e-4


def phase_step(clock: int, baud: int) -> tuple[int, int]:
    """What a phase accumulator adds in a cycle, and its bits: it overflows once a bit.

    Parameters
    ----------
    clock, baud : int
        Hz and bits a second.

    Returns
    -------
    step, width : int
        The narrowest accumulator whose rate ``clock * step / 2**width`` is `baud` within 0.05 %.

    Raises
    ------
    LinkError
        A bit lasts less than 4 cycles.
    """
    if not 0 < baud * _LEAST_CYCLES <= clock:
        raise LinkError(
            f"The baud rate must be between 1 and {clock // _LEAST_CYCLES}, a quarter of the clock, not {baud}."
        )
    width = (clock // baud).bit_length() - 1
    while True:
        exact = (baud << width) / clock
        step = round(exact)
        if step and abs(step - exact) <= _ACCURACY * exact:
            return step, width
        width += 1


class UartReceiver(wiring.Component):
    """Bytes from a wire.

    A byte begins where the wire falls; the start bit must still be there in its middle. Each bit is
    sampled in its middle, to a cycle, so a sender may be off by 2 % even at 4 cycles a bit. A byte whose
    stop bit is 0 is dropped, and the next one begins after the wire has been 1 again.

    | property  | formula                                                             |
    |-----------|---------------------------------------------------------------------|
    | latency   | 3 cycles from the middle of the stop bit                            |
    | cycles    | a bit lasts ``clock / baud`` on average, each one to a cycle        |
    | resources | an accumulator of `phase_step` bits, 18 registers, a counter to 10  |

    Parameters
    ----------
    clock, baud : int
        Hz and bits a second; see `phase_step`.

    Members
    -------
    rx : In(1)
        The wire, not synchronous to the clock.
    o : Out(stream.Signature(8))
        A byte waits for as long as the next one takes.
    error : Out(1)
        For one cycle: a byte was lost, as its stop bit was 0 or the one before it still waited.
    """

    rx: Signal
    o: stream.Interface
    error: Signal

    def __init__(self, *, clock: int, baud: int) -> None:
        self.step, self.width = phase_step(clock, baud)
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8)), "error": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rx = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, rx, init=1)

        active, broken, done = Signal(), Signal(), Signal()
        phase, tick = Signal(self.width, reset_less=True), Signal(reset_less=True)
        bit, byte = Signal(range(10)), Signal(8)
        m.d.sync += [Cat(phase, tick).eq(phase + self.step), done.eq(0), self.error.eq(0)]
        with m.If(~active):
            # The tick comes in the middle of each bit: half a bit, less the cycle that the fall was seen
            # late by on average, less the one that the tick comes late by, rounded and not cut off.
            m.d.sync += [Cat(phase, tick).eq((1 << (self.width - 1)) + 2 * self.step), bit.eq(0), active.eq(~rx)]
        with m.Elif(broken):
            m.d.sync += [active.eq(~rx), broken.eq(~rx)]
        with m.Elif(tick):
            m.d.sync += bit.eq(bit + 1)
            with m.If(bit == 9):
                m.d.sync += [active.eq(~rx), broken.eq(~rx), done.eq(rx), self.error.eq(~rx)]
            with m.Else():
                m.d.sync += byte.eq(Cat(byte[1:], rx))
                with m.If((bit == 0) & rx):
                    m.d.sync += active.eq(0)

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(done):
            with m.If(self.o.valid):
                m.d.sync += self.error.eq(1)
            with m.Else():
                m.d.sync += [self.o.payload.eq(byte), self.o.valid.eq(1)]
        return m


class UartTransmitter(wiring.Component):
    """Bytes to a wire, without a gap while there are any.

    | property  | formula                                                                |
    |-----------|------------------------------------------------------------------------|
    | latency   | 1 cycle from a byte to its start bit, if nothing is under way          |
    | cycles    | a byte every ``10 * clock / baud`` on average, each bit to a cycle     |
    | resources | an accumulator of `phase_step` bits, 9 registers, a counter to 10      |

    Parameters
    ----------
    clock, baud : int
        Hz and bits a second; see `phase_step`.

    Members
    -------
    i : In(stream.Signature(8))
        Ready in the last cycle of a stop bit, and while nothing is under way.
    tx : Out(1)
        The wire. From a register, 1 from reset on.
    """

    i: stream.Interface
    tx: Signal

    def __init__(self, *, clock: int, baud: int) -> None:
        self.step, self.width = phase_step(clock, baud)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        active = Signal()
        phase, tick = Signal(self.width, reset_less=True), Signal(reset_less=True)
        left, bits = Signal(range(10)), Signal(9, init=0x1FF)
        m.d.comb += [self.tx.eq(bits[0]), self.i.ready.eq(~active | tick & (left == 0))]
        m.d.sync += Cat(phase, tick).eq(phase + self.step)
        with m.If(~active):
            # As after a cycle: a tick comes a cycle late.
            m.d.sync += Cat(phase, tick).eq(self.step)
        with m.If(self.i.ready):
            m.d.sync += active.eq(self.i.valid)
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(Cat(0, self.i.payload)), left.eq(9)]
        with m.Elif(tick):
            m.d.sync += [bits.eq(Cat(bits[1:], 1)), left.eq(left - 1)]
        return m
