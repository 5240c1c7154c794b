"""An accelerator with a UART or SPI: what a board holds."""

from __future__ import annotations

import re

from amaranth.hdl import DomainRenamer, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..accelerator.accelerator import Accelerator
from ..accelerator.board_memory import BoardMemory
from ..accelerator.parameters import load_width
from ..blocks.pipeline import Pipeline, refuse_weight_streams
from ..gateware.loading import LOAD, BeatCollector
from ..offchip import SdramWeightReader
from ..offchip.sdram import sdram_pins
from ..tools.rtlil import convert
from .crossing import Crossing
from .endpoint import Endpoint, check_capacity
from .protocol import Identity
from .spi import SpiPeripheral, check_rate
from .uart import UartReceiver, UartTransmitter, phase_step

__all__ = ["Device", "check_device", "device_rtlil"]


#: Registers through which the link sees the state of a load. What changes at one edge of the accelerator's clock is
#: seen within a cycle through as many registers, so one more puts it behind: parameters are known to be loaded when
#: they are known to be settled, and that they are not settled is known before the byte moves that unsettles them.
_LOADED, _SETTLED, _TAKEN = 2, 3, 4


#: Bytes that come, bytes that go, what tells that some were lost, and assignments of the pins.
_Wires = tuple[stream.Interface, stream.Interface, Signal, list[object]]
#: Members that lead to the host.
_UART = {"rx": In(1, init=1), "tx": Out(1, init=1)}
_SPI = {"sck": In(1), "copi": In(1), "cs": In(1, init=1), "cipo": Out(1)}


def check_device(identity: Identity, *, link_clock: int, baud: int = 0, spi_rate: int = 0) -> None:
    """Refuse what no device can be made of, before anything is built.

    Parameters
    ----------
    identity : Identity
    link_clock, baud, spi_rate : int
        See `Device`.

    Raises
    ------
    LinkError
        The capacity is no power of two or has no room for a frame, or the rate of the link is too high for its clock.
    ValueError
        There are two rates.
    """
    check_capacity(identity)
    if baud and spi_rate:
        raise ValueError("a device has a UART or SPI, not both")
    if spi_rate:
        check_rate(link_clock, spi_rate)
    else:
        phase_step(link_clock, baud)


class Device(wiring.Component):
    """An accelerator that a host reaches over a UART or SPI: see `docs/link.md`.

    The accelerator runs in the domain ``sync``, at `identity.clock` Hz, and the link in the domain ``link``, at
    `link_clock` Hz; beats go through a `Crossing` between them. The clocks need not know of each other. Both domains
    are reset together, as a `Crossing` needs it: for 6 cycles of either clock at least.

    Where weights are streamed, a reader of an SDRAM chip has the clock of the accelerator and gives it its words. The
    host loads their image over the link. There are no answers about frames before the image of this very accelerator is
    in the chip and was read back right.

    Resources: those of the `Accelerator`, the `Endpoint`, two or three of `Crossing`, about 70 LUTs for the UART or
    SPI, and an `SdramWeightReader` where weights are streamed.

    Parameters
    ----------
    pipeline : Pipeline
        As `lower.lower` makes it.
    identity : Identity
        As `Identity.of` makes it of the same pipeline; `clock` and `capacity` (bytes, a power of two) count.
    link_clock : int
        Hz.
    baud : int
        Bits a second of a UART, at most a quarter of the link's clock.
    spi_rate : int
        Or of SPI, the highest rate of SCK in Hz, at most `spi.highest_rate` of the link's clock.
    memory : BoardMemory, optional
        The memory of streamed weights, at `identity.clock`.

    Members
    -------
    rx : In(1)
        From the host; need not be synchronous to a clock. 1 while nothing comes.
    tx : Out(1)
        To the host, from a register of the link.
    sck, copi, cs : In(1)
    cipo : Out(1)
        With SPI in place of these two: see `SpiPeripheral`.
    busy : Out(1)
        There are requests that are not answered: for a light. Of the link.
    dropped : Out(1)
        For one cycle of the link: a byte had no stop bit or was cut off, or a packet was dropped.
    pins : Out(sdram_pins(part))
        With `memory`: those of the chip, of the accelerator's clock; see `SdramController`.

    Raises
    ------
    LinkError
        See `check_device`.
    PlanError
        Weights are streamed and there is no memory.
    """

    rx: Signal
    tx: Signal
    busy: Signal
    dropped: Signal

    def __init__(
        self,
        pipeline: Pipeline,
        identity: Identity,
        *,
        link_clock: int,
        baud: int = 0,
        spi_rate: int = 0,
        memory: BoardMemory | None = None,
    ) -> None:
        if memory is None:
            refuse_weight_streams(pipeline, "board's design")
        check_device(identity, link_clock=link_clock, baud=baud, spi_rate=spi_rate)
        self.pipeline, self.identity, self.link_clock = pipeline, identity, link_clock
        self.baud, self.spi_rate = baud, spi_rate
        self.memory = memory
        chip = {"pins": Out(sdram_pins(memory.sdram.part))} if memory else {}
        wires = _SPI if spi_rate else _UART
        super().__init__({**wires, "busy": Out(1), "dropped": Out(1), **chip})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        accelerator = Accelerator(self.pipeline)
        link = Endpoint(self.pipeline, self.identity)
        m.submodules.accelerator = accelerator
        m.submodules.link = DomainRenamer("link")(link)
        came, goes, error, pins = self._spi(m) if self.spi_rate else self._uart(m)
        m.submodules.frames = frames = Crossing(self.identity.beat_bits, i_domain="link", o_domain="sync")
        m.submodules.results = results = Crossing(link.spec.o_bits, i_domain="sync", o_domain="link")
        wiring.connect(m, came, link.i)
        wiring.connect(m, link.frames, frames.i)
        wiring.connect(m, frames.o, accelerator.i)
        wiring.connect(m, accelerator.o, results.i)
        wiring.connect(m, results.o, link.results)
        wiring.connect(m, link.o, goes)
        m.d.comb += [
            *pins,
            self.busy.eq(link.busy),
            self.dropped.eq(link.dropped | error),
        ]
        if self.memory:
            self._load(m, self._reader(m, accelerator, self.memory), link)
        elif self.identity.loads:
            self._load(m, accelerator, link)
        return m

    def _uart(self, m: Module) -> _Wires:
        receiver = UartReceiver(clock=self.link_clock, baud=self.baud)
        transmitter = UartTransmitter(clock=self.link_clock, baud=self.baud)
        m.submodules.receiver = DomainRenamer("link")(receiver)
        m.submodules.transmitter = DomainRenamer("link")(transmitter)
        return receiver.o, transmitter.i, receiver.error, [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]

    def _spi(self, m: Module) -> _Wires:
        spi = SpiPeripheral()
        m.submodules.spi = DomainRenamer("link")(spi)
        pins = [spi.sck.eq(self.sck), spi.copi.eq(self.copi), spi.cs.eq(self.cs), self.cipo.eq(spi.cipo)]
        return spi.o, spi.i, spi.error, pins

    def _reader(self, m: Module, accelerator: Accelerator, memory: BoardMemory) -> SdramWeightReader:
        """What gives the accelerator its words."""
        m.submodules.reader = reader = memory.reader()
        wiring.connect(m, reader.pins, wiring.flipped(self.pins))
        for streamed in self.pipeline.weight_streams:
            wiring.connect(m, getattr(reader.weights, streamed.block), getattr(accelerator, streamed.port))
        return reader

    def _load(self, m: Module, taker: Accelerator | SdramWeightReader, link: Endpoint) -> None:
        """Lead an image to what takes it, and what becomes of it to the link."""
        m.submodules.load = load = Crossing(LOAD, i_domain="link", o_domain="sync", stages=_TAKEN)
        wiring.connect(m, link.load, load.i)
        settled = Signal()
        taken, loaded = taker.load_settled, taker.loaded
        if (width := load_width(self.pipeline)) > 1:
            m.submodules.beats = beats = BeatCollector(load_width=width)
            wiring.connect(m, load.o, beats.i)
            wiring.connect(m, beats.o, taker.load)
            # The accelerator hears of a load with the first beat, the link with the first byte.
            taken, loaded = taken & ~beats.o.valid, Signal(name="parameters_loaded")
            m.d.sync += loaded.eq(taker.loaded & ~beats.begun)
        else:
            wiring.connect(m, load.o, taker.load)
        # From a register, which a byte clears at the edge that takes it.
        m.d.sync += settled.eq(taken & ~(load.o.valid & load.o.ready))
        m.submodules.loaded = FFSynchronizer(loaded, link.loaded, o_domain="link", stages=_LOADED)
        m.submodules.settled = FFSynchronizer(settled, link.settled, o_domain="link", stages=_SETTLED)
        # It changes with bytes alone, and the link reads it only while there are none: see `Reader`.
        m.d.comb += link.checksum.eq(taker.load_checksum)


def device_rtlil(device: Device, *, name: str) -> str:
    """A device in Yosys' intermediate language; `verilog.rtlil_to_verilog` makes Verilog of it.

    The top module is called ``NAME_device`` and its parts ``NAME_device__PART``. The accelerator and its
    parts have the names that `verilog.accelerator_rtlil` gives them, so reports find them by these.

    Parameters
    ----------
    device : Device
    name : str
        Of the accelerator.
    """
    top = f"{name}_device"

    def readable(match: re.Match[str]) -> str:
        module = match[2].replace(f"{top}.accelerator", name, 1)
        return f"{match[1]} \\{module.replace('.', '__')}"

    text = convert(device, name=top)
    return re.sub(rf"^(module|  cell) \\({top}\.\S+)", readable, text, flags=re.MULTILINE)
