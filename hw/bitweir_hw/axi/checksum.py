"""A checksum of all packets that have passed, for hosts that want to know that bytes came as they were sent."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..gateware.crc import POLYNOMIAL
from ..gateware.fifo import wrap_increment

__all__ = ["Checksum", "crc32_step"]


def crc32_step(register: Value, bits: Value) -> Value:
    """The 32 bits of a CRC-32 register behind `bits`, the lowest first, from those before.

    A CRC is linear over GF(2): each bit is the exclusive or of some bits of the register and of the data.
    """
    # For each bit of the register, which of the bits before it is made of, as a mask.
    masks = [1 << place for place in range(32)]
    for place in range(len(bits)):
        feedback = masks[0] ^ 1 << 32 + place
        masks = [*masks[1:], 0]
        masks = [mask ^ feedback if POLYNOMIAL >> at & 1 else mask for at, mask in enumerate(masks)]
    before = Cat(register, bits)
    return Cat((before & mask).xor() for mask in masks)


class Checksum(wiring.Component):
    """The CRC-32 of the bytes of all packets of one length, as `zlib.crc32` tells it.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | latency           | 1 cycle                                                           |
    | resources         | 32 registers, a count of words, and for each of the 32 bits an    |
    |                   | exclusive or of about half of ``32 + 8 * word_bytes`` bits; twice |
    |                   | that where the last word of a packet is not full                  |

    Parameters
    ----------
    packet_bytes, word_bytes : int
        Of a packet, and of a word of it. What stands behind the packet in its last word is left out.

    Members
    -------
    word : In(8 * word_bytes)
    moves : In(1)
        The next word of a packet passes.
    clear : In(1)
        Begin anew, with a word that passes in this cycle.
    crc : Out(32)
    """

    word: Signal
    moves: Signal
    clear: Signal
    crc: Signal

    def __init__(self, *, packet_bytes: int, word_bytes: int) -> None:
        self.packet_bytes, self.word_bytes = packet_bytes, word_bytes
        super().__init__({"word": In(8 * word_bytes), "moves": In(1), "clear": In(1), "crc": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = -(-self.packet_bytes // self.word_bytes)
        tail = self.packet_bytes - (words - 1) * self.word_bytes
        register, before, place = Signal(32, init=0xFFFFFFFF), Signal(32), Signal(range(words))
        m.d.comb += [before.eq(Mux(self.clear, 0xFFFFFFFF, register)), self.crc.eq(~register)]
        behind = crc32_step(before, self.word)
        if tail < self.word_bytes:
            behind = Mux(place == words - 1, crc32_step(before, self.word[: 8 * tail]), behind)
        m.d.sync += register.eq(Mux(self.moves, behind, before))
        with m.If(self.moves):
            m.d.sync += place.eq(wrap_increment(place, words))
        return m
