"""An accelerator that loads its parameters by itself."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In

from ..blocks.pipeline import Pipeline
from ..gateware.fifo import wrap_increment
from .accelerator import Accelerator, accelerator_ports
from .external import inner_accelerator
from .parameters import load_cycles, load_width, parameter_image
from .verilog import component_rtlil

__all__ = ["BOOT_STATES", "BootedAccelerator", "boot_cycles", "booted_rtlil"]


#: Stands behind the image; block RAM that does not answer yet does not read so.
MARK = 0xA5
#: The states of `BootedAccelerator`, from 0 on: Amaranth numbers them as they are first named.
BOOT_STATES = ("BEGIN", "ASLEEP", "FETCH", "SENDING", "SENT")


class BootedAccelerator(wiring.Component):
    """An accelerator with parameters in RAM, and a ROM with an image of them.

    The image is loaded after each reset. For stand-alone use, and for testbenches that know nothing of loading.

    Block RAM of an iCE40 reads as zeros for some microseconds after configuration (see `clocking.RESET_SECONDS`). So
    the load begins when a beat behind the image reads as it should, and an image that arrived damaged is loaded again.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | first frame       | ``boot_cycles`` cycles after reset, if the memory answers         |
    | resources         | the accelerator, a ROM of the image's beats and one, a counter    |

    Parameters
    ----------
    pipeline : Pipeline
    image : bytes
        As `parameters.parameter_image` makes it.
    module : str, optional
        Name of the Verilog module elsewhere that is the accelerator; by default it is a part of this one.
    taps : bool
        See `Accelerator`; with an accelerator of its own only.

    Members
    -------
    i, o, tap_NAME
        Those of the accelerator.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, pipeline: Pipeline, image: bytes, *, module: str | None = None, taps: bool = False) -> None:
        self.pipeline, self.image, self.module, self.taps = pipeline, image, module, taps
        ports = accelerator_ports(pipeline, taps=taps)
        super().__init__(
            {name: member for name, member in ports.items() if name in ("i", "o") or name.startswith("tap_")}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        accelerator = (
            Accelerator(self.pipeline, taps=True) if self.taps else inner_accelerator(self.pipeline, self.module)
        )
        m.submodules.accelerator = accelerator
        for name, member in self.signature.members.items():
            inner, outer = getattr(accelerator, name), wiring.flipped(getattr(self, name))
            wiring.connect(m, *((outer, inner) if member.flow is In else (inner, outer)))

        width = load_width(self.pipeline)
        beats = [int.from_bytes(self.image[at : at + width], "little") for at in range(0, len(self.image), width)]
        length = len(beats)
        m.submodules.image = image = memory.Memory(
            shape=8 * width, depth=length + 1, init=[*beats, MARK], attrs={"rom_style": "block"}
        )
        read = image.read_port()
        at, moves = Signal(range(length + 1)), Signal()
        load = accelerator.load
        m.d.comb += [
            moves.eq(load.valid & load.ready),
            read.en.eq(1),
            load.payload.data.eq(read.data),
            load.payload.first.eq(at == 0),
        ]
        with m.FSM():
            with m.State("BEGIN"):
                # What stands on the memory's output in the first cycle depends on how long reset lasted.
                m.d.comb += read.addr.eq(length)
                m.next = "ASLEEP"
            with m.State("ASLEEP"):
                m.d.comb += read.addr.eq(length)
                with m.If(read.data == MARK):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += read.addr.eq(0)
                m.next = "SENDING"
            with m.State("SENDING"):
                # The memory answers in the next cycle: it is asked for what stands there then.
                m.d.comb += [load.valid.eq(1), read.addr.eq(Mux(moves, at + 1, at))]
                with m.If(moves):
                    m.d.sync += at.eq(wrap_increment(at, length))
                    with m.If(at == length - 1):
                        m.next = "SENT"
            with m.State("SENT"), m.If(accelerator.load_failed):
                m.next = "FETCH"
        return m


def boot_cycles(pipeline: Pipeline) -> int:
    """Cycles after reset until a `BootedAccelerator` takes its first beat."""
    return 3 + load_cycles(pipeline)


def booted_rtlil(pipeline: Pipeline, *, name: str, taps: bool = False) -> str:
    """An accelerator that loads its own parameters, ``NAME_boot``, in Yosys' intermediate language.

    Parameters
    ----------
    pipeline : Pipeline
    name : str
        Of the accelerator's module. Without taps it is taken from elsewhere, as `verilog.accelerator_rtlil` makes it.
    taps : bool
        See `Accelerator`.
    """
    booted = BootedAccelerator(pipeline, parameter_image(pipeline), module=None if taps else name, taps=taps)
    return component_rtlil(booted, name=f"{name}_boot")
