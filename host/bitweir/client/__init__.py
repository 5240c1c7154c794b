"""Devices: accelerators on a board, in a simulated board, or as the golden model, behind one interface."""

from .interface import Device
from .opening import connect
from .registers import RegisterDevice
from .spi import SpiPort

__all__ = ["Device", "RegisterDevice", "SpiPort", "connect"]
