"""A FIFO between blocks."""

from __future__ import annotations

from ...gateware.fifo import Fifo
from .spec import FifoSpec

__all__ = ["Buffer"]


class Buffer(Fifo):
    """A FIFO as a block of its own, see `Fifo`.

    Members
    -------
    i : In(stream.Signature(spec.bits))
    o : Out(stream.Signature(spec.bits))
    """

    def __init__(self, spec: FifoSpec) -> None:
        self.spec = spec
        super().__init__(width=spec.bits, depth=spec.depth)
