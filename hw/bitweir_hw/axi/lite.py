"""The AXI wrapper with registers for software."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import DomainRenamer, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.parameters import image_bytes
from ..blocks.pipeline import Pipeline
from .bus import lite_ports
from .control import AxiLiteControl, Facts
from .ports import AxiPorts
from .wrapper import AxiAccelerator

__all__ = ["CORE", "AxiLiteAccelerator"]

#: The domain of all but the registers: the clock of `sync`, and a reset that software gives, too.
CORE = "core"


class AxiLiteAccelerator(wiring.Component):
    """An `AxiAccelerator` and the registers that control it.

    What is around it makes the domain ``core``: the clock is that of ``sync``, the reset also comes from `core_reset`.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles, latency   | those of the `AxiAccelerator`                                     |
    | resources         | an `AxiAccelerator`, an `AxiLiteControl`                          |

    Parameters
    ----------
    pipeline : Pipeline
    ports : AxiPorts
        With `AxiPorts.lite`.
    module : str, optional
        See `AxiAccelerator`.
    network : int
        See `control.Facts`.

    Members
    -------
    s_axis_NAME, m_axis_NAME, m_axi_NAME
        See `AxiAccelerator`.
    s_axi_NAME, irq
        See `AxiLiteControl`.
    core_reset : Out(1)
        Reset of the domain ``core``, besides that of ``sync``.
    """

    irq: Signal
    core_reset: Signal

    def __init__(self, pipeline: Pipeline, ports: AxiPorts, *, module: str | None = None, network: int = 0) -> None:
        self.data = AxiAccelerator(pipeline, ports, module=module)
        layout = self.data.layout
        self.facts = Facts(
            network=network, frame_bytes=layout.frame_bytes, result_bytes=layout.result_bytes,
            image_bytes=image_bytes(pipeline), checksums=ports.checksums,
            reads_weights=self.data.reader is not None, class_only=ports.class_only,
        )  # fmt: skip
        self._passed = {
            name: member
            for name, member in self.data.signature.members.items()
            if name.startswith(("s_axis_t", "m_axis_", "m_axi_"))
        }
        super().__init__({**lite_ports(), **self._passed, "irq": Out(1), "core_reset": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        data: Any = self.data
        m.submodules.data = DomainRenamer(CORE)(data)
        m.submodules.control = control = AxiLiteControl(self.facts)
        for inside, names in ((data, self._passed), (control, {**lite_ports(), "irq": Out(1)})):
            for name, member in names.items():
                inner, outer = getattr(inside, name), getattr(self, name)
                m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        m.d.comb += [
            self.core_reset.eq(control.reset),
            data.clear_counts.eq(control.clear_counts),
            control.accepted.eq(data.accepted),
            control.dropped.eq(data.dropped),
            control.waits_in.eq(data.s_axis_tvalid & ~data.s_axis_tready),
            control.waits_out.eq(data.m_axis_tvalid & ~data.m_axis_tready),
            control.sent.eq(data.m_axis_tvalid & data.m_axis_tready & data.m_axis_tlast),
            control.short_packets.eq(data.short_packets),
            control.long_packets.eq(data.long_packets),
        ]
        if data.ports.checksums:
            m.d.comb += [control.frames_crc.eq(data.frames_crc), control.results_crc.eq(data.results_crc)]
        if data.reader:
            m.d.comb += [
                data.weights_base.eq(control.weights_base),
                data.weights_enable.eq(control.weights_enable),
                control.weights_error.eq(data.weights_error),
            ]
        if not data.loads:
            m.d.comb += control.loaded.eq(1)
            return m
        carried = control.image.payload
        m.d.comb += [
            data.s_axis_load_tdata.eq(carried.data),
            data.s_axis_load_tkeep.eq(carried.keep),
            data.s_axis_load_tlast.eq(carried.last),
            data.s_axis_load_tvalid.eq(control.image.valid),
            control.image.ready.eq(data.s_axis_load_tready),
            control.loaded.eq(data.loaded),
            control.load_failed.eq(data.load_failed),
            control.load_checksum.eq(data.load_checksum),
        ]
        return m
