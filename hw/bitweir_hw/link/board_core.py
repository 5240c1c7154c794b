"""An accelerator with a serial port: what a board holds."""

from __future__ import annotations

import re

from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.accelerator import Accelerator
from ..blocks.pipeline import Pipeline
from .endpoint import Endpoint, check_capacity
from .protocol import Identity
from .uart import UartReceiver, UartTransmitter, phase_step

__all__ = ["Device", "check_device", "device_rtlil"]


def check_device(identity: Identity, baud: int) -> None:
    """Refuse what no device can be made of, before anything is built.

    Raises
    ------
    LinkError
        The capacity is no power of two or has no room for a frame, or the baud rate is more than a quarter of the
        clock.
    """
    check_capacity(identity)
    phase_step(identity.clock, baud)


class Device(wiring.Component):
    """An accelerator that a host reaches over two wires: see `docs/link.md`.

    All of it runs on the clock of the domain ``sync``, of `identity.clock` Hz. Resources: those of the
    `Accelerator`, the `Endpoint`, and about 70 LUTs for the UART.

    Parameters
    ----------
    pipeline : Pipeline
        As `lower.lower` makes it.
    identity : Identity
        As `Identity.of` makes it of the same pipeline; `clock` and `capacity` (bytes, a power of two) count.
    baud : int
        Bits a second, at most a quarter of the clock.

    Members
    -------
    rx : In(1)
        From the host; need not be synchronous to the clock. 1 while nothing comes.
    tx : Out(1)
        To the host, from a register.
    busy : Out(1)
        There are requests that are not answered: for a light.
    dropped : Out(1)
        For one cycle: a byte had no stop bit, or a packet was dropped.

    Raises
    ------
    LinkError
        See `check_device`.
    """

    rx: Signal
    tx: Signal
    busy: Signal
    dropped: Signal

    def __init__(self, pipeline: Pipeline, identity: Identity, *, baud: int) -> None:
        check_device(identity, baud)
        self.pipeline, self.identity, self.baud = pipeline, identity, baud
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1), "dropped": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = accelerator = Accelerator(self.pipeline)
        m.submodules.link = link = Endpoint(self.pipeline, self.identity)
        m.submodules.receiver = receiver = UartReceiver(clock=self.identity.clock, baud=self.baud)
        m.submodules.transmitter = transmitter = UartTransmitter(clock=self.identity.clock, baud=self.baud)
        wiring.connect(m, receiver.o, link.i)
        wiring.connect(m, link.frames, accelerator.i)
        wiring.connect(m, accelerator.o, link.results)
        wiring.connect(m, link.o, transmitter.i)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.busy.eq(link.busy),
            self.dropped.eq(link.dropped | receiver.error),
        ]
        if self.identity.loads:
            wiring.connect(m, link.load, accelerator.load)
            m.d.comb += [
                link.loaded.eq(accelerator.loaded),
                link.settled.eq(accelerator.load_settled),
                link.checksum.eq(accelerator.load_checksum),
            ]
        return m


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

    text = rtlil.convert(device, name=top, emit_src=False)
    return re.sub(rf"^(module|  cell) \\({top}\.\S+)", readable, text, flags=re.MULTILINE)
