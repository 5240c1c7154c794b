"""What stands beside the ports of the AXI wrapper in its Verilog, for people and for tools."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..accelerator.comments import Comments
from ..blocks.pipeline import Pipeline
from .ports import AxiPorts

__all__ = ["axi_comments", "interface_of", "vivado_attributes"]

#: How ports are called that make up an interface.
_INTERFACE = re.compile(r"(?P<bus>[sm]_axi(?:s(?:_load)?)?)_(?P<signal>[a-z]+)")


def interface_of(port: str) -> tuple[str, str] | None:
    """The interface that a port is part of, and the signal that it is; None for ports that stand alone."""
    found = _INTERFACE.fullmatch(port)
    return (found["bus"], found["signal"]) if found else None


def vivado_attributes(ports: Iterable[str]) -> dict[str, dict[str, str]]:
    """The attributes by which Vivado's IP Integrator knows interfaces, clock, reset and interrupt (UG994), by port."""
    found, buses = dict[str, dict[str, str]](), list[str]()
    for port in ports:
        if told := interface_of(port):
            bus, signal = told
            kind = "axis" if "axis" in bus else "aximm"
            found[port] = {"X_INTERFACE_INFO": f"xilinx.com:interface:{kind}:1.0 {bus} {signal.upper()}"}
            buses += [bus] if bus not in buses else []
    found["aclk"] = {
        "X_INTERFACE_INFO": "xilinx.com:signal:clock:1.0 aclk CLK",
        "X_INTERFACE_PARAMETER": f"ASSOCIATED_BUSIF {':'.join(buses)}, ASSOCIATED_RESET aresetn",
    }
    found["aresetn"] = {
        "X_INTERFACE_INFO": "xilinx.com:signal:reset:1.0 aresetn RST",
        "X_INTERFACE_PARAMETER": "POLARITY ACTIVE_LOW",
    }
    found["irq"] = {
        "X_INTERFACE_INFO": "xilinx.com:signal:interrupt:1.0 irq INTERRUPT",
        "X_INTERFACE_PARAMETER": "SENSITIVITY LEVEL_HIGH",
    }
    return found


def axi_comments(pipeline: Pipeline, ports: AxiPorts, name: str) -> Comments:
    """Texts for the wrapper of the accelerator of that name."""
    layout = ports.layout(pipeline)
    result = "the class" if layout.class_only else "results, then the class" if layout.decides else "results"
    texts = {
        "aclk": "rising edge",
        "aresetn": "synchronous, active low",
        "s_axis_tdata": f"frames: packets of {layout.frame_bytes} bytes in {layout.frame_words} transfers",
        "s_axis_tkeep": "tie to ones if the source has none",
        "m_axis_tdata": f"{result}: packets of {layout.result_bytes} bytes in {layout.result_words} transfers",
        "s_axis_load_tdata": "an image of parameters is a packet",
        "s_axi_awaddr": f"registers: see {name}_regs.h",
        "irq": "an event that IRQ_ENABLE selects has happened",
        "short_packets": "dropped packets, up to 255",
        "long_packets": "dropped packets, up to 255",
        "clear_counts": "sets counts and checksums to 0",
        "loaded": "parameters are in place",
        "load_failed": "the last parameters were damaged, or for another accelerator",
        "weights_base": "address of weights.bin, a multiple of 512",
        "weights_enable": "it is there: weights are read until reset",
        "weights_error": "a read failed: no more weights come until reset",
    }
    also = ", and registers on AXI4-Lite" if ports.lite else ""
    return Comments(
        modules={f"{name}_axi": [f"{name}_axi: the accelerator {name} with AXI4-Stream{also}."]},
        ports=texts,
        top=f"{name}_axi",
        attributes=vivado_attributes,
    )
