"""The accelerator: all blocks of a network, one stream in, one stream out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import AffineSpec, ArgmaxSpec, BlockSpec, MatVecSpec, WidthSpec
from .affine import Affine
from .argmax import Argmax
from .matvec import MatVec
from .width import WidthConverter

__all__ = ["GATEWARE", "Accelerator", "block_names"]

#: The component of each kind of block.
GATEWARE: dict[type, Callable[[Any], wiring.Component]] = {
    MatVecSpec: MatVec,
    WidthSpec: WidthConverter,
    AffineSpec: Affine,
    ArgmaxSpec: Argmax,
}


def block_names(blocks: tuple[BlockSpec, ...]) -> list[str]:
    """Name of each block's instance: the layer that it computes, or that it feeds as a width converter."""
    return [f"{block.layer}_width" if isinstance(block, WidthSpec) else block.layer for block in blocks]


class Accelerator(wiring.Component):
    """Blocks in a row.

    Parameters
    ----------
    blocks : tuple of BlockSpec
        As `blocks.lower` makes them.
    taps : bool
        Whether to show the streams between the blocks on ports of their own, for testbenches.

    Members
    -------
    i : In(stream.Signature(blocks[0].i_bits))
        A frame is ``ceil(K / S)`` beats of S codes.
    o : Out(stream.Signature(blocks[-1].o_bits))
        See `argmax.result_layout`.
    tap_NAME : Out(payload, valid, ready)
        With `taps`: the output stream of the block NAME, for all but the last.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, blocks: tuple[BlockSpec, ...], *, taps: bool = False) -> None:
        self.blocks = blocks
        self.names = block_names(blocks)
        self.taps = self.names[:-1] if taps else []
        ports: dict[str, wiring.Member] = {
            "i": In(stream.Signature(blocks[0].i_bits)),
            "o": Out(stream.Signature(blocks[-1].o_bits)),
        }
        for name, block in zip(self.taps, blocks, strict=False):
            ports[f"tap_{name}"] = Out(
                wiring.Signature({"payload": Out(block.o_bits), "valid": Out(1), "ready": Out(1)})
            )
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        upstream = wiring.flipped(self.i)
        for name, spec in zip(self.names, self.blocks, strict=True):
            block = GATEWARE[type(spec)](spec)
            m.submodules[name] = block
            wiring.connect(m, upstream, block.i)
            upstream = block.o
            if name in self.taps:
                tap = getattr(self, f"tap_{name}")
                m.d.comb += [
                    tap.payload.eq(upstream.payload),
                    tap.valid.eq(upstream.valid),
                    tap.ready.eq(upstream.ready),
                ]
        wiring.connect(m, upstream, wiring.flipped(self.o))
        return m
