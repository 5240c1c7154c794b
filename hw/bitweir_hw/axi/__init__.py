"""Accelerators in other people's systems: packets on AXI4-Stream, parameters that are loaded."""

from ..accelerator.self_loading import BootedAccelerator, boot_cycles, booted_rtlil
from .layout import TDATA_BYTES, PacketLayout
from .wrapper import MEMORY_BYTES, AxiAccelerator, axi_rtlil

__all__ = [
    "MEMORY_BYTES",
    "TDATA_BYTES",
    "AxiAccelerator",
    "BootedAccelerator",
    "PacketLayout",
    "axi_rtlil",
    "boot_cycles",
    "booted_rtlil",
]
