"""The AXI wrapper as a module of Verilog: a clock, a reset, and what tools read in its ports."""

from __future__ import annotations

import re

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ..accelerator.verilog import component_rtlil
from ..blocks.pipeline import Pipeline
from .lite import CORE, AxiLiteAccelerator
from .ports import AxiPorts
from .wrapper import AxiAccelerator

__all__ = ["AxiTop", "axi_rtlil"]

#: How ports are called that make up an interface, and which kind it is in Vivado's IP Integrator.
_INTERFACES = re.compile(r"(?P<bus>[sm]_axi(?:s(?:_load)?)?)_(?P<signal>[a-z]+)")


class AxiTop(wiring.Component):
    """The wrapper with a clock and a reset as AXI calls them.

    Ports have the attributes by which Vivado's IP Integrator knows interfaces, clock, reset and interrupt (UG994).

    Members
    -------
    aclk, aresetn : In(1)
        The reset is synchronous, and active low.
    NAME
        Those of the wrapper.
    """

    aclk: Signal
    aresetn: Signal
    interrupt: Signal

    def __init__(self, wrapper: AxiAccelerator | AxiLiteAccelerator) -> None:
        self.wrapper = wrapper
        self.inner = {name: member for name, member in wrapper.signature.members.items() if name != "core_reset"}
        super().__init__({"aclk": In(1), "aresetn": In(1), **self.inner})
        self._describe()

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

    def _describe(self) -> None:
        """Give the ports their attributes."""
        buses = []
        for name in self.inner:
            if not (found := _INTERFACES.fullmatch(name)):
                continue
            bus, signal = found.groups()
            kind = "axis" if "axis" in bus else "aximm"
            _attribute(getattr(self, name), f"xilinx.com:interface:{kind}:1.0 {bus} {signal.upper()}")
            if bus not in buses:
                buses.append(bus)
        parameters = f"ASSOCIATED_BUSIF {':'.join(buses)}, ASSOCIATED_RESET aresetn"
        _attribute(self.aclk, "xilinx.com:signal:clock:1.0 aclk CLK", parameters)
        _attribute(self.aresetn, "xilinx.com:signal:reset:1.0 aresetn RST", "POLARITY ACTIVE_LOW")
        if "interrupt" in self.inner:
            _attribute(self.interrupt, "xilinx.com:signal:interrupt:1.0 interrupt INTERRUPT", "SENSITIVITY LEVEL_HIGH")


def _attribute(port: Signal, interface: str, parameters: str | None = None) -> None:
    """What IP Integrator reads of a port."""
    port.attrs["X_INTERFACE_INFO"] = interface
    if parameters:
        port.attrs["X_INTERFACE_PARAMETER"] = parameters


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
    return component_rtlil(AxiTop(wrapper), name=f"{name}_axi")
