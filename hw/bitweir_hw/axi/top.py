"""The AXI wrapper as a module of Verilog: with a clock and a reset."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ..accelerator.verilog import component_rtlil
from ..blocks.pipeline import Pipeline
from .lite import CORE, AxiLiteAccelerator
from .ports import AxiPorts
from .wrapper import AxiAccelerator

__all__ = ["AxiTop", "axi_rtlil"]


class AxiTop(wiring.Component):
    """The wrapper with a clock and a reset as AXI calls them.

    Members
    -------
    aclk, aresetn : In(1)
        The reset is synchronous, and active low.
    NAME
        Those of the wrapper.
    """

    aclk: Signal
    aresetn: Signal

    def __init__(self, wrapper: AxiAccelerator | AxiLiteAccelerator) -> None:
        self.wrapper = wrapper
        self.inner = {name: member for name, member in wrapper.signature.members.items() if name != "core_reset"}
        super().__init__({"aclk": In(1), "aresetn": In(1), **self.inner})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.wrapper = wrapper = self.wrapper
        # The port itself is the clock of both domains: simulators must not see one edge after the other.
        m.domains += (domain := ClockDomain("sync"))
        domain.clk = self.aclk
        m.d.comb += domain.rst.eq(~self.aresetn)
        if isinstance(wrapper, AxiLiteAccelerator):
            m.domains += (core := ClockDomain(CORE))
            core.clk = self.aclk
            m.d.comb += core.rst.eq(~self.aresetn | wrapper.core_reset)
        for name, member in self.inner.items():
            inner, outer = getattr(wrapper, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m


def axi_rtlil(pipeline: Pipeline, *, name: str, ports: AxiPorts | int, network: int = 0) -> str:
    """An AXI wrapper in Yosys' intermediate language; the same input gives the same text.

    Parameters
    ----------
    pipeline : Pipeline
    name : str
        Of the accelerator's module, as for `verilog.accelerator_rtlil`. The wrapper, ``NAME_axi``, takes it
        from there.
    ports : AxiPorts or int
        See `AxiAccelerator`.
    network : int
        The first 32 bits of the network's SHA-256, which the registers tell where there are any.

    Raises
    ------
    PlanError
        See `AxiAccelerator`.
    """
    if isinstance(ports, int):
        ports = AxiPorts(frame_bytes=ports)
    wrapper = (
        AxiLiteAccelerator(pipeline, ports, module=name, network=network)
        if ports.lite
        else AxiAccelerator(pipeline, ports, module=name)
    )
    return component_rtlil(AxiTop(wrapper), name=f"{name}_axi", named=True)
