"""The accelerator with AXI4-Stream ports."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.external import inner_accelerator
from ..accelerator.parameters import image_bytes
from ..accelerator.verilog import component_rtlil
from ..blocks import EndSpec
from ..blocks.pipeline import Pipeline, refuse_weight_streams
from .checksum import Checksum
from .layout import PacketLayout
from .load import PacketBytes
from .receive import COUNT_BITS, FrameReceiver
from .send import ResultSender

__all__ = ["AxiAccelerator", "axi_rtlil"]


class AxiAccelerator(wiring.Component):
    """An accelerator that takes each frame as a packet and gives each result as one.

    The names of ports are those of AXI4-Stream. Packets: see `PacketLayout`; which ones are dropped: see
    `receive.PacketBuffer`. No combinational path leads from one port to another.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a frame    | max(``frame_words``, those of the accelerator, ``result_words``)  |
    | latency           | ``frame_words``, 3 cycles, width converters, the accelerator's    |
    |                   | latency, 2 to 4 cycles, ``result_words``                          |
    | resources         | a `FrameReceiver`, the accelerator, a `ResultSender`              |

    Parameters
    ----------
    pipeline : Pipeline
        As `lower.lower` makes it.
    tdata_bytes : int
        Width of both streams, one of `layout.TDATA_BYTES`.
    module : str, optional
        Name of the Verilog module elsewhere that is the accelerator; by default it is a part of this one.
    checksums : bool
        Whether to add `frames_crc` and `results_crc`.

    Members
    -------
    s_axis_tdata, s_axis_tkeep, s_axis_tlast, s_axis_tvalid : In
    s_axis_tready : Out
        Frames. A source without tkeep ties it to ones.
    m_axis_tdata, m_axis_tkeep, m_axis_tlast, m_axis_tvalid : Out
    m_axis_tready : In
        Results.
    short_packets, long_packets : Out(8)
    clear_counts : In(1)
        Packets that were dropped; see `receive.PacketBuffer`.
    frames_crc, results_crc : Out(32)
        With `checksums`: the CRC-32 of all bytes of the frames that the accelerator has got, and of the results that
        have left, since `clear_counts`; see `checksum.Checksum`.
    s_axis_load_tdata, s_axis_load_tkeep, s_axis_load_tlast, s_axis_load_tvalid : In
    s_axis_load_tready : Out
    loaded, load_failed : Out(1)
        Where parameters are in RAM: images of them, each a packet; see `load.PacketBytes` and `Accelerator`.
    """

    short_packets: Signal
    long_packets: Signal
    clear_counts: Signal

    def __init__(
        self, pipeline: Pipeline, tdata_bytes: int, *, module: str | None = None, checksums: bool = False
    ) -> None:
        refuse_weight_streams(pipeline, "AXI4-Stream wrapper")
        self.pipeline, self.checksums = pipeline, checksums
        self.layout = PacketLayout.of(pipeline, tdata_bytes)
        self.module = module
        self.loads = image_bytes(pipeline) > 0
        ports = _sink("s_axis", tdata_bytes)
        ports |= {name: member.flip() for name, member in _sink("m_axis", tdata_bytes).items()}
        ports |= {"short_packets": Out(COUNT_BITS), "long_packets": Out(COUNT_BITS), "clear_counts": In(1)}
        if checksums:
            ports |= {"frames_crc": Out(32), "results_crc": Out(32)}
        if self.loads:
            ports |= {**_sink("s_axis_load", tdata_bytes), "loaded": Out(1), "load_failed": Out(1)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        last = self.pipeline.nodes[-1].block
        assert isinstance(last, EndSpec)
        m.submodules.receiver = receiver = FrameReceiver(self.layout, checksum=self.checksums)
        m.submodules.accelerator = accelerator = inner_accelerator(self.pipeline, self.module)
        m.submodules.sender = sender = ResultSender(self.layout, last)
        wiring.connect(m, receiver.o, accelerator.i)
        m.d.comb += [
            sender.i.valid.eq(accelerator.o.valid),
            Value.cast(sender.i.payload).eq(accelerator.o.payload),
            accelerator.o.ready.eq(sender.i.ready),
            self.short_packets.eq(receiver.short_packets),
            self.long_packets.eq(receiver.long_packets),
            receiver.clear.eq(self.clear_counts),
        ]
        self._connect(m, "s_axis", receiver.i)
        self._connect(m, "m_axis", sender.o)
        if self.checksums:
            m.submodules.checksum = checksum = Checksum(
                packet_bytes=self.layout.result_bytes, word_bytes=self.layout.tdata_bytes
            )
            m.d.comb += [
                checksum.word.eq(sender.o.payload.data),
                checksum.moves.eq(sender.o.valid & sender.o.ready),
                checksum.clear.eq(self.clear_counts),
                self.frames_crc.eq(receiver.crc),
                self.results_crc.eq(checksum.crc),
            ]
        if self.loads:
            m.submodules.image = image = PacketBytes(self.layout.tdata_bytes)
            self._connect(m, "s_axis_load", image.i)
            wiring.connect(m, image.o, accelerator.load)
            m.d.comb += [self.loaded.eq(accelerator.loaded), self.load_failed.eq(accelerator.load_failed)]
        return m

    def _connect(self, m: Module, prefix: str, inner: stream.Interface) -> None:
        """Connect the ports of a stream."""
        pairs = {"tvalid": inner.valid, "tready": inner.ready}
        pairs |= {"tdata": inner.payload.data, "tkeep": inner.payload.keep, "tlast": inner.payload.last}
        for name, value in pairs.items():
            port = getattr(self, f"{prefix}_{name}")
            m.d.comb += value.eq(port) if self.signature.members[f"{prefix}_{name}"].flow is In else port.eq(value)


def _sink(prefix: str, tdata_bytes: int) -> dict[str, wiring.Member]:
    """The ports of a stream that comes in."""
    widths = {"tdata": 8 * tdata_bytes, "tkeep": tdata_bytes, "tlast": 1, "tvalid": 1}
    return {**{f"{prefix}_{name}": In(width) for name, width in widths.items()}, f"{prefix}_tready": Out(1)}


class _Top(wiring.Component):
    """The wrapper with a clock and a reset as AXI calls them."""

    aclk: Signal
    aresetn: Signal

    def __init__(self, wrapper: AxiAccelerator) -> None:
        self.wrapper = wrapper
        super().__init__({"aclk": In(1), "aresetn": In(1), **wrapper.signature.members})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")
        m.submodules.wrapper = wrapper = self.wrapper
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        for name, member in wrapper.signature.members.items():
            inner, outer = getattr(wrapper, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m


def axi_rtlil(pipeline: Pipeline, *, name: str, tdata_bytes: int, checksums: bool = False) -> str:
    """An AXI4-Stream wrapper in Yosys' intermediate language; the same input gives the same text.

    Parameters
    ----------
    pipeline : Pipeline
    name : str
        Of the accelerator's module, as for `verilog.accelerator_rtlil`. The wrapper, ``NAME_axi``, takes it
        from there.
    tdata_bytes : int
    checksums : bool
        See `AxiAccelerator`.

    Raises
    ------
    PlanError
        There is no such width of tdata.
    """
    wrapper = AxiAccelerator(pipeline, tdata_bytes, module=name, checksums=checksums)
    return component_rtlil(_Top(wrapper), name=f"{name}_axi")
