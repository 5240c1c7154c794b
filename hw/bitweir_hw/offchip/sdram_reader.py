"""Weights from an SDRAM chip."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .reader import inner_reader, reader_ports
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

    Members
    -------
    pins : Out(sdram_pins(part))
    write : In(stream.Signature(write_layout(part)))
        Writes the image, before `enable`.
    enable, base, weights, error
        See `WeightReader`; `error` is only set for a wrong base.
    """

    enable: Signal
    base: Signal
    error: Signal
    write: stream.Interface

    def __init__(
        self, sdram: SdramSpec, *, outstanding: int = 4, buffer_bursts: int = 2, stage_levels: int = 0
    ) -> None:
        self.sdram = sdram
        self.spec = ReaderSpec(
            layout=sdram.layout,
            address_bits=sdram.address_bits,
            outstanding=outstanding,
            buffer_bursts=buffer_bursts,
            stage_levels=stage_levels,
        )
        super().__init__(
            {
                "pins": Out(sdram_pins(sdram.part)),
                "write": In(stream.Signature(write_layout(sdram.part))),
                **reader_ports(self.spec),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        reader = inner_reader(m, self)
        m.submodules.controller = controller = SdramController(self.sdram)
        wiring.connect(m, controller.pins, wiring.flipped(self.pins))
        wiring.connect(m, wiring.flipped(self.write), controller.write)
        wiring.connect(m, reader.request, controller.request)
        wiring.connect(m, controller.answer, reader.answer)
        return m
