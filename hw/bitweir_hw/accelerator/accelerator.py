"""The accelerator: all blocks of a network, one stream in, one stream out."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import block_of
from ..blocks.chain import ChainSpec, connect_chain
from ..blocks.pipeline import Pipeline
from ..gateware.loading import FrameGate, Loader, crc_beats, load_layout
from .parameters import contents, image_beats, load_width, most_frames, shape_crc

__all__ = ["Accelerator", "accelerator_ports"]


def accelerator_ports(pipeline: Pipeline, *, taps: bool = False) -> dict[str, wiring.Member]:
    """The members of an `Accelerator`."""
    ports: dict[str, wiring.Member] = {
        "i": In(stream.Signature(pipeline.input.bits)),
        "o": Out(stream.Signature(pipeline.nodes[-1].block.o_bits)),
    }
    if image_beats(pipeline):
        ports |= {
            "load": In(stream.Signature(load_layout(load_width(pipeline)))), "loaded": Out(1), "load_failed": Out(1),
            "load_settled": Out(1), "load_checksum": Out(32),
        }  # fmt: skip
    for weights in pipeline.weight_streams:
        ports[weights.port] = In(stream.Signature(weights.bits))
    for inner in pipeline.inner if taps else ():
        ports[f"tap_{inner.name}"] = Out(
            wiring.Signature({"payload": Out(inner.bits), "valid": Out(1), "ready": Out(1)})
        )
    return ports


class Accelerator(wiring.Component):
    """Blocks and the streams between them.

    Parameters
    ----------
    pipeline : Pipeline
        As `lower.lower` makes it.
    taps : bool
        Whether to show the streams between the blocks on ports of their own, for testbenches.

    Members
    -------
    i : In(stream.Signature(input.bits))
        A frame is ``input.beats`` beats of codes.
    o : Out(stream.Signature(o_bits of the last block))
        See `argmax.result_layout`.
    load : In(stream.Signature(loading.load_layout(load_width)))
    loaded, load_failed, load_settled : Out(1)
    load_checksum : Out(32)
        Where parameters are in RAM: `parameters.parameter_image`, beat by beat; see `loading.Loader`.
    weights_BLOCK : In(stream.Signature(bits of a word))
        For each layer whose weights are streamed, see `pipeline.WeightStream`: its words, over and over, from the first
        one on after reset. Words may come before the frames that need them, and ahead of the last one.
    tap_NAME : Out(payload, valid, ready)
        With `taps`: the stream NAME, for all between two blocks.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, pipeline: Pipeline, *, taps: bool = False) -> None:
        self.pipeline = pipeline
        self.taps = taps
        super().__init__(accelerator_ports(pipeline, taps=taps))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        sources: dict[int, Any] = {0: wiring.flipped(self.i)}
        links: list[Any] = []
        if loads := image_beats(self.pipeline):
            sources[0] = self._gate(m, loads)
        weights = {streamed.block: streamed.port for streamed in self.pipeline.weight_streams}
        for node in self.pipeline.nodes:
            if isinstance(node.block, ChainSpec):
                first, *others = connect_chain(m, node.block)
                links += [first, *others][:-1]
                wiring.connect(m, sources[node.inputs[0]], first.i)
                sources[node.outputs[0]] = others[-1].o
                continue
            block: Any = block_of(node.block).component(node.block)
            m.submodules[node.block.name] = block
            if node.block.name in weights:
                wiring.connect(m, wiring.flipped(getattr(self, weights[node.block.name])), block.weights)
            for number, source in enumerate(node.inputs):
                wiring.connect(m, sources[source], getattr(block, "i" if len(node.inputs) == 1 else f"i{number}"))
            for number, output in enumerate(node.outputs):
                sources[output] = getattr(block, "o" if len(node.outputs) == 1 else f"o{number}")
        if self.taps:
            self._tap(m, sources, links)
        wiring.connect(m, sources[len(self.pipeline.streams) - 1], wiring.flipped(self.o))
        if loads:
            self._chain(m)
        return m

    def _tap(self, m: Module, sources: dict[int, Any], links: list[Any]) -> None:
        """Show the streams between the blocks, and what goes on within chains, of which every beat is taken."""
        for index, inner in enumerate(self.pipeline.streams[1:-1], 1):
            tap = getattr(self, f"tap_{inner.name}")
            m.d.comb += [getattr(tap, part).eq(getattr(sources[index], part)) for part in ("payload", "valid", "ready")]
        for link, block in zip(self.pipeline.links, links, strict=True):
            tap = getattr(self, f"tap_{link.stream.name}")
            m.d.comb += [tap.payload.eq(block.o.payload), tap.valid.eq(block.o.valid), tap.ready.eq(1)]

    def _gate(self, m: Module, size: int) -> stream.Interface:
        """What takes images of so many beats, and lets frames in; the stream of these."""
        width = load_width(self.pipeline)
        m.submodules.loader = loader = Loader(
            size=size - crc_beats(width), initial=shape_crc(self.pipeline), load_width=width
        )
        m.submodules.gate = gate = FrameGate(
            width=self.pipeline.input.bits, beats=self.pipeline.input.beats, most=most_frames(self.pipeline)
        )
        wiring.connect(m, wiring.flipped(self.load), loader.load)
        wiring.connect(m, wiring.flipped(self.i), gate.i)
        m.d.comb += [
            gate.loaded.eq(loader.loaded),
            gate.closing.eq(loader.closing),
            # The mark of the last beat is the highest bit.
            gate.done.eq(self.o.valid & self.o.ready & self.o.payload[-1]),
            loader.quiet.eq(gate.quiet),
            self.loaded.eq(loader.loaded),
            self.load_failed.eq(loader.failed),
            self.load_settled.eq(loader.settled),
            self.load_checksum.eq(loader.checksum),
        ]
        return gate.o

    def _chain(self, m: Module) -> None:
        """Lead the chain from the loader through all blocks that are loaded, and back."""
        loader: Any = m.submodules.loader
        source = loader.chain
        for node in self.pipeline.nodes:
            if contents(node.block):
                block: Any = m.submodules[node.block.name]
                wiring.connect(m, source, block.load)
                source = block.on
        wiring.connect(m, source, loader.end)
