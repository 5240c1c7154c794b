"""The code that makes the gateware, as a hash."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import bitweir_hw
from bitweir_sim.cache import content_key

__all__ = ["gateware_sources"]


@cache
def gateware_sources() -> str:
    """A hash of the code that makes Verilog: a version alone does not tell one state of a checkout from another."""
    root = Path(bitweir_hw.__file__).parent
    files = sorted(path for path in root.rglob("*.py"))
    parts = [part for path in files for part in (path.relative_to(root).as_posix(), path.read_bytes())]
    return content_key("sources", *parts)
