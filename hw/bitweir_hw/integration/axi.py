"""The accelerator with AXI4-Stream ports."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import ArgmaxSpec
from ..gateware.accelerator import Accelerator, accelerator_ports
from ..pipeline import Pipeline
from ..verilog import component_rtlil
from .layout import PacketLayout
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
    """

    short_packets: Signal
    long_packets: Signal
    clear_counts: Signal

    def __init__(self, pipeline: Pipeline, tdata_bytes: int, *, module: str | None = None) -> None:
        self.pipeline = pipeline
        self.layout = PacketLayout.of(pipeline, tdata_bytes)
        self.module = module
        super().__init__(
            {
                **{name: In(width) for name, width in _stream("s_axis", tdata_bytes).items()},
                "s_axis_tready": Out(1),
                **{name: Out(width) for name, width in _stream("m_axis", tdata_bytes).items()},
                "m_axis_tready": In(1),
                "short_packets": Out(COUNT_BITS),
                "long_packets": Out(COUNT_BITS),
                "clear_counts": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        last = self.pipeline.nodes[-1].block
        assert isinstance(last, ArgmaxSpec)
        m.submodules.receiver = receiver = FrameReceiver(self.layout)
        m.submodules.accelerator = accelerator = (
            Accelerator(self.pipeline) if self.module is None else _Module(self.pipeline, self.module)
        )
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
        for port, member in (("tdata", "data"), ("tkeep", "keep"), ("tlast", "last")):
            m.d.comb += [
                receiver.i.payload[member].eq(getattr(self, f"s_axis_{port}")),
                getattr(self, f"m_axis_{port}").eq(sender.o.payload[member]),
            ]
        m.d.comb += [
            receiver.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(receiver.i.ready),
            self.m_axis_tvalid.eq(sender.o.valid),
            sender.o.ready.eq(self.m_axis_tready),
        ]
        return m


def _stream(prefix: str, tdata_bytes: int) -> dict[str, int]:
    """The signals of a stream that its source drives, and their widths."""
    widths = {"tdata": 8 * tdata_bytes, "tkeep": tdata_bytes, "tlast": 1, "tvalid": 1}
    return {f"{prefix}_{name}": width for name, width in widths.items()}


class _Module(wiring.Component):
    """An accelerator that is a Verilog module elsewhere."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self.name = name
        super().__init__(accelerator_ports(pipeline))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: dict[str, Any] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.signature.flatten(self):
            ports[f"{'i' if member.flow is In else 'o'}_{'__'.join(map(str, path))}"] = value
        m.submodules.module = Instance(self.name, **ports)
        return m


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


def axi_rtlil(pipeline: Pipeline, *, name: str, tdata_bytes: int) -> str:
    """An AXI4-Stream wrapper in Yosys' intermediate language; the same input gives the same text.

    Parameters
    ----------
    pipeline : Pipeline
    name : str
        Of the accelerator's module, as for `verilog.accelerator_rtlil`. The wrapper, ``NAME_axi``, takes it
        from there.
    tdata_bytes : int
        See `AxiAccelerator`.

    Raises
    ------
    PlanError
        There is no such width of tdata.
    """
    return component_rtlil(_Top(AxiAccelerator(pipeline, tdata_bytes, module=name)), name=f"{name}_axi")
