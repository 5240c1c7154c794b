"""What a fork costs."""

from __future__ import annotations

from ...resources.fifos import fifo
from ...resources.terms import Terms
from .spec import ForkSpec

__all__ = ["cost"]


def cost(spec: ForkSpec, family: str) -> Terms:
    """`blocks.fork.gateware`: a FIFO for each output."""
    terms = fifo(spec.bits, spec.fifo_depth, family).times(spec.outputs)
    terms.luts["fixed"] += 1
    return terms
