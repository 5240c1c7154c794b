"""The CRC-32 of an image that comes several bytes a cycle."""

from __future__ import annotations

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LATENCY", "POLYNOMIAL", "BeatCrc"]

#: The polynomial of CRC-32 (ISO-HDLC, as `zlib.crc32`), lowest power in the highest bit.
POLYNOMIAL = 0xEDB88320
#: Cycles from a beat to what `BeatCrc` says of it.
LATENCY = 3
#: What the register holds behind bytes and their own CRC-32, lowest byte first.
_RESIDUE = 0xDEBB20E3


class BeatCrc(wiring.Component):
    """Whether beats of bytes end with the CRC-32 of all before.

    A register of a CRC is an element of GF(2^32), and a beat of ``n = 8 * load_width`` bits takes it from ``r`` to
    ``r * x**n + d``, where d comes from the beat alone. The loop through ``x**n`` would be an exclusive or of some 16
    bits. As n is a power of two, taking powers of n is linear and one to one (the Frobenius map): with ``r = t**n`` and
    ``d = e**n`` it is ``t * x + e``. So t steps as a CRC of single bits does, however wide beats are.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | latency           | 3 cycles, which `LATENCY` says                                    |
    | resources         | 32 registers for e, each an exclusive or of about ``n / 2`` bits  |
    |                   | of the beat; 32 for t, and 2; a comparison with a constant        |

    Parameters
    ----------
    load_width : int
        Bytes of a beat, a power of two.
    initial : int
        CRC-32, as `zlib.crc32` tells it, of what comes before.

    Members
    -------
    start : In(1)
        Begin anew, with a beat in this cycle; the one before does not count.
    data : In(8 * load_width)
    valid : In(1)
        A beat is there.
    match_detected : Out(1)
        The last four bytes are the CRC-32 of all before them, from `LATENCY` cycles behind their beat on.
    """

    start: Signal
    data: Signal
    valid: Signal
    match_detected: Signal

    def __init__(self, *, load_width: int, initial: int = 0) -> None:
        self.load_width, self.initial = load_width, initial
        super().__init__({"start": In(1), "data": In(8 * load_width), "valid": In(1), "match_detected": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = 8 * self.load_width
        register = Signal(32, init=_root(self.initial ^ 0xFFFFFFFF, bits))
        # What each bit of a beat changes, in an empty register.
        changes = [_root(_power(POLYNOMIAL, bits - 1 - at), bits) for at in range(bits)]
        masks = [sum((change >> place & 1) << at for at, change in enumerate(changes)) for place in range(32)]
        change, changes_now = Signal(32, reset_less=True), Signal()
        m.d.sync += [change.eq(Cat((self.data & mask).xor() for mask in masks)), changes_now.eq(self.valid)]
        with m.If(self.start):
            m.d.sync += register.eq(register.init)
        with m.Elif(changes_now):
            m.d.sync += register.eq(register[1:] ^ Mux(register[0], POLYNOMIAL, 0) ^ change)
        m.d.sync += self.match_detected.eq(register == _root(_RESIDUE, bits))
        return m


def _power(element: int, exponent: int) -> int:
    """An element of the field times so many x."""
    for _ in range(exponent):
        element = element >> 1 ^ POLYNOMIAL * (element & 1)
    return element


def _root(element: int, power: int) -> int:
    """The element of which another one is the power, by a power of two."""
    squares = [_power(1 << 31, 2 * (31 - place)) for place in range(32)]
    # Squared 32 times, an element is itself.
    for _ in range(33 - power.bit_length()):
        element = reduce(xor, (square for place, square in enumerate(squares) if element >> place & 1), 0)
    return element
