"""What a FIFO between blocks costs."""

from __future__ import annotations

from ...resources.fifos import fifo
from ...resources.terms import Terms
from .spec import FifoSpec

__all__ = ["cost"]


def cost(spec: FifoSpec, family: str) -> Terms:
    """`gateware.fifo`."""
    terms = fifo(spec.bits, spec.depth, family)
    terms.luts["fixed"] += 1
    return terms
