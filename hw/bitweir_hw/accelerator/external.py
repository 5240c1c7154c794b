"""An accelerator that is a Verilog module elsewhere."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ..blocks.pipeline import Pipeline
from .accelerator import Accelerator, accelerator_ports

__all__ = ["inner_accelerator"]


class _External(wiring.Component):
    """The ports of an `Accelerator`, and within them an instance of a module."""

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


def inner_accelerator(pipeline: Pipeline, module: str | None) -> wiring.Component:
    """The accelerator of a wrapper: an instance of a Verilog module of that name, or one of its own."""
    return Accelerator(pipeline) if module is None else _External(pipeline, module)
