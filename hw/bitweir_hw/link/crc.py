"""The check sum of packets."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

__all__ = ["CheckSum"]


class CheckSum(wiring.Component):
    """The CRC-32 of a packet, bit by bit: first takes the bits, then tells those of the sum.

    | property  | formula                    |
    |-----------|----------------------------|
    | cycles    | 1 for each bit             |
    | resources | 32 registers, 15 LUTs      |

    Members
    -------
    clear : In(1)
        Begin anew.
    step : In(1)
        A bit goes by.
    bit : In(1)
        Of the packet, the lowest of each byte first.
    is_check : In(1)
        The bit is not of the packet, but of its check sum.
    due : Out(1)
        That bit. From a register.
    """

    clear: Signal
    step: Signal
    bit: Signal
    is_check: Signal
    due: Signal

    def __init__(self) -> None:
        super().__init__({"clear": In(1), "step": In(1), "bit": In(1), "is_check": In(1), "due": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        crc = CRC32_ISO_HDLC(data_width=1).create()
        m.submodules.lfsr = ResetInserter(self.clear)(crc)
        m.d.comb += [
            crc.valid.eq(self.step),
            # The bit that is due, inverted as the sum is, meets itself: then the register just shifts.
            crc.data.eq(Mux(self.is_check, ~crc.crc[0], self.bit)),
            self.due.eq(crc.crc[0]),
        ]
        return m
