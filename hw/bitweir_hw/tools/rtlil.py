"""Amaranth's designs in Yosys' intermediate language, in a time that suits large memories."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from amaranth.back import rtlil
from amaranth.lib import wiring

__all__ = ["convert"]


def convert(component: wiring.Component, *, name: str) -> str:
    """A component in RTLIL, without places in sources; the same as Amaranth's own, byte for byte.

    Amaranth makes an object of each bit that a memory begins with, which takes minutes for ten million of them. Here
    they are written as text. That is a method inside Amaranth's back end, which pyproject.toml holds to one series;
    two threads that replace it at once do no harm, as it gives the same text.
    """
    with patch.object(rtlil.ModuleEmitter, "emit_memory", _emit_memory):
        return str(rtlil.convert(component, name=name, emit_src=False))


def _emit_memory(emitter: Any, cell_idx: int, cell: Any) -> None:
    """What `ModuleEmitter.emit_memory` does."""
    size, mask = cell.width * cell.depth, (1 << cell.width) - 1
    words = (f"{word & mask:0{cell.width}b}" for word in reversed(cell.init))
    emitter.builder.cell(
        "$meminit_v2",
        ports={
            "ADDR": emitter.sigspec(),
            "DATA": f"{size}'{''.join(words)}" if size else emitter.sigspec(),
            "EN": f"{cell.width}'{'1' * cell.width}" if cell.width else emitter.sigspec(),
        },
        parameters={
            "MEMID": emitter.memories[cell_idx].memid,
            "ABITS": 0,
            "WIDTH": cell.width,
            "WORDS": cell.depth,
            "PRIORITY": 0,
        },
        src_loc=cell.src_loc,
    )
