"""Weights from an SDRAM chip."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..gateware.loading import LOAD
from .image_loader import ImageLoader
from .reader import WeightReader, inner_reader, reader_ports
from .sdram import SdramController, sdram_pins, write_layout
from .sdram_parts import SdramSpec
from .spec import ReaderSpec

__all__ = ["SdramWeightReader"]


class SdramWeightReader(wiring.Component):
    """A `WeightReader` with a controller of the SDRAM chip that holds the image.

    Parameters
    ----------
    sdram : SdramSpec
    outstanding, buffer_bursts, stage_levels : int
        See `ReaderSpec`.
    loads : bool
        Whether the image comes over a stream of bytes; then it is read as soon as it is there.
    expected : int, optional
        With `loads`, see `ImageLoader`.

    Members
    -------
    pins : Out(sdram_pins(part))
    weights, error
        See `WeightReader`; `error` is only set for a wrong base.
    write : In(stream.Signature(write_layout(part)))
    enable, base : In
        Without `loads`: writes the image, before `enable`.
    load : In(stream.Signature(loading.LOAD))
    loaded, load_failed, load_settled : Out(1)
    load_checksum : Out(32)
        With `loads`: see `ImageLoader`.
    """

    error: Signal

    def __init__(
        self,
        sdram: SdramSpec,
        *,
        outstanding: int = 4,
        buffer_bursts: int = 2,
        stage_levels: int = 0,
        loads: bool = False,
        expected: int | None = None,
    ) -> None:
        self.sdram, self.loads, self.expected = sdram, loads, expected
        self.spec = ReaderSpec(
            layout=sdram.layout,
            address_bits=sdram.address_bits,
            outstanding=outstanding,
            buffer_bursts=buffer_bursts,
            stage_levels=stage_levels,
        )
        ports: dict[str, wiring.Member] = {"pins": Out(sdram_pins(sdram.part)), **reader_ports(self.spec)}
        if loads:
            del ports["enable"], ports["base"]
            ports["load"] = In(stream.Signature(LOAD))
            ports |= {"loaded": Out(1), "load_failed": Out(1), "load_settled": Out(1), "load_checksum": Out(32)}
        else:
            ports["write"] = In(stream.Signature(write_layout(sdram.part)))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.controller = controller = SdramController(self.sdram)
        wiring.connect(m, controller.pins, wiring.flipped(self.pins))
        if self.loads:
            self._with_loader(m, controller)
            return m
        reader = inner_reader(m, self)
        wiring.connect(m, wiring.flipped(self.write), controller.write)
        wiring.connect(m, reader.request, controller.request)
        wiring.connect(m, controller.answer, reader.answer)
        return m

    def _with_loader(self, m: Module, controller: SdramController) -> None:
        """The memory is the loader's until the image is in it, and the reader's from then on."""
        m.submodules.reader = reader = WeightReader(self.spec)
        m.submodules.loader = loader = ImageLoader(self.sdram, expected=self.expected)
        wiring.connect(m, reader.weights, wiring.flipped(self.weights))
        wiring.connect(m, wiring.flipped(self.load), loader.load)
        wiring.connect(m, loader.write, controller.write)
        told = ("loaded", "load_failed", "load_settled", "load_checksum")
        m.d.comb += [getattr(self, name).eq(getattr(loader, name)) for name in told]
        # The reader asks for nothing before it is enabled, and the loader for nothing when it is done.
        m.d.comb += [
            self.error.eq(reader.error),
            reader.enable.eq(loader.loaded),
            controller.request.valid.eq(loader.request.valid | reader.request.valid),
            controller.request.payload.eq(Mux(loader.loaded, reader.request.payload, loader.request.payload)),
            loader.request.ready.eq(controller.request.ready),
            reader.request.ready.eq(controller.request.ready),
        ]
        for taker, its in ((loader, ~loader.loaded), (reader, loader.loaded)):
            m.d.comb += [getattr(taker.answer, name).eq(getattr(controller.answer, name)) for name in _BEAT]
            m.d.comb += taker.answer.valid.eq(controller.answer.valid & its)


#: Of an answer, beside `valid`.
_BEAT = ("data", "last", "error")
