"""From a trained binary neural network to a verified streaming FPGA accelerator."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import connect

__all__ = ["connect"]


def __getattr__(name: str) -> Any:
    # So that a program pays only for what it uses.
    if name in __all__:
        return getattr(import_module(".client", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
