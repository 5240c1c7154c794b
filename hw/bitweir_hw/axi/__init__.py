"""Accelerators in other people's systems: packets on AXI4-Stream, registers on AXI4-Lite, loaded parameters."""

from ..accelerator.self_loading import BootedAccelerator, boot_cycles, booted_rtlil
from .comments import axi_comments
from .layout import TDATA_BYTES, PacketLayout
from .lite import AxiLiteAccelerator
from .ports import MEMORY_BYTES, AxiPorts
from .registers import REGISTERS, register, register_header, register_table
from .top import AxiTop, axi_rtlil
from .wrapper import AxiAccelerator

__all__ = [
    "MEMORY_BYTES",
    "REGISTERS",
    "TDATA_BYTES",
    "AxiAccelerator",
    "AxiLiteAccelerator",
    "AxiPorts",
    "AxiTop",
    "BootedAccelerator",
    "PacketLayout",
    "axi_comments",
    "axi_rtlil",
    "boot_cycles",
    "booted_rtlil",
    "register",
    "register_header",
    "register_table",
]
