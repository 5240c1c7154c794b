"""Accelerators in other people's systems: frames and results as packets on AXI4-Stream."""

from .axi import AxiAccelerator, axi_rtlil
from .layout import TDATA_BYTES, PacketLayout

__all__ = ["TDATA_BYTES", "AxiAccelerator", "PacketLayout", "axi_rtlil"]
