"""Accelerators that answer: on a board, in a simulated board, or as the golden model, all behind one interface."""

from .interface import Device
from .opening import connect

__all__ = ["Device", "connect"]
