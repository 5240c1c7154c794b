"""Datapaths that follow each other without a stream between: they never stall, and one FIFO is behind the last.

What goes from one to the next needs no handshake and no FIFO: the first block takes a beat only when the FIFO behind
the last one has a place for its result.
"""

from .gateware import Chain, connect_chain
from .spec import ChainSpec, blocks_at, chained

__all__ = ["Chain", "ChainSpec", "blocks_at", "chained", "connect_chain"]
