"""Weights from a memory on AXI4."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..errors import PlanError
from .reader import inner_reader, reader_ports
from .spec import ReaderSpec

__all__ = ["AXI_PREFIX", "AxiWeightReader", "axi_read_ports"]

#: What the names of all ports of the bus begin with.
AXI_PREFIX = "m_axi_"
#: ARBURST of a burst whose addresses ascend; ARCACHE of normal memory that is neither cached nor held back; ARPROT of
#: data, secure, unprivileged (ARM IHI 0022, A3.4.1, A4.4, A4.7).
_INCR, _CACHE, _PROT = 1, 0b0011, 0


def axi_read_ports(spec: ReaderSpec, id_bits: int) -> dict[str, wiring.Member]:
    """The channels AR and R of a master."""
    address = {"id": id_bits, "addr": spec.address_bits, "len": 8, "size": 3, "burst": 2, "lock": 1, "cache": 4}
    address |= {"prot": 3, "qos": 4, "valid": 1}
    answer = {"id": id_bits, "data": spec.layout.beat_bits, "resp": 2, "last": 1, "valid": 1}
    ports = {f"ar{name}": Out(bits) for name, bits in address.items()} | {"arready": In(1)}
    ports |= {f"r{name}": In(bits) for name, bits in answer.items()} | {"rready": Out(1)}
    return {AXI_PREFIX + name: member for name, member in ports.items()}


class AxiWeightReader(wiring.Component):
    """A `WeightReader` as an AXI4 read master.

    All bursts have ARID 0, so answers come in the order of the requests, up to ``spec.outstanding`` bursts under way.
    Bursts begin at multiples of their size and never cross a page of 4 KiB. RREADY is always 1, as all that was asked
    for has a place. RRESP other than OKAY sets `error`. No combinational path leads from one port to another. It is
    reset together with the memory: beats of requests before a reset would be taken for others.

    | property          | formula                                                                    |
    |-------------------|----------------------------------------------------------------------------|
    | latency           | that of the `WeightReader`: AR and R are its ports                         |
    | resources         | those of the `WeightReader`                                                |

    Parameters
    ----------
    spec : ReaderSpec
        Beats of 4 to 64 bytes.
    id_bits : int
        Of ARID and RID.

    Members
    -------
    m_axi_arid, m_axi_araddr, m_axi_arlen, m_axi_arsize, m_axi_arburst, m_axi_arlock, m_axi_arcache, m_axi_arprot,
    m_axi_arqos, m_axi_arvalid, m_axi_rready : Out
    m_axi_arready, m_axi_rid, m_axi_rdata, m_axi_rresp, m_axi_rlast, m_axi_rvalid : In
    enable, base, weights, error
        See `WeightReader`.

    Raises
    ------
    PlanError
        AXI4 has no beats of two bytes here.
    """

    enable: Signal
    base: Signal
    error: Signal

    def __init__(self, spec: ReaderSpec, *, id_bits: int = 1) -> None:
        if spec.layout.beat_bytes < 4:
            raise PlanError(f"AXI4 must have at least 4 bytes a beat, not {spec.layout.beat_bytes}.")
        self.spec = spec
        super().__init__({**axi_read_ports(spec, id_bits), **reader_ports(spec)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        reader = inner_reader(m, self)
        size = self.spec.layout.beat_bytes.bit_length() - 1
        sent = {
            "araddr": reader.request.payload.address,
            "arlen": reader.request.payload.more,
            "arsize": size,
            "arburst": _INCR,
            "arcache": _CACHE,
            "arprot": _PROT,
            "arvalid": reader.request.valid,
            "rready": 1,
        }
        m.d.comb += [self._port(name).eq(value) for name, value in sent.items()]
        m.d.comb += [
            reader.request.ready.eq(self._port("arready")),
            reader.answer.valid.eq(self._port("rvalid")),
            reader.answer.data.eq(self._port("rdata")),
            reader.answer.last.eq(self._port("rlast")),
            reader.answer.error.eq(self._port("rresp") != 0),
        ]
        return m

    def _port(self, name: str) -> Signal:
        port = getattr(self, AXI_PREFIX + name)
        assert isinstance(port, Signal)
        return port
