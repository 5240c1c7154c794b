"""An accelerator and what reads its weights from a memory, in one."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring

from ..blocks.pipeline import Pipeline
from ..errors import PlanError
from .accelerator import accelerator_ports
from .external import inner_accelerator
from .weight_image import weight_layout

__all__ = ["AcceleratorWithReader", "memory_ports"]

#: Of a reader, and what they are called beside the ports of an accelerator.
_NAMES = {"enable": "weights_enable", "base": "weights_base", "error": "weights_error"}


def memory_ports(reader: Any) -> dict[str, wiring.Member]:
    """The members that a reader adds to an accelerator: those of its memory, and three for its host."""
    members = reader.signature.members.items()
    return {_NAMES.get(name, name): member for name, member in members if name != "weights"}


class AcceleratorWithReader(wiring.Component):
    """An `Accelerator` whose weight streams come from a reader of `offchip`.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | latency, cycles   | those of the accelerator, as far as the memory keeps up           |
    | resources         | an `Accelerator`, the reader                                      |

    Parameters
    ----------
    pipeline : Pipeline
        As `lower.lower` makes it.
    reader : AxiWeightReader, WishboneWeightReader or SdramWeightReader
        For the streams of ``weight_layout(pipeline)``, with beats and bursts of any size.
    module : str, optional
        Name of the Verilog module elsewhere that is the accelerator; by default it is a part of this one.

    Members
    -------
    i, o : stream
        See `Accelerator`.
    weights_enable : In(1)
    weights_base : In(address_bits)
    weights_error : Out(1)
        `enable`, `base` and `error` of the reader: see `offchip.WeightReader`.
    m_axi_NAME, wb_NAME, pins, write
        Those of the reader.

    Raises
    ------
    PlanError
        The reader is for other streams, or no weights are streamed.
    """

    def __init__(self, pipeline: Pipeline, reader: Any, *, module: str | None = None) -> None:
        layout = reader.spec.layout
        expected = weight_layout(pipeline, beat_bytes=layout.beat_bytes, burst_beats=layout.burst_beats)
        if layout != expected:
            raise PlanError(
                "The reader must be for the weights of this accelerator: give it the layout of weight_layout."
            )
        self.pipeline, self.reader, self.module = pipeline, reader, module
        ports = accelerator_ports(pipeline)
        self._passed = [name for name in ports if name not in {streamed.port for streamed in pipeline.weight_streams}]
        super().__init__({**{name: ports[name] for name in self._passed}, **memory_ports(reader)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = self.reader
        m.submodules.accelerator = accelerator = inner_accelerator(self.pipeline, self.module)
        for streamed in self.pipeline.weight_streams:
            wiring.connect(m, getattr(reader.weights, streamed.block), getattr(accelerator, streamed.port))
        for name in self._passed:
            _pass(m, self, name, getattr(accelerator, name))
        for name in reader.signature.members:
            if name != "weights":
                _pass(m, self, _NAMES.get(name, name), getattr(reader, name))
        return m


def _pass(m: Module, outer: Any, name: str, inner: Any) -> None:
    """Lead a member of a component to one of the same kind inside it."""
    if outer.signature.members[name].is_signature:
        wiring.connect(m, wiring.flipped(getattr(outer, name)), inner)
    elif outer.signature.members[name].flow is wiring.In:
        m.d.comb += inner.eq(getattr(outer, name))
    else:
        m.d.comb += getattr(outer, name).eq(inner)
