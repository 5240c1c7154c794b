"""AXI4-Lite: reads and writes of a host, one at a time each."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .registers import ADDRESS_BITS

__all__ = ["PREFIX", "AxiLiteSlave", "lite_ports"]

#: What the names of the ports begin with.
PREFIX = "s_axi"


def lite_ports() -> dict[str, wiring.Member]:
    """The members of an AXI4-Lite slave with 32 bits of data."""
    ports = {
        "awaddr": In(ADDRESS_BITS), "awprot": In(3), "awvalid": In(1), "awready": Out(1),
        "wdata": In(32), "wstrb": In(4), "wvalid": In(1), "wready": Out(1),
        "bresp": Out(2), "bvalid": Out(1), "bready": In(1),
        "araddr": In(ADDRESS_BITS), "arprot": In(3), "arvalid": In(1), "arready": Out(1),
        "rdata": Out(32), "rresp": Out(2), "rvalid": Out(1), "rready": In(1),
    }  # fmt: skip
    return {f"{PREFIX}_{name}": member for name, member in ports.items()}


class AxiLiteSlave(wiring.Component):
    """Takes writes and reads apart, and answers all with OKAY.

    An address and the data of a write may come in any order; each waits for the other in a register. No combinational
    path leads from one port to another.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a write    | 2, and those for which it is held                                 |
    | cycles a read     | 2; the data comes 2 cycles after its address                      |
    | resources         | registers for two addresses, a strobe and two words               |

    Members
    -------
    s_axi_NAME
        See `lite_ports`.
    write : Out(1)
    address : Out(ADDRESS_BITS - 2)
    data : Out(32)
    strobe : Out(4)
        A word is written in this cycle, of which these bytes count.
    offers : Out(1)
        A write waits for `hold` to be 0; its address, data and strobe are there.
    hold : In(1)
        The write must wait.
    read_address : Out(ADDRESS_BITS - 2)
    read_data : In(32)
        What stands at that address, in the same cycle.
    """

    write: Signal
    address: Signal
    data: Signal
    strobe: Signal
    offers: Signal
    hold: Signal
    read_address: Signal
    read_data: Signal

    def __init__(self) -> None:
        words = ADDRESS_BITS - 2
        super().__init__(
            {
                **lite_ports(),
                "write": Out(1), "address": Out(words), "data": Out(32), "strobe": Out(4), "offers": Out(1),
                "hold": In(1), "read_address": Out(words), "read_data": In(32),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._writes(m)
        self._reads(m)
        return m

    def _port(self, name: str) -> Signal:
        port: Signal = getattr(self, f"{PREFIX}_{name}")
        return port

    def _writes(self, m: Module) -> None:
        """Addresses and data to writes, and their answers."""
        has_address, has_data = Signal(), Signal()
        answered = self._port("bvalid")
        m.d.comb += [
            self._port("awready").eq(~has_address),
            self._port("wready").eq(~has_data),
            self.offers.eq(has_address & has_data & (~answered | self._port("bready"))),
            self.write.eq(self.offers & ~self.hold),
        ]
        with m.If(self._port("awvalid") & ~has_address):
            m.d.sync += [has_address.eq(1), self.address.eq(self._port("awaddr")[2:])]
        with m.If(self._port("wvalid") & ~has_data):
            m.d.sync += [has_data.eq(1), self.data.eq(self._port("wdata")), self.strobe.eq(self._port("wstrb"))]
        with m.If(self.write):
            m.d.sync += [has_address.eq(0), has_data.eq(0), answered.eq(1)]
        with m.Elif(self._port("bready")):
            m.d.sync += answered.eq(0)

    def _reads(self, m: Module) -> None:
        """Addresses to words."""
        has_address, moves = Signal(), Signal()
        valid, data = self._port("rvalid"), self._port("rdata")
        m.d.comb += [
            self._port("arready").eq(~has_address),
            moves.eq(has_address & (~valid | self._port("rready"))),
        ]
        with m.If(self._port("arvalid") & ~has_address):
            m.d.sync += [has_address.eq(1), self.read_address.eq(self._port("araddr")[2:])]
        with m.If(moves):
            m.d.sync += has_address.eq(0)
        m.d.sync += [valid.eq(moves | (valid & ~self._port("rready"))), data.eq(Mux(moves, self.read_data, data))]
