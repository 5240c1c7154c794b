"""Several datapaths, connected."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..wired.gateware import Wired
from .spec import ChainSpec

__all__ = ["Chain", "connect_chain"]


def connect_chain(m: Module, spec: ChainSpec) -> list[Any]:
    """Add the blocks of a chain to a module, each with its name, and connect them with each other; the blocks."""
    blocks: list[Any] = []
    for block in spec.blocks:
        m.submodules[block.name] = component = Wired(block)
        if blocks:
            wiring.connect(m, blocks[-1].o, component.i)
        blocks.append(component)
    return blocks


class Chain(wiring.Component):
    """A chain as a block of its own.

    | property          | formula                                                                  |
    |-------------------|--------------------------------------------------------------------------|
    | cycles a frame    | those of each of its blocks                                              |
    | latency           | ``spec.latency``, the sum of those of its blocks; write, 1 cycle, output |
    | ready             | a place of ``spec.fifo_depth`` is free, which is known ``back`` cycles   |
    |                   | after a result has left                                                  |

    Members
    -------
    i : In(stream.Signature(spec.i_bits))
        That of the first block.
    o : Out(stream.Signature(spec.o_bits))
        That of the last one.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: ChainSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        blocks = connect_chain(m, self.spec)
        wiring.connect(m, wiring.flipped(self.i), blocks[0].i)
        wiring.connect(m, blocks[-1].o, wiring.flipped(self.o))
        return m
