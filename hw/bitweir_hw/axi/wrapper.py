"""The accelerator with AXI4-Stream ports."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.external import inner_accelerator
from ..accelerator.parameters import image_bytes, load_width
from ..accelerator.weight_image import BEAT_BYTES, BURST_BEATS, weight_layout
from ..accelerator.with_reader import AcceleratorWithReader, memory_ports
from ..blocks import EndSpec
from ..blocks.pipeline import Pipeline
from ..offchip import AxiWeightReader, ReaderSpec
from .checksum import Checksum
from .load import PacketBeats
from .ports import AxiPorts
from .receive import COUNT_BITS, FrameReceiver
from .send import ResultSender

__all__ = ["AxiAccelerator"]


class AxiAccelerator(wiring.Component):
    """An accelerator that takes each frame as a packet and gives each result as one.

    The names of ports are those of AXI4-Stream. Packets: see `PacketLayout`; which ones are dropped: see
    `receive.PacketBuffer`. No combinational path leads from one port to another.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a frame    | max(``frame_words``, those of the accelerator, ``result_words``)  |
    | latency           | ``frame_words``, 3 cycles, width converters, the accelerator's    |
    |                   | latency, 2 to 4 cycles, ``result_words``                          |
    | resources         | a `FrameReceiver`, the accelerator, a `ResultSender`              |

    Parameters
    ----------
    pipeline : Pipeline
        As `lower.lower` makes it.
    ports : AxiPorts or int
        A number stands for ports of so many bytes. What `AxiPorts.lite` asks for is around this component, see
        `lite.AxiLiteAccelerator`, which takes the ports for its control.
    module : str, optional
        Name of the Verilog module elsewhere that is the accelerator; by default it is a part of this one.

    Members
    -------
    s_axis_tdata, s_axis_tkeep, s_axis_tlast, s_axis_tvalid : In
    s_axis_tready : Out
        Frames. A source without tkeep ties it to ones.
    m_axis_tdata, m_axis_tkeep, m_axis_tlast, m_axis_tvalid : Out
    m_axis_tready : In
        Results.
    short_packets, long_packets : Out(8)
    clear_counts : In(1)
        Packets that were dropped; see `receive.PacketBuffer`.
    accepted, dropped : Out(1)
        With `AxiPorts.lite`: a packet of a frame turns out to be right, or wrong, in this cycle.
    frames_crc, results_crc : Out(32)
        With `AxiPorts.checksums`: the CRC-32 of all bytes of the frames that the accelerator has got, and of the
        results that have left, since `clear_counts`; see `checksum.Checksum`.
    s_axis_load_tdata, s_axis_load_tkeep, s_axis_load_tlast, s_axis_load_tvalid : In
    s_axis_load_tready : Out
    loaded, load_failed : Out(1)
        Where parameters are in RAM: images of them, each a packet; see `load.PacketBeats` and `Accelerator`.
    load_checksum : Out(32)
        The same, with `AxiPorts.lite`: see `loading.Loader`.
    m_axi_arNAME, m_axi_rNAME
    weights_enable : In(1)
    weights_base : In(32)
    weights_error : Out(1)
        Where weights are streamed: the master that reads them, and `enable`, `base` and `error` of the
        `offchip.AxiWeightReader`. The image is that of `weight_layout` for ports of all widths: bursts of 512 bytes.

    Raises
    ------
    PlanError
        The ports are for something that the accelerator does not have, or there is no such width.
    """

    short_packets: Signal
    long_packets: Signal
    clear_counts: Signal
    accepted: Signal
    dropped: Signal
    loaded: Signal
    load_failed: Signal
    load_checksum: Signal

    def __init__(self, pipeline: Pipeline, ports: AxiPorts | int, *, module: str | None = None) -> None:
        self.ports = ports if isinstance(ports, AxiPorts) else AxiPorts(frame_bytes=ports)
        self.ports.check(pipeline)
        self.pipeline, self.module = pipeline, module
        self.layout = self.ports.layout(pipeline)
        self.loads = image_bytes(pipeline) > 0
        members = _sink("s_axis", self.layout.tdata_bytes)
        members |= {name: member.flip() for name, member in _sink("m_axis", self.layout.sent_bytes).items()}
        members |= {"short_packets": Out(COUNT_BITS), "long_packets": Out(COUNT_BITS), "clear_counts": In(1)}
        if self.ports.lite:
            members |= {"accepted": Out(1), "dropped": Out(1)}
        if self.ports.checksums:
            members |= {"frames_crc": Out(32), "results_crc": Out(32)}
        if self.loads:
            members |= _sink("s_axis_load", self.ports.image_tdata_bytes)
            members |= {"loaded": Out(1), "load_failed": Out(1)}
            members |= {"load_checksum": Out(32)} if self.ports.lite else {}
        self.reader = _reader(pipeline, self.ports.weight_bytes) if pipeline.weight_streams else None
        if self.reader:
            members |= memory_ports(self.reader)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        last = self.pipeline.nodes[-1].block
        assert isinstance(last, EndSpec)
        m.submodules.receiver = receiver = FrameReceiver(self.layout, checksum=self.ports.checksums)
        accelerator: Any = (
            AcceleratorWithReader(self.pipeline, self.reader, module=self.module)
            if self.reader
            else inner_accelerator(self.pipeline, self.module)
        )
        m.submodules.accelerator = accelerator
        m.submodules.sender = sender = ResultSender(self.layout, last)
        wiring.connect(m, receiver.o, accelerator.i)
        m.d.comb += [
            sender.i.valid.eq(accelerator.o.valid),
            Value.cast(sender.i.payload).eq(accelerator.o.payload),
            accelerator.o.ready.eq(sender.i.ready),
            self.short_packets.eq(receiver.short_packets),
            self.long_packets.eq(receiver.long_packets),
            receiver.clear.eq(self.clear_counts),
        ]
        if self.ports.lite:
            m.d.comb += [self.accepted.eq(receiver.accepted), self.dropped.eq(receiver.dropped)]
        self._connect(m, "s_axis", receiver.i)
        self._connect(m, "m_axis", sender.o)
        if self.ports.checksums:
            m.submodules.checksum = checksum = Checksum(
                packet_bytes=self.layout.result_bytes, word_bytes=self.layout.sent_bytes
            )
            m.d.comb += [
                checksum.word.eq(sender.o.payload.data),
                checksum.moves.eq(sender.o.valid & sender.o.ready),
                checksum.clear.eq(self.clear_counts),
                self.frames_crc.eq(receiver.crc),
                self.results_crc.eq(checksum.crc),
            ]
        if self.loads:
            m.submodules.image = image = PacketBeats(self.ports.image_tdata_bytes, load_width=load_width(self.pipeline))
            self._connect(m, "s_axis_load", image.i)
            wiring.connect(m, image.o, accelerator.load)
            m.d.comb += [self.loaded.eq(accelerator.loaded), self.load_failed.eq(accelerator.load_failed)]
            if self.ports.lite:
                m.d.comb += self.load_checksum.eq(accelerator.load_checksum)
        for name, member in memory_ports(self.reader).items() if self.reader else ():
            inner, outer = getattr(accelerator, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m

    def _connect(self, m: Module, prefix: str, inner: stream.Interface) -> None:
        """Connect the ports of a stream."""
        pairs = {"tvalid": inner.valid, "tready": inner.ready}
        pairs |= {"tdata": inner.payload.data, "tkeep": inner.payload.keep, "tlast": inner.payload.last}
        for name, value in pairs.items():
            port = getattr(self, f"{prefix}_{name}")
            m.d.comb += value.eq(port) if self.signature.members[f"{prefix}_{name}"].flow is In else port.eq(value)


def _reader(pipeline: Pipeline, memory_bytes: int) -> AxiWeightReader:
    """What reads the weights of a pipeline; its buffers hold 2 KiB a layer, as deep as block RAMs are."""
    beats = BEAT_BYTES * BURST_BEATS // memory_bytes
    layout = weight_layout(pipeline, beat_bytes=memory_bytes, burst_beats=beats)
    return AxiWeightReader(ReaderSpec(layout=layout, buffer_bursts=4, stage_levels=1))


def _sink(prefix: str, tdata_bytes: int) -> dict[str, wiring.Member]:
    """The ports of a stream that comes in."""
    widths = {"tdata": 8 * tdata_bytes, "tkeep": tdata_bytes, "tlast": 1, "tvalid": 1}
    return {**{f"{prefix}_{name}": In(width) for name, width in widths.items()}, f"{prefix}_tready": Out(1)}
